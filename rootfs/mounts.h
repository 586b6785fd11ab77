/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.h - the container's file system: root, mounts, devices, hidden paths.
 *
 * Called in the container's first process, in its new mount namespace, before it gives up
 * privileges.
 */
#ifndef NESTBOX_MOUNTS_H
#define NESTBOX_MOUNTS_H

#include "err.h"
#include "guest-plan.h"

/* Builds everything beneath the new root and enters it (pivot_root). With a terminal, *ret_console
 * is its master and *ret_slave its slave (owned by the caller); else both are -EBADF. */
warn_unused int mounts_build(
	const struct gplan *g, int *ret_console, int *ret_slave, struct err *e);

/* Opens a new terminal in the container that the caller is in; both fds are the caller's. */
warn_unused int mounts_open_terminal(
	const struct gplan_process *p, int *ret_console, int *ret_slave, struct err *e);

#endif
