/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns.c - 127.0.0.11:53 in the container; see dns.h.
 *
 * Trust: clients are the container's processes, hostile: a message is one datagram, or a length and
 *        its bytes over TCP (RFC 1035, 4.2); what is in it is not looked at. The oldest question,
 * and the oldest client, give way to new ones.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "dns.h"
#include "io.h"

#define ADDRESS 0x7f00000bu /* 127.0.0.11 */
#define PORT 53
#define MAX_CLIENTS 16
#define BACKLOG 16
#define LENGTH 2u
/* An answer goes out in one piece. */
#define SEND_BUFFER 131072

struct client {
	int fd; /* owned; -EBADF = free */
	int source;
	uint64_t number; /* ascending */
	bool waits; /* for an answer: nothing is read */
	size_t have;
	uint8_t data[LENGTH + AGENT_MAX_QUERY];
};

static struct question {
	uint32_t id; /* 0 = free; ascending */
	uint64_t client; /* its number; 0 = by UDP */
	struct sockaddr_in from; /* UDP */
} questions[AGENT_MAX_QUERIES];

static struct client clients[MAX_CLIENTS];
static struct loop *loop;
static int channel = -EBADF; /* borrowed */
static int udp = -EBADF, tcp = -EBADF;
static int udp_source = -1, tcp_source = -1;
static uint32_t last_id;
static uint64_t last_number;

/* Sends a question on; the place of the oldest is taken if need be. */
static void ask(const struct question *like, const void *p, size_t len)
{
	static uint8_t payload[AGENT_MAX_QUERY + 16];
	struct question *q = &questions[0];
	struct wire_out w;

	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		if (questions[i].id < q->id)
			q = &questions[i];
	}
	*q = *like;
	q->id = ++last_id;
	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_u32(&w, q->id);
	wire_put_u8(&w, q->client != 0);
	wire_put_bytes(&w, p, len);
	if (w.error || agent_send(channel, AGENT_QUERY, 0, w.data, w.len) < 0)
		(void)shutdown(channel, SHUT_RDWR); /* seen as its end by the loop */
}

/* ---- UDP ----------------------------------------------------------------------------------- */

static void on_udp(void *arg, uint32_t events)
{
	static uint8_t buffer[AGENT_MAX_QUERY];
	struct question q = { 0 };
	socklen_t len = sizeof(q.from);
	ssize_t n = recvfrom(udp, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC,
		(struct sockaddr *)&q.from, &len);

	(void)arg;
	(void)events;
	if (n > 0 && (size_t)n <= sizeof(buffer))
		ask(&q, buffer, (size_t)n);
}

/* ---- TCP ----------------------------------------------------------------------------------- */

static void client_end(struct client *c)
{
	if (c->fd < 0)
		return;
	loop_del(loop, c->source);
	close_fd(&c->fd);
}

static void on_client(void *arg, uint32_t events)
{
	struct client *c = arg;
	size_t want = LENGTH;
	ssize_t n = 0;

	(void)events;
	if (c->have >= LENGTH)
		want += (size_t)(c->data[0] << 8 | c->data[1]);
	if (want > sizeof(c->data) || c->waits) {
		client_end(c);
		return;
	}
	n = recv(c->fd, c->data + c->have, want - c->have, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		client_end(c);
		return;
	}
	c->have += n > 0 ? (size_t)n : 0;
	if (c->have > LENGTH && c->have == want) {
		const struct question q = { .client = c->number };

		c->waits = true;
		c->have = 0;
		(void)!loop_mod(loop, c->source, 0);
		ask(&q, c->data + LENGTH, want - LENGTH);
	}
}

static void on_tcp(void *arg, uint32_t events)
{
	const int size = SEND_BUFFER;
	struct client *c = &clients[0];
	int fd = loop_accept(loop, tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)arg;
	(void)events;
	if (fd < 0)
		return;
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		if (clients[i].fd < 0) {
			c = &clients[i];
			break;
		}
		if (clients[i].number < c->number)
			c = &clients[i];
	}
	client_end(c);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->fd = fd;
	c->number = ++last_number;
	c->waits = false;
	c->have = 0;
	c->source = loop_add(loop, fd, EPOLLIN, on_client, c);
	if (c->source < 0)
		close_fd(&c->fd);
}

static void answer_client(uint64_t number, const uint8_t *p, size_t len)
{
	static uint8_t buffer[LENGTH + AGENT_MAX_DNS];

	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &clients[i];

		if (c->fd < 0 || c->number != number || !c->waits)
			continue;
		buffer[0] = (uint8_t)(len >> 8);
		buffer[1] = (uint8_t)len;
		memcpy(buffer + LENGTH, p, len);
		c->waits = false;
		if (len == 0 || loop_mod(loop, c->source, EPOLLIN) < 0 ||
			send(c->fd, buffer, LENGTH + len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
				(ssize_t)(LENGTH + len))
			client_end(c);
	}
}

/* ---- public -------------------------------------------------------------------------------- */

int dns_answer(int fd, const void *p, size_t len)
{
	const uint8_t *bytes = p;
	struct wire_in r;
	uint32_t id = 0;

	wire_in_init(&r, p, len);
	id = wire_get_u32(&r);
	if (r.error || fd != channel || len - r.pos > AGENT_MAX_DNS)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		struct question *q = &questions[i];

		if (!id || q->id != id)
			continue;
		q->id = 0;
		if (q->client)
			answer_client(q->client, bytes + r.pos, len - r.pos);
		else if (len > r.pos)
			(void)sendto(udp, bytes + r.pos, len - r.pos, MSG_DONTWAIT,
				(const struct sockaddr *)&q->from, sizeof(q->from));
	}
	return 0;
}

/* One may be bound to all addresses: then it has that one too, and we have to let it. */
static int listen_at(int type)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(ADDRESS)
	};
	const int on = 1;
	cleanup(close) int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static void stop(void)
{
	for (size_t i = 0; i < MAX_CLIENTS && tcp >= 0; i++)
		client_end(&clients[i]);
	memset(questions, 0, sizeof(questions));
	loop_del(loop, udp_source);
	loop_del(loop, tcp_source);
	udp_source = tcp_source = -1;
	close_fd(&udp);
	close_fd(&tcp);
	channel = -EBADF;
}

int dns_begin(struct loop *l, int ns_fd, int fd, struct err *e)
{
	cleanup(close) int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	loop = l;
	if (channel >= 0)
		stop();
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -EBADF;
	if (own < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "network namespace");
	udp = listen_at(SOCK_DGRAM);
	tcp = listen_at(SOCK_STREAM);
	/* There is no going on elsewhere than where we were. */
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
	if (udp >= 0)
		udp_source = loop_add(loop, udp, EPOLLIN, on_udp, NULL);
	if (tcp >= 0)
		tcp_source = loop_add(loop, tcp, EPOLLIN, on_tcp, NULL);
	if (udp_source < 0 || tcp_source < 0) {
		int r = udp < 0 ? udp : tcp < 0 ? tcp : -ENOSPC;

		stop();
		return err_sys(e, r, "127.0.0.11:53");
	}
	channel = fd;
	return 0;
}

void dns_forget(int fd)
{
	if (fd >= 0 && fd == channel)
		stop();
}
