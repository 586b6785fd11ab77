/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook.c - runs the hooks of a container; see hook.h.
 *
 * Trust: a hook may be a program of the image: its output is bounded, made printable, and nothing
 * waits for what it leaves behind. A container's first process runs hooks under its own seccomp
 * filter, so only calls are used that any filter lets through which allows a program to be run.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hook.h"
#include "io.h"
#include "signals.h"

#define SAID_MAX 384u /* kept of each stream: the last, so that two of them fit into an error */
#define SLICE_MS 50
#define DRAIN_MAX 256 /* reads after its end: what it left behind may write for ever */

enum stream { OUT, ERR, FAILURE, STREAM_MAX }; /* FAILURE: errno of what came before the program */

struct said {
	int fd; /* owned: our end of the pipe, non-blocking; -EBADF at its end */
	size_t len;
	char text[SAID_MAX + 1];
};

static void keep_last(struct said *s, const char *data, size_t n)
{
	size_t old = s->len;

	if (n > SAID_MAX) {
		data += n - SAID_MAX;
		n = SAID_MAX;
	}
	if (old > SAID_MAX - n) {
		memmove(s->text, s->text + (old - (SAID_MAX - n)), SAID_MAX - n);
		old = SAID_MAX - n;
	}
	memcpy(s->text + old, data, n);
	s->len = old + n;
}

/* One read; whether there may be more at once. */
static bool take(struct said *s)
{
	char buffer[4096];
	ssize_t n = s->fd < 0 ? 0 : read(s->fd, buffer, sizeof(buffer));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0)
		close_fd(&s->fd);
	else
		keep_last(s, buffer, (size_t)n);
	return n > 0;
}

/* ---- the new process ----------------------------------------------------------------------- */

static int enter(const struct hook_place *p)
{
	if (p->root_fd >= 0)
		return fchdir(p->root_fd) < 0 || chroot(".") < 0 ? -errno : 0;
	if (p->dir && chdir(p->dir) < 0 && chdir("/") < 0)
		return -errno;
	return 0;
}

static _Noreturn void become(const struct hook *h, const struct hook_place *place, pid_t parent,
	int input_fd, const int ends[STREAM_MAX])
{
	char *const alone[] = { (char *)(uintptr_t)h->path, NULL };
	int r = 0;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	signals_reset();
	if (dup2(input_fd, 0) < 0 || dup2(ends[OUT], 1) < 0 || dup2(ends[ERR], 2) < 0)
		r = -errno;
	if (r == 0)
		r = enter(place);
	if (r == 0) {
		(void)execve(
			h->path, h->n_args ? h->args : alone, h->has_env ? h->env : place->env);
		r = -errno;
	}
	(void)!write(ends[FAILURE], &r, sizeof(r));
	_exit(127);
}

static int start(const struct hook *h, const struct hook_place *place, int input_fd,
	struct said said[STREAM_MAX], pid_t *ret_pid)
{
	int ends[STREAM_MAX] = { -EBADF, -EBADF, -EBADF };
	pid_t parent = getpid();
	pid_t pid = -1;
	int r = lseek(input_fd, 0, SEEK_SET) < 0 ? -errno : 0;

	for (int i = 0; i < STREAM_MAX && r == 0; i++) {
		int pair[2];

		if (pipe2(pair, O_CLOEXEC) < 0) {
			r = -errno;
			break;
		}
		said[i].fd = pair[0];
		ends[i] = pair[1];
		r = io_set_nonblock(said[i].fd, true);
	}
	if (r == 0)
		pid = fork();
	if (pid == 0)
		become(h, place, parent, input_fd, ends);
	if (r == 0 && pid < 0)
		r = -errno;
	for (int i = 0; i < STREAM_MAX; i++)
		close_fd(&ends[i]);
	*ret_pid = pid;
	return r;
}

/* ---- watching it --------------------------------------------------------------------------- */

