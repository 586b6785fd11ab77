/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.h - starts a container's processes: the first one, and those that join it later.
 *
 * The new process prepares itself and tells how that went over its sync socket; then it waits for
 * one byte and becomes the program. The program's start shows as the socket's end of file.
 */
#ifndef NESTBOX_SPAWN_H
#define NESTBOX_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "guest-plan.h"

enum spawn_event {
	SPAWN_NOTHING, /* no message yet */
	SPAWN_CONSOLE, /* the terminal's fds came */
	SPAWN_READY, /* prepared; waits for spawn_go() */
	SPAWN_FAILED, /* the error is set; the process is about to exit */
	SPAWN_GONE, /* end of file: it runs the program, or it died */
};

struct spawn {
	pid_t pid;
	int sync_fd; /* owned; non-blocking */
	int std_fd[3]; /* owned: our ends of the pipes; -EBADF with a terminal */
	int console_fd, slave_fd; /* owned: after SPAWN_CONSOLE */
};

/* Namespaces of another container's first process. */
struct spawn_join {
	int pidfd; /* borrowed */
	uint64_t namespaces; /* of GPLAN_JOINABLE */
};

/* Starts the container's first process in new namespaces, or those of others, and in its cgroup. */
warn_unused int spawn_init(const struct gplan *g, const struct spawn_join *joins, size_t n_joins,
	int cgroup_fd, struct spawn *ret, struct err *e);

/* Starts a process in the container whose first process is init_pidfd. */
warn_unused int spawn_exec(const struct gplan *g, struct gplan_process *p, int init_pidfd,
	int cgroup_fd, struct spawn *ret, struct err *e);

/* Reads one message. */
enum spawn_event spawn_read(struct spawn *s, struct err *e);

/* Lets the prepared process run its program. */
warn_unused int spawn_go(struct spawn *s);

/* Closes what it owns; the process is left alone. */
void spawn_done(struct spawn *s);

#endif
