/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fs-device.c - the virtio-fs device: requests on open files, which it does itself, and the
 * link to the fs server, which the test plays.
 *
 * The device waits for the server's reply, and there is one thread: so replies are put into the
 * socket before the request is made.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unit.h"

#include "devices.h"
#include "fs-link.h"
#include "guest.h"
#include "io.h"
#include "vmm-plan.h"

#define IN_AT 0x40000ull /* requests */
#define OUT_AT 0x80000ull /* replies */
#define NODE 42u

struct fixture {
	struct guest g;
	struct ring r[2];
	int server; /* our end of the link */
	uint64_t unique;
	uint32_t written; /* bytes of the last reply, header and all */
	struct fuse_out_header out; /* its header */
};

static int lost;

static void on_lost(void)
{
	lost++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int sv[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (!f || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -1;
	lost = 0;
	guest_init(&f->g);
	f->server = sv[0];
	ring_init(&f->r[0], &f->g, 0x10000, 16);
	ring_init(&f->r[1], &f->g, 0x14000, 16);
	if (dev_fs_init(&f->g.dev, &f->g.loop, sv[1], on_lost) < 0)
		abort();
	*state = f;
	if (virtio_mmio_init(&f->g.dev, f->g.registers) < 0)
		return -1;
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 2);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	/* A reset closes the files; the end of the link makes the device close its own end. */
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	close_fd(&f->server);
	guest_run(&f->g);
	guest_done(&f->g);
	free(f);
	return 0;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* One request: header, body, data, and `room` bytes for the reply at OUT_AT. */
static int ask_raw(struct fixture *f, const struct fuse_in_header *h, const void *body, size_t len,
	const struct seg *data, uint32_t room)
{
	struct seg segs[4] = { { IN_AT, sizeof(*h), false },
		{ IN_AT + 0x100, (uint32_t)len, false } };
	unsigned n = 2;

	guest_put(&f->g, IN_AT, h, sizeof(*h));
	guest_put(&f->g, IN_AT + 0x100, body, len);
	if (data)
		segs[n++] = *data;
	if (room)
		segs[n++] = (struct seg){ OUT_AT, room, true };
	ring_chain(&f->r[1], segs, n);
	ring_kick(&f->r[1], 1);
	if (ring_used(&f->r[1]) != f->r[1].posted)
		return -ETIMEDOUT;
	f->written = ring_used_len(&f->r[1], (uint16_t)(f->r[1].posted - 1));
	memcpy(&f->out, f->g.ram + OUT_AT, sizeof(f->out));
	return f->out.error;
}

/* The same with an honest header; the reply's length and id are checked. */
static int ask(struct fixture *f, uint32_t op, const void *body, size_t len, uint32_t room)
{
	struct fuse_in_header h = { .len = (uint32_t)(sizeof(h) + len),
		.opcode = op,
		.nodeid = NODE,
		.unique = ++f->unique };
	int r = ask_raw(f, &h, body, len, NULL, room);

	assert_true(f->out.unique == h.unique);
	assert_int_equal(f->out.len, f->written);
	return r;
}

/* Puts a reply into the link, an fd with it or not. */
static void prepare(
	struct fixture *f, uint64_t unique, int error, const void *body, size_t len, int fd)
{
	struct {
		struct fs_link_reply link;
		struct fuse_out_header h;
		uint8_t body[512];
	} m = { .link = { .magic = FS_LINK_MAGIC, .fuse_len = (uint32_t)(sizeof(m.h) + len) },
		.h = { .len = (uint32_t)(sizeof(m.h) + len), .error = error, .unique = unique } };

	assert_true(len <= sizeof(m.body));
	memcpy(m.body, body, len);
	assert_true(
		io_send_fds(f->server, &m, sizeof(m.link) + sizeof(m.h) + len, &fd, fd >= 0) > 0);
}

/* The request that the server got: its FUSE bytes, and the fd with it or -EBADF. */
static size_t served(struct fixture *f, uint8_t *buf, size_t size, int *ret_fd)
{
	static uint8_t m[sizeof(struct fs_link_request) + FS_LINK_MAX];
	struct fs_link_request link;
	size_t n_fds = 0;
	ssize_t n = 0;

	*ret_fd = -EBADF;
	n = io_recv_fds(f->server, m, sizeof(m), ret_fd, 1, &n_fds);
	assert_true(n >= (ssize_t)sizeof(link));
	memcpy(&link, m, sizeof(link));
	assert_int_equal(link.magic, FS_LINK_MAGIC);
	assert_int_equal(link.fuse_len, (size_t)n - sizeof(link));
	assert_true(link.reply_max <= FS_LINK_MAX);
	memcpy(buf, m + sizeof(link), link.fuse_len < size ? link.fuse_len : size);
	return link.fuse_len;
}

/* Opens a file of ours through the device: the guest's handle. */
static uint64_t open_file(struct fixture *f, int fd)
{
	const struct fuse_open_in in = { .flags = O_RDWR };
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };
	uint8_t request[128];
	int none = 0;

	prepare(f, f->unique + 1, 0, &out, sizeof(out), fd);
	assert_int_equal(ask(f, FUSE_OPEN, &in, sizeof(in), 256), 0);
	assert_int_equal(f->written, sizeof(f->out) + sizeof(out));
	memcpy(&out, f->g.ram + OUT_AT + sizeof(f->out), sizeof(out));
	assert_true(out.fh != 0);
	assert_int_equal(out.open_flags, FOPEN_KEEP_CACHE);
	assert_int_equal(served(f, request, sizeof(request), &none), 40 + sizeof(in));
	assert_int_equal(none, -EBADF);
	return out.fh;
}

static int memory_file(const char *content)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, content, strlen(content), 0), strlen(content));
	return fd;
}

