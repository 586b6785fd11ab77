/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.h - the hooks of a container at their places in its life: those of the host are run here,
 * those of the guest are handed to init.
 *
 * Hooks of the host run in the bundle's folder, as ours with our environment unless they have their
 * own, and get the state document on stdin. Its pid is the monitor's, which stands in the
 * container's network namespace.
 */
#ifndef NESTBOX_CTR_HOOKS_H
#define NESTBOX_CTR_HOOKS_H

#include "guest-plan.h"
#include "plan.h"
#include "state.h"

/* prestart, then createRuntime. */
warn_unused int hooks_creating(
	const struct plan_hooks *h, const struct ctr_state *s, struct err *e);

/* Gives the guest what its hooks read (memory of the arena). */
warn_unused int hooks_for_guest(
	const struct ctr_state *s, struct arena *a, struct gplan *g, struct err *e);

/* The hooks as they were at create, from the kept config.json. */
warn_unused int hooks_kept(int state_fd, const struct ctr_state *s, struct arena *a,
	struct plan_hooks *ret, struct err *e);

/* poststart. */
warn_unused int hooks_started(const struct plan_hooks *h, const struct ctr_state *s, struct err *e);

/* poststop: each of them, whatever the others did. Failures are added to *e, which keeps its code:
 * with code 0 it is a warning. */
void hooks_stopped(const struct plan_hooks *h, const struct ctr_state *s, struct err *e);

/* How long to wait for a guest that has these hooks to run: at least base_ms. */
int hooks_wait_ms(int base_ms, const struct hook_list *l);

#endif
