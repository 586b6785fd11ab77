/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the container's network interfaces in the guest.
 *
 * Each is a virtio device whose slot was wired at boot and is empty until the host attaches a tap:
 * then its driver is bound by hand.
 */
#ifndef NESTBOX_NET_H
#define NESTBOX_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "guest-plan.h"
#include "net-config.h"

/* Makes the interface in the network namespace ns_fd (borrowed), or changes one that was made to be
 * as this says. The plan's sysctls of that interface are written before it goes up. */
warn_unused int net_configure(
	const struct gplan *g, int ns_fd, const struct net_config *c, struct err *e);

/* Lets go of the slot's device: the interface is gone. */
warn_unused int net_remove(uint32_t slot, struct err *e);

/* Whether a sysctl (a path below /proc/sys) belongs to one interface, which may come later. */
bool net_is_late_sysctl(const char *key);

/* "no such file" for the first such sysctl of the plan whose interface has not come. */
warn_unused int net_check_sysctls(const struct gplan *g, struct err *e);

#endif
