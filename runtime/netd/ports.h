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

/* Sockets of the namespace itself use these ports of their own, once somebody there has to ask
 * other name servers: linux, net.ipv4.ip_local_port_range. The guest's kernel begins below and ends
 * before them. A power of two, so that a filter can match them by a mask. */
#define PORTS_FIRST 0xf000u
#define PORTS_COUNT 0x800u

/* Lets what name servers answer to those ports in to the namespace's own stack. */
void ports_pass_answers(int nl);

#endif
