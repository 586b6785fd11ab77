/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c - the namespace's localhost is the guest's; see forward.h.
 *
 * A program for socket look-ups (BPF_PROG_TYPE_SK_LOOKUP) gives every new TCP connection to
 * 127.0.0.1 or ::1 of this namespace to a listener of ours, whatever its port: no rule of a
 * firewall, no socket per port. It ends with us. The port is what the connection's own end is
 * named. A connection of vsock to guest init takes the bytes on: FORWARD (agent.h).
 *
 * Trust:   who connects is in the namespace, on the host; the guest gets its bytes, as it would
 * have them under runc. What it sends goes back to that connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "forward.h"
#include "io.h"
#include "ports.h"
#include "relay.h"

#define BACKLOG 64
/* What guest init takes; and of the VMM's connections some are left for other uses. */
#define MAX_FORWARDS 32
#define KEEPALIVE_SECONDS 60

#define OP(code, dst, src, off, imm) \
	{ \
		(code), (dst), (src), (off), (imm) \
	}
#define LOAD(dst, field) \
	OP(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_6, offsetof(struct bpf_sk_lookup, field), 0)
/* Goes so many instructions further unless the register holds the value. */
#define UNLESS(reg, value, skip) OP(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, skip, (int32_t)(value))
#define MOVE(dst, src) OP(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define SET(dst, value) OP(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value)
#define CALL(helper) OP(BPF_JMP | BPF_CALL, 0, 0, 0, helper)

static struct loop *loop;
static const char *container; /* borrowed */
/* One per family: for a socket that takes both, Linux has no address but any. */
enum { V4, V6, FAMILIES };
static int listener[FAMILIES] = { -EBADF, -EBADF };
static int source[FAMILIES] = { -1, -1 };
static unsigned n_forwards;

static int bpf(int command, union bpf_attr *a)
{
	int r = (int)syscall(SYS_bpf, command, a, (unsigned)sizeof(*a));

	return r < 0 ? -errno : r;
}

/* The listeners, by family. */
static int make_map(void)
{
	union bpf_attr make = { .map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = FAMILIES };
	cleanup(close) int map = bpf(BPF_MAP_CREATE, &make);
	int r = 0;

	if (map < 0)
		return map;
	for (uint32_t key = 0; key < FAMILIES && r == 0; key++) {
		const uint64_t value = (uint64_t)listener[key];
		union bpf_attr put = { 0 };

		put.map_fd = (uint32_t)map;
		put.key = (uintptr_t)&key;
		put.value = (uintptr_t)&value;
		if (listener[key] >= 0)
			r = bpf(BPF_MAP_UPDATE_ELEM, &put);
	}
	return r < 0 ? r : take_fd(&map);
}

