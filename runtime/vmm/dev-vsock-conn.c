/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-vsock-conn.c - the vsock device's connections, and what is held on its way to the host; see
 * dev-vsock.h.
 *
 * Owner:   the table owns the connections' fds. Memory is fixed; a ring that no connection ever
 *          used is never touched.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dev-vsock.h"

static struct loop *loop;
static struct conn conns[VSOCK_MAX_CONNS];
static unsigned top; /* none from here on is in use: the table is searched for every packet */
static uint64_t n_born;
static uint8_t held[VSOCK_MAX_CONNS][VSOCK_RX_WINDOW];

void conn_init(struct loop *l)
{
	loop = l;
	for (unsigned i = 0; i < VSOCK_MAX_CONNS; i++)
		conns[i].used = false;
	top = 0;
}

unsigned conn_count(void)
{
	return top;
}

struct conn *conn_at(unsigned i)
{
	return &conns[i];
}

/* shutdown(2), as somebody may hold a copy of the fd: the VMM's main.c does of the boot connection.
 */
static void close_socket(struct conn *c)
{
	if (c->src >= 0)
		loop_del(loop, c->src);
	c->src = -1;
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
	close_fd(&c->fd);
}

void conn_free(struct conn *c)
{
	close_socket(c);
	c->used = false;
	while (top && !conns[top - 1].used)
		top--;
}

void conn_abort(struct conn *c)
{
	if (c->gone) {
		conn_free(c);
		return;
	}
	close_socket(c);
	c->held_len = 0;
	c->naming = CONN_NAMED;
	c->tell = TELL_RST;
}

static bool has_room(int whose)
{
	unsigned max = whose == VSOCK_HOST ? VSOCK_MAX_HOST
		: whose == VSOCK_UNNAMED   ? VSOCK_MAX_UNNAMED
					   : SOCKET_MAX_CONNS;
	unsigned n = 0;

	for (unsigned i = 0; i < top; i++)
		n += conns[i].used && conns[i].whose == whose;
	return n < max;
}

struct conn *conn_crowded(void)
{
	struct conn *oldest = NULL;

	if (has_room(VSOCK_UNNAMED))
		return NULL;
	for (unsigned i = 0; i < top; i++) {
		struct conn *c = &conns[i];

		if (c->used && c->whose == VSOCK_UNNAMED && (!oldest || c->born < oldest->born))
			oldest = c;
	}
	return oldest;
}

struct conn *conn_new(int fd, uint32_t host_port, uint32_t guest_port, int whose)
{
	struct conn *free_one = NULL;
	unsigned i = 0;

	while (i < top && conns[i].used)
		i++;
	if (i == VSOCK_MAX_CONNS || !has_room(whose))
		return NULL;
	if (i == top)
		top++;
	free_one = &conns[i];
	*free_one = (struct conn){ .used = true,
		.whose = whose,
		.born = n_born++,
		.generation = free_one->generation + 1,
		.fd = fd,
		.src = -1,
		.host_port = host_port,
		.guest_port = guest_port };
	return free_one;
}

struct conn *conn_find(uint32_t host_port, uint32_t guest_port)
{
	for (unsigned i = 0; i < top; i++) {
		struct conn *c = &conns[i];

		if (c->used && !c->gone && c->host_port == host_port && c->guest_port == guest_port)
			return c;
	}
	return NULL;
}

uint64_t conn_cookie(const struct conn *c)
{
	return (uint64_t)c->generation << 32 | (uint64_t)(c - conns);
}

struct conn *conn_of_cookie(uint64_t cookie)
{
	uint32_t i = (uint32_t)cookie;

	if (i >= VSOCK_MAX_CONNS || !conns[i].used || conns[i].generation != cookie >> 32)
		return NULL;
	return &conns[i];
}

/* ---- from the guest to the socket ---------------------------------------------------------- */

static uint8_t *ring_of(const struct conn *c)
{
	return held[c - conns];
}

void conn_hold(struct conn *c, const struct vq_chain *t, size_t offset, uint32_t len)
{
	while (len) {
		uint32_t end = (c->held_start + c->held_len) % VSOCK_RX_WINDOW;
		uint32_t run = VSOCK_RX_WINDOW - end;

		if (run > len)
			run = len;
		(void)vq_copy_from(t->out, t->n_out, offset, ring_of(c) + end, run);
		c->held_len += run;
		offset += run;
		len -= run;
	}
}

static void consume(struct conn *c, uint32_t n)
{
	c->held_start = (c->held_start + n) % VSOCK_RX_WINDOW;
	c->held_len -= n;
	c->forwarded += n;
	if (!c->held_len)
		c->held_start = 0; /* no more pages than need be */
}

/* Whoever knows the container's key is guest init, and takes one of that container's places. */
static bool take_place(struct conn *c, const struct socket_head *head)
{
	if (!vsock_sockets_know(head) || !has_room((int)head->fs_slot))
		return false;
	c->whose = (int)head->fs_slot;
	return true;
}

/* There is no socket yet: what came is first of all the guest's word which one it wants. */
static void find_name(struct conn *c)
{
	struct socket_head head;

	if (c->naming != CONN_HEAD)
		return;
	/* The ring's first bytes: it has not come round yet. */
	if (c->held_len >= SOCKET_HEAD) {
		socket_head_get(ring_of(c), &head);
		consume(c, SOCKET_HEAD);
		c->naming = CONN_ASKED;
		if (!take_place(c, &head) || vsock_sockets_ask(conn_cookie(c), &head) < 0)
			conn_abort(c);
	} else if (c->guest_done || c->closing) {
		conn_abort(c);
	}
}

void conn_drain(struct conn *c)
{
	if (c->naming != CONN_NAMED) {
		find_name(c);
		return;
	}
	while (c->held_len) {
		size_t run = VSOCK_RX_WINDOW - c->held_start;
		ssize_t n = 0;

		if (run > c->held_len)
			run = c->held_len;
		n = send(c->fd, ring_of(c) + c->held_start, run, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			conn_abort(c);
			return;
		}
		consume(c, (uint32_t)n);
	}
	if (c->closing) {
		conn_abort(c);
		return;
	}
	if (c->guest_done)
		(void)shutdown(c->fd, SHUT_WR);
	if (c->forwarded - c->told >= VSOCK_RX_WINDOW / 2)
		c->tell |= TELL_CREDIT;
}