static void reads_go_straight_to_the_file(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("0123456789");
	struct fuse_read_in in = { .fh = open_file(f, fd), .offset = 2, .size = 5 };

	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), 0);
	assert_int_equal(f->written, 16 + 5);
	assert_memory_equal(f->g.ram + OUT_AT + 16, "23456", 5);
	in.offset = 8; /* over the end */
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), 0);
	assert_int_equal(f->written, 16 + 2);
	in.offset = 100;
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), 0);
	assert_int_equal(f->written, 16);
	/* The room decides, not the size that is asked for. */
	in.offset = 0;
	in.size = UINT32_MAX;
	memset(f->g.ram + OUT_AT, 'z', 64);
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 16 + 3), 0);
	assert_int_equal(f->written, 19);
	assert_memory_equal(f->g.ram + OUT_AT + 16, "012zz", 5);
	in.offset = UINT64_MAX;
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), -EINVAL);
	in.offset = INT64_MAX;
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), -EINVAL);
	assert_int_equal(lost, 0);
}

static void writes_go_straight_to_the_file(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("0123456789");
	struct fuse_write_in in = { .fh = open_file(f, fd), .offset = 4, .size = 3 };
	struct fuse_in_header h = { .opcode = FUSE_WRITE, .nodeid = NODE };
	const struct seg data = { 0xc0000, 3, false };
	struct fuse_write_out out;
	char buf[16] = { 0 };

	guest_put(&f->g, 0xc0000, "abcdef", 6);
	assert_int_equal(ask_raw(f, &h, &in, sizeof(in), &data, 256), 0);
	assert_int_equal(f->written, 16 + sizeof(out));
	memcpy(&out, f->g.ram + OUT_AT + 16, sizeof(out));
	assert_int_equal(out.size, 3);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 10);
	assert_string_equal(buf, "0123abc789");
	/* More is claimed than the chain has: what is there is written. */
	in.offset = 10;
	in.size = UINT32_MAX;
	assert_int_equal(ask_raw(f, &h, &in, sizeof(in), &data, 256), 0);
	memcpy(&out, f->g.ram + OUT_AT + 16, sizeof(out));
	assert_int_equal(out.size, 3);
	assert_int_equal(lseek(fd, 0, SEEK_END), 13);
	in.offset = UINT64_MAX;
	assert_int_equal(ask_raw(f, &h, &in, sizeof(in), &data, 256), -EINVAL);
}

