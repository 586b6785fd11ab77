/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-rootfs.c - guest init's helpers that need neither root nor a VM: paths in a container's root
 * and copying a folder up.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "copy-up.h"
#include "grow.h"
#include "paths.h"
#include "share-folder.h"

/* `root` is a container's root; what is beside it must stay as it is. */
static int setup(void **state)
{
	struct share_dir *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	share_init(s, 16);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	share_done(*state);
	free(*state);
	return 0;
}

static void put_file(int dir, const char *name, const char *content, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	(void)close(fd);
}

static bool is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether the fd is the file that the host calls so. */
static bool is_same(int fd, int dir, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
		a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void links_stay_in_the_root(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const char *const targets[] = { "/etc", "../../../../etc", "/../etc", "./etc" };

	assert_int_equal(mkdirat(s->base, "etc", 0755), 0);
	assert_int_equal(mkdirat(s->root, "etc", 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		cleanup(close) int fd = -EBADF;

		assert_int_equal(symlinkat(targets[i], s->root, "l"), 0);
		fd = path_open(s->root, "/l", O_PATH);
		assert_true(is_same(fd, s->root, "etc"));
		assert_int_equal(unlinkat(s->root, "l", 0), 0);
	}
	{
		cleanup(close) int fd = path_open(s->root, "/../../etc/..", O_PATH);

		assert_true(is_same(fd, s->base, "share"));
	}
	/* Magic links lead anywhere: they are refused, not resolved. */
	assert_int_equal(path_open(proc, "/self/root/etc", O_PATH), -ELOOP);
	assert_int_equal(path_open(s->root, "/none", O_PATH), -ENOENT);
}

static void missing_folders_are_made(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int dir = path_make(s->root, "/a/b//c/", false);
	cleanup(close) int file = path_make(s->root, "/a/x/file", true);
	cleanup(close) int again = path_make(s->root, "a/x/file", true);
	struct stat st;

	assert_true(is_same(dir, s->root, "a/b/c"));
	assert_true(is_same(file, s->root, "a/x/file"));
	assert_true(is_same(again, s->root, "a/x/file"));
	assert_int_equal(fstatat(s->root, "a/b/c", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(fstatat(s->root, "a/x/file", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	/* A file in the way. */
	assert_int_equal(path_make(s->root, "/a/x/file/y", false), -ENOTDIR);
}

static void what_is_made_stays_in_the_root(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int fd = -EBADF;

	assert_int_equal(symlinkat("../../out", s->root, "l"), 0);
	/* The link means /out in the root, which is not there yet. */
	fd = path_make(s->root, "/l/x", false);
	assert_true(is_same(fd, s->root, "out/x"));
	close_fd(&fd);
	assert_int_equal(symlinkat("/m2", s->root, "m1"), 0);
	assert_int_equal(symlinkat("../far/off", s->root, "m2"), 0);
	fd = path_make(s->root, "/m1/./y/../z/f", true);
	assert_true(is_same(fd, s->root, "far/off/z/f"));
	assert_int_equal(symlinkat("ring/in", s->root, "ring"), 0);
	assert_int_equal(path_make(s->root, "/ring/x", false), -ELOOP);
	close_fd(&fd);
	fd = path_make(s->root, "/../../up/./../up2/y", false);
	assert_true(is_same(fd, s->root, "up2/y"));
	assert_false(is_there(s->base, "out"));
	assert_false(is_there(s->base, "up2"));
}

static void a_link_to_nothing_is_made_what_it_names(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int file = -EBADF;
	cleanup(close) int dir = -EBADF;

	assert_int_equal(mkdirat(s->root, "etc", 0755), 0);
	assert_int_equal(symlinkat("../../made/for/it", s->root, "etc/file"), 0);
	assert_int_equal(symlinkat("/etc/file2", s->root, "etc/dir"), 0);
	assert_int_equal(symlinkat("loop", s->root, "loop"), 0);
	file = path_make(s->root, "/etc/file", true);
	assert_true(is_same(file, s->root, "made/for/it"));
	dir = path_make(s->root, "/etc/dir/", false);
	assert_true(is_same(dir, s->root, "etc/file2"));
	assert_int_equal(path_make(s->root, "/loop", true), -ELOOP);
	assert_false(is_there(s->base, "made"));
}

static void parents_are_made_and_last_names_given(void **state)
{
	struct share_dir *s = *state;
	const char *name = NULL;
	cleanup(close) int dir = path_make_parent(s->root, "/p/q/null", &name);
	char longer[NAME_MAX + 8];

	assert_true(is_same(dir, s->root, "p/q"));
	assert_string_equal(name, "null");
	assert_false(is_there(s->root, "p/q/null"));
	assert_int_equal(path_make_parent(s->root, "/", &name), -EINVAL);
	assert_int_equal(path_make_parent(s->root, "", &name), -EINVAL);
	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer + NAME_MAX + 1, "/x", 2);
	assert_int_equal(path_make_parent(s->root, longer, &name), -ENAMETOOLONG);
	longer[NAME_MAX + 1] = 'n';
	assert_int_equal(path_make(s->root, longer, false), -ENAMETOOLONG);
}

static void folders_are_copied_as_they_are(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int from = -EBADF;
	cleanup(close) int to = -EBADF;
	cleanup(close) int big = -EBADF;
	char target[32] = { 0 };
	char byte = 0;
	struct stat st;

	assert_int_equal(mkdirat(s->root, "from", 0755), 0);
	assert_int_equal(mkdirat(s->root, "to", 0755), 0);
	from = openat(s->root, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(s->root, "to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	put_file(from, "a", "hello", 0640);
	put_file(from, "empty", "", 0604);
	assert_int_equal(mkdirat(from, "d", 0711), 0);
	assert_int_equal(mkdirat(from, "d/e", 01777), 0);
	put_file(from, "d/e/x", "y", 0400);
	assert_int_equal(symlinkat("/etc/passwd", from, "l"), 0);
	assert_int_equal(mkfifoat(from, "p", 0622), 0);
	big = openat(from, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(big, "z", 1, 3 << 20), 1);

	assert_int_equal(copy_up(from, to), 0);
	assert_int_equal(fstatat(to, "a", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(fstatat(to, "empty", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0604);
	assert_int_equal(fstatat(to, "d", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	assert_int_equal(fstatat(to, "d/e", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_true(is_there(to, "d/e/x"));
	assert_int_equal(readlinkat(to, "l", target, sizeof(target) - 1), 11);
	assert_string_equal(target, "/etc/passwd");
	assert_int_equal(fstatat(to, "p", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0622);
	close_fd(&big);
	big = openat(to, "big", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(big, &byte, 1, 3 << 20), 1);
	assert_int_equal(byte, 'z');
	/* What is there already is not overwritten. */
	assert_int_equal(copy_up(from, to), -EEXIST);
}

static void copying_does_not_follow_links_of_the_target(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int from = -EBADF;
	cleanup(close) int to = -EBADF;
	struct stat st;

	put_file(s->base, "secret", "x", 0644);
	assert_int_equal(mkdirat(s->root, "from", 0755), 0);
	assert_int_equal(mkdirat(s->root, "to", 0755), 0);
	from = openat(s->root, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(s->root, "to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	put_file(from, "a", "overwritten", 0644);
	assert_int_equal(symlinkat("../../secret", to, "a"), 0);
	assert_int_equal(copy_up(from, to), -EEXIST);
	assert_int_equal(fstatat(s->base, "secret", &st, 0), 0);
	assert_int_equal(st.st_size, 1);
}

static void folders_that_are_too_deep_are_refused(void **state)
{
	struct share_dir *s = *state;
	cleanup(close) int from = -EBADF;
	cleanup(close) int to = -EBADF;
	int at = -EBADF;

	assert_int_equal(mkdirat(s->root, "from", 0755), 0);
	assert_int_equal(mkdirat(s->root, "to", 0755), 0);
	from = openat(s->root, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(s->root, "to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	at = dup(from);
	for (int i = 0; i < 70; i++) {
		int next = -EBADF;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = next;
	}
	(void)close(at);
	assert_int_equal(copy_up(from, to), -ELOOP);
}

/* ---- limits that are a share of the memory ---- */

static void expect_numbers(const char *text, bool last, uint64_t most, const char *expected)
{
	const struct gplan_size size = { .boot_bytes = 512u << 20, .ram_bytes = 1280u << 20 };
	char got[GROW_NUMBERS_MAX];

	grow_numbers(&size, text, last, most, got);
	assert_string_equal(got, expected);
}

static void limits_grow_with_the_memory(void **state)
{
	(void)state;
	expect_numbers("100\n", false, INT64_MAX, "250 ");
	expect_numbers("5754\t7675\t11508\n", false, INT64_MAX, "14385 19187 28770 ");
	expect_numbers("4096\t131072\t3000\n", true, INT64_MAX, "4096 131072 7500 ");
	expect_numbers("4096\t131072\t3000\n", true, 6000, "4096 131072 6000 ");
	/* One that is past it stays; one that is too large to reckon with is the most. */
	expect_numbers("7000\n", false, 6000, "7000 ");
	expect_numbers("9223372036854775807\n", false, INT64_MAX, "9223372036854775807 ");
	expect_numbers("18446744073709551615\n", false, 5, "18446744073709551615 ");
	expect_numbers("", false, 5, "");
	expect_numbers("max\n", false, 5, "");
	/* As many as there is room for. */
	expect_numbers("18446744073709551615 18446744073709551615 18446744073709551615 "
		       "18446744073709551615 18446744073709551615 18446744073709551615 1 1 1 1 1",
		false, 5,
		"18446744073709551615 18446744073709551615 18446744073709551615 "
		"18446744073709551615 18446744073709551615 18446744073709551615 ");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_grow_with_the_memory),
		CASE(links_stay_in_the_root),
		CASE(missing_folders_are_made),
		CASE(what_is_made_stays_in_the_root),
		CASE(a_link_to_nothing_is_made_what_it_names),
		CASE(parents_are_made_and_last_names_given),
		CASE(folders_are_copied_as_they_are),
		CASE(copying_does_not_follow_links_of_the_target),
		CASE(folders_that_are_too_deep_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
