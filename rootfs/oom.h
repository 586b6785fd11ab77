/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.h - the OOM killer's strikes in a container's cgroup, and whom to tell of them.
 */
#ifndef NESTBOX_OOM_H
#define NESTBOX_OOM_H

#include <stdbool.h>

#include "cleanup.h"
#include "err.h"
#include "loop.h"

/* Of one container. It stays where it is between oom_init() and oom_done(). */
struct oom {
	struct loop *loop; /* borrowed; NULL = not watched */
	int events_fd; /* owned; -EBADF = none */
	int src;
	unsigned long strikes;
};

/* Watches the cgroup (its folder, borrowed) on the loop. */
warn_unused int oom_init(struct oom *o, struct loop *l, int cgroup_fd, struct err *e);

/* Stops watching; its watchers hear no more. Accepts a zeroed one. */
void oom_done(struct oom *o);

/* Looks now, and tells the watchers if it struck since. */
void oom_look(struct oom *o);

/* Whether it ever struck. */
bool oom_struck(const struct oom *o);

/* Sends OOM (agent.h) to this connection (borrowed) from now on, until oom_forget(). One that does
 * not take a message misses it. -ENOSPC: too many. */
warn_unused int oom_watch(const struct oom *o, int fd);
void oom_forget(int fd);

#endif