static void handles_are_not_guessed(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("secret");
	cleanup(close) int other = memory_file("other");
	struct fuse_read_in in = { .fh = open_file(f, fd), .size = 6 };
	struct fuse_release_in end = { .fh = in.fh };
	const uint64_t old = in.fh;
	const uint64_t wrong[] = { 0, old ^ 1ull << 32, old + 1, UINT64_MAX, (uint32_t)old };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		in.fh = end.fh = wrong[i];
		assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), -EBADF);
		assert_int_equal(ask(f, FUSE_RELEASE, &end, sizeof(end), 256), -EBADF);
	}
	in.fh = end.fh = old;
	assert_int_equal(ask(f, FUSE_RELEASE, &end, sizeof(end), 256), 0);
	assert_int_equal(ask(f, FUSE_RELEASE, &end, sizeof(end), 256), -EBADF);
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), -EBADF);
	/* The slot is used again, the handle is not. */
	assert_int_equal((uint32_t)open_file(f, other), (uint32_t)old);
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), -EBADF);
}

static void holes_are_found(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("data");
	struct fuse_lseek_in in = { .fh = open_file(f, fd), .whence = SEEK_HOLE };
	struct fuse_lseek_out out;

	assert_int_equal(ask(f, FUSE_LSEEK, &in, sizeof(in), 256), 0);
	assert_int_equal(f->written, 16 + sizeof(out));
	memcpy(&out, f->g.ram + OUT_AT + 16, sizeof(out));
	assert_int_equal(out.offset, 4);
	in.whence = SEEK_DATA;
	in.offset = 4;
	assert_int_equal(ask(f, FUSE_LSEEK, &in, sizeof(in), 256), -ENXIO);
	in.whence = SEEK_END;
	assert_int_equal(ask(f, FUSE_LSEEK, &in, sizeof(in), 256), -EINVAL);
	in.whence = SEEK_HOLE;
	in.offset = UINT64_MAX;
	assert_int_equal(ask(f, FUSE_LSEEK, &in, sizeof(in), 256), -ENXIO);
}

static void space_is_allocated_and_copied(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("0123456789");
	struct fuse_fallocate_in in = { .fh = open_file(f, fd), .length = 8192 };
	struct fuse_copy_file_range_in copy = {
		.fh_in = in.fh, .fh_out = in.fh, .off_out = 100, .len = 4
	};
	struct fuse_fsync_in sync = { .fh = in.fh };
	char buf[5] = { 0 };

	assert_int_equal(ask(f, FUSE_FALLOCATE, &in, sizeof(in), 256), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 8192);
	in.offset = UINT64_MAX;
	assert_int_equal(ask(f, FUSE_FALLOCATE, &in, sizeof(in), 256), -EINVAL);
	in.mode = UINT32_MAX;
	assert_int_not_equal(ask(f, FUSE_FALLOCATE, &in, sizeof(in), 256), 0);
	assert_int_equal(ask(f, FUSE_COPY_FILE_RANGE, &copy, sizeof(copy), 256), 0);
	assert_int_equal(pread(fd, buf, 4, 100), 4);
	assert_string_equal(buf, "0123");
	copy.off_in = UINT64_MAX;
	assert_int_not_equal(ask(f, FUSE_COPY_FILE_RANGE, &copy, sizeof(copy), 256), 0);
	copy.fh_out = 7;
	assert_int_equal(ask(f, FUSE_COPY_FILE_RANGE, &copy, sizeof(copy), 256), -EBADF);
	assert_int_equal(ask(f, FUSE_FSYNC, &sync, sizeof(sync), 256), 0);
	sync.fsync_flags = 1;
	assert_int_equal(ask(f, FUSE_FSYNC, &sync, sizeof(sync), 256), 0);
	/* Linux takes this for "not needed", and closes files without it from then on. */
	assert_int_equal(ask(f, FUSE_FLUSH, &sync, sizeof(sync), 256), -ENOSYS);
}

/* GETXATTR of a name: what the server (which answers 7) or the device says. */
static int ask_xattr(struct fixture *f, uint64_t node, const char *name, uint32_t size)
{
	struct {
		struct fuse_getxattr_in in;
		char name[64];
	} m = { .in.size = size };
	size_t len = sizeof(m.in) + strlen(name) + 1;
	struct fuse_in_header h = { .len = (uint32_t)(sizeof(h) + len),
		.opcode = FUSE_GETXATTR,
		.nodeid = node,
		.unique = ++f->unique };

	(void)snprintf(m.name, sizeof(m.name), "%s", name);
	return ask_raw(f, &h, &m, len, NULL, 256);
}

