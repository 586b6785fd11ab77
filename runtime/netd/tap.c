/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.c - the host's end of a guest's interface; see tap.h.
 *
 * The tap itself is kept from saying anything: no ARP, no IPv6 address of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"
#include "net-config.h"
#include "netlink.h"
#include "ports.h"
#include "tap.h"

#define TUN "/dev/net/tun"
#define HEADER 12 /* struct virtio_net_hdr_v1: virtio 1.2, 5.1.6 */
/* Of our filter among an interface's. Which one it is tells those who come after us whose the qdisc
 * is, should we be killed. */
#define PREFERENCE 100u /* in a qdisc of ours */
#define PREFERENCE_GUEST 101u /* in one that was there before */
#define PREFERENCE_PASS 97u /* and the next two: before the other */
#define INGRESS_HANDLE 0xffff0000u
#define INGRESS_PARENT 0xffff0000u

int tap_open(int *ret_fd, struct err *e)
{
	*ret_fd = open(TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, -errno, "network: " TUN " (kernel module tun)") : 0;
}

/* ---- the tap ------------------------------------------------------------------------------- */

static int make_queues(const int *fds, size_t n, char name[IFNAMSIZ], struct err *e)
{
	struct ifreq request = { .ifr_name = NET_TAP_PREFIX "%d" };
	int header = HEADER;

	request.ifr_flags =
		(short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (n > 1 ? IFF_MULTI_QUEUE : 0));
	/* The first names it, the others join that. */
	for (size_t i = 0; i < n; i++) {
		if (io_ioctl(fds[i], TUNSETIFF, &request) < 0 ||
			io_ioctl(fds[i], TUNSETVNETHDRSZ, &header) < 0)
			return err_sys(e, -errno, "network: tap");
	}
	memcpy(name, request.ifr_name, IFNAMSIZ);
	return 0;
}

int tap_set_mtu(int nl, const struct tap *t, uint32_t mtu)
{
	const struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)t->index };
	struct nl_message m;

	nl_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
	nl_put_u32(&m, IFLA_MTU, mtu);
	return nl_call(nl, &m);
}

/* No address of IPv6 by itself, and with it no word of its own. A host without IPv6 has no such
 * attribute: what it says does not matter. */
static void keep_silent(int nl, unsigned index)
{
	const struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)index };
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	size_t spec = 0, inet6 = 0;
	struct nl_message m;

	nl_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
	spec = nl_nest(&m, IFLA_AF_SPEC);
	inet6 = nl_nest(&m, AF_INET6);
	nl_put(&m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	nl_nest_end(&m, inet6);
	nl_nest_end(&m, spec);
	(void)!nl_call(nl, &m);
}

static int set_state(int nl, unsigned index, bool up)
{
	const struct ifinfomsg head = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)index,
		.ifi_flags = (up ? IFF_UP : 0u) | IFF_NOARP,
		.ifi_change = IFF_UP | IFF_NOARP,
	};
	struct nl_message m;

	nl_begin(&m, RTM_SETLINK, 0, &head, sizeof(head));
	return nl_call(nl, &m);
}

/* ---- tc ------------------------------------------------------------------------------------ */

static int change_qdisc(int nl, uint16_t type, uint16_t flags, unsigned index)
{
	const struct tcmsg head = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)index,
		.tcm_handle = INGRESS_HANDLE,
		.tcm_parent = TC_H_INGRESS,
	};
	struct nl_message m;

	nl_begin(&m, type, flags, &head, sizeof(head));
	nl_put_str(&m, TCA_KIND, "ingress");
	return nl_call(nl, &m);
}

static struct tcmsg filter_head(
	unsigned index, uint32_t preference, uint16_t protocol, uint32_t handle)
{
	return (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)index,
		.tcm_parent = INGRESS_PARENT,
		.tcm_handle = handle,
		.tcm_info = preference << 16 | (uint32_t)htons(protocol),
	};
}

static int delete_filter(int nl, const struct tcmsg *head, const char *kind)
{
	struct nl_message m;

	nl_begin(&m, RTM_DELTFILTER, 0, head, sizeof(*head));
	nl_put_str(&m, TCA_KIND, kind);
	return nl_call(nl, &m);
}

