/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c - the container's network interfaces in the guest; see net.h.
 *
 * Init is one thread: it enters the container's network namespace for the time of a call.
 *
 * Trust: the configuration is the host's, checked by its codec. What the container did to the
 *        interface meanwhile only makes a request to the kernel fail.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "net.h"
#include "netlink.h"
#include "slots.h"
#include "vmm-plan.h"

static struct net_config *known[NET_MAX_SLOTS]; /* owned: what was asked for last */

/* ---- sysctls ------------------------------------------------------------------------------- */

/* The interface's name in a key such as "net/ipv4/conf/eth0/forwarding": its length, 0 = none. */
static size_t sysctl_interface(const char *key, const char **ret)
{
	static const char *const folders[] = { "net/ipv4/conf/", "net/ipv6/conf/",
		"net/ipv4/neigh/", "net/ipv6/neigh/", "net/mpls/conf/" };
	static const char *const not_one[] = { "all", "default", "lo" };

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		size_t skip = strlen(folders[i]);
		size_t len = 0;

		if (strncmp(key, folders[i], skip) != 0)
			continue;
		len = strcspn(key + skip, "/");
		for (size_t j = 0; j < ARRAY_LEN(not_one); j++) {
			if (strlen(not_one[j]) == len && strncmp(key + skip, not_one[j], len) == 0)
				return 0;
		}
		*ret = key + skip;
		return len;
	}
	return 0;
}

bool net_is_late_sysctl(const char *key)
{
	const char *name = NULL;

	return sysctl_interface(key, &name) > 0;
}

static bool belongs_to(const char *key, const char *interface)
{
	const char *name = NULL;
	size_t len = sysctl_interface(key, &name);

	return len && strlen(interface) == len && strncmp(name, interface, len) == 0;
}

static int write_sysctl(const char *key, const char *value, struct err *e)
{
	char path[512];
	int r = snprintf(path, sizeof(path), "/proc/sys/%s", key) >= (int)sizeof(path)
		? -ENAMETOOLONG
		: io_write_at(AT_FDCWD, path, value);

	return r < 0 ? err_sys(e, r, "sysctl %s", key) : 0;
}

static int write_sysctls(const struct gplan *g, const struct net_config *c, struct err *e)
{
	char key[96];
	int r = 0;

	(void)snprintf(key, sizeof(key), "net/ipv6/conf/%s/disable_ipv6", c->name);
	if (c->no_ipv6)
		r = write_sysctl(key, "1", e);
	for (size_t i = 0; i < g->n_sysctls && r == 0; i++) {
		if (belongs_to(g->sysctls[i].key, c->name))
			r = write_sysctl(g->sysctls[i].key, g->sysctls[i].value, e);
	}
	return r;
}

int net_check_sysctls(const struct gplan *g, struct err *e)
{
	for (size_t i = 0; i < g->n_sysctls; i++) {
		const char *key = g->sysctls[i].key;
		bool found = !net_is_late_sysctl(key);

		for (size_t j = 0; j < NET_MAX_SLOTS && !found; j++)
			found = known[j] && belongs_to(key, known[j]->name);
		/* Of an interface that the container has without us, or has not at all. */
		if (!found) {
			char path[512];

			(void)snprintf(path, sizeof(path), "/proc/sys/%s", key);
			if (access(path, F_OK) < 0)
				return err_sys(e, -ENOENT, "sysctl %s", key);
		}
	}
	return 0;
}

/* ---- the device ---------------------------------------------------------------------------- */

/* The only entry of a folder that begins so. */
static int find_entry(const char *folder, const char *begin, char *ret, size_t size)
{
	DIR *d = opendir(folder);
	const struct dirent *entry = NULL;
	int r = -ENODEV;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, begin, strlen(begin)) != 0)
			continue;
		if (snprintf(ret, size, "%s", entry->d_name) < (int)size)
			r = 0;
	}
	if (d)
		(void)closedir(d);
	return r;
}

/* Binds the driver; *ret is the name that the kernel gave the interface. */
static int bind_device(uint32_t slot, char ret[NET_NAME_MAX], struct err *e)
{
	char folder[SLOT_FOLDER_MAX], virtio[64], net[256];
	int r = slot_bind(VMM_FIRST_NET + slot);

	if (r < 0)
		return err_sys(e, r, "network device %u", slot);
	r = find_entry(slot_folder(VMM_FIRST_NET + slot, folder), "virtio", virtio, sizeof(virtio));
	(void)snprintf(net, sizeof(net), "%s/%s/net", folder, virtio);
	if (r == 0)
		r = find_entry(net, "", ret, NET_NAME_MAX);
	return r < 0 ? err_sys(e, r, "network device %u: no interface", slot) : 0;
}

static int set_link(int nl, const char *name, uint16_t attribute, const void *data, size_t len)
{
	const struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nl_message m;

	nl_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
	nl_put_str(&m, IFLA_IFNAME, name);
	nl_put(&m, attribute, data, len);
	return nl_call(nl, &m);
}