static void expect_served(struct fixture *f, uint64_t node, const char *name, uint32_t size)
{
	uint8_t request[128];
	int none = 0;

	prepare(f, f->unique + 1, -EPERM, "", 0, -EBADF);
	assert_int_equal(ask_xattr(f, node, name, size), -EPERM);
	assert_true(served(f, request, sizeof(request), &none) > 40);
}

static void capabilities_are_asked_of_the_file_itself(void **state)
{
	static const char name[] = "security.capability";
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("data");
	struct fuse_release_in end = { .fh = open_file(f, fd) };
	int own = fgetxattr(fd, name, NULL, 0) < 0 ? -errno : 0;

	assert_true(own < 0); /* it has none, or its file system has none */
	assert_int_equal(ask_xattr(f, NODE, name, 0), own);
	assert_int_equal(f->written, 16);
	/* All else is the server's. */
	expect_served(f, NODE, name, 64);
	expect_served(f, NODE, "security.capabilitx", 0);
	expect_served(f, NODE, "security.capability.", 0);
	expect_served(f, NODE, "user.a", 0);
	expect_served(f, NODE + 1, name, 0);
	/* Of files that were opened later a few are known, and of a released one nothing. */
	for (int i = 0; i < 20; i++)
		end.fh = open_file(f, fd);
	assert_int_equal(ask_xattr(f, NODE, name, 0), own);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	ring_init(&f->r[0], &f->g, 0x10000, 16);
	ring_init(&f->r[1], &f->g, 0x14000, 16);
	memset(f->g.ram + 0x10000, 0, 0x8000);
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 2);
	expect_served(f, NODE, name, 0);
	end.fh = open_file(f, fd);
	assert_int_equal(ask(f, FUSE_RELEASE, &end, sizeof(end), 256), 0);
	expect_served(f, NODE, name, 0);
}

static void bodies_cut_short_are_refused(void **state)
{
	static const uint32_t ops[] = { FUSE_READ, FUSE_WRITE, FUSE_FSYNC, FUSE_RELEASE, FUSE_LSEEK,
		FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE };
	struct fixture *f = *state;
	const uint8_t body[8] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		assert_int_equal(ask(f, ops[i], body, 7, 256), -EINVAL);
		assert_int_equal(f->written, 16);
	}
}

static void names_go_to_the_server(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out entry = { .nodeid = 77 };
	struct fuse_in_header h;
	uint8_t request[128];
	int fd = 0;

	prepare(f, 1, 0, &entry, sizeof(entry), -1);
	assert_int_equal(ask(f, FUSE_LOOKUP, "name", 5, 512), 0);
	assert_int_equal(f->written, 16 + sizeof(entry));
	memcpy(&entry, f->g.ram + OUT_AT + 16, sizeof(entry));
	assert_int_equal(entry.nodeid, 77);
	assert_int_equal(served(f, request, sizeof(request), &fd), 45);
	memcpy(&h, request, sizeof(h));
	assert_int_equal(h.opcode, FUSE_LOOKUP);
	assert_int_equal(h.nodeid, NODE);
	assert_string_equal((char *)request + 40, "name");
	prepare(f, 2, -ENOENT, "", 0, -1);
	assert_int_equal(ask(f, FUSE_LOOKUP, "none", 5, 512), -ENOENT);
}

static void forget_has_no_reply(void **state)
{
	struct fixture *f = *state;
	const struct fs_link_reply none = { .magic = FS_LINK_MAGIC };
	const struct fuse_forget_in in = { 1 };
	const struct fuse_in_header h = { .len = 48, .opcode = FUSE_FORGET, .nodeid = NODE };
	uint8_t request[128];
	int fd = 0;

	assert_int_equal(send(f->server, &none, sizeof(none), 0), sizeof(none));
	(void)ask_raw(f, &h, &in, sizeof(in), NULL, 0);
	assert_int_equal(f->written, 0);
	assert_int_equal(served(f, request, sizeof(request), &fd), 48);
}

