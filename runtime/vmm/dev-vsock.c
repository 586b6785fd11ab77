/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-vsock.c - virtio socket device (virtio 1.2, 5.10): bridges the guest's stream connections to
 * unix stream sockets that were passed in. Nothing is ever opened here.
 *
 * Flow control: to the guest, by its credit, and we read a socket only while there is credit and a
 * receive buffer. From the guest, by ours: VSOCK_RX_WINDOW bytes per connection, held in memory
 * when the socket's reader is slow. A guest that sends more than its credit loses the connection.
 *
 * A guest's connection for a bound socket says first whose it is, and proves it by the container's
 * key (socket-key.h): until then it has one of a few places, for a short time.
 *
 * Threads: the I/O loop's. Memory is fixed: VSOCK_MAX_CONNS connections.
 * Trust:   every header is copied once and checked; ports and credits are the guest's word and can
 * harm only its own connections.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent.h"
#include "dev-vsock.h"
#include "devices.h"
#include "io.h"

#define DEVICE_ID_VSOCK 19
#define GUEST_CID 3ull
#define HOST_CID 2ull
#define QUEUE_RX 0
#define QUEUE_TX 1
#define MAX_RESETS 32
#define FIRST_HOST_PORT 0x40000000u
#define MAX_PACKET ((size_t)64 << 10)

enum vsock_op { /* 5.10.6 */
	OP_REQUEST = 1,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST,
};
#define TYPE_STREAM 1
#define SHUTDOWN_RECEIVE 1u
#define SHUTDOWN_SEND 2u

struct vsock_header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

struct reset {
	uint32_t host_port, guest_port;
};

static struct {
	struct virtio_dev *dev; /* borrowed */
	int boot_fd; /* owned until the guest connects */
	const char *boot_end; /* what the guest did to that connection, if anything */
	uint32_t next_port;
	unsigned turn; /* connection that may send next */
	struct reset reset[MAX_RESETS]; /* refusals to be told */
	unsigned n_resets;
	struct vq_chain rx; /* a receive buffer taken from the ring and not used yet */
	bool have_rx;
} vs;

static void on_stream(void *arg, uint32_t events);

static uint32_t credit(const struct conn *c)
{
	uint32_t under_way = c->sent - c->guest_fwd;

	return under_way >= c->guest_buf ? 0 : c->guest_buf - under_way;
}

/* ---- to the guest -------------------------------------------------------------------------- */

/* A receive buffer for one packet, or false when the guest has none. */
static bool take_rx(void)
{
	int r = 0;

	if (vs.have_rx)
		return true;
	r = vq_pop(&vs.dev->vq[QUEUE_RX], &vs.rx);
	if (r < 0)
		virtio_broken(vs.dev, "vsock: broken receive queue");
	if (r <= 0)
		return false;
	/* 5.10.6.1.1: room for a header and data. */
	if (vs.rx.in_len <= sizeof(struct vsock_header)) {
		virtio_broken(vs.dev, "vsock: receive buffer without room");
		return false;
	}
	vs.have_rx = true;
	return true;
}

static void send_packet(struct vsock_header *h, uint32_t data_len)
{
	h->src_cid = HOST_CID;
	h->dst_cid = GUEST_CID;
	h->type = TYPE_STREAM;
	h->len = data_len;
	(void)vq_copy_to(vs.rx.in, vs.rx.n_in, 0, h, sizeof(*h));
	vq_push(&vs.dev->vq[QUEUE_RX], vs.rx.head, (uint32_t)sizeof(*h) + data_len);
	vs.have_rx = false;
}

static void send_op(struct conn *c, uint16_t op, uint32_t flags, uint32_t data_len)
{
	struct vsock_header h = { .src_port = c->host_port,
		.dst_port = c->guest_port,
		.op = op,
		.flags = flags,
		.buf_alloc = VSOCK_RX_WINDOW,
		.fwd_cnt = c->forwarded };

	c->told = c->forwarded;
	c->tell &= ~TELL_CREDIT;
	send_packet(&h, data_len);
}

/* Sends the most urgent thing that the connection has to tell. */
static void tell(struct conn *c)
{
	if (c->tell & TELL_RST) {
		send_op(c, OP_RST, 0, 0);
		conn_free(c);
	} else if (c->tell & TELL_REQUEST) {
		c->tell &= ~TELL_REQUEST;
		send_op(c, OP_REQUEST, 0, 0);
	} else if (c->tell & TELL_RESPONSE) {
		c->tell &= ~TELL_RESPONSE;
		c->open = true;
		send_op(c, OP_RESPONSE, 0, 0);
	} else if (c->tell & TELL_HEAD) {
		c->tell &= ~TELL_HEAD;
		if (vq_copy_to(vs.rx.in, vs.rx.n_in, sizeof(struct vsock_header), c->head,
			    SOCKET_HEAD) != SOCKET_HEAD ||
			credit(c) < SOCKET_HEAD) {
			conn_abort(c);
			return;
		}
		c->sent += SOCKET_HEAD;
		send_op(c, OP_RW, 0, SOCKET_HEAD);
	} else if (c->tell & TELL_SHUTDOWN) {
		c->tell &= ~TELL_SHUTDOWN;
		send_op(c, OP_SHUTDOWN, SHUTDOWN_SEND, 0);
	} else {
		send_op(c, OP_CREDIT_UPDATE, 0, 0);
	}
}

