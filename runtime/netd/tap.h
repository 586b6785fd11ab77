/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - the host's end of a guest's interface, and the way of frames between it and the
 * container's interface on the host.
 *
 * Frames go from one to the other as they come in (tc: a filter at the ingress of each redirects to
 * the other), so the host's own network stack sees none of them, and answers none.
 */
#ifndef NESTBOX_TAP_H
#define NESTBOX_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"

struct tap {
	unsigned index; /* of the tap */
	unsigned peer; /* of the container's interface that it was joined with last */
	bool own_qdisc; /* the ingress qdisc there is ours: not somebody's who was there before */
};

/* A fd of /dev/net/tun that has no tap yet (owned by the caller): in the network namespace of the
 * caller. */
warn_unused int tap_open(int *ret_fd, struct err *e);

/* Makes a tap of n queues out of such fds (borrowed): it is there until the last copy of them is
 * closed. */
warn_unused int tap_make(int nl, const int *fds, size_t n, struct tap *ret, struct err *e);

/* Joins it with an interface. */
warn_unused int tap_join(int nl, struct tap *t, unsigned peer, uint32_t mtu, struct err *e);

warn_unused int tap_set_mtu(int nl, const struct tap *t, uint32_t mtu);

/* Lets in to the host's stack what it needs to ask name servers from PORTS_FIRST… (ports.h): their
 * answers, and those of ARP. The guest gets them too, but for those by TCP. */
void tap_pass_answers(int nl, const struct tap *t);

/* Takes the tap down, and from the interface, if it is still ours, our filters; the qdisc with them
 * where it is ours and nobody else has put filters there. */
void tap_unjoin(int nl, const struct tap *t);

/* What is left of frames on their way to the guest is not for the next one that the tap joins. */
void tap_drain(const int *fds, size_t n);

#endif