/* The server counted a lookup of what the guest will not hear of. */
static void a_created_file_that_cannot_be_kept_is_forgotten(void **state)
{
	struct fixture *f = *state;
	const struct fs_link_reply none = { .magic = FS_LINK_MAGIC };
	const struct fuse_entry_out entry = { .nodeid = 99 };
	struct fuse_create_in in = { .flags = O_RDWR };
	struct fuse_forget_in forget;
	struct fuse_in_header h;
	cleanup(close) int fd = memory_file("x");
	uint8_t request[128];
	int sent = -EBADF;

	/* Too short to have a handle in it. */
	prepare(f, 1, 0, &entry, sizeof(entry), fd);
	assert_int_equal(send(f->server, &none, sizeof(none), 0), sizeof(none));
	assert_int_equal(ask(f, FUSE_CREATE, &in, sizeof(in), 512), -EIO);
	(void)served(f, request, sizeof(request), &sent);
	assert_int_equal(served(f, request, sizeof(request), &sent), sizeof(h) + sizeof(forget));
	memcpy(&h, request, sizeof(h));
	memcpy(&forget, request + sizeof(h), sizeof(forget));
	assert_int_equal(h.opcode, FUSE_FORGET);
	assert_int_equal(h.len, sizeof(h) + sizeof(forget));
	assert_int_equal(h.nodeid, 99);
	assert_int_equal(forget.nlookup, 1);
	assert_int_equal(lost, 0);
}

static void truncating_an_open_file_sends_its_fd(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("0123456789");
	struct fuse_setattr_in in = { .valid = FATTR_FH | FATTR_SIZE, .fh = open_file(f, fd) };
	uint8_t request[256];
	cleanup(close) int sent = -EBADF;
	int none = 0;

	prepare(f, 2, 0, "", 0, -1);
	assert_int_equal(ask(f, FUSE_SETATTR, &in, sizeof(in), 256), 0);
	assert_int_equal(served(f, request, sizeof(request), &sent), 40 + sizeof(in));
	assert_true(sent >= 0);
	assert_int_equal(ftruncate(sent, 3), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3);
	/* Not for a handle that is none. */
	in.fh ^= 1ull << 40;
	prepare(f, 3, 0, "", 0, -1);
	assert_int_equal(ask(f, FUSE_SETATTR, &in, sizeof(in), 256), 0);
	(void)served(f, request, sizeof(request), &none);
	assert_int_equal(none, -EBADF);
}

static void requests_that_lie_about_their_length_are_refused(void **state)
{
	struct fixture *f = *state;
	struct fuse_in_header h = { .len = 39, .opcode = FUSE_LOOKUP, .nodeid = NODE, .unique = 5 };
	const struct seg large = { 0x80000, 200 << 10, false };

	assert_int_equal(ask_raw(f, &h, "x", 2, NULL, 256), -EINVAL);
	h.len = 43;
	assert_int_equal(ask_raw(f, &h, "x", 2, NULL, 256), -EINVAL);
	h.len = UINT32_MAX;
	assert_int_equal(ask_raw(f, &h, "x", 2, NULL, 256), -EINVAL);
	h.len = FS_LINK_MAX + 1;
	guest_put(&f->g, IN_AT, &h, sizeof(h));
	assert_int_equal(ask_raw(f, &h, "x", 2, &large, 256), -EMSGSIZE);
	assert_int_equal(lost, 0);
}

static void a_header_cut_short_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	const struct seg cut[] = { { IN_AT, 39, false }, { OUT_AT, 64, true } };

	ring_chain(&f->r[1], cut, 2);
	ring_kick(&f->r[1], 1);
	assert_true(reg_read(&f->g, 0x70) & 64);
	assert_int_equal(ring_used(&f->r[1]), 0);
}

static void replies_are_not_longer_than_the_guests_room(void **state)
{
	struct fixture *f = *state;
	const uint8_t body[100] = { 0 };

	prepare(f, 1, 0, body, sizeof(body), -1);
	memset(f->g.ram + OUT_AT, 'z', 256);
	assert_int_equal(ask(f, FUSE_GETATTR, body, 16, 115), -EIO);
	assert_int_equal(f->g.ram[OUT_AT + 16], 'z');
	assert_int_equal(lost, 1);
	/* The server broke the rules: it is not asked again. */
	assert_int_equal(ask(f, FUSE_GETATTR, body, 16, 256), -ENOTCONN);
	assert_int_equal(lost, 1);
}

