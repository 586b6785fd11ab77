/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.c - an OOM kill in the host's cgroup that stands for the guest's; see oom.h.
 *
 * A process may raise its own score, and lower it again to where root had put it. The child is born
 * with the raised one; ours is put back before the child begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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
#define MAX_MIB (1 << 20)

static struct {
	int fd; /* owned */
	size_t bytes;
	char score[8]; /* ours, as text */
	ssize_t score_len;
} oom = { .fd = -EBADF };

void oom_prepare(int fd, int mib)
{
	if (fd < 0 || mib <= 0 || mib > MAX_MIB)
		return;
	oom.score_len = read(fd, oom.score, sizeof(oom.score));
	if (oom.score_len <= 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return;
	oom.fd = fd;
	oom.bytes = (size_t)mib << 20;
}

bool oom_prepared(void)
{
	return oom.fd >= 0;
}

/* Without libc's fork(), whose other system calls the filter does not know. */
static _Noreturn void touch(void)
{
	volatile char *at =
		mmap(NULL, oom.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* Until the others' scores are lower. */
	(void)usleep(1000);
	for (size_t i = 0; at != MAP_FAILED && i < oom.bytes; i += PAGE)
		at[i] = 1;
	_exit(0);
}

void oom_show(void)
{
	pid_t pid = -1;

	if (oom.fd < 0 || write(oom.fd, FIRST_TO_GO, strlen(FIRST_TO_GO)) < 0)
		return;
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0)
		touch();
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
