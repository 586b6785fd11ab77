/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-config.h - one network interface as the guest shall have it: payload of the agent's NET, and
 * what is read of the host's interface.
 *
 * Numbers are those of the Linux ABI (rtnetlink(7)). An address is 16 bytes of which IPv4 uses the
 * first four.
 */
#ifndef NESTBOX_NET_CONFIG_H
#define NESTBOX_NET_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "wire.h"

#define NET_NAME_MAX 16 /* with its NUL */
#define NET_MAX_ADDRESSES 64
#define NET_MAX_ROUTES 256
#define NET_MAX_NEIGHBOURS 256
#define NET_MAX_SLOTS 16

struct net_address {
	uint8_t family, prefix, scope;
	uint8_t has_broadcast;
	uint32_t flags; /* IFA_F_* */
	uint8_t local[16], peer[16], broadcast[4];
};

struct net_route {
	uint8_t family, prefix, scope, type, protocol, tos;
	uint8_t has_gateway, has_source, onlink;
	uint8_t gateway_family;
	uint32_t metric, mtu; /* 0 = none */
	uint8_t to[16], gateway[16], source[16];
};

struct net_neighbour {
	uint8_t family;
	uint8_t address[16], mac[6];
};

struct net_config {
	uint32_t slot; /* of the VMM's network devices */
	char name[NET_NAME_MAX];
	uint8_t mac[6];
	uint8_t up;
	uint8_t no_ipv6; /* disable_ipv6 is set for it */
	uint32_t mtu;
	size_t n_addresses, n_routes, n_neighbours;
	struct net_address address[NET_MAX_ADDRESSES];
	struct net_route route[NET_MAX_ROUTES]; /* in an order in which they can be added */
	struct net_neighbour neighbour[NET_MAX_NEIGHBOURS];
};

void net_config_put(struct wire_out *w, const struct net_config *c);
/* Reads what is left of r. -EBADMSG for what is malformed or out of range: names that are no file
 * names, families other than IPv4 and IPv6, prefixes that are too long. */
warn_unused int net_config_get(struct wire_in *r, struct net_config *ret);

/* Whether the two are the same in everything but the slot. */
bool net_config_same(const struct net_config *a, const struct net_config *b);

/* Bytes of an address of the family; 0 for any other. */
size_t net_address_len(uint8_t family);

/* Begins the name of the host's end of a guest's interface: such a tap is not the container's. */
#define NET_TAP_PREFIX "nestbox"

/* Whether a link that netlink tells of (RTM_NEWLINK) is an interface that a container shall have:
 * Ethernet, and no tap of ours. */
struct nlmsghdr;
bool net_link_counts(const struct nlmsghdr *h);

#endif
