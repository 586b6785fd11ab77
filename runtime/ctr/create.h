/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create.h - from a bundle to a container that waits for start: shared by create and run.
 */
#ifndef NESTBOX_CTR_CREATE_H
#define NESTBOX_CTR_CREATE_H

#include "bundle.h"
#include "ctr.h"
#include "launch.h"

struct created {
	int fd, lock; /* owned: of the state folder */
	struct ctr_state state;
	struct launch launch;
};

/* On error nothing is left. */
warn_unused int create_container(
	const struct ctr_create_options *o, struct arena *a, struct created *ret, struct err *e);

/* What shall be done for the bundle's config.json on this host, in the VM that it joins. */
warn_unused int create_plan(const struct ctr_create_options *o, struct bundle *b,
	const struct join *j, struct arena *a, struct plan *ret, struct err *e);

#endif
