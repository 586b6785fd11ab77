/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.h - the OOM killer's strikes in the container's cgroup, and whom to tell of them.
 */
#ifndef NESTBOX_OOM_H
#define NESTBOX_OOM_H

#include <stdbool.h>

#include "cleanup.h"
#include "err.h"
#include "loop.h"

/* Watches the cgroup (its folder, borrowed) on the loop. */
warn_unused int oom_init(struct loop *l, int cgroup_fd, struct err *e);

/* Looks now, and tells the watchers if it struck since. */
void oom_look(void);

/* Whether it ever struck. */
bool oom_struck(void);

/* Sends OOM (agent.h) to this connection (borrowed) from now on, until oom_forget(). One that does
 * not take a message misses it. -ENOSPC: too many. */
warn_unused int oom_watch(int fd);
void oom_forget(int fd);

#endif
