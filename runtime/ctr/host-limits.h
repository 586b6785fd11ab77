/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-limits.h - a container's cgroup on the host: made, limited, found again.
 */
#ifndef NESTBOX_CTR_HOST_LIMITS_H
#define NESTBOX_CTR_HOST_LIMITS_H

#include "plan.h"
#include "state.h"

/* Into the state: where the cgroup is to be, whether others live there already, and what is to be
 * written at start. Memory is the arena's. */
warn_unused int limits_plan(
	const struct plan_cgroup *c, struct arena *a, struct ctr_state *s, struct err *e);

/* Makes it with the limits of create; *ret_fd is its folder (owned by the caller), or -1 when
 * systemd shall make it: limits_place(). */
warn_unused int limits_make(
	const struct plan_cgroup *c, const struct ctr_state *s, int *ret_fd, struct err *e);

/* Has systemd make it around the process, and notes in the state where it is. */
warn_unused int limits_place(const struct plan_cgroup *c, pid_t pid, struct arena *a,
	struct ctr_state *s, struct err *e);

/* Writes files of the container's cgroup. */
warn_unused int limits_write(
	const struct ctr_state *s, const struct plan_files *files, struct err *e);

/* What such a file holds, cut off at size - 1 bytes; "" when there is none. */
void limits_read(const struct ctr_state *s, const char *name, char *buf, size_t size);

/* Notes files in the state, to be written at start, beside what is noted already; each stands once.
 * Memory is the arena's. */
warn_unused int limits_keep(
	const struct plan_files *files, struct arena *a, struct ctr_state *s, struct err *e);

/* What was kept for start. */
warn_unused int limits_start(const struct ctr_state *s, struct err *e);

#endif
