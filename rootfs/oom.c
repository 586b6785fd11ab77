/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.c - the OOM killer's strikes in the container's cgroup; see oom.h.
 *
 * memory.events (cgroup-v2.rst) counts them for the cgroup and those below it, and wakes pollers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "oom.h"

#define MAX_WATCHERS 16
#define KEY "\noom_kill "

static int events_fd = -EBADF; /* owned */
static unsigned long strikes;
static int watchers[MAX_WATCHERS]; /* fd + 1; 0 = free */

static unsigned long count(void)
{
	char text[1024] = "\n";
	ssize_t n = pread(events_fd, text + 1, sizeof(text) - 2, 0);
	const char *line = n > 0 ? strstr(text, KEY) : NULL;

	return line ? strtoul(line + strlen(KEY), NULL, 10) : 0;
}

static void tell(int fd)
{
	uint8_t frame[AGENT_HEADER];
	ssize_t n = 0;

	agent_put_header(frame, AGENT_OOM, 0, 0);
	n = send(fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
	/* Half a message would spoil the rest. */
	if (n != sizeof(frame) && !(n < 0 && errno == EAGAIN))
		(void)shutdown(fd, SHUT_RDWR);
}

void oom_look(void)
{
	unsigned long now = events_fd >= 0 ? count() : strikes;

	for (; strikes < now; strikes++) {
		for (size_t i = 0; i < MAX_WATCHERS; i++) {
			if (watchers[i])
				tell(watchers[i] - 1);
		}
	}
}

static void on_event(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	oom_look();
}

int oom_init(struct loop *l, int cgroup_fd, struct err *e)
{
	int r = 0;

	events_fd = openat(cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	/* A kernel without the controller has no such kills either. */
	if (events_fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "memory.events");
	strikes = count();
	r = loop_add(l, events_fd, EPOLLPRI, on_event, NULL);
	return r < 0 ? err_sys(e, r, "memory.events") : 0;
}

bool oom_struck(void)
{
	return strikes > 0;
}

int oom_watch(int fd)
{
	for (size_t i = 0; i < MAX_WATCHERS; i++) {
		if (!watchers[i]) {
			watchers[i] = fd + 1;
			return 0;
		}
	}
	return -ENOSPC;
}

void oom_forget(int fd)
{
	for (size_t i = 0; i < MAX_WATCHERS; i++) {
		if (watchers[i] == fd + 1)
			watchers[i] = 0;
	}
}
