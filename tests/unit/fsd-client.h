/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsd-client.h - the guest's side of the fs server for its unit tests: requests by hand, replies
 * checked as far as all have in common.
 */
#ifndef NESTBOX_TEST_FSD_CLIENT_H
#define NESTBOX_TEST_FSD_CLIENT_H

#include <errno.h>
#include <linux/fuse.h>

#include "unit.h"

#include "inode.h"
#include "share-folder.h"

#define OP_TMPFILE 51u
#define ROOT FUSE_ROOT_ID

struct fixture {
	struct share_dir s;
	uint8_t reply[128 << 10];
	size_t reply_max; /* room for the next reply */
	size_t len; /* of the last one */
	int fd; /* that came with it; owned */
	int fd_in;
	struct fuse_out_header out;
};

static inline struct fixture *make(unsigned max_fds)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	share_init(&f->s, max_fds);
	f->reply_max = sizeof(f->reply);
	f->fd = f->fd_in = -EBADF;
	return f;
}

static inline int setup(void **state)
{
	*state = make(1000);
	return 0;
}

/* Few inodes may be open at once. */
static inline int setup_few(void **state)
{
	*state = make(16);
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->fd);
	share_done(&f->s);
	free(f);
	return 0;
}

/* One request: a fixed part, then bytes that follow it. Returns the reply's error. */
static inline int ask_bytes(struct fixture *f, uint32_t op, uint64_t node, const void *fixed,
	size_t fixed_len, const void *more, size_t more_len)
{
	static uint8_t m[160 << 10];
	struct fuse_in_header h = { .len = (uint32_t)(sizeof(h) + fixed_len + more_len),
		.opcode = op,
		.nodeid = node,
		.unique = 99,
		.uid = getuid(),
		.gid = getgid() };

	assert_true(h.len <= sizeof(m));
	memcpy(m, &h, sizeof(h));
	if (fixed_len)
		memcpy(m + sizeof(h), fixed, fixed_len);
	if (more_len)
		memcpy(m + sizeof(h) + fixed_len, more, more_len);
	close_fd(&f->fd);
	memset(&f->out, 0, sizeof(f->out));
	f->len = fsd_handle(m, h.len, f->fd_in, f->reply, f->reply_max, &f->fd);
	if (!f->len)
		return 0;
	assert_true(f->len >= sizeof(f->out) && f->len <= f->reply_max);
	memcpy(&f->out, f->reply, sizeof(f->out));
	assert_int_equal(f->out.len, f->len);
	assert_int_equal(f->out.unique, 99);
	return f->out.error;
}

/* The same with a name behind the fixed part. */
static inline int ask(struct fixture *f, uint32_t op, uint64_t node, const void *fixed,
	size_t fixed_len, const char *name)
{
	return ask_bytes(f, op, node, fixed, fixed_len, name, strlen(name) + 1);
}

static inline struct fuse_entry_out entry(const struct fixture *f)
{
	struct fuse_entry_out e;

	assert_true(f->len >= sizeof(f->out) + sizeof(e));
	memcpy(&e, f->reply + sizeof(f->out), sizeof(e));
	return e;
}

static inline int lookup(struct fixture *f, uint64_t parent, const char *name, uint64_t *ret)
{
	int r = ask(f, FUSE_LOOKUP, parent, NULL, 0, name);

	if (r == 0)
		*ret = entry(f).nodeid;
	return r;
}

static inline uint64_t found(struct fixture *f, uint64_t parent, const char *name)
{
	uint64_t node = 0;

	assert_int_equal(lookup(f, parent, name, &node), 0);
	return node;
}

static inline uint64_t make_folder(struct fixture *f, uint64_t parent, const char *name)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };

	assert_int_equal(ask(f, FUSE_MKDIR, parent, &in, sizeof(in), name), 0);
	return entry(f).nodeid;
}

static inline uint64_t make_file(struct fixture *f, uint64_t parent, const char *name)
{
	const struct fuse_create_in in = { .flags = O_RDWR, .mode = S_IFREG | 0644 };

	assert_int_equal(ask(f, FUSE_CREATE, parent, &in, sizeof(in), name), 0);
	assert_true(f->fd >= 0);
	return entry(f).nodeid;
}

static inline void forget(struct fixture *f, uint64_t node, uint64_t n)
{
	const struct fuse_forget_in in = { n };

	(void)ask_bytes(f, FUSE_FORGET, node, &in, sizeof(in), NULL, 0);
	assert_int_equal(f->len, 0);
}

static inline int getattr(struct fixture *f, uint64_t node)
{
	const struct fuse_getattr_in in = { 0 };

	return ask_bytes(f, FUSE_GETATTR, node, &in, sizeof(in), NULL, 0);
}

static inline void host_file(struct fixture *f, int dir, const char *name, const char *content)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	(void)f;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	(void)close(fd);
}

/* So many other files that those before are closed, where few may be open. */
static inline void crowd_out(struct fixture *f)
{
	for (int i = 0; i < 40; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "f%d", i);
		(void)make_file(f, ROOT, name);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FEW(f) cmocka_unit_test_setup_teardown(f, setup_few, teardown)

#endif
