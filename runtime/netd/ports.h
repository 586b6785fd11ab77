/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.h - the container's interfaces: each one of the host's has a tap, a slot of the VMM, and an
 * interface of that name in the guest.
 */
#ifndef NESTBOX_PORTS_H
#define NESTBOX_PORTS_H

#include "err.h"

/* Learns what the VMM has (control_fd, borrowed: its control socket), and takes the fds for all
 * taps that there may be. id (borrowed) is the container's; nl (borrowed) a netlink socket. */
warn_unused int ports_init(int control_fd, const char *id, int nl, struct err *e);

/* Makes the guest's interfaces be as the host's are now. Goes on after an error; the first one is
 * told. */
warn_unused int ports_update(struct err *e);

/* Leaves the host's interfaces as they were found. */
void ports_done(void);

/* A connection to a port of the guest (owned by the caller). */
warn_unused int ports_connect(uint32_t port, int *ret_fd, struct err *e);

#endif
