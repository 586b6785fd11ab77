/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - runs a program of the host and reads what it has to say; see program.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "program.h"

static _Noreturn void become(char *const argv[], int out)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	(void)execvp(argv[0], argv);
	(void)dprintf(2, "%s", strerror(errno));
	_exit(127);
}

static int explain(const char *name, int status, char *text, struct err *e)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	char first[400];

	(void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(text, "\n"), text);
	err_sanitize(first, strlen(first));
	return err_set(e, -EIO, "%s: exit status %d: %s", name, code, first);
}

int program_output(char *const argv[], size_t max, char **ret_text, struct err *e)
{
	int ends[2], status = 0;
	size_t len = 0;
	pid_t pid = -1;
	int r = 0;

	*ret_text = NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "pipe");
	pid = fork();
	if (pid == 0)
		become(argv, ends[1]);
	r = pid < 0 ? -errno : 0;
	close_fd(&ends[1]);
	if (r == 0)
		r = io_read_file(ends[0], max, ret_text, &len);
	/* One that says too much cannot write any more, and is waited for all the same. */
	close_fd(&ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "%s", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return explain(argv[0], status, *ret_text, e);
}
