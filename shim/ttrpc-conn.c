/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc-conn.c - one connection of ttrpc; see ttrpc-conn.h.
 *
 * Owner:   the connection owns its socket and buffers. What is added goes to the buffer and is
 * written from the loop, so that nobody who adds sees the connection end under him.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ttrpc-conn.h"

#define READ_BYTES 65536

int ttrpc_conn_open(struct ttrpc_conn *c, struct loop *loop, int fd, loop_fn fn, void *arg)
{
	*c = TTRPC_CONN_INIT;
	c->loop = loop;
	c->fd = fd;
	c->source = loop_add(loop, fd, EPOLLIN, fn, arg);
	if (c->source < 0)
		close_fd(&c->fd);
	return c->source < 0 ? c->source : 0;
}

static int read_some(struct ttrpc_conn *c, ttrpc_frame_fn fn, void *arg)
{
	static uint8_t buf[READ_BYTES]; /* one thread */
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	for (size_t at = 0; at < (size_t)n;) {
		size_t used = 0;
		int event = ttrpc_input_feed(&c->in, buf + at, (size_t)n - at, &used);

		if (event < 0)
			return event;
		at += used;
		if (event == TTRPC_MORE)
			break;
		fn(arg, (enum ttrpc_event)event);
		ttrpc_input_next(&c->in);
	}
	return 0;
}

int ttrpc_conn_handle(struct ttrpc_conn *c, uint32_t events, ttrpc_frame_fn fn, void *arg)
{
	int r = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = read_some(c, fn, arg);
	if (r == 0 && c->out.len > 0) {
		r = ttrpc_output_write(&c->out, c->fd);
		if (r == 1)
			r = loop_mod(c->loop, c->source, EPOLLIN);
	}
	return r;
}

int ttrpc_conn_add(
	struct ttrpc_conn *c, uint8_t type, uint32_t stream, size_t len, uint8_t **ret_payload)
{
	int r = ttrpc_output_add(&c->out, type, stream, len, ret_payload);

	return r < 0 ? r : loop_mod(c->loop, c->source, EPOLLIN | EPOLLOUT);
}

void ttrpc_conn_close(struct ttrpc_conn *c)
{
	if (c->source >= 0)
		loop_del(c->loop, c->source);
	c->source = -1;
	close_fd(&c->fd);
	ttrpc_input_done(&c->in);
	ttrpc_output_done(&c->out);
}
