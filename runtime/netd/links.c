/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links.c - the interfaces of a network namespace; see links.h.
 *
 * Of the routes those of the main table are read that somebody set: what the kernel makes for each
 * address it makes in the guest too.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"
#include "netlink.h"

#define TRIES 5 /* of dumps, while the tables change */

/* linux/ipv6.h cannot be had beside netinet/in.h; part of the kernel's ABI. */
#define DEVCONF_DISABLE_IPV6_INDEX 26

static struct net_config *find(struct links *l, unsigned index)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->link[i].index == index)
			return &l->link[i].config;
	}
	return NULL;
}

/* ---- links --------------------------------------------------------------------------------- */

/* The flag disable_ipv6, deep in a link's attributes. */
static bool is_without_ipv6(const struct rtattr *spec)
{
	const struct rtattr *families[AF_INET6 + 1], *of[IFLA_INET6_MAX + 1];
	int32_t flags[DEVCONF_DISABLE_IPV6_INDEX + 1] = { 0 };

	if (!spec)
		return false;
	nl_nested(spec, families, AF_INET6 + 1);
	if (!families[AF_INET6])
		return false;
	nl_nested(families[AF_INET6], of, IFLA_INET6_MAX + 1);
	nl_get(of[IFLA_INET6_CONF], flags, sizeof(flags));
	return flags[DEVCONF_DISABLE_IPV6_INDEX] != 0;
}

static void on_link(void *arg, const struct nlmsghdr *h)
{
	const struct rtattr *a[IFLA_MAX + 1];
	const struct ifinfomsg *head = nl_header(h);
	struct links *l = arg;
	struct link *to = &l->link[l->n];

	if (!net_link_counts(h) || l->n == LINKS_MAX)
		return;
	nl_attributes(h, sizeof(*head), a, IFLA_MAX + 1);
	if (!a[IFLA_IFNAME] || !a[IFLA_ADDRESS])
		return;
	to->index = (unsigned)head->ifi_index;
	nl_get_text(a[IFLA_IFNAME], to->config.name, sizeof(to->config.name));
	nl_get(a[IFLA_ADDRESS], to->config.mac, sizeof(to->config.mac));
	to->config.mtu = nl_get_u32(a[IFLA_MTU]);
	to->config.up = (head->ifi_flags & IFF_UP) != 0;
	to->config.no_ipv6 = is_without_ipv6(a[IFLA_AF_SPEC]);
	l->n++;
}

/* ---- addresses ----------------------------------------------------------------------------- */

static void on_address(void *arg, const struct nlmsghdr *h)
{
	const struct rtattr *a[IFA_MAX + 1];
	const struct ifaddrmsg *head = nl_header(h);
	struct net_config *c = find(arg, head->ifa_index);
	size_t len = net_address_len(head->ifa_family);
	struct net_address *to = NULL;
	uint32_t flags = head->ifa_flags;

	if (h->nlmsg_type != RTM_NEWADDR || !c || !len || c->n_addresses == NET_MAX_ADDRESSES)
		return;
	nl_attributes(h, sizeof(*head), a, IFA_MAX + 1);
	nl_get(a[IFA_FLAGS], &flags, sizeof(flags));
	/* What a router's word made, the guest makes by itself. */
	if (!(flags & IFA_F_PERMANENT))
		return;
	to = &c->address[c->n_addresses++];
	to->family = head->ifa_family;
	to->prefix = head->ifa_prefixlen;
	to->scope = head->ifa_scope;
	to->flags = flags & (IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN | IFA_F_MANAGETEMPADDR);
	nl_get(a[IFA_ADDRESS], to->peer, len);
	nl_get(a[IFA_ADDRESS], to->local, len);
	nl_get(a[IFA_LOCAL], to->local, len);
	to->has_broadcast = a[IFA_BROADCAST] != NULL && head->ifa_family == AF_INET;
	if (to->has_broadcast)
		nl_get(a[IFA_BROADCAST], to->broadcast, sizeof(to->broadcast));
}

/* ---- routes -------------------------------------------------------------------------------- */

static void get_gateway(struct net_route *t, const struct rtattr *const *a)
{
	struct {
		uint16_t family;
		uint8_t address[16];
	} via = { 0 };

	if (a[RTA_GATEWAY]) {
		t->has_gateway = 1;
		t->gateway_family = t->family;
		nl_get(a[RTA_GATEWAY], t->gateway, net_address_len(t->family));
	} else if (a[RTA_VIA]) {
		nl_get(a[RTA_VIA], &via.family, sizeof(via.family));
		nl_get(a[RTA_VIA], &via, sizeof(via.family) + net_address_len((uint8_t)via.family));
		t->has_gateway = 1;
		t->gateway_family = (uint8_t)via.family;
		memcpy(t->gateway, via.address, sizeof(t->gateway));
	}
}

