/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fsd-names.c - the fs server's requests on names: that none leads outside of the share, what
 * numbers mean, and how long a file is known.
 */
#include <linux/fs.h>

#include "fsd-client.h"

/* ---- confinement ---- */

static void names_are_single_components(void **state)
{
	static const char *const bad[] = { "", ".", "..", "/", "a/b", "../secret", "a/", "/etc" };
	static const uint32_t ops[] = { FUSE_LOOKUP, FUSE_UNLINK, FUSE_RMDIR };
	struct fixture *f = *state;
	const struct fuse_mkdir_in in = { .mode = 0755 };
	const struct fuse_create_in create = { .flags = O_RDWR, .mode = 0644 };
	const struct fuse_mknod_in node = { .mode = S_IFREG | 0644 };
	const struct fuse_link_in old = { ROOT };

	host_file(f, f->s.base, "secret", "x");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (size_t k = 0; k < ARRAY_LEN(ops); k++)
			assert_int_equal(ask(f, ops[k], ROOT, NULL, 0, bad[i]), -EINVAL);
		assert_int_equal(ask(f, FUSE_MKDIR, ROOT, &in, sizeof(in), bad[i]), -EINVAL);
		assert_int_equal(
			ask(f, FUSE_CREATE, ROOT, &create, sizeof(create), bad[i]), -EINVAL);
		assert_int_equal(ask(f, FUSE_MKNOD, ROOT, &node, sizeof(node), bad[i]), -EINVAL);
		assert_int_equal(ask(f, FUSE_LINK, ROOT, &old, sizeof(old), bad[i]), -EINVAL);
	}
	/* No name at all, and one without its end. */
	assert_int_equal(ask_bytes(f, FUSE_LOOKUP, ROOT, NULL, 0, NULL, 0), -EINVAL);
	assert_int_equal(ask_bytes(f, FUSE_LOOKUP, ROOT, NULL, 0, "abc", 3), -EINVAL);
}

static void long_names_are_refused(void **state)
{
	struct fixture *f = *state;
	char name[257];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(ask(f, FUSE_LOOKUP, ROOT, NULL, 0, name), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(ask(f, FUSE_LOOKUP, ROOT, NULL, 0, name), -ENOENT);
	(void)make_folder(f, ROOT, name);
	(void)found(f, ROOT, name);
}

static void links_are_not_followed(void **state)
{
	static const char *const targets[] = { "../secret", "/etc/passwd", "..", "../../../../etc",
		"/proc/self/root" };
	struct fixture *f = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	const struct fuse_mkdir_in mk = { .mode = 0755 };

	host_file(f, f->s.base, "secret", "x");
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		char both[64];
		int n = snprintf(both, sizeof(both), "l%zu%c%s", i, 0, targets[i]);
		uint64_t node = 0;

		assert_int_equal(ask_bytes(f, FUSE_SYMLINK, ROOT, NULL, 0, both, (size_t)n + 1), 0);
		node = entry(f).nodeid;
		assert_true(S_ISLNK(entry(f).attr.mode));
		/* The guest resolves it by itself: it gets the text. */
		assert_int_equal(ask_bytes(f, FUSE_READLINK, node, NULL, 0, NULL, 0), 0);
		assert_int_equal(f->len - 16, strlen(targets[i]));
		assert_memory_equal(f->reply + 16, targets[i], strlen(targets[i]));
		/* Nothing goes through it. */
		assert_int_equal(
			ask_bytes(f, FUSE_OPEN, node, &in, sizeof(in), NULL, 0), -EOPNOTSUPP);
		assert_int_equal(ask(f, FUSE_LOOKUP, node, NULL, 0, "passwd"), -ENOTDIR);
		assert_int_equal(ask(f, FUSE_MKDIR, node, &mk, sizeof(mk), "new"), -ENOTDIR);
		assert_int_not_equal(ask_bytes(f, FUSE_OPENDIR, node, &in, sizeof(in), NULL, 0), 0);
		assert_int_equal(f->fd, -EBADF);
	}
}

