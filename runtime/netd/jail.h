/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - what is left to the network server once its files are open.
 */
#ifndef NESTBOX_NETD_JAIL_H
#define NESTBOX_NETD_JAIL_H

#include "err.h"

/* An empty root, no capability but that over the network namespace, no new files. */
warn_unused int jail_enter(struct err *e);

#endif