static bool same_namespace(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
		one.st_dev == other.st_dev;
}

/* Makes the interface in our own namespace, gives it its name and moves it to where it belongs. */
static int make_interface(const struct net_config *c, int own, int ns, struct err *e)
{
	cleanup(close) int nl = nl_open(0);
	char born[NET_NAME_MAX];
	unsigned index = 0;
	uint32_t to = (uint32_t)ns;
	int r = nl < 0 ? err_sys(e, nl, "netlink") : bind_device(c->slot, born, e);

	if (r < 0)
		return r;
	index = if_nametoindex(born);
	if (strcmp(born, c->name) != 0) {
		const struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };
		struct nl_message m;

		nl_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
		nl_put_str(&m, IFLA_IFNAME, c->name);
		r = nl_call(nl, &m);
	}
	if (r == 0 && !same_namespace(own, ns))
		r = set_link(nl, c->name, IFLA_NET_NS_FD, &to, sizeof(to));
	if (r < 0) {
		slot_unbind(VMM_FIRST_NET + c->slot);
		return err_sys(e, r, "interface %s", c->name);
	}
	return 0;
}

/* ---- addresses, routes, neighbours --------------------------------------------------------- */

#define ADD (NLM_F_CREATE | NLM_F_REPLACE)

static int change_address(int nl, uint16_t type, unsigned index, const struct net_address *a)
{
	/* Nobody else has it: on the host it is in use already. */
	uint32_t flags = a->family == AF_INET6 ? a->flags | IFA_F_NODAD : a->flags;
	const struct ifaddrmsg head = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix,
		.ifa_scope = a->scope,
		.ifa_index = index,
	};
	size_t len = net_address_len(a->family);
	struct nl_message m;

	nl_begin(&m, type, type == RTM_NEWADDR ? ADD : 0, &head, sizeof(head));
	nl_put(&m, IFA_LOCAL, a->local, len);
	nl_put(&m, IFA_ADDRESS, a->peer, len);
	if (a->has_broadcast)
		nl_put(&m, IFA_BROADCAST, a->broadcast, sizeof(a->broadcast));
	nl_put_u32(&m, IFA_FLAGS, flags);
	return nl_call(nl, &m);
}

static void put_gateway(struct nl_message *m, const struct net_route *t)
{
	struct {
		uint16_t family;
		uint8_t address[16];
	} via = { .family = t->gateway_family };
	size_t len = net_address_len(t->gateway_family);

	memcpy(via.address, t->gateway, sizeof(via.address));
	if (t->gateway_family == t->family)
		nl_put(m, RTA_GATEWAY, t->gateway, len);
	else
		nl_put(m, RTA_VIA, &via, sizeof(via.family) + len);
}

static int change_route(int nl, uint16_t type, unsigned index, const struct net_route *t)
{
	const struct rtmsg head = {
		.rtm_family = t->family,
		.rtm_dst_len = t->prefix,
		.rtm_tos = t->tos,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = t->protocol,
		.rtm_scope = t->scope,
		.rtm_type = t->type,
		.rtm_flags = t->onlink ? RTNH_F_ONLINK : 0,
	};
	size_t len = net_address_len(t->family);
	struct nl_message m;

	nl_begin(&m, type, type == RTM_NEWROUTE ? ADD : 0, &head, sizeof(head));
	nl_put_u32(&m, RTA_OIF, index);
	if (t->prefix)
		nl_put(&m, RTA_DST, t->to, len);
	if (t->has_gateway)
		put_gateway(&m, t);
	if (t->has_source)
		nl_put(&m, RTA_PREFSRC, t->source, len);
	if (t->metric)
		nl_put_u32(&m, RTA_PRIORITY, t->metric);
	if (t->mtu) {
		size_t nest = nl_nest(&m, RTA_METRICS);

		nl_put_u32(&m, RTAX_MTU, t->mtu);
		nl_nest_end(&m, nest);
	}
	return nl_call(nl, &m);
}

static int change_neighbour(int nl, uint16_t type, unsigned index, const struct net_neighbour *n)
{
	const struct ndmsg head = {
		.ndm_family = n->family,
		.ndm_ifindex = (int)index,
		.ndm_state = NUD_PERMANENT,
	};
	struct nl_message m;

	nl_begin(&m, type, type == RTM_NEWNEIGH ? ADD : 0, &head, sizeof(head));
	nl_put(&m, NDA_DST, n->address, net_address_len(n->family));
	nl_put(&m, NDA_LLADDR, n->mac, sizeof(n->mac));
	return nl_call(nl, &m);
}

static bool has(const void *list, size_t n, size_t size, const void *one)
{
	for (size_t i = 0; i < n; i++) {
		if (memcmp((const uint8_t *)list + i * size, one, size) == 0)
			return true;
	}
	return false;
}