static uint32_t preference_in(bool own_qdisc)
{
	return own_qdisc ? PREFERENCE : PREFERENCE_GUEST;
}

/* A handle of 0 is any. */
static int delete_redirect(int nl, unsigned index, bool own_qdisc, uint32_t handle)
{
	const struct tcmsg head = filter_head(index, preference_in(own_qdisc), ETH_P_ALL, handle);

	return delete_filter(nl, &head, "matchall");
}

/* Those of tap_pass_answers(), whoever's tap they copy to. */
static void delete_passes(int nl, unsigned index)
{
	static const uint16_t protocols[] = { ETH_P_IP, ETH_P_IP, ETH_P_ARP };

	for (uint32_t i = 0; i < ARRAY_LEN(protocols); i++) {
		const struct tcmsg head = filter_head(index, PREFERENCE_PASS + i, protocols[i], 0);

		(void)!delete_filter(nl, &head, "u32");
	}
}

static void count_filter(void *arg, const struct nlmsghdr *h)
{
	*(size_t *)arg += h->nlmsg_type == RTM_NEWTFILTER;
}

/* Whether any is left; where that cannot be read there may be. */
static bool has_filters(int nl, unsigned index)
{
	const struct tcmsg head = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)index, .tcm_parent = INGRESS_PARENT
	};
	struct nl_message m;
	size_t n = 0;

	nl_begin(&m, RTM_GETTFILTER, 0, &head, sizeof(head));
	return nl_dump(nl, &m, count_filter, &n) < 0 || n > 0;
}

/* The qdisc of the interface: *ret_own tells whether it is ours. */
static int get_qdisc(int nl, unsigned index, bool *ret_own, struct err *e)
{
	int r = change_qdisc(nl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index);

	*ret_own = r == 0;
	if (r == 0)
		return 0;
	if (r != -EEXIST)
		return err_sys(e, r, "network: tc qdisc ingress (kernel module sch_ingress)");
	/* Of somebody who takes care of traffic, or of a container that was here before us. */
	*ret_own = delete_redirect(nl, index, true, 0) == 0;
	(void)!delete_redirect(nl, index, false, 0);
	delete_passes(nl, index);
	return 0;
}

static void leave_qdisc(int nl, unsigned index, bool own)
{
	if (own && !has_filters(nl, index))
		(void)!change_qdisc(nl, RTM_DELQDISC, 0, index);
}

/* One action in an attribute of a filter: a copy, or the frame itself, leaves at an interface; or,
 * without one, it goes on to the stack. */