static void replies_that_lie_end_the_link(void **state)
{
	struct fixture *f = *state;
	struct fs_link_reply link = { .magic = FS_LINK_MAGIC + 1, .fuse_len = 0 };
	const uint8_t body[16] = { 0 };

	assert_int_equal(send(f->server, &link, sizeof(link), 0), sizeof(link));
	assert_int_equal(ask(f, FUSE_GETATTR, body, 16, 256), -EIO);
	assert_int_equal(lost, 1);
}

static void replies_with_a_wrong_length_end_the_link(void **state)
{
	struct fixture *f = *state;
	struct fs_link_reply link = { .magic = FS_LINK_MAGIC, .fuse_len = 100 };
	const uint8_t body[16] = { 0 };

	assert_int_equal(send(f->server, &link, sizeof(link), 0), sizeof(link));
	assert_int_equal(ask(f, FUSE_GETATTR, body, 16, 256), -EIO);
	assert_int_equal(lost, 1);
}

static void a_server_that_is_gone_is_noticed(void **state)
{
	struct fixture *f = *state;
	const uint8_t body[16] = { 0 };

	close_fd(&f->server);
	assert_int_equal(ask(f, FUSE_GETATTR, body, 16, 256), -ENOTCONN);
	assert_int_equal(lost, 1);
}

static void fds_that_nobody_asked_for_are_closed(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("x");
	const uint8_t body[16] = { 0 };
	int before = count_fds();

	prepare(f, 1, 0, body, sizeof(body), fd);
	assert_int_equal(ask(f, FUSE_GETATTR, body, 16, 256), -EIO);
	/* An OPEN whose reply is too short for a handle. */
	prepare(f, 2, 0, body, 7, fd);
	assert_int_equal(ask(f, FUSE_OPEN, body, 8, 256), -EIO);
	assert_int_equal(count_fds(), before);
	assert_int_equal(lost, 0);
}

static void a_reset_closes_the_open_files(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = memory_file("x");
	int before = count_fds();
	struct fuse_read_in in = { .size = 1 };

	in.fh = open_file(f, fd);
	(void)open_file(f, fd);
	assert_int_equal(count_fds(), before + 2);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	assert_int_equal(count_fds(), before);
	ring_init(&f->r[1], &f->g, 0x18000, 16);
	guest_start(&f->g, 0, f->r, 2);
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 256), -EBADF);
}

static void the_tag_is_read_within_its_bounds(void **state)
{
	struct fixture *f = *state;
	char tag[40] = { 0 };

	for (uint32_t i = 0; i < 40; i += 4)
		guest_config(&f->g, 0x100 + i, tag + i, 4);
	assert_string_equal(tag, "nestbox");
	assert_int_equal(tag[36], 1); /* request queues */
	assert_int_equal(reg_read(&f->g, 0x128), 0);
}

/* ---- slots --------------------------------------------------------------------------------- */

#define SLOT 2u

static int connect_server(struct fixture *f)
{
	int sv[2];
	int r = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	r = dev_fs_attach(SLOT, sv[1]);
	close_fd(&f->server);
	f->server = sv[0];
	if (r < 0)
		close_fd(&sv[1]);
	return r;
}

static int setup_slot(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)signal(SIGPIPE, SIG_IGN);
	assert_non_null(f);
	lost = 0;
	guest_init(&f->g);
	f->server = -EBADF;
	ring_init(&f->r[0], &f->g, 0x10000, 16);
	ring_init(&f->r[1], &f->g, 0x14000, 16);
	assert_int_equal(dev_fs_init_slot(&f->g.dev, &f->g.loop, SLOT), 0);
	*state = f;
	return virtio_mmio_init(&f->g.dev, f->g.registers);
}

static void a_slot_is_empty_until_a_server_is_there(void **state)
{
	struct fixture *f = *state;
	char tag[12] = "";

	assert_int_equal(reg_read(&f->g, 0x08), 0);
	assert_int_equal(dev_fs_attach(VMM_MAX_FS, -1), -ENODEV);
	assert_int_equal(dev_fs_attach(SLOT + 1, -1), -ENODEV);
	assert_int_equal(connect_server(f), 0);
	guest_run(&f->g);
	assert_int_equal(reg_read(&f->g, 0x08), 26);
	for (uint32_t i = 0; i < sizeof(tag); i += 4)
		guest_config(&f->g, 0x100 + i, tag + i, 4);
	assert_string_equal(tag, "nestbox-3");
}

