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

#define NETWORK_COUNTERS 32 /* interfaces; more are left out */

/* What the host's kernel counted of the container's interfaces, as the container sees it. */
struct network_counters {
	size_t n;
	struct network_counter {
		char name[16];
		uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
		uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
	} v[NETWORK_COUNTERS];
};

warn_unused int network_count(
	const struct ctr_state *s, struct network_counters *ret, struct err *e);

#endif