static void put_action(struct nl_message *m, uint16_t attribute, unsigned to, bool copy)
{
	const struct tc_mirred mirred = {
		.action = copy ? TC_ACT_OK : TC_ACT_STOLEN,
		.eaction = copy ? TCA_EGRESS_MIRROR : TCA_EGRESS_REDIR,
		.ifindex = to,
	};
	const struct tc_gact pass = { .action = TC_ACT_OK };
	size_t actions = nl_nest(m, attribute);
	size_t action = nl_nest(m, 1);
	size_t options = 0;

	nl_put_str(m, TCA_ACT_KIND, to ? "mirred" : "gact");
	options = nl_nest(m, TCA_ACT_OPTIONS | NLA_F_NESTED);
	if (to)
		nl_put(m, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	else
		nl_put(m, TCA_GACT_PARMS, &pass, sizeof(pass));
	nl_nest_end(m, options);
	nl_nest_end(m, action);
	nl_nest_end(m, actions);
}

/* Every frame that comes in at one interface leaves at the other. */
static int redirect(
	int nl, unsigned from, unsigned to, uint32_t handle, bool *ret_own, struct err *e)
{
	struct tcmsg head;
	size_t options = 0;
	struct nl_message m;
	int r = get_qdisc(nl, from, ret_own, e);

	if (r < 0)
		return r;
	head = filter_head(from, preference_in(*ret_own), ETH_P_ALL, handle);
	nl_begin(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	nl_put_str(&m, TCA_KIND, "matchall");
	options = nl_nest(&m, TCA_OPTIONS);
	put_action(&m, TCA_MATCHALL_ACT, to, false);
	nl_nest_end(&m, options);
	r = nl_call(nl, &m);
	if (r == 0)
		return 0;
	leave_qdisc(nl, from, *ret_own);
	return err_sys(e, r, "network: tc filter (kernel modules cls_matchall, act_mirred)");
}

/* A word of a packet, from the beginning of its network header. */
struct key {
	uint32_t mask, value;
	int offset;
};

/* What matches goes on to the stack, and a copy to an interface where one is named. */
static void pass(int nl, unsigned from, unsigned copy_to, uint32_t preference, uint16_t protocol,
	const struct key *keys, uint8_t n)
{
	const struct tcmsg head = filter_head(from, preference, protocol, 0);
	struct {
		struct tc_u32_sel sel;
		struct tc_u32_key key[4];
	} match = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = n } };
	size_t options = 0;
	struct nl_message m;

	for (uint8_t i = 0; i < n; i++)
		match.key[i] = (struct tc_u32_key){ .mask = htonl(keys[i].mask),
			.val = htonl(keys[i].value),
			.off = keys[i].offset };
	nl_begin(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	nl_put_str(&m, TCA_KIND, "u32");
	options = nl_nest(&m, TCA_OPTIONS);
	nl_put(&m, TCA_U32_SEL, &match, sizeof(match.sel) + n * sizeof(match.key[0]));
	put_action(&m, TCA_U32_ACT, copy_to, true);
	nl_nest_end(&m, options);
	/* Without it names of other places are not found; the container's own are. */
	(void)!nl_call(nl, &m);
}

void tap_pass_answers(int nl, const struct tap *t)
{
	/* No options in the IPv4 header; protocol; both ports. */
	const struct key udp[] = { { 0xff000000, 0x45000000, 0 }, { 0x00ff0000, 0x00110000, 8 },
		{ 0xffff0000 | (0xffff & ~(PORTS_COUNT - 1)), 53u << 16 | PORTS_FIRST, 20 } };
	const struct key tcp[] = { udp[0], { 0x00ff0000, 0x00060000, 8 }, udp[2] };
	/* A reply (RFC 826). */
	const struct key arp[] = { { 0x0000ffff, 2, 4 } };

	pass(nl, t->peer, t->index, PREFERENCE_PASS, ETH_P_IP, udp, ARRAY_LEN(udp));
	pass(nl, t->peer, 0, PREFERENCE_PASS + 1, ETH_P_IP, tcp, ARRAY_LEN(tcp));
	pass(nl, t->peer, t->index, PREFERENCE_PASS + 2, ETH_P_ARP, arp, ARRAY_LEN(arp));
}

/* ---- public -------------------------------------------------------------------------------- */

int tap_make(int nl, const int *fds, size_t n, struct tap *ret, struct err *e)
{
	char name[IFNAMSIZ];
	int r = make_queues(fds, n, name, e);

	if (r < 0)
		return r;
	*ret = (struct tap){ .index = if_nametoindex(name) };
	keep_silent(nl, ret->index);
	return 0;
}

int tap_join(int nl, struct tap *t, unsigned peer, uint32_t mtu, struct err *e)
{
	int r = tap_set_mtu(nl, t, mtu);
	bool tap_own = false; /* goes with the tap */

	t->peer = peer;
	if (r == 0)
		r = set_state(nl, t->index, true);
	if (r < 0)
		return err_sys(e, r, "network: tap");
	/* The way out first: nobody may see an interface that takes and does not give. */
	r = redirect(nl, t->index, peer, t->index, &tap_own, e);
	return r == 0 ? redirect(nl, peer, t->index, t->index, &t->own_qdisc, e) : r;
}

void tap_unjoin(int nl, const struct tap *t)
{
	/* By its handle: another container may have taken the interface over. */
	if (delete_redirect(nl, t->peer, t->own_qdisc, t->index) == 0) {
		delete_passes(nl, t->peer);
		leave_qdisc(nl, t->peer, t->own_qdisc);
	}
	(void)!set_state(nl, t->index, false);
}

void tap_drain(const int *fds, size_t n)
{
	static uint8_t frame[65536 + 64];

	for (size_t i = 0; i < n; i++) {
		while (read(fds[i], frame, sizeof(frame)) > 0)
			;
	}
}
