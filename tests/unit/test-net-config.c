/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-net-config.c - the codec of a network interface, netlink messages, and whose sysctl is
 * whose.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "unit.h"

#include "net-config.h"
#include "net.h"
#include "netlink.h"

static struct net_config good(void)
{
	struct net_config c;

	memset(&c, 0, sizeof(c));
	c.slot = 2;
	(void)snprintf(c.name, sizeof(c.name), "eth0");
	c.mac[5] = 7;
	c.up = 1;
	c.mtu = 1400;
	c.n_addresses = 2;
	c.address[0] = (struct net_address){ .family = AF_INET,
		.prefix = 24,
		.has_broadcast = 1,
		.local = { 10, 0, 0, 2 },
		.peer = { 10, 0, 0, 2 },
		.broadcast = { 10, 0, 0, 255 } };
	c.address[1] = (struct net_address){ .family = AF_INET6, .prefix = 128, .flags = 0x200 };
	c.n_routes = 1;
	c.route[0] = (struct net_route){ .family = AF_INET,
		.type = 1,
		.protocol = 3,
		.has_gateway = 1,
		.gateway_family = AF_INET6,
		.metric = 9,
		.mtu = 1300,
		.onlink = 1 };
	c.n_neighbours = 1;
	c.neighbour[0] = (struct net_neighbour){ .family = AF_INET6, .mac = { 1, 2, 3, 4, 5, 6 } };
	return c;
}

/* What the reader makes of what the writer wrote, with so many bytes cut off or added. */
static int carry(const struct net_config *c, int more, struct net_config *ret)
{
	static uint8_t buffer[65536];
	struct wire_out w;
	struct wire_in r;

	memset(buffer, 0, sizeof(buffer));
	wire_out_fixed(&w, buffer, sizeof(buffer));
	net_config_put(&w, c);
	assert_int_equal(w.error, 0);
	wire_in_init(&r, buffer, (size_t)((int)w.len + more));
	return net_config_get(&r, ret);
}

static void an_interface_arrives_as_it_was_sent(void **state)
{
	struct net_config c = good(), got;

	(void)state;
	assert_int_equal(carry(&c, 0, &got), 0);
	assert_memory_equal(&got, &c, sizeof(c));
	assert_int_equal(carry(&c, -1, &got), -EBADMSG);
	assert_int_equal(carry(&c, 1, &got), -EBADMSG);
	c.n_addresses = NET_MAX_ADDRESSES;
	c.n_routes = NET_MAX_ROUTES;
	c.n_neighbours = NET_MAX_NEIGHBOURS;
	for (size_t i = 0; i < NET_MAX_ADDRESSES; i++)
		c.address[i] = c.address[0];
	for (size_t i = 0; i < NET_MAX_ROUTES; i++)
		c.route[i] = c.route[0];
	for (size_t i = 0; i < NET_MAX_NEIGHBOURS; i++)
		c.neighbour[i] = c.neighbour[0];
	assert_int_equal(carry(&c, 0, &got), 0);
	assert_memory_equal(&got, &c, sizeof(c));
}

static void only_a_difference_that_the_guest_would_see_is_one(void **state)
{
	struct net_config a = good(), b;

	(void)state;
	memset(&b, 0xff, sizeof(b));
	assert_int_equal(carry(&a, 0, &b), 0);
	b.slot++;
	assert_true(net_config_same(&a, &b));
	memset(&b.route[b.n_routes], 0xff, sizeof(b.route[0]));
	assert_true(net_config_same(&a, &b));
	b.mtu++;
	assert_false(net_config_same(&a, &b));
	b = a;
	b.neighbour[0].mac[5] ^= 1;
	assert_false(net_config_same(&a, &b));
	b = a;
	b.n_neighbours = 0;
	assert_false(net_config_same(&a, &b));
}

static void what_is_out_of_range_is_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "a/b", "a b", "a:b", "\x80" };
	struct net_config c, got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		c = good();
		(void)snprintf(c.name, sizeof(c.name), "%s", names[i]);
		assert_int_equal(carry(&c, 0, &got), -EBADMSG);
	}
