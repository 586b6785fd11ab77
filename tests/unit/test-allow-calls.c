/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-allow-calls.c - a process behind an allow-list: what it may do, what ends it, and that it
 * goes on after somebody stopped it in the midst of a call.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "allow-calls.h"

static const struct allowed_call calls[] = {
	{ SYS_poll, ALLOW_ANY },
	{ SYS_exit_group, ALLOW_ANY },
	{ SYS_socket, AF_UNIX, true },
	{ SYS_ioctl, 0x1234 },
};

/* The status of a child that makes one call behind the list; it ends with 0 when that was let
 * through. */
static int status_of(long nr, long a, long b)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (allow_calls(calls, ARRAY_LEN(calls)) < 0)
			_exit(1);
		(void)syscall(nr, a, b, 0);
		(void)syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void only_these(void **state)
{
	(void)state;
	assert_int_equal(status_of(SYS_socket, AF_UNIX, SOCK_STREAM), 0);
	assert_int_equal(WTERMSIG(status_of(SYS_socket, AF_INET, SOCK_STREAM)), SIGSYS);
	assert_int_equal(status_of(SYS_ioctl, 0, 0x1234), 0);
	assert_int_equal(WTERMSIG(status_of(SYS_ioctl, 0, 0x1235)), SIGSYS);
	assert_int_equal(WTERMSIG(status_of(SYS_getpid, 0, 0)), SIGSYS);
}

static void wait_until_polling(pid_t pid)
{
	char path[64], text[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (int i = 0; i < 1000 && strtol(text, NULL, 10) != SYS_poll; i++) {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		if (!fgets(text, sizeof(text), f))
			text[0] = '\0';
		(void)fclose(f);
		(void)usleep(10000);
	}
	assert_int_equal(strtol(text, NULL, 10), SYS_poll);
}

static void stopped_and_continued(void **state)
{
	int pipe_fd[2];
	int status = 0;
	pid_t pid = -1;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd p = { .fd = pipe_fd[0], .events = POLLIN };

		if (allow_calls(calls, ARRAY_LEN(calls)) < 0)
			_exit(1);
		(void)syscall(SYS_exit_group, syscall(SYS_poll, &p, 1, 60000) == 1 ? 0 : 2);
	}
	wait_until_polling(pid);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_these),
		cmocka_unit_test(stopped_and_continued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
