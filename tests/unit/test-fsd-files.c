/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fsd-files.c - the fs server's requests on files and folders: attributes, entries, extended
 * attributes; and requests that are not whole.
 */
#include "fsd-client.h"

/* ---- attributes ---- */

static void attributes_are_set(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make_file(f, ROOT, "a");
	struct fuse_setattr_in in = { .valid = FATTR_SIZE | FATTR_MODE | FATTR_MTIME,
		.size = 5000,
		.mode = S_IFREG | 0640,
		.mtime = 1234567,
		.mtimensec = 89 };
	struct fuse_attr_out out;
	struct stat st;

	assert_int_equal(ask_bytes(f, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0), 0);
	memcpy(&out, f->reply + 16, sizeof(out));
	assert_int_equal(out.attr.size, 5000);
	assert_int_equal(out.attr.mode, S_IFREG | 0640);
	assert_int_equal(fstatat(f->s.root, "a", &st, 0), 0);
	assert_int_equal(st.st_size, 5000);
	assert_int_equal(st.st_mtim.tv_sec, 1234567);
	assert_int_equal(st.st_mtim.tv_nsec, 89);
	in.valid = FATTR_SIZE;
	in.size = UINT64_MAX;
	assert_int_equal(ask_bytes(f, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0), -EFBIG);
	in.size = 0;
	assert_int_equal(ask_bytes(f, FUSE_SETATTR, ROOT, &in, sizeof(in), NULL, 0), -EINVAL);
	assert_int_equal(ask_bytes(f, FUSE_SETATTR, node, &in, sizeof(in) - 1, NULL, 0), -EINVAL);
	/* By the open file, which may be larger than what its mode would allow now. */
	f->fd_in = openat(f->s.root, "a", O_RDWR | O_CLOEXEC);
	in.size = 7;
	assert_int_equal(ask_bytes(f, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0), 0);
	close_fd(&f->fd_in);
	assert_int_equal(fstatat(f->s.root, "a", &st, 0), 0);
	assert_int_equal(st.st_size, 7);
}