static void a_slot_is_used_again_when_server_and_driver_are_gone(void **state)
{
	struct fixture *f = *state;
	struct fuse_read_in in = { .size = 4 };
	int file = memfd_create("file", MFD_CLOEXEC), fds = 0;

	assert_int_equal(connect_server(f), 0);
	guest_run(&f->g);
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 2);
	assert_int_equal(write(file, "text", 4), 4);
	fds = count_fds();
	in.fh = open_file(f, file);
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 64), 0);
	/* Taken; and the server's end closes all files, but the VM goes on. */
	assert_int_equal(dev_fs_attach(SLOT, -1), -EBUSY);
	close_fd(&f->server);
	guest_run(&f->g);
	assert_int_equal(count_fds(), fds - 2);
	assert_int_equal(lost, 0);
	assert_int_equal(ask(f, FUSE_READ, &in, sizeof(in), 64), -EBADF);
	assert_int_equal(ask(f, FUSE_GETATTR, &in, sizeof(in), 256), -ENOTCONN);
	/* The driver still has it. */
	assert_int_equal(dev_fs_attach(SLOT, -1), -EBUSY);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	reg_write(&f->g, 0x70, 1);
	assert_int_equal(connect_server(f), 0);
	guest_run(&f->g);
	(void)close(file);
}

/* Its monitor was killed, and the server did not notice. */
static void a_slot_whose_driver_lets_go_loses_its_server(void **state)
{
	struct fixture *f = *state;
	int file = memfd_create("file", MFD_CLOEXEC), old = -EBADF;
	char c = 0;

	assert_int_equal(connect_server(f), 0);
	guest_run(&f->g);
	/* What a driver begins with, and one that was bound and used nothing. */
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 2);
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 2);
	assert_int_equal(recv(f->server, &c, 1, MSG_DONTWAIT), -1);
	(void)open_file(f, file);
	reg_write(&f->g, 0x70, 0);
	/* It is the device's thread that does it. */
	assert_int_equal(recv(f->server, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(dev_fs_attach(SLOT, -1), -EBUSY);
	guest_run(&f->g);
	assert_int_equal(recv(f->server, &c, 1, MSG_DONTWAIT), 0);
	assert_int_equal(lost, 0);
	reg_write(&f->g, 0x70, 1);
	old = take_fd(&f->server);
	assert_int_equal(connect_server(f), 0);
	guest_run(&f->g);
	assert_int_equal(recv(f->server, &c, 1, MSG_DONTWAIT), -1);
	(void)close(old);
	(void)close(file);
}

#define SLOT_CASE(f) cmocka_unit_test_setup_teardown(f, setup_slot, teardown)
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(reads_go_straight_to_the_file),
		CASE(writes_go_straight_to_the_file),
		CASE(handles_are_not_guessed),
		CASE(holes_are_found),
		CASE(space_is_allocated_and_copied),
		CASE(capabilities_are_asked_of_the_file_itself),
		CASE(bodies_cut_short_are_refused),
		CASE(names_go_to_the_server),
		CASE(forget_has_no_reply),
		CASE(a_created_file_that_cannot_be_kept_is_forgotten),
		CASE(truncating_an_open_file_sends_its_fd),
		CASE(requests_that_lie_about_their_length_are_refused),
		CASE(a_header_cut_short_breaks_the_device),
		CASE(replies_are_not_longer_than_the_guests_room),
		CASE(replies_that_lie_end_the_link),
		CASE(replies_with_a_wrong_length_end_the_link),
		CASE(a_server_that_is_gone_is_noticed),
		CASE(fds_that_nobody_asked_for_are_closed),
		CASE(a_reset_closes_the_open_files),
		CASE(the_tag_is_read_within_its_bounds),
		SLOT_CASE(a_slot_is_empty_until_a_server_is_there),
		SLOT_CASE(a_slot_is_used_again_when_server_and_driver_are_gone),
		SLOT_CASE(a_slot_whose_driver_lets_go_loses_its_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
