/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - gives a container the interfaces of its network namespace.
 */
#ifndef NESTBOX_NETWORK_H
#define NESTBOX_NETWORK_H

#include "state.h"

/* Before its program runs: what interfaces the namespace has by now are made in the guest, and
 * nestbox-netd, which did it, stays for those that come later. Nothing is started where there are
 * none and none can come; then, and without a namespace of its own, the container has loopback
 * only. Saves the state when it has changed. */
warn_unused int network_start(int state_fd, struct ctr_state *s, struct err *e);

#endif