#define REFUSED(member, value) \
	c = good(); \
	c.member = value; \
	assert_int_equal(carry(&c, 0, &got), -EBADMSG)
	REFUSED(slot, NET_MAX_SLOTS);
	REFUSED(mtu, 67);
	REFUSED(mtu, 65536);
	REFUSED(up, 2);
	REFUSED(no_ipv6, 2);
	REFUSED(address[0].family, AF_UNIX);
	REFUSED(address[0].prefix, 33);
	REFUSED(address[1].prefix, 129);
	REFUSED(route[0].family, 0);
	REFUSED(route[0].prefix, 33);
	REFUSED(route[0].gateway_family, AF_UNIX);
	REFUSED(route[0].onlink, 2);
	REFUSED(neighbour[0].family, AF_UNIX);
}

static void a_sysctl_of_an_interface_may_come_late(void **state)
{
	(void)state;
	assert_true(net_is_late_sysctl("net/ipv4/conf/eth0/forwarding"));
	assert_true(net_is_late_sysctl("net/ipv6/neigh/eth0.5/gc_stale_time"));
	assert_false(net_is_late_sysctl("net/ipv4/conf/all/forwarding"));
	assert_false(net_is_late_sysctl("net/ipv4/conf/default/forwarding"));
	assert_false(net_is_late_sysctl("net/ipv4/conf/lo/forwarding"));
	assert_false(net_is_late_sysctl("net/ipv4/ip_forward"));
	assert_false(net_is_late_sysctl("kernel/conf/eth0"));
}

static void a_message_is_built_within_its_bounds(void **state)
{
	const struct ifinfomsg head = { .ifi_index = 3 };
	const struct rtattr *a[IFLA_IFNAME + 1], *in[3];
	static const uint8_t much[NL_MESSAGE_MAX];
	struct nl_message m;
	char name[4];
	size_t nest = 0;

	(void)state;
	nl_begin(&m, RTM_NEWLINK, 0, &head, sizeof(head));
	nl_put_str(&m, IFLA_IFNAME, "eth0");
	nest = nl_nest(&m, 1);
	nl_put_u32(&m, 2, 77);
	nl_nest_end(&m, nest);
	assert_int_equal(m.error, 0);
	nl_attributes(&m.head, sizeof(head), a, ARRAY_LEN(a));
	assert_string_equal((const char *)nl_data(a[IFLA_IFNAME]), "eth0");
	nl_get_text(a[IFLA_IFNAME], name, sizeof(name));
	assert_string_equal(name, "eth");
	nl_nested(a[1], in, ARRAY_LEN(in));
	assert_null(in[1]);
	assert_int_equal(nl_get_u32(in[2]), 77);
	assert_int_equal(nl_get_u32(NULL), 0);
	nl_put(&m, 5, much, sizeof(much));
	assert_int_equal(m.error, -EMSGSIZE);
	assert_int_equal(nl_call(-1, &m), -EMSGSIZE);
}

/* Of what a kernel tells, these are the container's. */
static void taps_and_loopback_are_not_the_containers(void **state)
{
	static const struct {
		const char *name;
		unsigned short type;
		unsigned flags;
		bool counts;
	} links[] = { { "eth0", 1, 0, true }, { "lo", 772, 8, false }, { "dummy", 1, 8, false },
		{ "nestbox0", 1, 0, false }, { "sit0", 776, 0, false }, { "nest", 1, 0, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		const struct ifinfomsg head = { .ifi_type = links[i].type,
			.ifi_flags = links[i].flags };
		struct nl_message m;

		nl_begin(&m, RTM_NEWLINK, 0, &head, sizeof(head));
		nl_put_str(&m, IFLA_IFNAME, links[i].name);
		assert_int_equal(net_link_counts(&m.head), links[i].counts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_arrives_as_it_was_sent),
		cmocka_unit_test(only_a_difference_that_the_guest_would_see_is_one),
		cmocka_unit_test(what_is_out_of_range_is_refused),
		cmocka_unit_test(a_sysctl_of_an_interface_may_come_late),
		cmocka_unit_test(a_message_is_built_within_its_bounds),
		cmocka_unit_test(taps_and_loopback_are_not_the_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
