/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c - questions of the guest to 127.0.0.11:53; see resolver.h.
 *
 * The guest sends QUERY over a connection of its own, we send ANSWER. A question has a socket and a
 * time of its own; the oldest gives way when there are too many.
 *
 * Who answers at 127.0.0.11 may have to ask further, from this namespace: so its stack must get
 * what it asked for, though all else that comes in is the guest's. It is told apart by its port:
 * the namespace's sockets take theirs from a range that the guest's kernel does not use.
 *
 * Trust: the guest's frames are hostile: lengths are checked, and what is in them goes to one
 *        address only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent.h"
#include "io.h"
#include "ports.h"
#include "resolver.h"

#define ADDRESS 0x7f00000bu /* 127.0.0.11 */
#define SOCKETS_MAX ((size_t)256 << 10)
#define LISTED "0B00007F:" /* as /proc/net/udp has it */
#define WAIT_NS 10000000000ULL
#define CALL_MS 10000
#define LENGTH 2u /* before a message over TCP (RFC 1035, 4.2.2) */
#define PORTS_FILE "/proc/sys/net/ipv4/ip_local_port_range"

struct question {
	uint32_t id; /* the guest's */
	int fd; /* owned; -EBADF = free */
	int source;
	bool tcp, sent;
	unsigned long long since;
	uint8_t *data; /* owned: what is sent, then what has come; TCP only */
	size_t len, have;
};

static struct question questions[AGENT_MAX_QUERIES];
static struct loop *loop;
static const char *container; /* borrowed */
static int sockets_fd = -EBADF, ports_fd = -EBADF, timer = -EBADF, channel = -EBADF;
static int channel_source = -1, netlink = -EBADF;
static size_t frame_have; /* bytes of the frame that comes by the channel */
static char ports_before[64]; /* "" = not changed */

/* ---- answers ------------------------------------------------------------------------------- */

static void forget(struct question *q)
{
	if (q->fd < 0)
		return;
	loop_del(loop, q->source);
	close_fd(&q->fd);
	free(q->data);
	q->data = NULL;
}

static void hang_up(void)
{
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		forget(&questions[i]);
	loop_del(loop, channel_source);
	channel_source = -1;
	close_fd(&channel);
	frame_have = 0;
}

/* One without bytes is a "no". */
static void answer(struct question *q, const void *p, size_t len)
{
	static uint8_t payload[AGENT_MAX_REPLY];
	struct wire_out w;

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_u32(&w, q->id);
	wire_put_bytes(&w, p, len);
	forget(q);
	if (w.error || agent_send(channel, AGENT_ANSWER, 0, w.data, w.len) < 0)
		hang_up();
}

static void on_udp(void *arg, uint32_t events)
{
	static uint8_t buffer[AGENT_MAX_DNS];
	struct question *q = arg;
	ssize_t n = recv(q->fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC);

	(void)events;
	if (n > 0 && (size_t)n <= sizeof(buffer))
		answer(q, buffer, (size_t)n);
	else if (n >= 0 || errno != EAGAIN)
		answer(q, NULL, 0);
}

/* 1 = done, 0 = not yet, negative = over. */
static int step_tcp(struct question *q)
{
	ssize_t n = 0;

	if (!q->sent) {
		n = send(q->fd, q->data + q->have, q->len - q->have, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		q->have += (size_t)n;
		if (q->have < q->len)
			return 0;
		q->sent = true;
		q->have = 0;
		q->len = LENGTH;
		return loop_mod(loop, q->source, EPOLLIN);
	}
	n = recv(q->fd, q->data + q->have, q->len - q->have, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	q->have += (size_t)n;
	if (q->have == LENGTH)
		q->len = LENGTH + (size_t)(q->data[0] << 8 | q->data[1]);
	if (q->len > LENGTH + AGENT_MAX_DNS)
		return -EMSGSIZE;
	return q->have == q->len && q->len > LENGTH;
}

static void on_tcp(void *arg, uint32_t events)
{
	struct question *q = arg;
	int r = step_tcp(q);

	(void)events;
	if (r > 0)
		answer(q, q->data + LENGTH, q->len - LENGTH);
	else if (r < 0)
		answer(q, NULL, 0);
}

/* Looks every second for questions that nobody answers; not while there are none. */
static void tick(bool on)
{
	const struct itimerspec t = { .it_interval.tv_sec = on, .it_value.tv_sec = on };

	(void)timerfd_settime(timer, 0, &t, NULL);
}

static void on_time(void *arg, uint32_t events)
{
	unsigned long long now = io_now_ns();
	bool waiting = false;
	uint64_t n = 0;

	(void)arg;
	(void)events;
	(void)!read(timer, &n, sizeof(n));
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		if (questions[i].fd >= 0 && now - questions[i].since > WAIT_NS)
			answer(&questions[i], NULL, 0);
		waiting = waiting || questions[i].fd >= 0;
	}
	if (!waiting)
		tick(false);
}

/* ---- questions ----------------------------------------------------------------------------- */

/* A free entry, made free if need be. */
static struct question *take_entry(void)
{
	struct question *oldest = &questions[0];

	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		if (questions[i].fd < 0)
			return &questions[i];
		if (questions[i].since < oldest->since)
			oldest = &questions[i];
	}
	forget(oldest);
	return oldest;
}

