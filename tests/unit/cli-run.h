/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli-run.h - the command line for its unit tests: main() under another name, with its table of
 * verbs. Each call runs in a child, as options live in static variables.
 */
#ifndef NESTBOX_TEST_CLI_RUN_H
#define NESTBOX_TEST_CLI_RUN_H

#include <sys/mman.h>
#include <sys/wait.h>

#include "unit.h"

#include "io.h"

int nestbox_main(int argc, char **argv);
#define main nestbox_main
#include "../../runtime/cli/main.c"
#undef main

#define MAX_ARGS 16
#define NOBODY 65534

static bool as_nobody; /* where this is root, nestbox() is not */

struct outcome {
	int status;
	char *out, *err; /* owned */
};

static inline void cleanup_outcome(struct outcome *o)
{
	free(o->out);
	free(o->err);
}

static inline char *contents(int fd)
{
	char *text = NULL;
	size_t len = 0;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_file(fd, 1u << 20, &text, &len), 0);
	return text;
}

/* nestbox with these arguments, separated by single blanks. */
static inline struct outcome nestbox(const char *line)
{
	cleanup(close) int out = memfd_create("out", MFD_CLOEXEC);
	cleanup(close) int err = memfd_create("err", MFD_CLOEXEC);
	cleanup(free) char *words = strdup(line);
	char *argv[MAX_ARGS + 1] = { (char[]){ "nestbox" } };
	char *rest = words, *word = NULL;
	struct outcome o = { 0 };
	int argc = 1, status = 0;
	pid_t pid = 0;

	while (*line && (word = strsep(&rest, " "))) {
		assert_in_range(argc, 1, MAX_ARGS - 1);
		argv[argc++] = word;
	}
	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(out, STDOUT_FILENO);
		(void)dup2(err, STDERR_FILENO);
		if (as_nobody && geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(99);
		status = nestbox_main(argc, argv);
		(void)fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	o.status = WEXITSTATUS(status);
	o.out = contents(out);
	o.err = contents(err);
	return o;
}

static inline void assert_fails(const char *line, int status, const char *message)
{
	cleanup(outcome) struct outcome o = nestbox(line);
	char wanted[1024];

	(void)snprintf(wanted, sizeof(wanted), "nestbox: %s\n", message);
	assert_string_equal(o.err, wanted);
	assert_string_equal(o.out, "");
	assert_int_equal(o.status, status);
}

static inline void assert_prints(const char *line, const char *text)
{
	cleanup(outcome) struct outcome o = nestbox(line);

	assert_string_equal(o.err, "");
	assert_string_equal(o.out, text);
	assert_int_equal(o.status, 0);
}

#endif
