/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.c - the OOM killer's strikes in a container's cgroup; see oom.h.
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

#define MAX_WATCHERS 64
#define KEY "\noom_kill "

static struct {
	const struct oom *of; /* borrowed; NULL = free */
	int fd; /* borrowed */
} watchers[MAX_WATCHERS];

static unsigned long count(const struct oom *o)
{
	char text[1024] = "\n";
	ssize_t n = pread(o->events_fd, text + 1, sizeof(text) - 2, 0);
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

void oom_look(struct oom *o)
{
	unsigned long now = o->events_fd >= 0 ? count(o) : o->strikes;

	for (; o->strikes < now; o->strikes++) {
		for (size_t i = 0; i < MAX_WATCHERS; i++) {
			if (watchers[i].of == o)
				tell(watchers[i].fd);
		}
	}
}

static void on_event(void *arg, uint32_t events)
{
	(void)events;
	oom_look(arg);
}

int oom_init(struct oom *o, struct loop *l, int cgroup_fd, struct err *e)
{
	*o = (struct oom){ .loop = l,
		.events_fd = openat(cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC),
		.src = -1 };
	/* A kernel without the controller has no such kills either. */
	if (o->events_fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "memory.events");
	o->strikes = count(o);
	o->src = loop_add(l, o->events_fd, EPOLLPRI, on_event, o);
	return o->src < 0 ? err_sys(e, o->src, "memory.events") : 0;
}

void oom_done(struct oom *o)
{
	for (size_t i = 0; i < MAX_WATCHERS; i++) {
		if (watchers[i].of != o)
			continue;
		/* It shall not wait for what does not come: the VM goes on. */
		(void)shutdown(watchers[i].fd, SHUT_RDWR);
		watchers[i].of = NULL;
	}
	if (!o->loop)
		return;
	loop_del(o->loop, o->src);
	close_fd(&o->events_fd);
	o->loop = NULL;
}

bool oom_struck(const struct oom *o)
{
	return o->strikes > 0;
}

int oom_watch(const struct oom *o, int fd)
{
	for (size_t i = 0; i < MAX_WATCHERS; i++) {
		if (!watchers[i].of) {
			watchers[i].of = o;
			watchers[i].fd = fd;
			return 0;
		}
	}
	return -ENOSPC;
}

void oom_forget(int fd)
{
	for (size_t i = 0; i < MAX_WATCHERS; i++) {
		if (watchers[i].fd == fd)
			watchers[i].of = NULL;
	}
}