static void on_route(void *arg, const struct nlmsghdr *h)
{
	const struct rtattr *a[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rtmsg *head = nl_header(h);
	size_t len = net_address_len(head->rtm_family);
	uint32_t table = head->rtm_table;
	struct net_config *c = NULL;
	struct net_route *to = NULL;

	nl_attributes(h, sizeof(*head), a, RTA_MAX + 1);
	nl_get(a[RTA_TABLE], &table, sizeof(table));
	c = find(arg, nl_get_u32(a[RTA_OIF]));
	if (h->nlmsg_type != RTM_NEWROUTE || !c || !len || table != RT_TABLE_MAIN ||
		head->rtm_protocol == RTPROT_KERNEL || head->rtm_protocol == RTPROT_RA ||
		(head->rtm_flags & RTM_F_CLONED) || c->n_routes == NET_MAX_ROUTES)
		return;
	to = &c->route[c->n_routes++];
	to->family = head->rtm_family;
	to->prefix = head->rtm_dst_len;
	to->scope = head->rtm_scope;
	to->type = head->rtm_type;
	to->protocol = head->rtm_protocol;
	to->tos = head->rtm_tos;
	to->onlink = (head->rtm_flags & RTNH_F_ONLINK) != 0;
	to->metric = nl_get_u32(a[RTA_PRIORITY]);
	nl_get(a[RTA_DST], to->to, len);
	get_gateway(to, a);
	to->has_source = a[RTA_PREFSRC] != NULL;
	nl_get(a[RTA_PREFSRC], to->source, len);
	if (a[RTA_METRICS]) {
		nl_nested(a[RTA_METRICS], metrics, RTAX_MAX + 1);
		to->mtu = nl_get_u32(metrics[RTAX_MTU]);
	}
}

/* A gateway must be reachable before it is used: those without one first, then long prefixes. */
static int compare_routes(const void *one, const void *other)
{
	const struct net_route *a = one, *b = other;

	if (a->has_gateway != b->has_gateway)
		return a->has_gateway - b->has_gateway;
	if (a->prefix != b->prefix)
		return b->prefix - a->prefix;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return memcmp(a->to, b->to, sizeof(a->to));
}

/* ---- neighbours ---------------------------------------------------------------------------- */

static void on_neighbour(void *arg, const struct nlmsghdr *h)
{
	const struct rtattr *a[NDA_MAX + 1];
	const struct ndmsg *head = nl_header(h);
	struct net_config *c = find(arg, (unsigned)head->ndm_ifindex);
	size_t len = net_address_len(head->ndm_family);
	struct net_neighbour *to = NULL;

	if (h->nlmsg_type != RTM_NEWNEIGH || !c || !len || !(head->ndm_state & NUD_PERMANENT) ||
		c->n_neighbours == NET_MAX_NEIGHBOURS)
		return;
	nl_attributes(h, sizeof(*head), a, NDA_MAX + 1);
	if (!a[NDA_DST] || !a[NDA_LLADDR])
		return;
	to = &c->neighbour[c->n_neighbours++];
	to->family = head->ndm_family;
	nl_get(a[NDA_DST], to->address, len);
	nl_get(a[NDA_LLADDR], to->mac, sizeof(to->mac));
}

/* ---- all ----------------------------------------------------------------------------------- */

static int dump(int nl, uint16_t type, const void *head, size_t len, nl_fn fn, struct links *l)
{
	struct nl_message m;

	nl_begin(&m, type, 0, head, len);
	return nl_dump(nl, &m, fn, l);
}

static int read_once(int nl, struct links *l)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	const struct ifinfomsg any_link = { .ifi_family = AF_UNSPEC };
	int r = 0;

	memset(l, 0, sizeof(*l));
	r = dump(nl, RTM_GETLINK, &any_link, sizeof(any_link), on_link, l);
	for (size_t i = 0; i < ARRAY_LEN(families) && r == 0; i++) {
		const struct ifaddrmsg addresses = { .ifa_family = families[i] };
		const struct rtmsg routes = { .rtm_family = families[i] };
		const struct ndmsg neighbours = { .ndm_family = families[i] };

		r = dump(nl, RTM_GETADDR, &addresses, sizeof(addresses), on_address, l);
		if (r == 0)
			r = dump(nl, RTM_GETROUTE, &routes, sizeof(routes), on_route, l);
		if (r == 0)
			r = dump(
				nl, RTM_GETNEIGH, &neighbours, sizeof(neighbours), on_neighbour, l);
	}
	return r;
}

static int compare_links(const void *one, const void *other)
{
	const struct link *a = one, *b = other;

	return a->index < b->index ? -1 : a->index > b->index;
}

int links_read(int nl, struct links *ret)
{
	int r = -EINTR;

	for (int i = 0; i < TRIES && r == -EINTR; i++)
		r = read_once(nl, ret);
	if (r < 0)
		return r;
	qsort(ret->link, ret->n, sizeof(ret->link[0]), compare_links);
	for (size_t i = 0; i < ret->n; i++)
		qsort(ret->link[i].config.route, ret->link[i].config.n_routes,
			sizeof(struct net_route), compare_routes);
	return 0;
}
