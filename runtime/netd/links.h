/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links.h - the interfaces of a network namespace as a container shall have them.
 */
#ifndef NESTBOX_LINKS_H
#define NESTBOX_LINKS_H

#include "net-config.h"

#define LINKS_MAX 32 /* more are not looked at */

struct link {
	unsigned index; /* on the host */
	struct net_config config; /* slot is left alone */
};

struct links {
	size_t n;
	struct link link[LINKS_MAX]; /* in the order of their indexes */
};

/* Reads them with what belongs to them: Ethernet but for our own taps. 0 or a negative errno. */
warn_unused int links_read(int nl, struct links *ret);

#endif
