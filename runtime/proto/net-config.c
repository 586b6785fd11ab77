/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-config.c - codec of a network interface's configuration; see net-config.h.
 */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "net-config.h"
#include "netlink.h"

#define ADDRESS_BYTES 44u
#define ROUTE_BYTES 66u
#define NEIGHBOUR_BYTES 23u
#define MTU_MIN 68u
#define MTU_MAX 65535u

size_t net_address_len(uint8_t family)
{
	if (family == AF_INET)
		return 4;
	return family == AF_INET6 ? 16 : 0;
}

static void put_address(struct wire_out *w, const struct net_address *a)
{
	wire_put_u8(w, a->family);
	wire_put_u8(w, a->prefix);
	wire_put_u8(w, a->scope);
	wire_put_u8(w, a->has_broadcast);
	wire_put_u32(w, a->flags);
	wire_put_bytes(w, a->local, sizeof(a->local));
	wire_put_bytes(w, a->peer, sizeof(a->peer));
	wire_put_bytes(w, a->broadcast, sizeof(a->broadcast));
}

static bool get_address(struct wire_in *r, struct net_address *a)
{
	a->family = wire_get_u8(r);
	a->prefix = wire_get_u8(r);
	a->scope = wire_get_u8(r);
	a->has_broadcast = wire_get_u8(r);
	a->flags = wire_get_u32(r);
	wire_get_bytes(r, a->local, sizeof(a->local));
	wire_get_bytes(r, a->peer, sizeof(a->peer));
	wire_get_bytes(r, a->broadcast, sizeof(a->broadcast));
	return net_address_len(a->family) && a->prefix <= 8 * net_address_len(a->family) &&
		a->has_broadcast <= 1;
}

static void put_route(struct wire_out *w, const struct net_route *t)
{
	wire_put_u8(w, t->family);
	wire_put_u8(w, t->prefix);
	wire_put_u8(w, t->scope);
	wire_put_u8(w, t->type);
	wire_put_u8(w, t->protocol);
	wire_put_u8(w, t->tos);
	wire_put_u8(w, t->has_gateway);
	wire_put_u8(w, t->has_source);
	wire_put_u8(w, t->onlink);
	wire_put_u8(w, t->gateway_family);
	wire_put_u32(w, t->metric);
	wire_put_u32(w, t->mtu);
	wire_put_bytes(w, t->to, sizeof(t->to));
	wire_put_bytes(w, t->gateway, sizeof(t->gateway));
	wire_put_bytes(w, t->source, sizeof(t->source));
}

static bool get_route(struct wire_in *r, struct net_route *t)
{
	t->family = wire_get_u8(r);
	t->prefix = wire_get_u8(r);
	t->scope = wire_get_u8(r);
	t->type = wire_get_u8(r);
	t->protocol = wire_get_u8(r);
	t->tos = wire_get_u8(r);
	t->has_gateway = wire_get_u8(r);
	t->has_source = wire_get_u8(r);
	t->onlink = wire_get_u8(r);
	t->gateway_family = wire_get_u8(r);
	t->metric = wire_get_u32(r);
	t->mtu = wire_get_u32(r);
	wire_get_bytes(r, t->to, sizeof(t->to));
	wire_get_bytes(r, t->gateway, sizeof(t->gateway));
	wire_get_bytes(r, t->source, sizeof(t->source));
	return net_address_len(t->family) && t->prefix <= 8 * net_address_len(t->family) &&
		t->has_gateway <= 1 && t->has_source <= 1 && t->onlink <= 1 &&
		(!t->has_gateway || net_address_len(t->gateway_family));
}

static void put_neighbour(struct wire_out *w, const struct net_neighbour *n)
{
	wire_put_u8(w, n->family);
	wire_put_bytes(w, n->address, sizeof(n->address));
	wire_put_bytes(w, n->mac, sizeof(n->mac));
}

static bool get_neighbour(struct wire_in *r, struct net_neighbour *n)
{
	n->family = wire_get_u8(r);
	wire_get_bytes(r, n->address, sizeof(n->address));
	wire_get_bytes(r, n->mac, sizeof(n->mac));
	return net_address_len(n->family) != 0;
}

