/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-bundle.c - bundles as they are found, pid files, and what terminals need of the options.
 */
#include <dirent.h>

#include "state-folder.h"

#include "bundle.h"

static void bundles_are_read(void **state)
{
	static const char config[] = "{\"ociVersion\":\"1.0.0\"}";
	struct fixture *f = *state;
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);
	char resolved[PATH_MAX], dotted[PATH_MAX + 8];
	struct bundle b;
	struct err e = { 0 };

	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -ENOENT);
	assert_string_equal(e.msg, "JSON specification file config.json not found");
	assert_int_equal(bundle_read("/nowhere/at/all", &f->a, &b, &e), -ENOENT);
	assert_string_equal(e.msg, "bundle /nowhere/at/all: no such file or directory");
	/* What would hang or never end. */
	assert_int_equal(mkfifoat(root, "config.json", 0600), 0);
	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -EINVAL);
	assert_int_equal(unlinkat(root, "config.json", 0), 0);
	assert_int_equal(symlinkat("/dev/zero", root, "config.json"), 0);
	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -EFBIG);
	assert_string_equal(e.msg, "config.json: larger than 16 MiB");
	assert_int_equal(unlinkat(root, "config.json", 0), 0);
	assert_int_equal(mkdirat(root, "config.json", 0700), 0);
	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -EISDIR);
	assert_int_equal(unlinkat(root, "config.json", AT_REMOVEDIR), 0);
	put_file(root, "config.json", config, strlen(config));
	(void)snprintf(dotted, sizeof(dotted), "%s/./.", f->root);
	assert_int_equal(bundle_read(dotted, &f->a, &b, &e), 0);
	assert_non_null(realpath(f->root, resolved));
	assert_string_equal(b.path, resolved);
	assert_string_equal(b.text, config);
	assert_string_equal(b.spec.version, "1.0.0");
}

static void pid_files_hold_digits_only(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = -EBADF;
	cleanup(free) char *text = NULL;
	char path[PATH_MAX + 8];
	struct dirent **entries = NULL;
	size_t len = 0;
	struct err e = { 0 };

	assert_int_equal(bundle_write_pid(NULL, 1, &e), 0);
	(void)snprintf(path, sizeof(path), "%s/pid", f->root);
	assert_int_equal(bundle_write_pid(path, 1, &e), 0);
	/* An old one is replaced. */
	assert_int_equal(bundle_write_pid(path, 4194304, &e), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_file(fd, 100, &text, &len), 0);
	assert_string_equal(text, "4194304");
	/* ".", ".." and the file: nothing else was left. */
	assert_int_equal(scandir(f->root, &entries, NULL, NULL), 3);
	for (int i = 0; i < 3; i++)
		free(entries[i]);
	free(entries);
	(void)snprintf(path, sizeof(path), "%s/no/pid", f->root);
	assert_int_equal(bundle_write_pid(path, 1, &e), -ENOENT);
	assert_memory_equal(e.msg, "pid file ", 9);
}

/* Terminal x detach x console socket, in runc's words. */
static void consoles_and_options_must_agree(void **state)
{
	static const char without[] =
		"cannot allocate tty if runc will detach without setting console socket "
		"(use --console-socket)";
	static const char useless[] =
		"cannot use console socket if runc will not detach or allocate tty";
	static const struct {
		bool terminal, detach;
		const char *socket, *message;
	} cases[] = {
		{ false, false, NULL, NULL },
		{ true, false, NULL, NULL },
		{ false, true, NULL, NULL },
		{ true, true, NULL, without },
		{ false, false, "/s", useless },
		{ true, false, "/s", useless },
		{ false, true, "/s", useless },
		{ true, true, "/s", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int r = bundle_check_console(
			cases[i].terminal, cases[i].detach, cases[i].socket, &e);

		assert_int_equal(r, cases[i].message ? -EINVAL : 0);
		assert_string_equal(e.msg, cases[i].message ? cases[i].message : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bundles_are_read),
		TEST(pid_files_hold_digits_only),
		TEST(consoles_and_options_must_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
