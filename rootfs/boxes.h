/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boxes.h - the containers of this VM: what each is made of, and its end.
 *
 * The first one came with the VM, and the VM ends with it. Others join: each has a file system
 * device, a cgroup and namespaces of its own, but for those that it shares with another one.
 */
#ifndef NESTBOX_BOXES_H
#define NESTBOX_BOXES_H

#include <stdbool.h>

#include "err.h"
#include "guest-plan.h"
#include "loop.h"
#include "oom.h"
#include "spawn.h"

struct task;

struct box {
	struct arena arena; /* of the plan */
	struct gplan plan;
	int cgroup_fd, pidfd; /* owned; pidfd: of its first process */
	struct oom oom;
	struct task *init; /* borrowed; NULL when it is gone */
	bool first; /* it came with the VM */
	bool ended; /* it has no name any more; box_free() when nobody refers to it */
	bool rest; /* of one that has ended: something is still to be given back */
};

/* A new entry for the plan (payload of CREATE). joined: it came by a connection of its own. Errors:
 * there is one of that id, or no room; a plan that is not for this. */
warn_unused int box_new(const void *plan, size_t len, bool joined, struct box **ret, struct err *e);

/* The container of that id; NULL and "container does not exist". */
struct box *box_find(const char *id, struct err *e);

/* Entry i, NULL = free; up to BOX_MAX. */
#define BOX_MAX 64
struct box *box_at(size_t i);

/* What the plan is to be built on: shares, sockets, cgroup, in this order. */
warn_unused int box_prepare(struct box *b, struct loop *loop, struct err *e);

/* Finds the containers whose namespaces the plan shares; *ret_n of ret[GPLAN_MAX_JOINS]. */
warn_unused int box_joins(
	const struct box *b, struct spawn_join *ret, size_t *ret_n, struct err *e);

/* One that joined has ended: its processes are killed, and what it had is given back, by and by. */
void box_end(struct box *b);

/* Gives back what could not be given back yet; for how many milliseconds to wait until the next
 * try: -1 = there is none. */
int boxes_turn(void);

/* Frees the entry. */
void box_free(struct box *b);

#endif
