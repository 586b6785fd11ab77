/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-corpus.c - every kept input of every fuzz target once more, under the unit tests'
 * sanitizers.
 *
 * The Makefile gives the list: TARGETS(T) is T(fuzz target) for each, with '_' for '-'; each target
 * is compiled with its entry named fuzz_<target>. A target without inputs is a failure.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "io.h"

#define INPUT_MAX_BYTES ((size_t)1 << 20)

#define DECLARE(name) int fuzz_##name(const uint8_t *data, size_t size);
TARGETS(DECLARE)

static void replay(const char *target, int (*entry)(const uint8_t *, size_t))
{
	char path[512];
	struct dirent *d = NULL;
	unsigned inputs = 0;
	DIR *dir = NULL;

	(void)snprintf(path, sizeof(path), "%s/%s", CORPUS, target);
	for (char *p = path + strlen(CORPUS); *p; p++)
		*p = *p == '_' ? '-' : *p;
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		cleanup(close) int fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC);
		cleanup(free) char *data = NULL;
		size_t len = 0;

		if (d->d_name[0] == '.')
			continue;
		assert_int_equal(io_read_file(fd, INPUT_MAX_BYTES, &data, &len), 0);
		print_message("%s/%s\n", target, d->d_name);
		assert_int_equal(entry((const uint8_t *)data, len), 0);
		inputs++;
	}
	(void)closedir(dir);
	assert_true(inputs > 0);
}

#define TEST(name) \
	static void replay_##name(void **state) \
	{ \
		(void)state; \
		replay(#name, fuzz_##name); \
	}
TARGETS(TEST)

#define CASE(name) cmocka_unit_test(replay_##name),

int main(void)
{
	const struct CMUnitTest tests[] = { TARGETS(CASE) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
