/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.c - an OOM kill in the host's cgroup that stands for the guest's; see oom.h.
 *
 * A process may raise its own score, and lower it again to where root had put it. The child is born
 * with the raised one; ours is put back before the child begins. How much it touches at most is the
 * limit as it is then: an update may have changed it, and the VM may just be going.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "oom.h"

#define FIRST_TO_GO "1000"
#define WAIT_MS 5000
#define PAGE 4096u
#define MORE ((size_t)1 << 20) /* than the limit */

static struct {
	int fd; /* owned, and the next */
	int limit_fd;
	char score[8]; /* ours, as text */
	ssize_t score_len;
} oom = { .fd = -EBADF, .limit_fd = -EBADF };

void oom_prepare(int score_fd, int limit_fd)
{
	if (score_fd < 0 || limit_fd < 0)
		return;
	oom.score_len = read(score_fd, oom.score, sizeof(oom.score));
	if (oom.score_len <= 0 || fcntl(score_fd, F_SETFD, FD_CLOEXEC) < 0 ||
		fcntl(limit_fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	oom.fd = score_fd;
	oom.limit_fd = limit_fd;
}

bool oom_prepared(void)
{
	return oom.fd >= 0;
}

/* 0 = none. The file is read once only. */
static size_t read_limit(void)
{
	char text[32] = "";

	return read(oom.limit_fd, text, sizeof(text) - 1) <= 0 ? 0 : strtoull(text, NULL, 10);
}

/* Without libc's fork(), whose other system calls the filter does not know. */
static _Noreturn void touch(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		_exit(1);
	(void)madvise(at, bytes, MADV_HUGEPAGE);
	/* Until the others' scores are lower. */
	(void)usleep(1000);
	for (size_t i = 0; i < bytes; i += PAGE)
		((volatile char *)at)[i] = 1;
	_exit(0);
}

void oom_show(void)
{
	size_t limit = oom.fd < 0 ? 0 : read_limit();
	pid_t pid = -1;

	if (!limit || write(oom.fd, FIRST_TO_GO, strlen(FIRST_TO_GO)) < 0)
		return;
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0)
		touch(limit + MORE);
	(void)!write(oom.fd, oom.score, (size_t)oom.score_len);
	close_fd(&oom.fd);
	for (int waited = 0; pid > 0 && waited < WAIT_MS; waited++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		(void)usleep(1000);
	}
	if (pid > 0)
		(void)kill(pid, SIGKILL);
}