/* Reads the socket straight into the guest's buffer; true when a packet went out. */
static bool forward_to_guest(struct conn *c)
{
	static struct iovec iov[VQ_MAX_SEGS]; /* one thread serves the device */
	size_t max = credit(c) < MAX_PACKET ? credit(c) : MAX_PACKET;
	unsigned n = vq_slice(iov, vs.rx.in, vs.rx.n_in, sizeof(struct vsock_header), max);
	ssize_t got = 0;

	if (!n)
		return false;
	got = readv(c->fd, iov, (int)(n < IOV_MAX ? n : IOV_MAX));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		c->host_eof = true;
		c->tell |= TELL_SHUTDOWN;
		return false;
	}
	c->sent += (uint32_t)got;
	send_op(c, OP_RW, 0, (uint32_t)got);
	return true;
}

static bool wants_input(const struct conn *c)
{
	return c->used && c->fd >= 0 && c->open && !c->host_eof && !c->closing &&
		!(c->tell & (TELL_RST | TELL_HEAD)) && credit(c) > 0;
}

static bool can_read(const struct conn *c)
{
	return wants_input(c) && take_rx();
}

/* Watches a stream only for what can be done with it now: a level-triggered loop would spin on a
 * hung-up one. */
static void watch(struct conn *c)
{
	uint32_t events = 0;

	if (can_read(c))
		events |= EPOLLIN;
	if (c->fd >= 0 && c->held_len)
		events |= EPOLLOUT;
	if (!events) {
		if (c->src >= 0)
			loop_del(vs.dev->loop, c->src);
		c->src = -1;
	} else if (c->src >= 0) {
		(void)!loop_mod(vs.dev->loop, c->src, events);
	} else {
		c->src = loop_add(vs.dev->loop, c->fd, events, on_stream, c);
	}
}

/* Tells the guest all that can be told with the receive buffers it has. Data is read on EPOLLIN
 * only, see on_stream(). */
static void pump(void)
{
	unsigned n = conn_count();

	if (!vs.dev->active)
		return;
	while (vs.n_resets && take_rx()) {
		struct reset *r = &vs.reset[--vs.n_resets];
		struct vsock_header h = {
			.src_port = r->host_port, .dst_port = r->guest_port, .op = OP_RST
		};

		send_packet(&h, 0);
	}
	for (unsigned i = 0; i < n; i++) {
		struct conn *c = conn_at((vs.turn + i) % n);

		while (c->used && c->tell && take_rx())
			tell(c);
		if (c->used)
			watch(c);
	}
	vs.turn++;
	virtio_signal(vs.dev, QUEUE_RX);
}

/* ---- from the guest ------------------------------------------------------------------------ */

static void on_stream(void *arg, uint32_t events)
{
	struct conn *c = arg;

	virtio_serve_begin(vs.dev);
	/* A hang-up is told without end: when all was read, what is held goes nowhere any more. */
	if ((events & EPOLLHUP) && !can_read(c))
		events |= EPOLLOUT;
	if (c->used && c->fd >= 0 && (events & (EPOLLOUT | EPOLLERR)))
		conn_drain(c);
	if (vs.dev->active && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		/* Not without end: both sides may be faster than we are. */
		for (unsigned n = 0; n < VIRTIO_BATCH; n++) {
			if (!wants_input(c) || !take_rx() || !forward_to_guest(c))
				break;
		}
	}
	pump();
	virtio_serve_end(vs.dev);
}

static void add_reset(uint32_t host_port, uint32_t guest_port)
{
	if (vs.n_resets == MAX_RESETS)
		return; /* a guest that floods is not answered */
	vs.reset[vs.n_resets++] =
		(struct reset){ .host_port = host_port, .guest_port = guest_port };
}

static void refuse(const struct vsock_header *h)
{
	if (h->op != OP_RST)
		add_reset(h->dst_port, h->src_port);
}

/* ---- who has not shown a key --------------------------------------------------------------- */

static void on_clock(void *arg);

static void start_clock(void)
{
	loop_later(vs.dev->loop, VSOCK_NAME_SECONDS * 1000, on_clock, NULL);
}

