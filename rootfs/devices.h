/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.h - device nodes and links in the container's /dev.
 */
#ifndef NESTBOX_DEVICES_H
#define NESTBOX_DEVICES_H

#include "err.h"
#include "guest-plan.h"

/* Makes what a user namespace may not make: its nodes, for devices_make() to bind. By init, before
 * the container's first process; once. */
warn_unused int devices_prepare(const struct gplan *g, struct err *e);

/* Makes the plan's devices and the links that programs expect beneath the root. */
warn_unused int devices_make(const struct gplan *g, int root_fd, struct err *e);

#endif
