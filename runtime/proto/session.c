/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - streams with flow control and messages over one connection; see session.h.
 *
 * Owner:   the session owns its connection, its sources' and sinks' fds and its buffers.
 * Threads: the loop's.
 * Trust:   every byte of the peer is hostile: a header is checked before its payload is awaited,
 * and what a stream may hold is bounded by the window that we gave.
 *
 * A source is watched only while it may be read (credit and room in `out`): a hung-up pipe would
 * wake a level-triggered loop for ever otherwise. A sink is watched only while it holds bytes.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io.h"
#include "session.h"

#define IN_SIZE (AGENT_HEADER + AGENT_MAX_REPLY)
#define CREDIT_STEP (AGENT_WINDOW / 4)
/* What a message must always find room for, so that DATA cannot starve EXIT or CREDIT. */
#define OUT_RESERVE ((size_t)16 << 10)
#define POLITE_WRITE ((size_t)4096) /* PIPE_BUF: a pipe that polls writable takes it at once */

static void update_source(struct session *s, unsigned i);

static void fail(struct session *s, int error)
{
	if (s->dead)
		return;
	s->dead = true;
	loop_del(s->loop, s->src);
	s->src = -1;
	s->ops->closed(s->arg, error);
}

/* ---- sending ------------------------------------------------------------------------------- */

static size_t out_room(struct session *s)
{
	if (s->out_start && s->out_start + s->out_len + OUT_RESERVE * 2 > SESSION_OUT_MAX) {
		memmove(s->out, s->out + s->out_start, s->out_len);
		s->out_start = 0;
	}
	return SESSION_OUT_MAX - s->out_start - s->out_len;
}

static uint8_t *out_end(struct session *s)
{
	return s->out + s->out_start + s->out_len;
}