bool vsock_tick(void)
{
	bool left = false;

	for (unsigned i = conn_count(); i-- > 0;) {
		struct conn *c = conn_at(i);

		if (!c->used || c->whose != VSOCK_UNNAMED)
			continue;
		if (c->ticked)
			conn_abort(c);
		c->ticked = left = true;
	}
	pump();
	return left;
}

static void on_clock(void *arg)
{
	(void)arg;
	virtio_serve_begin(vs.dev);
	if (vsock_tick())
		start_clock();
	virtio_serve_end(vs.dev);
}

/* Any process of the guest that may have such a port can come as far as this, as often as it likes:
 * it shall not keep init out for longer than it takes to say who one is. */
static struct conn *new_unnamed(const struct vsock_header *h)
{
	struct conn *oldest = conn_crowded();
	struct conn *c = NULL;

	if (oldest) {
		add_reset(oldest->host_port, oldest->guest_port);
		conn_free(oldest);
	}
	c = conn_new(-EBADF, h->dst_port, h->src_port, VSOCK_UNNAMED);
	if (c) {
		c->naming = CONN_HEAD;
		start_clock();
	}
	return c;
}

static void on_request(const struct vsock_header *h)
{
	struct conn *c = NULL;

	if (h->dst_port == AGENT_HOST_PORT && vs.boot_fd >= 0) {
		c = conn_new(vs.boot_fd, h->dst_port, h->src_port, VSOCK_HOST);
		if (c)
			vs.boot_fd = -EBADF; /* it is the connection's now */
	} else if (h->dst_port == SOCKET_HOST_PORT && h->src_port < SOCKET_RESERVED) {
		c = new_unnamed(h);
	}
	if (!c) {
		refuse(h);
		return;
	}
	c->guest_buf = h->buf_alloc;
	c->guest_fwd = h->fwd_cnt;
	c->tell = TELL_RESPONSE;
}

/* For the log: by the socket alone this would look like the monitor's end. */
static void note_boot_end(const struct conn *c, const char *what)
{
	if (c->host_port == AGENT_HOST_PORT && c->whose == VSOCK_HOST && !vs.boot_end)
		vs.boot_end = what;
}

const char *dev_vsock_boot_end(void)
{
	return vs.boot_end;
}

/* Data: straight to the socket if nothing is held before it; the rest is held. */
static void on_data(struct conn *c, const struct vsock_header *h, struct vq_chain *t)
{
	size_t offset = sizeof(*h);

	if (!c->open || c->guest_done || (c->tell & TELL_HEAD) ||
		h->len > t->out_len - sizeof(*h) || h->len > VSOCK_RX_WINDOW - c->held_len) {
		note_boot_end(c, "sent data out of turn");
		conn_abort(c);
		return;
	}
	conn_hold(c, t, offset, h->len);
	conn_drain(c);
}

static void on_shutdown(struct conn *c, uint32_t flags)
{
	if (flags & SHUTDOWN_SEND)
		c->guest_done = true;
	/* Both directions: over as soon as what is held is written, be the reader slow. */
	if ((flags & SHUTDOWN_SEND) && (flags & SHUTDOWN_RECEIVE)) {
		note_boot_end(c, "closed it");
		c->closing = true;
	}
	conn_drain(c);
}

static void on_packet(const struct vsock_header *h, struct vq_chain *t)
{
	struct conn *c = NULL;

	if (h->type != TYPE_STREAM || h->src_cid != GUEST_CID || h->dst_cid != HOST_CID) {
		refuse(h);
		return;
	}
	c = conn_find(h->dst_port, h->src_port);
	if (!c) {
		if (h->op == OP_REQUEST)
			on_request(h);
		else
			refuse(h);
		return;
	}
	c->guest_buf = h->buf_alloc;
	c->guest_fwd = h->fwd_cnt;
	switch (h->op) {
	case OP_RESPONSE:
		if (!c->open && c->whose != VSOCK_HOST && c->naming == CONN_NAMED)
			c->tell |= TELL_HEAD;
		c->open = true;
		break;
	case OP_RW:
		on_data(c, h, t);
		break;
	case OP_CREDIT_UPDATE:
		break;
	case OP_CREDIT_REQUEST:
		c->tell |= TELL_CREDIT;
		break;
	case OP_SHUTDOWN:
		on_shutdown(c, h->flags);
		break;
	case OP_RST:
		/* What the guest sent before it is the reader's all the same. */
		note_boot_end(c, "reset it");
		c->closing = c->gone = true;
		c->tell = 0;
		conn_drain(c);
		break;
	default:
		conn_abort(c);
		break;
	}
}

