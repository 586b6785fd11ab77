/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - processes of the host; see process.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io.h"
#include "process.h"

#define STAT_MAX 4096
#define FIELD_STATE 3
#define FIELD_START 22

/* State letter and start time of /proc/PID/stat (proc(5)); the name before them may hold anything.
 */
static int read_stat(int64_t pid, char *ret_state, uint64_t *ret_start)
{
	cleanup(close) int fd = -EBADF;
	cleanup(free) char *text = NULL;
	char path[64];
	char *at = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || io_read_file(fd, STAT_MAX, &text, &len) < 0)
		return -ESRCH;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ')
		return -ESRCH;
	at += 2;
	*ret_state = *at;
	for (int field = FIELD_STATE; field < FIELD_START && at; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return -ESRCH;
	*ret_start = strtoull(at, NULL, 10);
	return 0;
}

struct process_ref process_ref_of(pid_t pid)
{
	struct process_ref p = { .pid = pid };
	char state = 0;

	(void)!read_stat(pid, &state, &p.start);
	return p;
}

bool process_alive(const struct process_ref *p)
{
	uint64_t start = 0;
	char state = 0;

	return p->pid > 0 && read_stat(p->pid, &state, &start) == 0 && start == p->start &&
		state != 'Z' && state != 'X';
}

int process_open(const struct process_ref *p)
{
	cleanup(close) int fd = -EBADF;

	if (p->pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)p->pid, 0u);
	if (fd < 0)
		return -errno;
	/* Looked at after the pidfd was opened: so it is that one's. */
	return process_alive(p) ? take_fd(&fd) : -ESRCH;
}

int process_signal(const struct process_ref *p, int signal_number)
{
	cleanup(close) int fd = process_open(p);

	if (fd < 0)
		return fd;
	return syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0u) < 0 ? -errno : 0;
}

static int wait_end(int pidfd, int timeout_ms)
{
	int r = io_wait_readable(pidfd, timeout_ms);

	if (r < 0)
		return r;
	return r == 0 ? -ETIMEDOUT : 0;
}

int process_wait(const struct process_ref *p, int timeout_ms)
{
	cleanup(close) int fd = process_open(p);

	return fd < 0 ? 0 : wait_end(fd, timeout_ms);
}

int process_end(const struct process_ref *p, int timeout_ms)
{
	cleanup(close) int fd = process_open(p);

	if (fd < 0)
		return 0;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0u) < 0 && errno != ESRCH)
		return -errno;
	return wait_end(fd, timeout_ms);
}