static int ask(struct question *q, const uint8_t *p, size_t len)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(ADDRESS)
	};

	q->fd = socket(
		AF_INET, (q->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (q->fd < 0)
		return -errno;
	q->source = loop_add(loop, q->fd, q->tcp ? EPOLLOUT : EPOLLIN, q->tcp ? on_tcp : on_udp, q);
	if (q->source < 0)
		return q->source;
	if (connect(q->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -errno;
	if (!q->tcp)
		return send(q->fd, p, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
	q->data = malloc(LENGTH + AGENT_MAX_DNS);
	if (!q->data)
		return -ENOMEM;
	q->data[0] = (uint8_t)(len >> 8);
	q->data[1] = (uint8_t)len;
	memcpy(q->data + LENGTH, p, len);
	q->len = LENGTH + len;
	return 0;
}

static int on_query(const uint8_t *p, size_t len)
{
	struct question *q = NULL;
	struct wire_in r;
	uint32_t id = 0;
	uint8_t tcp = 0;

	wire_in_init(&r, p, len);
	id = wire_get_u32(&r);
	tcp = wire_get_u8(&r);
	if (r.error || tcp > 1 || len - r.pos > AGENT_MAX_QUERY)
		return -EBADMSG;
	q = take_entry();
	*q = (struct question){
		.id = id, .fd = -EBADF, .source = -1, .tcp = tcp, .since = io_now_ns()
	};
	if (ask(q, p + r.pos, len - r.pos) < 0)
		answer(q, NULL, 0);
	else
		tick(true);
	return 0;
}

/* Frames of the guest, as far as they have come. */
static void on_channel(void *arg, uint32_t events)
{
	static uint8_t buffer[AGENT_HEADER + 5 + AGENT_MAX_QUERY];
	struct agent_frame f = { 0 };
	size_t want = AGENT_HEADER;
	ssize_t n = 0;
	int r = 0;

	(void)arg;
	(void)events;
	if (frame_have >= AGENT_HEADER)
		r = agent_get_header(buffer, &f);
	want += f.len;
	if (want > sizeof(buffer) ||
		(frame_have >= AGENT_HEADER && (f.type != AGENT_QUERY || want == AGENT_HEADER)))
		r = -EBADMSG;
	if (r == 0 && frame_have < want) {
		n = recv(channel, buffer + frame_have, want - frame_have, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			r = -ECONNRESET;
		frame_have += n > 0 ? (size_t)n : 0;
	}
	if (r == 0 && frame_have == want && frame_have > AGENT_HEADER) {
		frame_have = 0;
		r = on_query(buffer + AGENT_HEADER, f.len);
	}
	if (r < 0)
		hang_up();
}

/* ---- the namespace ------------------------------------------------------------------------- */

static bool somebody_answers(void)
{
	static char text[SOCKETS_MAX];
	size_t len = 0;
	ssize_t n = 0;

	while (len < sizeof(text) - 1 &&
		(n = pread(sockets_fd, text + len, sizeof(text) - 1 - len, (off_t)len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	/* Behind its number: the local address is the first of the two. */
	return strstr(text, ": " LISTED) != NULL;
}

static void take_ports(void)
{
	ssize_t n = ports_fd < 0 ? 0 : pread(ports_fd, ports_before, sizeof(ports_before) - 1, 0);
	char text[32];

	if (n <= 0)
		return;
	ports_before[n] = '\0';
	(void)snprintf(text, sizeof(text), "%u %u", PORTS_FIRST, PORTS_FIRST + PORTS_COUNT - 1);
	(void)!pwrite(ports_fd, text, strlen(text), 0);
}

static int call_guest(struct err *e)
{
	uint8_t payload[512];
	struct wire_out w;
	int r = ports_connect(AGENT_GUEST_PORT, &channel, e);

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_str(&w, container);
	if (r == 0)
		r = agent_call(
			channel, AGENT_RESOLVE, w.data, w.len, AGENT_OK, CALL_MS, NULL, NULL, e);
	if (r == 0)
		channel_source = loop_add(loop, channel, EPOLLIN, on_channel, NULL);
	if (r < 0 || channel_source < 0)
		close_fd(&channel);
	return r;
}

/* ---- public -------------------------------------------------------------------------------- */

int resolver_init(struct loop *l, const char *id, int nl, struct err *e)
{
	loop = l;
	container = id;
	netlink = nl;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		questions[i].fd = -EBADF;
	sockets_fd = open("/proc/self/net/udp", O_RDONLY | O_CLOEXEC);
	/* Not there on a /proc that is read-only, as in a container: then only names that need no
	 * asking further are answered. */
	ports_fd = open(PORTS_FILE, O_RDWR | O_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (sockets_fd < 0 || timer < 0 || loop_add(loop, timer, EPOLLIN, on_time, NULL) < 0)
		return err_sys(e, -errno, "network: resolver");
	return 0;
}

bool resolver_look(void)
{
	struct err e = { 0 };

	if (!somebody_answers()) {
		if (channel >= 0)
			hang_up();
		return false;
	}
	if (!*ports_before)
		take_ports();
	ports_pass_answers(netlink);
	if (channel < 0 && call_guest(&e) < 0)
		(void)fprintf(stderr, "nestbox-netd: resolver: %s\n", e.msg);
	return true;
}

void resolver_done(void)
{
	if (*ports_before)
		(void)!pwrite(ports_fd, ports_before, strlen(ports_before), 0);
}
