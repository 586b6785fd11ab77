/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn-child.h - what a container's process does between fork and execve.
 */
#ifndef NESTBOX_SPAWN_CHILD_H
#define NESTBOX_SPAWN_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "guest-plan.h"

#define SPAWN_SYNC_FD 3
#define SPAWN_PIDFD 4 /* the container's first process, for one that joins it */

struct spawn_message {
	uint32_t kind; /* enum spawn_event */
	struct err e; /* SPAWN_FAILED */
};

/* Prepares, reports, waits, execs; never returns. */
_Noreturn void spawn_child(const struct gplan *g, struct gplan_process *p, bool join);

#endif