static void a_link_in_place_of_a_folder_leads_nowhere(void **state)
{
	struct fixture *f = *state;
	uint64_t folder = make_folder(f, ROOT, "d");
	uint64_t node = 0;

	/* Another user of the folder swaps it, while the guest still has its number. */
	assert_int_equal(mkdirat(f->s.base, "outside", 0755), 0);
	host_file(f, f->s.base, "outside/secret", "x");
	assert_int_equal(unlinkat(f->s.root, "d", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../outside", f->s.root, "d"), 0);
	assert_int_equal(lookup(f, folder, "secret", &node), -ENOENT);
	node = found(f, ROOT, "d");
	assert_int_equal(lookup(f, node, "secret", &node), -ENOTDIR);
}

static void create_does_not_follow_links(void **state)
{
	struct fixture *f = *state;
	struct fuse_create_in in = { .flags = O_RDWR | O_TRUNC, .mode = 0644 };
	struct stat st;

	host_file(f, f->s.base, "secret", "x");
	assert_int_equal(symlinkat("../secret", f->s.root, "l"), 0);
	assert_int_equal(ask(f, FUSE_CREATE, ROOT, &in, sizeof(in), "l"), -EEXIST);
	assert_int_equal(f->fd, -EBADF);
	assert_int_equal(fstatat(f->s.base, "secret", &st, 0), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(symlinkat("../made", f->s.root, "m"), 0);
	assert_int_equal(ask(f, FUSE_CREATE, ROOT, &in, sizeof(in), "m"), -EEXIST);
	assert_int_equal(fstatat(f->s.base, "made", &st, 0), -1);
	/* Nor does it open a pipe, which would wait for its other end. */
	assert_int_equal(mkfifoat(f->s.root, "p", 0644), 0);
	in.flags = O_RDONLY;
	assert_int_equal(ask(f, FUSE_CREATE, ROOT, &in, sizeof(in), "p"), -EEXIST);
}

static void only_regular_files_are_opened(void **state)
{
	struct fixture *f = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	uint64_t node = 0;

	assert_int_equal(mkfifoat(f->s.root, "p", 0644), 0);
	node = found(f, ROOT, "p");
	assert_int_equal(ask_bytes(f, FUSE_OPEN, node, &in, sizeof(in), NULL, 0), -EOPNOTSUPP);
	assert_int_equal(ask_bytes(f, FUSE_OPEN, ROOT, &in, sizeof(in), NULL, 0), -EISDIR);
}

static void a_closed_file_that_became_a_pipe_is_not_opened(void **state)
{
	struct fixture *f = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	uint64_t node = make_file(f, ROOT, "victim");

	close_fd(&f->fd);
	crowd_out(f);
	assert_int_equal(unlinkat(f->s.root, "victim", 0), 0);
	assert_int_equal(mkfifoat(f->s.root, "victim", 0644), 0); /* perhaps with its number */
	assert_int_equal(ask_bytes(f, FUSE_OPEN, node, &in, sizeof(in), NULL, 0), -ESTALE);
	node = found(f, ROOT, "victim");
	assert_int_equal(ask_bytes(f, FUSE_OPEN, node, &in, sizeof(in), NULL, 0), -EOPNOTSUPP);
}

/* ---- numbers and counts ---- */

static void numbers_that_were_made_up_are_stale(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make_file(f, ROOT, "a");
	const uint64_t bad[] = { 0, 2ull << 32 | ROOT, node + 1, node ^ 1ull << 32, UINT64_MAX,
		UINT32_MAX, 1ull << 32 | 5000 };
	const struct fuse_rename_in to = { UINT64_MAX };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(getattr(f, bad[i]), -ESTALE);
		assert_int_equal(ask(f, FUSE_LOOKUP, bad[i], NULL, 0, "a"), -ESTALE);
		forget(f, bad[i], 1);
	}
	assert_int_equal(ask_bytes(f, FUSE_RENAME, ROOT, &to, sizeof(to), "a\0b", 4), -ESTALE);
	assert_int_equal(getattr(f, node), 0);
}

static void forgotten_numbers_are_stale(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make_file(f, ROOT, "a");
	unsigned count = inode_count();

	assert_true(found(f, ROOT, "a") == node);
	forget(f, node, 1);
	assert_int_equal(getattr(f, node), 0); /* one lookup is left */
	forget(f, node, UINT64_MAX);
	assert_int_equal(getattr(f, node), -ESTALE);
	assert_int_equal(inode_count(), count - 1);
	forget(f, node, 1);
	/* The slot is used again under another number. */
	assert_true(found(f, ROOT, "a") != node);
	assert_int_equal(getattr(f, node), -ESTALE);
	forget(f, ROOT, UINT64_MAX);
	assert_int_equal(getattr(f, ROOT), 0);
}

static void a_folder_stays_for_its_children(void **state)
{
	struct fixture *f = *state;
	uint64_t d = make_folder(f, ROOT, "d");
	uint64_t a = make_file(f, d, "a");

	forget(f, d, 1);
	assert_int_equal(getattr(f, a), 0);
	assert_int_equal(inode_count(), 3);
	forget(f, a, 1);
	assert_int_equal(inode_count(), 1);
	assert_int_equal(getattr(f, d), -ESTALE);
}

static void many_are_forgotten_at_once(void **state)
{
	struct fixture *f = *state;
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one[3];
	} m = { .head = { .count = UINT32_MAX } };

	m.one[0] = (struct fuse_forget_one){ make_file(f, ROOT, "a"), 1 };
	m.one[1] = (struct fuse_forget_one){ UINT64_MAX, 1 };
	m.one[2] = (struct fuse_forget_one){ make_file(f, ROOT, "b"), 1 };
	assert_int_equal(ask_bytes(f, FUSE_BATCH_FORGET, 0, &m, sizeof(m), NULL, 0), 0);
	assert_int_equal(f->len, 0);
	assert_int_equal(inode_count(), 1);
}

/* ---- names ---- */

static void renames_keep_the_number(void **state)
{
	struct fixture *f = *state;
	uint64_t d = make_folder(f, ROOT, "d");
	uint64_t a = make_file(f, ROOT, "a");
	uint64_t b = make_file(f, d, "b");
	struct fuse_rename2_in in = { .newdir = d, .flags = RENAME_NOREPLACE };

	assert_int_equal(ask_bytes(f, FUSE_RENAME2, ROOT, &in, sizeof(in), "a\0b", 4), -EEXIST);
	in.flags = RENAME_EXCHANGE;
	assert_int_equal(ask_bytes(f, FUSE_RENAME2, ROOT, &in, sizeof(in), "a\0b", 4), 0);
	assert_true(found(f, d, "b") == a && found(f, ROOT, "a") == b);
	in.flags = 0;
	assert_int_equal(ask_bytes(f, FUSE_RENAME2, ROOT, &in, sizeof(in), "a\0b", 4), 0);
	assert_true(found(f, d, "b") == b);
	assert_int_equal(getattr(f, a), 0); /* replaced, but the guest may have it open */
	in.flags = 1u << 31;
	assert_int_equal(ask_bytes(f, FUSE_RENAME2, d, &in, sizeof(in), "b\0c", 4), -EINVAL);
	in.flags = 0;
	in.newdir = b; /* no folder */
	assert_int_equal(ask_bytes(f, FUSE_RENAME2, d, &in, sizeof(in), "b\0c", 4), -ENOTDIR);
	in.newdir = d;
	assert_int_equal(ask_bytes(f, FUSE_RENAME2, d, &in, sizeof(in), "b\0../x", 7), -EINVAL);
}

static void what_was_moved_is_found_after_its_fd_was_closed(void **state)
{
	struct fixture *f = *state;
	uint64_t d = make_folder(f, ROOT, "d");
	uint64_t e = make_folder(f, d, "e");
	uint64_t a = make_file(f, e, "a");
	const struct fuse_rename_in in = { .newdir = ROOT };

	assert_int_equal(ask_bytes(f, FUSE_RENAME, d, &in, sizeof(in), "e\0E", 4), 0);
	crowd_out(f);
	assert_true(inode_open_fds() <= 16);
	assert_int_equal(getattr(f, a), 0);
	assert_int_equal(getattr(f, d), 0);
}

static void a_deleted_file_is_still_there_for_who_has_it(void **state)
{
	struct fixture *f = *state;
	uint64_t a = make_file(f, ROOT, "a");

	assert_int_equal(ask(f, FUSE_UNLINK, ROOT, NULL, 0, "a"), 0);
	crowd_out(f);
	assert_int_equal(getattr(f, a), 0);
	assert_int_equal(ask(f, FUSE_UNLINK, ROOT, NULL, 0, "a"), -ENOENT);
	assert_int_equal(ask(f, FUSE_RMDIR, ROOT, NULL, 0, "f1"), -ENOTDIR);
}

/* As git does for every object: the fds of files that have another name need not be kept. */
static void linking_and_unlinking_keeps_no_fds(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	for (int i = 0; i < 100; i++) {
		struct fuse_link_in in = { make_file(f, ROOT, "tmp") };
		char name[32];

		last = in.oldnodeid;
		(void)snprintf(name, sizeof(name), "object%d", i);
		assert_int_equal(ask(f, FUSE_LINK, ROOT, &in, sizeof(in), name), 0);
		assert_true(entry(f).nodeid == last);
		assert_int_equal(entry(f).attr.nlink, 2);
		assert_int_equal(ask(f, FUSE_UNLINK, ROOT, NULL, 0, "tmp"), 0);
	}
	assert_true(inode_open_fds() <= 16);
	for (int i = 0; i < 100; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "object%d", i);
		(void)found(f, ROOT, name);
	}
	assert_int_equal(getattr(f, last), 0);
}

