/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.h - the end of a container: its processes, its state, its poststop hooks.
 */
#ifndef NESTBOX_CTR_REMOVE_H
#define NESTBOX_CTR_REMOVE_H

#include "cleanup.h"
#include "err.h"

/* Ends what still lives of it, removes its folder (fd) and gives the lock back (both are closed;
 * *lock may be -EBADF), then runs its poststop hooks. These can only fail as a warning: 0 is
 * returned and *e has their text with code 0; otherwise it is empty. */
warn_unused int container_remove(
	const char *root, const char *id, int *fd, int *lock, struct err *e);

#endif