void net_config_put(struct wire_out *w, const struct net_config *c)
{
	wire_put_u32(w, c->slot);
	wire_put_str(w, c->name);
	wire_put_bytes(w, c->mac, sizeof(c->mac));
	wire_put_u8(w, c->up);
	wire_put_u8(w, c->no_ipv6);
	wire_put_u32(w, c->mtu);
	wire_put_u32(w, (uint32_t)c->n_addresses);
	for (size_t i = 0; i < c->n_addresses; i++)
		put_address(w, &c->address[i]);
	wire_put_u32(w, (uint32_t)c->n_routes);
	for (size_t i = 0; i < c->n_routes; i++)
		put_route(w, &c->route[i]);
	wire_put_u32(w, (uint32_t)c->n_neighbours);
	for (size_t i = 0; i < c->n_neighbours; i++)
		put_neighbour(w, &c->neighbour[i]);
}

/* What the guest would be told is compared, not memory, which has holes. */
bool net_config_same(const struct net_config *a, const struct net_config *b)
{
	const struct net_config *c[2] = { a, b };
	struct wire_out w[2];
	bool same = false;

	for (size_t i = 0; i < 2; i++) {
		wire_out_init(&w[i], sizeof(struct net_config));
		net_config_put(&w[i], c[i]);
	}
	/* The slot is what is written first. */
	same = !w[0].error && !w[1].error && w[0].len == w[1].len &&
		memcmp(w[0].data + sizeof(a->slot), w[1].data + sizeof(a->slot),
			w[0].len - sizeof(a->slot)) == 0;
	wire_out_done(&w[0]);
	wire_out_done(&w[1]);
	return same;
}

/* As the kernel has it: no slash, no blank, not a folder's own names. */
static bool is_name(const char *s)
{
	if (!*s || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++) {
		if (*s <= ' ' || *s > '~' || *s == '/' || *s == ':')
			return false;
	}
	return true;
}

static void get_name(struct wire_in *r, char *buf, size_t size)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const char *s = wire_get_str(r, &a, size - 1);

	memcpy(buf, s, strlen(s) + 1);
}

int net_config_get(struct wire_in *r, struct net_config *ret)
{
	bool ok = true;

	memset(ret, 0, sizeof(*ret));
	ret->slot = wire_get_u32(r);
	get_name(r, ret->name, sizeof(ret->name));
	wire_get_bytes(r, ret->mac, sizeof(ret->mac));
	ret->up = wire_get_u8(r);
	ret->no_ipv6 = wire_get_u8(r);
	ret->mtu = wire_get_u32(r);
	ret->n_addresses = wire_get_count(r, NET_MAX_ADDRESSES, ADDRESS_BYTES);
	for (size_t i = 0; i < ret->n_addresses; i++)
		ok = get_address(r, &ret->address[i]) && ok;
	ret->n_routes = wire_get_count(r, NET_MAX_ROUTES, ROUTE_BYTES);
	for (size_t i = 0; i < ret->n_routes; i++)
		ok = get_route(r, &ret->route[i]) && ok;
	ret->n_neighbours = wire_get_count(r, NET_MAX_NEIGHBOURS, NEIGHBOUR_BYTES);
	for (size_t i = 0; i < ret->n_neighbours; i++)
		ok = get_neighbour(r, &ret->neighbour[i]) && ok;
	if (wire_in_end(r) < 0 || !ok || !is_name(ret->name) || ret->slot >= NET_MAX_SLOTS ||
		ret->up > 1 || ret->no_ipv6 > 1 || ret->mtu < MTU_MIN || ret->mtu > MTU_MAX)
		return -EBADMSG;
	return 0;
}

bool net_link_counts(const struct nlmsghdr *h)
{
	const struct rtattr *a[IFLA_IFNAME + 1];
	const struct ifinfomsg *head = nl_header(h);

	if (h->nlmsg_type != RTM_NEWLINK || head->ifi_type != ARPHRD_ETHER ||
		(head->ifi_flags & IFF_LOOPBACK))
		return false;
	nl_attributes(h, sizeof(*head), a, IFLA_IFNAME + 1);
	return a[IFLA_IFNAME] &&
		strncmp(nl_data(a[IFLA_IFNAME]), NET_TAP_PREFIX, strlen(NET_TAP_PREFIX)) != 0;
}