static void kick(struct virtio_dev *d, unsigned q)
{
	static struct vq_chain t;
	int r = 0;

	if (q == QUEUE_TX) {
		while ((r = virtio_pop(d, QUEUE_TX, &t)) > 0) {
			struct vsock_header h;

			if (vq_copy_from(t.out, t.n_out, 0, &h, sizeof(h)) == sizeof(h))
				on_packet(&h, &t);
			vq_push(&d->vq[QUEUE_TX], t.head, 0);
		}
		if (r < 0) {
			virtio_broken(d, "vsock: broken transmit queue");
			return;
		}
		virtio_signal(d, QUEUE_TX);
	}
	pump();
}

static void reset(struct virtio_dev *d)
{
	(void)d;
	for (unsigned i = conn_count(); i-- > 0;) {
		if (!conn_at(i)->used)
			continue;
		note_boot_end(conn_at(i), "reset the device");
		conn_free(conn_at(i));
	}
	vs.n_resets = 0;
	vs.have_rx = false;
}

static void config_read(struct virtio_dev *d, uint32_t offset, void *buf, uint32_t len)
{
	const uint64_t cid = GUEST_CID;

	(void)d;
	if (offset < sizeof(cid) && len <= sizeof(cid) - offset)
		memcpy(buf, (const char *)&cid + offset, len);
}

static const struct virtio_ops vsock_ops = {
	.name = "vsock",
	.device_id = DEVICE_ID_VSOCK,
	.n_queues = 3, /* receive, transmit, event (never used: no migration yet) */
	.config_read = config_read,
	.reset = reset,
	.kick = kick,
};

void dev_vsock_init(struct virtio_dev *d, struct loop *loop, int boot_fd, int sockets_fd,
	const struct socket_key *key)
{
	conn_init(loop);
	vsock_sockets_init(loop, sockets_fd, key);
	vs.turn = vs.n_resets = 0;
	vs.have_rx = false;
	vs.dev = d;
	vs.boot_fd = boot_fd;
	vs.boot_end = NULL;
	vs.next_port = FIRST_HOST_PORT;
	*d = (struct virtio_dev){ .ops = &vsock_ops, .priv = &vs, .loop = loop };
}

/* Bridges fd (owned from here on) to a port of the guest. */
static struct conn *connect_guest(int fd, uint32_t port, int whose)
{
	cleanup(close) int owned = fd;
	struct conn *c = NULL;

	if (io_set_nonblock(fd, true) < 0)
		return NULL;
	c = conn_new(fd, vs.next_port, port, whose);
	if (!c)
		return NULL;
	(void)take_fd(&owned);
	vs.next_port++;
	c->tell = TELL_REQUEST;
	return c;
}

int dev_vsock_connect(int fd, uint32_t port)
{
	struct conn *c = NULL;

	virtio_serve_begin(vs.dev);
	c = connect_guest(fd, port, VSOCK_HOST);
	pump();
	virtio_serve_end(vs.dev);
	return c ? 0 : -EMFILE;
}

void vsock_accepted(const struct socket_head *h, int fd)
{
	struct conn *c = NULL;

	virtio_serve_begin(vs.dev);
	c = connect_guest(fd, SOCKET_GUEST_PORT, (int)h->fs_slot);
	if (c)
		socket_head_put(c->head, h);
	pump();
	virtio_serve_end(vs.dev);
}

void vsock_named(int link, uint64_t cookie, int fd)
{
	cleanup(close) int owned = fd;
	struct conn *c = NULL;

	virtio_serve_begin(vs.dev);
	c = conn_of_cookie(cookie);
	if (c && c->naming == CONN_ASKED && c->whose == link) {
		c->naming = CONN_NAMED;
		if (owned < 0 || io_set_nonblock(owned, true) < 0) {
			conn_abort(c);
		} else {
			c->fd = take_fd(&owned);
			conn_drain(c);
		}
		pump();
	}
	virtio_serve_end(vs.dev);
}

static void end_conns(int link, bool all)
{
	virtio_serve_begin(vs.dev);
	for (unsigned i = conn_count(); i-- > 0;) {
		struct conn *c = conn_at(i);

		if (c->used && c->whose == link && (all || c->naming == CONN_ASKED))
			conn_abort(c);
	}
	pump();
	virtio_serve_end(vs.dev);
}

void vsock_link_gone(int link)
{
	end_conns(link, false);
}

void vsock_link_new(int link)
{
	end_conns(link, true);
}

bool dev_vsock_settle(void)
{
	if (conn_count())
		return false;
	/* A buffer that was taken ahead is still the guest's. */
	if (vs.have_rx)
		vs.dev->vq[QUEUE_RX].last_avail--;
	vs.have_rx = false;
	return vs.n_resets == 0;
}

void dev_vsock_done(void)
{
	close_fd(&vs.boot_fd);
}