static void links_have_no_mode(void **state)
{
	struct fixture *f = *state;
	const struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0600 };
	struct stat st;

	host_file(f, f->s.base, "secret", "x");
	assert_int_equal(symlinkat("../secret", f->s.root, "l"), 0);
	assert_int_equal(ask_bytes(f, FUSE_SETATTR, found(f, ROOT, "l"), &in, sizeof(in), NULL, 0),
		-EOPNOTSUPP);
	assert_int_equal(fstatat(f->s.base, "secret", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void replies_keep_to_the_room(void **state)
{
	struct fixture *f = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	unsigned count = inode_count();
	uint64_t node = make_file(f, ROOT, "a");

	forget(f, node, 1);
	for (size_t room = 0; room < 16 + sizeof(struct fuse_entry_out); room++) {
		f->reply_max = room;
		memset(f->reply, 0x5a, 256);
		assert_int_equal(ask(f, FUSE_LOOKUP, ROOT, NULL, 0, "a"), room < 16 ? 0 : -ERANGE);
		assert_int_equal(f->len, room < 16 ? 0 : 16);
		assert_int_equal(f->reply[room], 0x5a);
		/* The guest has not heard of it: it is not counted. */
		assert_int_equal(inode_count(), count);
	}
	f->reply_max = sizeof(f->reply);
	node = found(f, ROOT, "a");
	f->reply_max = 16 + 3;
	assert_int_equal(ask_bytes(f, FUSE_OPEN, node, &in, sizeof(in), NULL, 0), -ERANGE);
	assert_int_equal(f->fd, -EBADF);
}

static void requests_cut_anywhere_are_refused(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zero[128];
	const struct fuse_in_header h = { .len = 40, .opcode = FUSE_INIT };

	for (uint32_t op = 0; op < 64; op++) {
		if (op == FUSE_GETATTR || op == FUSE_STATFS || op == FUSE_DESTROY || op == 50)
			continue; /* whose bodies are not looked at */
		for (size_t len = 0; len < 4; len++)
			assert_int_not_equal(
				op != FUSE_FORGET && op != FUSE_BATCH_FORGET && op != FUSE_INTERRUPT
					? ask_bytes(f, op, ROOT, zero, len, NULL, 0)
					: -1,
				0);
	}
	assert_int_equal(ask_bytes(f, 4096, ROOT, zero, 8, NULL, 0), -ENOSYS);
	assert_int_equal(ask_bytes(f, UINT32_MAX, ROOT, zero, 8, NULL, 0), -ENOSYS);
	assert_int_equal(fsd_handle(&h, 39, -1, f->reply, f->reply_max, &f->fd), 0);
}

/* ---- folders ---- */

static uint64_t open_folder(struct fixture *f, uint64_t node)
{
	const struct fuse_open_in in = { .flags = O_RDONLY };
	struct fuse_open_out out;

	assert_int_equal(ask_bytes(f, FUSE_OPENDIR, node, &in, sizeof(in), NULL, 0), 0);
	memcpy(&out, f->reply + 16, sizeof(out));
	return out.fh;
}

static int release_folder(struct fixture *f, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return ask_bytes(f, FUSE_RELEASEDIR, ROOT, &in, sizeof(in), NULL, 0);
}

/* Reads a folder from the start in pieces: entries seen; each "f<number>" is marked in seen[]. */
static unsigned read_whole(struct fixture *f, uint64_t node, uint32_t op, uint8_t *seen, size_t n)
{
	struct fuse_read_in in = { .fh = open_folder(f, node), .size = 8192 };
	size_t head = op == FUSE_READDIR ? FUSE_NAME_OFFSET : FUSE_NAME_OFFSET_DIRENTPLUS;
	unsigned entries = 0;

	for (;;) {
		assert_int_equal(ask_bytes(f, op, node, &in, sizeof(in), NULL, 0), 0);
		assert_true(f->len - 16 <= in.size);
		if (f->len == 16)
			break;
		for (size_t at = 16; at < f->len;) {
			struct fuse_direntplus plus = { 0 };
			char name[256] = { 0 };

			if (op == FUSE_READDIR)
				memcpy(&plus.dirent, f->reply + at, head);
			else
				memcpy(&plus, f->reply + at, head);
			assert_true(plus.dirent.namelen < sizeof(name));
			memcpy(name, f->reply + at + head, plus.dirent.namelen);
			if (name[0] == 'f') {
				size_t i = strtoul(name + 1, NULL, 10);

				assert_true(i < n);
				seen[i]++;
			}
			in.offset = plus.dirent.off;
			at += FUSE_DIRENT_ALIGN(head + plus.dirent.namelen);
			entries++;
		}
	}
	assert_int_equal(release_folder(f, in.fh), 0);
	return entries;
}

static void big_folders_are_read_in_pieces(void **state)
{
	enum { N = 20000 };
	struct fixture *f = *state;
	cleanup(free) uint8_t *seen = calloc(2, N);
	uint64_t d = make_folder(f, ROOT, "d");

	assert_non_null(seen);
	for (int i = 0; i < N; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "d/f%d", i);
		assert_int_equal(mknodat(f->s.root, name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(read_whole(f, d, FUSE_READDIR, seen, N), N + 2);
	assert_int_equal(inode_count(), 2);
	/* With attributes: every entry is now an inode that the guest knows, few are open. */
	assert_int_equal(read_whole(f, d, FUSE_READDIRPLUS, seen + N, N), N + 2);
	assert_int_equal(inode_count(), N + 2);
	assert_true(inode_open_fds() <= 16);
	for (int i = 0; i < 2 * N; i++) {
		if (seen[i] != 1)
			fail_msg("f%d came %d times", i % N, seen[i]);
	}
	/* Each is still the file that it was. */
	for (int i = 0; i < N; i += 97) {
		char name[32];
		uint64_t node = 0;
		struct stat st;
		struct fuse_attr_out out;

		(void)snprintf(name, sizeof(name), "d/f%d", i);
		node = found(f, d, name + 2);
		assert_int_equal(getattr(f, node), 0);
		memcpy(&out, f->reply + 16, sizeof(out));
		assert_int_equal(fstatat(f->s.root, name, &st, 0), 0);
		assert_true(out.attr.ino % (1ull << 48) == st.st_ino % (1ull << 48));
	}
}

/* As `rm -r` does, on a tmpfs, whose positions count what is there (before Linux 6.6). */
static void who_removes_what_it_reads_sees_all(void **state)
{
	enum { N = 700 };
	struct fixture *f = *state;
	struct fuse_read_in in = { .size = 4096 };
	unsigned removed = 0;
	uint64_t d = make_folder(f, ROOT, "d");

	for (int i = 0; i < N; i++) {
		char name[300];

		/* Short and long ones. */
		(void)snprintf(name, sizeof(name), "d/f%0*d", i % 7 ? 3 : 250, i);
		assert_int_equal(mknodat(f->s.root, name, S_IFREG | 0600, 0), 0);
	}
	in.fh = open_folder(f, d);
	for (;;) {
		assert_int_equal(ask_bytes(f, FUSE_READDIRPLUS, d, &in, sizeof(in), NULL, 0), 0);
		if (f->len == 16)
			break;
		for (size_t at = 16; at < f->len;) {
			struct fuse_direntplus plus;
			char name[300] = "d/";

			memcpy(&plus, f->reply + at, FUSE_NAME_OFFSET_DIRENTPLUS);
			memcpy(name + 2, f->reply + at + FUSE_NAME_OFFSET_DIRENTPLUS,
				plus.dirent.namelen);
			if (name[2] == 'f')
				removed += unlinkat(f->s.root, name, 0) == 0;
			in.offset = plus.dirent.off;
			at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + plus.dirent.namelen);
		}
	}
	assert_int_equal(removed, N);
	assert_int_equal(release_folder(f, in.fh), 0);
}

static void deep_folders_are_opened_again(void **state)
{
	struct fixture *f = *state;
	uint64_t chain[200];
	uint64_t at = ROOT;

	for (size_t i = 0; i < ARRAY_LEN(chain); i++)
		chain[i] = at = make_folder(f, at, "d");
	crowd_out(f);
	assert_int_equal(getattr(f, at), 0);
	assert_int_equal(getattr(f, chain[100]), 0);
	assert_true(inode_open_fds() <= 16);
	for (size_t i = ARRAY_LEN(chain); i-- > 0;)
		forget(f, chain[i], 1);
	assert_int_equal(getattr(f, chain[0]), -ESTALE);
}

static void folder_handles_are_not_guessed(void **state)
{
	struct fixture *f = *state;
	uint64_t fh = open_folder(f, ROOT);
	struct fuse_read_in in = { .size = 4096 };
	const uint64_t wrong[] = { 0, fh ^ 1ull << 32, fh + 1, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		in.fh = wrong[i];
		assert_int_equal(
			ask_bytes(f, FUSE_READDIR, ROOT, &in, sizeof(in), NULL, 0), -EBADF);
		assert_int_equal(release_folder(f, wrong[i]), -EBADF);
	}
	in.fh = fh;
	in.offset = UINT64_MAX; /* no position */
	assert_int_not_equal(ask_bytes(f, FUSE_READDIR, ROOT, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(release_folder(f, fh), 0);
	assert_int_equal(release_folder(f, fh), -EBADF);
	assert_true(open_folder(f, ROOT) != fh);
}

static void a_folder_that_was_not_told_of_is_closed(void **state)
{
	struct fixture *f = *state;
	const struct fuse_open_in in = { .flags = O_RDONLY };
	uint64_t first = open_folder(f, ROOT);

	assert_int_equal(release_folder(f, first), 0);
	f->reply_max = 16;
	for (int i = 0; i < 100; i++)
		assert_int_equal(
			ask_bytes(f, FUSE_OPENDIR, ROOT, &in, sizeof(in), NULL, 0), -ERANGE);
	f->reply_max = sizeof(f->reply);
	assert_int_equal((uint32_t)open_folder(f, ROOT), (uint32_t)first); /* the same slot */
}

/* ---- extended attributes ---- */

static int set_xattr(struct fixture *f, uint64_t node, const char *name, const char *value)
{
	uint32_t fixed[2] = { (uint32_t)strlen(value), 0 };
	char both[512];
	int n = snprintf(both, sizeof(both), "%s%c%s", name, 0, value);

	return ask_bytes(f, FUSE_SETXATTR, node, fixed, sizeof(fixed), both, (size_t)n);
}

static void the_hosts_own_attributes_are_not_touched(void **state)
{
	static const char *const theirs[] = { "security.selinux", "security.ima",
		"trusted.overlay.opaque", "system.nfs4_acl", "", "user", "security.capability2" };
	struct fixture *f = *state;
	const struct fuse_getxattr_in in = { .size = 100 };
	uint64_t node = make_file(f, ROOT, "a");

	for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
		assert_int_equal(set_xattr(f, node, theirs[i], "x"), -EOPNOTSUPP);
		assert_int_equal(
			ask(f, FUSE_GETXATTR, node, &in, sizeof(in), theirs[i]), -EOPNOTSUPP);
		assert_int_equal(ask(f, FUSE_REMOVEXATTR, node, NULL, 0, theirs[i]), -EOPNOTSUPP);
	}
}

static void xattr_requests_that_lie_are_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make_file(f, ROOT, "a");
	const uint32_t fixed[2] = { UINT32_MAX, 0 };
	const struct fuse_getxattr_in in = { .size = UINT32_MAX };
	char name[300];

	assert_int_equal(ask(f, FUSE_SETXATTR, node, fixed, sizeof(fixed), "user.x"), -EINVAL);
	memset(name, 'u', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(ask(f, FUSE_GETXATTR, node, &in, sizeof(in), name), -ERANGE);
	assert_int_equal(ask_bytes(f, FUSE_GETXATTR, node, &in, sizeof(in), "user.x", 6), -EINVAL);
	assert_int_not_equal(ask(f, FUSE_GETXATTR, node, &in, sizeof(in), "user.none"), 0);
	assert_int_equal(ask_bytes(f, FUSE_LISTXATTR, node, &in, sizeof(in), NULL, 0), 0);
}

static void a_new_session_closes_the_old_ones_folders(void **state)
{
	struct fixture *f = *state;
	struct fuse_init_in in = { .major = FUSE_KERNEL_VERSION, .minor = 36, .flags = UINT32_MAX };
	struct fuse_init_out out;
	uint64_t fh = open_folder(f, ROOT);

	assert_int_equal(ask_bytes(f, FUSE_INIT, 0, &in, 16, NULL, 0), 0);
	memcpy(&out, f->reply + 16, sizeof(out));
	assert_int_equal(out.major, FUSE_KERNEL_VERSION);
	assert_false(out.flags &
		(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_HANDLE_KILLPRIV | FUSE_DONT_MASK |
			FUSE_EXPORT_SUPPORT));
	assert_int_equal(release_folder(f, fh), -EBADF);
	in.major = 8;
	assert_int_equal(ask_bytes(f, FUSE_INIT, 0, &in, sizeof(in), NULL, 0), -EPROTO);
	assert_int_equal(ask_bytes(f, FUSE_INIT, 0, &in, 15, NULL, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(attributes_are_set),
		CASE(links_have_no_mode),
		CASE(replies_keep_to_the_room),
		CASE(requests_cut_anywhere_are_refused),
		FEW(big_folders_are_read_in_pieces),
		FEW(who_removes_what_it_reads_sees_all),
		FEW(deep_folders_are_opened_again),
		CASE(folder_handles_are_not_guessed),
		CASE(a_folder_that_was_not_told_of_is_closed),
		CASE(the_hosts_own_attributes_are_not_touched),
		CASE(xattr_requests_that_lie_are_refused),
		CASE(a_new_session_closes_the_old_ones_folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
