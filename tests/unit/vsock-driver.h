/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock-driver.h - the driver's side of the vsock device for its unit tests, written by hand: it
 * posts receive buffers, sends packets and looks at what came, one packet at a time.
 */
#ifndef NESTBOX_TEST_VSOCK_DRIVER_H
#define NESTBOX_TEST_VSOCK_DRIVER_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "agent.h"
#include "devices.h"
#include "guest.h"
#include "io.h"
#include "socket-key.h"

enum {
	OP_REQUEST = 1,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST
};

#define RX_AT 0x40000ull /* 16 receive buffers of 8 KiB */
#define RX_SIZE 8192u
#define TX_AT 0x80000ull /* 8 transmit buffers of 32 KiB */
#define TX_SIZE 32768u
#define WINDOW ((size_t)128 << 10)
#define GUEST_PORT 500u /* of those that take a capability: SOCKET_RESERVED */

struct header {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static const struct socket_key driver_key = { "first container" }; /* with its NUL */

struct fixture {
	struct guest g;
	struct ring r[3]; /* receive, transmit, event */
	uint16_t seen; /* used entries of r[0] that were looked at */
	unsigned sent;
	int monitor; /* our end of the boot connection */
	int boot; /* the device's end, until it is used */
	int link; /* our end of the link for sockets */
};

static inline void post_rx(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct seg one = { RX_AT + (f->r[0].posted % 16) * RX_SIZE, RX_SIZE, true };

		ring_chain(&f->r[0], &one, 1);
	}
	ring_kick(&f->r[0], 0);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int sv[2], link[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (!f || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, link) < 0)
		return -1;
	guest_init(&f->g);
	f->monitor = sv[0];
	f->boot = sv[1];
	f->link = link[0];
	for (unsigned q = 0; q < 3; q++)
		ring_init(&f->r[q], &f->g, 0x10000 + q * 0x4000, 16);
	*state = f;
	dev_vsock_init(&f->g.dev, &f->g.loop, sv[1], link[1], &driver_key);
	if (virtio_mmio_init(&f->g.dev, f->g.registers) < 0)
		return -1;
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 3);
	post_rx(f, 16);
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	/* A reset closes every connection. */
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	close_fd(&f->monitor);
	close_fd(&f->boot);
	close_fd(&f->link);
	guest_run(&f->g); /* the device closes its end */
	dev_vsock_done();
	guest_done(&f->g);
	free(f);
	return 0;
}

static inline void send_raw(
	struct fixture *f, const struct header *h, const void *data, uint32_t len)
{
	gpa_t at = TX_AT + (f->sent++ % 8) * TX_SIZE;
	const struct seg segs[] = { { at, sizeof(*h), false }, { at + 64, len, false } };

	guest_put(&f->g, at, h, sizeof(*h));
	if (len)
		guest_put(&f->g, at + 64, data, len);
	ring_chain(&f->r[1], segs, len ? 2 : 1);
	ring_kick(&f->r[1], 1);
	assert_int_equal(ring_used(&f->r[1]), f->r[1].posted);
}

static inline struct header packet(uint16_t op, uint32_t host_port, uint32_t len)
{
	return (struct header){ .src_cid = 3,
		.dst_cid = 2,
		.src_port = GUEST_PORT,
		.dst_port = host_port,
		.len = len,
		.type = 1,
		.op = op,
		.buf_alloc = 65536 };
}

static inline void send_op(struct fixture *f, uint16_t op, uint32_t host_port)
{
	struct header h = packet(op, host_port, 0);

	send_raw(f, &h, NULL, 0);
}

static inline void send_data(struct fixture *f, uint32_t host_port, const void *data, uint32_t len)
{
	struct header h = packet(OP_RW, host_port, len);

	send_raw(f, &h, data, len);
}

/* The next packet from the device: its header, data behind it, and a fresh buffer for it. false =
 * none came. */
static inline bool receive(struct fixture *f, struct header *h, const uint8_t **data)
{
	gpa_t at = RX_AT + (f->seen % 16) * RX_SIZE;

	guest_run(&f->g);
	if (ring_used(&f->r[0]) == f->seen)
		return false;
	memcpy(h, f->g.ram + at, sizeof(*h));
	*data = f->g.ram + at + sizeof(*h);
	assert_int_equal(ring_used_len(&f->r[0], f->seen), sizeof(*h) + h->len);
	f->seen++;
	return true;
}

/* Expects the next packet to be of this kind. */
static inline struct header expect(struct fixture *f, uint16_t op)
{
	const uint8_t *data = NULL;
	struct header h = { 0 };

	assert_true(receive(f, &h, &data));
	assert_int_equal(h.op, op);
	assert_int_equal(h.type, 1);
	assert_true(h.src_cid == 2 && h.dst_cid == 3);
	return h;
}

static inline void expect_nothing(struct fixture *f)
{
	const uint8_t *data = NULL;
	struct header h = { 0 };

	assert_false(receive(f, &h, &data));
}

/* The guest connects to the host's agent port, as init does. */
static inline void connect_boot(struct fixture *f)
{
	struct header h;

	send_op(f, OP_REQUEST, AGENT_HOST_PORT);
	f->boot = -EBADF; /* taken */
	h = expect(f, OP_RESPONSE);
	assert_int_equal(h.src_port, AGENT_HOST_PORT);
	assert_int_equal(h.dst_port, GUEST_PORT);
	assert_int_equal(h.buf_alloc, WINDOW);
}

/* The host connects to a port of the guest: our end in *ret, the port that the device chose. */
static inline uint32_t connect_host(struct fixture *f, int *ret)
{
	struct header h;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(dev_vsock_connect(sv[1], GUEST_PORT), 0);
	h = expect(f, OP_REQUEST);
	assert_int_equal(h.dst_port, GUEST_PORT);
	send_op(f, OP_RESPONSE, h.src_port);
	*ret = sv[0];
	return h.src_port;
}

#endif
