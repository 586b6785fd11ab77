/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.h - connections to the namespace's localhost go to the guest's: who asks for a port of a
 * container there (CRI's port-forward, a debugger) finds the container's server.
 */
#ifndef NESTBOX_FORWARD_H
#define NESTBOX_FORWARD_H

#include "err.h"
#include "loop.h"

/* Before the jail. id (borrowed) is the container's. */
warn_unused int forward_init(struct loop *loop, const char *id, struct err *e);

#endif