/* What is no longer wanted; it may have gone by itself. */
static void remove_old(
	int nl, unsigned index, const struct net_config *old, const struct net_config *c)
{
	for (size_t i = 0; i < old->n_routes; i++) {
		if (!has(c->route, c->n_routes, sizeof(c->route[0]), &old->route[i]))
			(void)!change_route(nl, RTM_DELROUTE, index, &old->route[i]);
	}
	for (size_t i = 0; i < old->n_neighbours; i++) {
		if (!has(c->neighbour, c->n_neighbours, sizeof(c->neighbour[0]),
			    &old->neighbour[i]))
			(void)!change_neighbour(nl, RTM_DELNEIGH, index, &old->neighbour[i]);
	}
	for (size_t i = 0; i < old->n_addresses; i++) {
		if (!has(c->address, c->n_addresses, sizeof(c->address[0]), &old->address[i]))
			(void)!change_address(nl, RTM_DELADDR, index, &old->address[i]);
	}
}

static int add_addresses(int nl, unsigned index, const struct net_config *c, struct err *e)
{
	for (size_t i = 0; i < c->n_addresses; i++) {
		char text[INET6_ADDRSTRLEN] = "";
		int r = change_address(nl, RTM_NEWADDR, index, &c->address[i]);

		if (r >= 0)
			continue;
		(void)inet_ntop(c->address[i].family, c->address[i].local, text, sizeof(text));
		return err_sys(
			e, r, "interface %s: address %s/%u", c->name, text, c->address[i].prefix);
	}
	return 0;
}

static int add_routes(int nl, unsigned index, const struct net_config *c, struct err *e)
{
	for (size_t i = 0; i < c->n_routes; i++) {
		char text[INET6_ADDRSTRLEN] = "";
		int r = change_route(nl, RTM_NEWROUTE, index, &c->route[i]);

		if (r >= 0)
			continue;
		(void)inet_ntop(c->route[i].family, c->route[i].to, text, sizeof(text));
		return err_sys(
			e, r, "interface %s: route to %s/%u", c->name, text, c->route[i].prefix);
	}
	for (size_t i = 0; i < c->n_neighbours; i++) {
		int r = change_neighbour(nl, RTM_NEWNEIGH, index, &c->neighbour[i]);

		if (r < 0)
			return err_sys(e, r, "interface %s: neighbour", c->name);
	}
	return 0;
}

static int set_state(int nl, unsigned index, bool up, uint32_t mtu)
{
	const struct ifinfomsg head = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)index,
		.ifi_flags = up ? IFF_UP : 0,
		.ifi_change = IFF_UP,
	};
	struct nl_message m;

	nl_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
	nl_put_u32(&m, IFLA_MTU, mtu);
	return nl_call(nl, &m);
}

/* In the container's namespace. */
static int apply(const struct gplan *g, const struct net_config *old, const struct net_config *c,
	struct err *e)
{
	cleanup(close) int nl = nl_open(0);
	unsigned index = if_nametoindex(c->name);
	int r = 0;

	if (nl < 0)
		return err_sys(e, nl, "netlink");
	if (!index)
		return err_sys(e, -ENODEV, "interface %s", c->name);
	if (!old)
		r = write_sysctls(g, c, e);
	else
		remove_old(nl, index, old, c);
	if (r == 0)
		r = add_addresses(nl, index, c, e);
	if (r == 0) {
		r = set_state(nl, index, c->up, c->mtu);
		if (r < 0)
			return err_sys(e, r, "interface %s", c->name);
	}
	/* There are none of an interface that is down. */
	return r == 0 && c->up ? add_routes(nl, index, c, e) : r;
}

/* ---- public -------------------------------------------------------------------------------- */

int net_configure(const struct gplan *g, int ns_fd, const struct net_config *c, struct err *e)
{
	cleanup(close) int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct net_config *old = known[c->slot];
	struct net_config *copy = malloc(sizeof(*copy));
	int r = 0;

	if (!copy || own < 0) {
		free(copy);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*copy = *c;
	if (!old)
		r = make_interface(c, own, ns_fd, e);
	if (r == 0 && setns(ns_fd, CLONE_NEWNET) < 0)
		r = err_sys(e, -errno, "network namespace");
	if (r == 0) {
		r = apply(g, old, c, e);
		/* There is no going on elsewhere than where we were. */
		if (setns(own, CLONE_NEWNET) < 0)
			abort();
		if (r < 0 && !old)
			slot_unbind(VMM_FIRST_NET + c->slot);
	}
	/* After a failed change this is what was tried last: what is not there is removed in vain.
	 */
	if (r == 0 || old) {
		known[c->slot] = copy;
		free(old);
	} else {
		free(copy);
	}
	return r;
}

int net_remove(uint32_t slot, struct err *e)
{
	if (slot >= NET_MAX_SLOTS || !known[slot])
		return err_set(e, -ENODEV, "no network device %u", slot);
	slot_unbind(VMM_FIRST_NET + slot);
	free(known[slot]);
	known[slot] = NULL;
	return 0;
}
