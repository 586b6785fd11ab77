/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.c - carries bytes between two stream sockets; see relay.h.
 *
 * Owner:   a relay owns both fds and frees itself when it ends.
 * Trust:   the bytes are nobody's business here.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"
#include "relay.h"

#define ROUNDS 8 /* buffers per event and direction: others want their turn */

/* One direction: from side i to side 1 - i. */
struct flow {
	size_t start, len; /* of what is in buf */
	bool ended; /* no more will come */
	bool shut; /* and the other side knows */
	uint8_t buf[RELAY_BUFFER];
};

struct relay {
	struct loop *loop; /* borrowed */
	void (*done)(void *arg);
	void *arg;
	int fd[2]; /* owned */
	int src[2]; /* -1 = not watched */
	bool hung_up[2]; /* the side takes nothing any more and sends no more than is there */
	bool connecting; /* side 1 */
	struct flow flow[2];
};

static void relay_free(struct relay *r)
{
	for (int i = 0; i < 2; i++) {
		loop_del(r->loop, r->src[i]);
		close_fd(&r->fd[i]);
	}
	free(r);
}

static bool would_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Moves what can be moved from side i; a negative errno when the relay is over. */
static int pump(struct relay *r, int i)
{
	struct flow *f = &r->flow[i];

	for (int round = 0; round < ROUNDS; round++) {
		ssize_t n = 0;

		if (!f->len && !f->ended) {
			n = recv(r->fd[i], f->buf, sizeof(f->buf), 0);
			if (n < 0 && would_wait())
				return 0;
			f->ended = n <= 0;
			f->start = 0;
			f->len = n > 0 ? (size_t)n : 0;
		}
		if (!f->len)
			break;
		n = send(r->fd[1 - i], f->buf + f->start, f->len, MSG_NOSIGNAL);
		if (n < 0)
			return would_wait() ? 0 : -errno;
		f->start += (size_t)n;
		f->len -= (size_t)n;
	}
	if (f->ended && !f->len && !f->shut) {
		(void)shutdown(r->fd[1 - i], SHUT_WR);
		f->shut = true;
	}
	return 0;
}

static bool is_over(const struct relay *r)
{
	return (r->flow[0].shut && r->flow[1].shut) || (r->hung_up[0] && r->flow[0].shut) ||
		(r->hung_up[1] && r->flow[1].shut);
}

static void on_side(struct relay *r, int i, uint32_t events);

static void on_a(void *arg, uint32_t events)
{
	on_side(arg, 0, events);
}

static void on_b(void *arg, uint32_t events)
{
	on_side(arg, 1, events);
}

/* Watches a side for what can be done with it now. A hang-up is always told, and told again: once
 * it is known, a side of which nothing is wanted is left alone. */
static int watch(struct relay *r, int i)
{
	const struct flow *in = &r->flow[i], *out = &r->flow[1 - i];
	uint32_t events = 0;

	if (!in->ended && !in->len && !(r->connecting))
		events |= EPOLLIN;
	if (out->len || (i == 1 && r->connecting))
		events |= EPOLLOUT;
	if (!events && r->hung_up[i]) {
		loop_del(r->loop, r->src[i]);
		r->src[i] = -1;
		return 0;
	}
	if (r->src[i] >= 0)
		return loop_mod(r->loop, r->src[i], events);
	r->src[i] = loop_add(r->loop, r->fd[i], events, i ? on_b : on_a, r);
	return r->src[i] < 0 ? r->src[i] : 0;
}

static int finish_connect(struct relay *r)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(r->fd[1], SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		return -ECONNREFUSED;
	r->connecting = false;
	return 0;
}

static void on_side(struct relay *r, int i, uint32_t events)
{
	int e = 0;

	if (events & (EPOLLHUP | EPOLLERR))
		r->hung_up[i] = true;
	if (i == 1 && r->connecting)
		e = finish_connect(r);
	if (!r->connecting) {
		for (int k = 0; k < 2 && e == 0; k++)
			e = pump(r, k);
	}
	for (int k = 0; k < 2 && e == 0; k++)
		e = is_over(r) ? -ECONNRESET : watch(r, k);
	if (e < 0) {
		void (*done)(void *) = r->done;
		void *arg = r->arg;

		relay_free(r);
		done(arg);
	}
}

int relay_start(struct loop *loop, int a, int b, const void *head, size_t head_len,
	void (*done)(void *arg), void *arg)
{
	struct relay *r = head_len <= RELAY_BUFFER ? calloc(1, sizeof(*r)) : NULL;
	int e = 0;

	if (!r) {
		close_fd(&a);
		close_fd(&b);
		return -ENOMEM;
	}
	r->loop = loop;
	r->done = done;
	r->arg = arg;
	r->fd[0] = a;
	r->fd[1] = b;
	r->src[0] = r->src[1] = -1;
	r->connecting = true;
	r->flow[0].len = head_len;
	if (head_len)
		memcpy(r->flow[0].buf, head, head_len);
	e = io_set_nonblock(a, true);
	if (e == 0)
		e = io_set_nonblock(b, true);
	for (int i = 0; i < 2 && e == 0; i++)
		e = watch(r, i);
	if (e < 0)
		relay_free(r);
	return e;
}