/* Writes what is queued; 0, or a negative errno for a dead connection. */
static int flush(struct session *s)
{
	while (s->out_len) {
		ssize_t n = write(s->fd, s->out + s->out_start, s->out_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		s->out_start += (size_t)n;
		s->out_len -= (size_t)n;
	}
	if (!s->out_len)
		s->out_start = 0;
	return loop_mod(s->loop, s->src, s->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int queue(struct session *s, uint16_t type, uint16_t stream, const void *p, size_t len)
{
	if (s->dead)
		return -ENOTCONN;
	if (len > AGENT_MAX_REPLY || out_room(s) < AGENT_HEADER + len)
		return -ENOBUFS;
	agent_put_header(out_end(s), type, stream, (uint32_t)len);
	s->out_len += AGENT_HEADER;
	if (len)
		memcpy(out_end(s), p, len);
	s->out_len += len;
	return 0;
}

int session_send(struct session *s, uint16_t type, uint16_t stream, const void *p, size_t len)
{
	int r = queue(s, type, stream, p, len);

	return r < 0 ? r : flush(s);
}

/* ---- sources: local fd -> peer ------------------------------------------------------------- */

static void end_source(struct session *s, unsigned i, bool tell_peer)
{
	struct session_stream *st = &s->stream[i];

	if (st->ended)
		return;
	st->ended = true;
	loop_del(s->loop, st->src);
	st->src = -1;
	close_fd(&st->fd);
	if (tell_peer)
		(void)queue(s, AGENT_END, (uint16_t)i, NULL, 0);
	if (s->ops->source_end)
		s->ops->source_end(s->arg, i);
}

static bool has_input(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Bytes that may be read from the source now; 0 = none. */
static size_t source_allowance(struct session *s, const struct session_stream *st)
{
	size_t room = out_room(s);
	size_t n = AGENT_MAX_DATA;

	if (room < OUT_RESERVE + AGENT_HEADER + POLITE_WRITE)
		return 0;
	if (n > room - OUT_RESERVE - AGENT_HEADER)
		n = room - OUT_RESERVE - AGENT_HEADER;
	return n > st->credit ? st->credit : n;
}

/* One read: true when something was queued, so that another may be tried. */
static bool read_source(struct session *s, unsigned i)
{
	struct session_stream *st = &s->stream[i];
	size_t max = source_allowance(s, st);
	ssize_t n = 0;

	if (!max || st->ended)
		return false;
	if (!has_input(st->fd)) {
		if (st->finishing)
			end_source(s, i, true);
		return false;
	}
	n = read(st->fd, out_end(s) + AGENT_HEADER, max);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0) {
		/* EIO is how a pty says that its last user is gone. */
		end_source(s, i, true);
		return false;
	}
	agent_put_header(out_end(s), AGENT_DATA, (uint16_t)i, (uint32_t)n);
	s->out_len += AGENT_HEADER + (size_t)n;
	st->credit -= (uint32_t)n;
	return true;
}

static void on_source(struct session *s, unsigned i)
{
	int r = 0;

	if (s->dead)
		return;
	(void)read_source(s, i);
	r = flush(s);
	if (r < 0)
		fail(s, r);
	else
		update_source(s, i);
}

static void on_stdin(void *arg, uint32_t events)
{
	(void)events;
	on_source(arg, AGENT_STDIN);
}

static void on_stdout(void *arg, uint32_t events)
{
	(void)events;
	on_source(arg, AGENT_STDOUT);
}

static void on_stderr(void *arg, uint32_t events)
{
	(void)events;
	on_source(arg, AGENT_STDERR);
}

/* Watches the source while it may be read; reads it here when it cannot be watched or must end. */
static void update_source(struct session *s, unsigned i)
{
	static const loop_fn fns[AGENT_STREAM_MAX] = { on_stdin, on_stdout, on_stderr };
	struct session_stream *st = &s->stream[i];
	bool want = st->kind == SESSION_SOURCE && !st->ended && source_allowance(s, st) > 0;

	if (!want) {
		loop_del(s->loop, st->src);
		st->src = -1;
		return;
	}
	if (st->src < 0 && !st->finishing)
		st->src = loop_add(s->loop, st->fd, EPOLLIN, fns[i], s);
	if (st->src < 0) {
		while (read_source(s, i)) {
			if (flush(s) < 0)
				break;
		}
	}
}

static void update_sources(struct session *s)
{
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		if (s->stream[i].kind == SESSION_SOURCE)
			update_source(s, i);
	}
}

int session_source(struct session *s, unsigned stream, int fd)
{
	struct session_stream *st = NULL;
	int r = 0;

	if (stream >= AGENT_STREAM_MAX || s->stream[stream].kind != SESSION_UNUSED) {
		close_fd(&fd);
		return -EINVAL;
	}
	st = &s->stream[stream];
	*st = (struct session_stream){
		.kind = SESSION_SOURCE, .fd = fd, .src = -1, .credit = AGENT_WINDOW
	};
	update_source(s, stream);
	r = flush(s);
	return r;
}

void session_finish_sources(struct session *s)
{
	if (s->dead)
		return;
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		struct session_stream *st = &s->stream[i];

		if (st->kind != SESSION_SOURCE || st->ended)
			continue;
		st->finishing = true;
		loop_del(s->loop, st->src);
		st->src = -1;
		update_source(s, i);
	}
	if (flush(s) < 0)
		fail(s, -EPIPE);
}

/* ---- sinks: peer -> local fd --------------------------------------------------------------- */

static void close_sink(struct session *s, unsigned i)
{
	struct session_stream *st = &s->stream[i];

	loop_del(s->loop, st->src);
	st->src = -1;
	close_fd(&st->fd);
	st->held_len = 0;
	if (s->ops->sink_end)
		s->ops->sink_end(s->arg, i);
}

/* Writes some bytes: the count, 0 when the fd is full, negative errno when it broke. */
static ssize_t write_sink(const struct session_stream *st, const uint8_t *p, size_t len)
{
	struct pollfd pfd = { .fd = st->fd, .events = POLLOUT };
	ssize_t n = 0;

	if (st->polite) {
		if (poll(&pfd, 1, 0) <= 0)
			return 0;
		if (len > POLITE_WRITE)
			len = POLITE_WRITE;
	}
	do
		n = write(st->fd, p, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static int give_credit(struct session *s, unsigned i)
{
	struct session_stream *st = &s->stream[i];
	uint8_t payload[4];
	struct wire_out w;
	int r = 0;

	if (st->consumed < CREDIT_STEP || st->ended)
		return 0;
	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_u32(&w, st->consumed);
	r = queue(s, AGENT_CREDIT, (uint16_t)i, payload, sizeof(payload));
	if (r == 0)
		st->consumed = 0;
	/* No room: the next write to the sink, or the next flush, tries again. */
	return r == -ENOBUFS ? 0 : r;
}

/* A sink whose reader is gone: tell the peer once and swallow what is still under way. */
static void break_sink(struct session *s, unsigned i)
{
	close_sink(s, i);
	if (!s->stream[i].ended)
		(void)queue(s, AGENT_END, (uint16_t)i, NULL, 0);
}

static void drain_sink(struct session *s, unsigned i)
{
	struct session_stream *st = &s->stream[i];

	while (st->held_len) {
		size_t run = AGENT_WINDOW - st->held_start;
		ssize_t n = 0;

		if (run > st->held_len)
			run = st->held_len;
		n = write_sink(st, st->held + st->held_start, run);
		if (n < 0) {
			break_sink(s, i);
			return;
		}
		if (n == 0)
			return;
		st->held_start = (st->held_start + (uint32_t)n) % AGENT_WINDOW;
		st->held_len -= (uint32_t)n;
		st->consumed += (uint32_t)n;
	}
	loop_del(s->loop, st->src);
	st->src = -1;
	if (st->ended)
		close_sink(s, i);
}

static void on_sink(struct session *s, unsigned i)
{
	int r = 0;

	drain_sink(s, i);
	r = give_credit(s, i);
	if (r == 0 && !s->dead)
		r = flush(s);
	if (r < 0)
		fail(s, r);
}

static void on_sink_stdin(void *arg, uint32_t events)
{
	(void)events;
	on_sink(arg, AGENT_STDIN);
}

static void on_sink_stdout(void *arg, uint32_t events)
{
	(void)events;
	on_sink(arg, AGENT_STDOUT);
}

static void on_sink_stderr(void *arg, uint32_t events)
{
	(void)events;
	on_sink(arg, AGENT_STDERR);
}

/* Keeps what the fd did not take now; the caller has checked that the window holds it. */
static int hold(struct session *s, unsigned i, const uint8_t *p, size_t len)
{
	static const loop_fn fns[AGENT_STREAM_MAX] = { on_sink_stdin, on_sink_stdout,
		on_sink_stderr };
	struct session_stream *st = &s->stream[i];

	if (!st->held)
		st->held = malloc(AGENT_WINDOW);
	if (!st->held)
		return -ENOMEM;
	for (size_t done = 0; done < len;) {
		size_t end = (st->held_start + st->held_len) % AGENT_WINDOW;
		size_t run = AGENT_WINDOW - end;

		if (run > len - done)
			run = len - done;
		memcpy(st->held + end, p + done, run);
		st->held_len += (uint32_t)run;
		done += run;
	}
	if (st->src < 0)
		st->src = loop_add(s->loop, st->fd, EPOLLOUT, fns[i], s);
	return st->src < 0 ? st->src : 0;
}

static int on_data(struct session *s, unsigned i, const uint8_t *p, size_t len)
{
	struct session_stream *st = &s->stream[i];

	if (st->kind != SESSION_SINK || st->ended)
		return -EPROTO;
	if (st->fd < 0)
		return 0; /* broken: the peer has not heard of it yet */
	if (len > AGENT_WINDOW - st->consumed - st->held_len)
		return -EPROTO;
	while (len && !st->held_len) {
		ssize_t n = write_sink(st, p, len);

		if (n < 0) {
			break_sink(s, i);
			return 0;
		}
		if (n == 0)
			break;
		p += n;
		len -= (size_t)n;
		st->consumed += (uint32_t)n;
	}
	if (len) {
		int r = hold(s, i, p, len);

		if (r < 0)
			return r;
	}
	return give_credit(s, i);
}

int session_sink(struct session *s, unsigned stream, int fd, bool polite)
{
	if (stream >= AGENT_STREAM_MAX || s->stream[stream].kind != SESSION_UNUSED) {
		close_fd(&fd);
		return -EINVAL;
	}
	s->stream[stream] = (struct session_stream){
		.kind = SESSION_SINK, .fd = fd, .src = -1, .polite = polite
	};
	return 0;
}

/* ---- receiving ----------------------------------------------------------------------------- */

static int on_end(struct session *s, unsigned i)
{
	struct session_stream *st = &s->stream[i];

	if (st->kind == SESSION_SOURCE) {
		end_source(s, i, false);
		return 0;
	}
	if (st->kind != SESSION_SINK || st->ended)
		return -EPROTO;
	st->ended = true;
	if (st->fd >= 0 && !st->held_len)
		close_sink(s, i);
	return 0;
}

static int on_credit(struct session *s, unsigned i, const uint8_t *p, size_t len)
{
	struct session_stream *st = &s->stream[i];
	struct wire_in r;
	uint32_t n = 0;

	wire_in_init(&r, p, len);
	n = wire_get_u32(&r);
	if (wire_in_end(&r) < 0 || st->kind != SESSION_SOURCE || n > AGENT_WINDOW - st->credit)
		return -EPROTO;
	st->credit += n;
	return 0;
}

static int on_frame(struct session *s, const struct agent_frame *f, const uint8_t *p)
{
	if (f->type == AGENT_DATA)
		return on_data(s, f->stream, p, f->len);
	if (f->type == AGENT_END)
		return on_end(s, f->stream);
	if (f->type == AGENT_CREDIT)
		return on_credit(s, f->stream, p, f->len);
	return s->ops->message(s->arg, f, p);
}

/* Handles the whole frames in s->in and moves the rest to its start. */
static int parse(struct session *s)
{
	size_t pos = 0;

	while (s->in_len - pos >= AGENT_HEADER) {
		struct agent_frame f;
		int r = agent_get_header(s->in + pos, &f);

		if (r < 0 || f.len > AGENT_MAX_REPLY)
			return -EPROTO;
		if (s->in_len - pos < AGENT_HEADER + f.len)
			break;
		r = on_frame(s, &f, s->in + pos + AGENT_HEADER);
		if (r < 0)
			return r;
		pos += AGENT_HEADER + f.len;
	}
	memmove(s->in, s->in + pos, s->in_len - pos);
	s->in_len -= pos;
	return 0;
}

/* One read and what it brought: 1 = more may follow, 0 = nothing now, negative = over. */
static int receive(struct session *s)
{
	ssize_t n = read(s->fd, s->in + s->in_len, IN_SIZE - s->in_len);
	int r = 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	s->in_len += (size_t)n;
	r = parse(s);
	return r < 0 ? r : 1;
}

static void on_connection(void *arg, uint32_t events)
{
	struct session *s = arg;
	int r = 1;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = receive(s);
	if (r >= 0 && !s->dead) {
		int flushed = 0;

		for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
			if (s->stream[i].kind == SESSION_SINK && s->stream[i].fd >= 0)
				(void)give_credit(s, i);
		}
		update_sources(s);
		flushed = flush(s);
		if (flushed < 0)
			r = flushed;
	}
	if (r < 0)
		fail(s, r == -ECONNRESET && s->in_len == 0 ? 0 : r);
}

/* ---- life ---------------------------------------------------------------------------------- */

int session_init(
	struct session *s, struct loop *l, int fd, const struct session_ops *ops, void *arg)
{
	int r = 0;

	*s = (struct session){ .loop = l, .fd = fd, .src = -1, .ops = ops, .arg = arg };
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++)
		s->stream[i] = (struct session_stream){ .fd = -EBADF, .src = -1 };
	s->in = malloc(IN_SIZE);
	s->out = malloc(SESSION_OUT_MAX);
	if (!s->in || !s->out)
		r = -ENOMEM;
	if (r == 0)
		r = io_set_nonblock(fd, true);
	if (r == 0) {
		s->src = loop_add(l, fd, EPOLLIN, on_connection, s);
		r = s->src < 0 ? s->src : 0;
	}
	if (r < 0)
		session_done(s);
	return r;
}

bool session_sources_ended(const struct session *s)
{
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		if (s->stream[i].kind == SESSION_SOURCE && !s->stream[i].ended)
			return false;
	}
	return true;
}

bool session_sinks_idle(const struct session *s)
{
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		if (s->stream[i].kind == SESSION_SINK && s->stream[i].held_len)
			return false;
	}
	return true;
}

void session_done(struct session *s)
{
	if (!s->loop)
		return;
	s->dead = true;
	loop_del(s->loop, s->src);
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		loop_del(s->loop, s->stream[i].src);
		close_fd(&s->stream[i].fd);
		free(s->stream[i].held);
	}
	close_fd(&s->fd);
	free(s->in);
	free(s->out);
	*s = (struct session){ .fd = -EBADF, .src = -1, .dead = true };
}
