/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridges.h - unix sockets across the VM's boundary, the guest's side of socket-link.h.
 *
 * In the place of a socket of the host init listens on one of its own; and it takes the host's
 * clients to sockets that were bound on the shares.
 */
#ifndef NESTBOX_BRIDGES_H
#define NESTBOX_BRIDGES_H

#include "err.h"
#include "guest-plan.h"
#include "loop.h"

#define BRIDGES_FOLDER \
	"/run/sockets" /* and -N (boot_folder()): init's own, by the names of the \
			* shares */

/* Listens for what the host hands over. Once. */
warn_unused int bridges_init(struct loop *loop, struct err *e);

/* Makes a listening socket in BRIDGES_FOLDER for each of the plan's mounts whose share is a socket,
 * with the owner and mode that it has on the host. The shares are mounted. */
warn_unused int bridges_make(const struct gplan *g, struct err *e);

/* The container with this file system is gone, and nobody connects to its sockets any more. */
void bridges_gone(uint32_t fs_slot);

#endif