static int make_program(int map)
{
	const struct bpf_insn program[] = {
		MOVE(BPF_REG_6, BPF_REG_1),
		LOAD(BPF_REG_2, protocol),
		UNLESS(BPF_REG_2, IPPROTO_TCP, 29),
		LOAD(BPF_REG_2, family),
		UNLESS(BPF_REG_2, AF_INET, 4),
		LOAD(BPF_REG_2, local_ip4),
		UNLESS(BPF_REG_2, htonl(INADDR_LOOPBACK), 25),
		SET(BPF_REG_3, V4),
		OP(BPF_JMP | BPF_JA, 0, 0, 9, 0),
		LOAD(BPF_REG_2, local_ip6[0]),
		UNLESS(BPF_REG_2, 0, 21),
		LOAD(BPF_REG_2, local_ip6[1]),
		UNLESS(BPF_REG_2, 0, 19),
		LOAD(BPF_REG_2, local_ip6[2]),
		UNLESS(BPF_REG_2, 0, 17),
		LOAD(BPF_REG_2, local_ip6[3]),
		UNLESS(BPF_REG_2, htonl(1), 15),
		SET(BPF_REG_3, V6),
		/* The listener, by its place in the map. */
		OP(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_3, -4, 0),
		MOVE(BPF_REG_2, BPF_REG_10),
		OP(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		OP(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
		OP(0, 0, 0, 0, 0),
		CALL(BPF_FUNC_map_lookup_elem),
		OP(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 7, 0),
		MOVE(BPF_REG_7, BPF_REG_0),
		MOVE(BPF_REG_1, BPF_REG_6),
		MOVE(BPF_REG_2, BPF_REG_7),
		SET(BPF_REG_3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOVE(BPF_REG_1, BPF_REG_7),
		CALL(BPF_FUNC_sk_release),
		SET(BPF_REG_0, SK_PASS),
		OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insn_cnt = ARRAY_LEN(program),
		.insns = (uintptr_t)program,
		.license = (uintptr_t) "Apache-2.0" };

	return bpf(BPF_PROG_LOAD, &load);
}

/* The link's fd stays open: it is what holds the program there. */
static int take_look_ups(void)
{
	cleanup(close) int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup(close) int map = make_map();
	cleanup(close) int program = map < 0 ? map : make_program(map);
	union bpf_attr link = { 0 };

	if (ns < 0 || program < 0)
		return ns < 0 ? -errno : program;
	link.link_create.prog_fd = (uint32_t)program;
	link.link_create.target_fd = (uint32_t)ns;
	link.link_create.attach_type = BPF_SK_LOOKUP;
	return bpf(BPF_LINK_CREATE, &link);
}

/* Its own port does not matter. Its connections are probed, so that a client that has gone does not
 * hold a place for as long as the container's server does not answer. */
static int make_listener(const struct sockaddr *at, socklen_t len)
{
	const int on = 1, idle = KEEPALIVE_SECONDS;
	cleanup(close) int fd =
		socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 ||
		bind(fd, at, len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

/* ---- connections --------------------------------------------------------------------------- */

static void watch(bool on)
{
	for (int i = 0; i < FAMILIES; i++)
		(void)!loop_mod(loop, source[i], on ? EPOLLIN : 0);
}

static void on_done(void *arg)
{
	(void)arg;
	if (n_forwards-- == MAX_FORWARDS)
		watch(true);
}

/* Where the connection was meant for. */
static int port_of(int fd, uint16_t *ret)
{
	struct sockaddr_storage to = { 0 };
	socklen_t len = sizeof(to);

	if (getsockname(fd, (struct sockaddr *)&to, &len) < 0)
		return -errno;
	*ret = ntohs(to.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&to)->sin6_port
					      : ((struct sockaddr_in *)&to)->sin_port);
	return 0;
}

static int forward(int fd, struct err *e)
{
	uint8_t head[AGENT_HEADER + 512];
	cleanup(close) int client = fd;
	struct wire_out w;
	uint16_t port = 0;
	int guest = -EBADF;
	int r = port_of(client, &port);

	if (r < 0)
		return err_sys(e, r, "network: forward");
	r = ports_connect(AGENT_GUEST_PORT, &guest, e);
	if (r < 0)
		return r;
	wire_out_fixed(&w, head + AGENT_HEADER, sizeof(head) - AGENT_HEADER);
	wire_put_str(&w, container);
	wire_put_u16(&w, port);
	agent_put_header(head, AGENT_FORWARD, 0, (uint32_t)w.len);
	n_forwards++;
	r = relay_start(loop, take_fd(&client), guest, head, AGENT_HEADER + w.len, on_done, NULL);
	if (r < 0)
		n_forwards--;
	return r < 0 ? err_sys(e, r, "network: forward") : 0;
}

static void on_client(void *arg, uint32_t events)
{
	static struct err told; /* what does not change is told once, whoever dials how often */
	const int *from = arg;
	int fd = loop_accept(loop, *from, NULL, NULL, SOCK_CLOEXEC);
	struct err e = { 0 };

	(void)events;
	if (fd >= 0 && forward(fd, &e) < 0 && strcmp(e.msg, told.msg) != 0) {
		(void)fprintf(stderr, "nestbox-netd: %s\n", e.msg);
		told = e;
	}
	if (n_forwards == MAX_FORWARDS)
		watch(false);
}

int forward_init(struct loop *l, const char *id, struct err *e)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int r = 0;

	loop = l;
	container = id;
	listener[V4] = make_listener((const struct sockaddr *)&v4, sizeof(v4));
	/* Not everywhere. */
	listener[V6] = make_listener((const struct sockaddr *)&v6, sizeof(v6));
	r = listener[V4] < 0 ? listener[V4] : take_look_ups();
	/* A kernel without such programs: localhost is then nobody's, as it was. */
	if (r < 0)
		(void)fprintf(
			stderr, "nestbox-netd: no connections to localhost: %s\n", strerror(-r));
	for (int i = 0; i < FAMILIES; i++) {
		if (r < 0)
			close_fd(&listener[i]);
		if (listener[i] < 0)
			continue;
		source[i] = loop_add(loop, listener[i], EPOLLIN, on_client, &listener[i]);
		if (source[i] < 0)
			return err_sys(e, source[i], "network: forward");
	}
	return 0;
}