static void what_got_its_name_back_needs_no_fd(void **state)
{
	struct fixture *f = *state;

	/* The older name is removed, which is the one it is known by; then it is looked up. */
	for (int i = 0; i < 100; i++) {
		char name[32], other[32];

		(void)snprintf(name, sizeof(name), "a%d", i);
		(void)snprintf(other, sizeof(other), "b%d", i);
		(void)make_file(f, ROOT, name);
		assert_int_equal(linkat(f->s.root, name, f->s.root, other, 0), 0);
		assert_int_equal(ask(f, FUSE_UNLINK, ROOT, NULL, 0, name), 0);
		(void)found(f, ROOT, other);
	}
	assert_true(inode_open_fds() <= 16);
}

static void unnamed_files_get_names(void **state)
{
	struct fixture *f = *state;
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 0600 };
	struct fuse_link_in link = { 0 };
	unsigned before = inode_open_fds();

	assert_int_equal(ask_bytes(f, OP_TMPFILE, ROOT, &in, sizeof(in), "x", 2), 0);
	link.oldnodeid = entry(f).nodeid;
	assert_int_equal(entry(f).attr.nlink, 0);
	assert_int_equal(write(f->fd, "data", 4), 4);
	assert_int_equal(inode_open_fds(), before + 1);
	assert_int_equal(ask(f, FUSE_LINK, ROOT, &link, sizeof(link), "named"), 0);
	assert_int_equal(entry(f).attr.size, 4);
	assert_true(found(f, ROOT, "named") == link.oldnodeid);
	/* Now it can be closed and found again. */
	crowd_out(f);
	assert_true(inode_open_fds() <= 16);
	assert_int_equal(getattr(f, link.oldnodeid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(names_are_single_components),
		CASE(long_names_are_refused),
		CASE(links_are_not_followed),
		CASE(a_link_in_place_of_a_folder_leads_nowhere),
		CASE(create_does_not_follow_links),
		CASE(only_regular_files_are_opened),
		FEW(a_closed_file_that_became_a_pipe_is_not_opened),
		CASE(numbers_that_were_made_up_are_stale),
		CASE(forgotten_numbers_are_stale),
		CASE(a_folder_stays_for_its_children),
		CASE(many_are_forgotten_at_once),
		CASE(renames_keep_the_number),
		FEW(what_was_moved_is_found_after_its_fd_was_closed),
		FEW(a_deleted_file_is_still_there_for_who_has_it),
		FEW(linking_and_unlinking_keeps_no_fds),
		FEW(what_got_its_name_back_needs_no_fd),
		FEW(unnamed_files_get_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