static int wait_end(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Its end shows within a slice even when others hold the pipes: asked for, as a pidfd is a call
 * that a container's filter may not know. deadline: io_now_ns() clock, 0 = none. */
static int watch(
	pid_t pid, unsigned long long deadline, struct said said[STREAM_MAX], int *ret_status)
{
	int slice = 1;

	for (;;) {
		struct pollfd fds[STREAM_MAX];
		bool open = false;
		pid_t ended = waitpid(pid, ret_status, WNOHANG);

		if (ended == pid)
			return 0;
		if (ended < 0 && errno != EINTR)
			return -errno;
		if (deadline && io_now_ns() >= deadline) {
			(void)kill(-pid, SIGKILL);
			/* It may have left its group, or not have made it yet. */
			(void)kill(pid, SIGKILL);
			*ret_status = wait_end(pid);
			return -ETIMEDOUT;
		}
		for (int i = 0; i < STREAM_MAX; i++) {
			fds[i] = (struct pollfd){ .fd = said[i].fd, .events = POLLIN };
			open = open || (i != FAILURE && said[i].fd >= 0);
		}
		/* With both ends of output seen its own end is near. */
		slice = open ? SLICE_MS : slice < SLICE_MS ? slice * 2 : SLICE_MS;
		if (poll(fds, STREAM_MAX, slice) <= 0)
			continue;
		for (int i = 0; i < STREAM_MAX; i++) {
			if (fds[i].revents)
				(void)take(&said[i]);
		}
		slice = 1;
	}
}

/* ---- words --------------------------------------------------------------------------------- */

/* "No such file" as Go's programs write it; "I/O error" stays. */
static const char *lower(const char *text, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s", text);
	if (buf[0] && islower((unsigned char)buf[1]))
		buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

static int tell(
	const struct hook *h, int r, int status, struct said said[STREAM_MAX], struct err *e)
{
	char words[128];
	int failure = 0;

	for (int i = 0; i < FAILURE; i++) {
		said[i].text[said[i].len] = '\0';
		err_flatten(said[i].text);
	}
	if (said[FAILURE].len == sizeof(failure)) {
		memcpy(&failure, said[FAILURE].text, sizeof(failure));
		r = failure;
	}
	if (r == -ETIMEDOUT)
		return err_set(
			e, -ECHILD, "hook ran past specified timeout of %u.0s", h->timeout_s);
	if (r < 0)
		return err_set(e, -ECHILD, "fork/exec %s: %s", h->path,
			lower(strerror(-r), words, sizeof(words)));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		return err_set(e, -ECHILD,
			"error running hook: exit status %d, stdout: %s, stderr: %s",
			WEXITSTATUS(status), said[OUT].text, said[ERR].text);
	return err_set(e, -ECHILD, "error running hook: signal: %s%s, stdout: %s, stderr: %s",
		lower(strsignal(WTERMSIG(status)), words, sizeof(words)),
		WCOREDUMP(status) ? " (core dumped)" : "", said[OUT].text, said[ERR].text);
}

/* ---- public -------------------------------------------------------------------------------- */

int hook_run(const struct hook *h, const char *name, size_t i, int input_fd,
	const struct hook_place *place, struct err *e)
{
	struct said said[STREAM_MAX] = { { .fd = -EBADF }, { .fd = -EBADF }, { .fd = -EBADF } };
	unsigned long long deadline = h->timeout_s ? io_now_ns() + h->timeout_s * 1000000000ULL : 0;
	int status = 0;
	pid_t pid = -1;
	int r = start(h, place, input_fd, said, &pid);

	if (r == 0)
		r = watch(pid, deadline, said, &status);
	for (int k = 0; k < STREAM_MAX; k++) {
		for (int n = 0; n < DRAIN_MAX && take(&said[k]); n++)
			;
		close_fd(&said[k].fd);
	}
	r = tell(h, r, status, said, e);
	return r < 0 ? err_wrap(e, "error running %s hook #%zu", name, i) : 0;
}

int hook_run_all(const struct hook_list *l, const char *name, int input_fd,
	const struct hook_place *place, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r == 0; i++)
		r = hook_run(&l->v[i], name, i, input_fd, place, e);
	return r;
}
