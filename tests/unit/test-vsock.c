/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-vsock.c - the vsock device: connections both ways, credit, slow readers, hostile headers.
 */
#include "vsock-driver.h"

static void the_cid_is_read_in_any_size(void **state)
{
	struct fixture *f = *state;
	uint64_t cid = 0;

	assert_int_equal(reg_read(&f->g, 0x100), 3);
	assert_int_equal(reg_read(&f->g, 0x104), 0);
	guest_config(&f->g, 0x100, &cid, 8);
	assert_true(cid == 3);
	guest_config(&f->g, 0x108, &cid, 8); /* behind it */
	assert_true(cid == 0);
}

static void the_boot_connection_carries_bytes_both_ways(void **state)
{
	struct fixture *f = *state;
	const uint8_t *data = NULL;
	struct header h = { 0 };
	char buf[32] = { 0 };

	connect_boot(f);
	send_data(f, AGENT_HOST_PORT, "hello", 5);
	assert_int_equal(read(f->monitor, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(write(f->monitor, "create", 6), 6);
	assert_true(receive(f, &h, &data));
	assert_int_equal(h.op, OP_RW);
	assert_int_equal(h.len, 6);
	assert_int_equal(h.fwd_cnt, 5);
	assert_memory_equal(data, "create", 6);
	/* There is one of them. */
	h = packet(OP_REQUEST, AGENT_HOST_PORT, 0);
	h.src_port = GUEST_PORT + 1;
	send_raw(f, &h, NULL, 0);
	h = expect(f, OP_RST);
	assert_int_equal(h.dst_port, GUEST_PORT + 1);
}

static void connections_to_other_ports_are_refused(void **state)
{
	struct fixture *f = *state;
	struct header h;

	send_op(f, OP_REQUEST, 22);
	h = expect(f, OP_RST);
	assert_int_equal(h.src_port, 22);
	assert_int_equal(h.dst_port, GUEST_PORT);
}

static void the_host_connects(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int a = -EBADF;
	cleanup(close) int b = -EBADF;
	uint32_t port_a = connect_host(f, &a);
	uint32_t port_b = connect_host(f, &b);
	char buf[8] = { 0 };

	assert_int_not_equal(port_a, port_b);
	send_data(f, port_b, "bbb", 3);
	send_data(f, port_a, "aa", 2);
	assert_int_equal(read(a, buf, sizeof(buf)), 2);
	assert_int_equal(read(b, buf, sizeof(buf)), 3);
	/* A refused one is closed. */
	send_op(f, OP_RST, port_a);
	assert_int_equal(read(a, buf, sizeof(buf)), 0);
	assert_int_equal(read(b, buf, sizeof(buf)), -1);
	assert_int_equal(errno, EAGAIN);
	expect_nothing(f);
}

static void the_guests_credit_is_kept(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int a = -EBADF;
	uint32_t port = connect_host(f, &a);
	char block[4096] = { 0 };
	struct header h = packet(OP_CREDIT_UPDATE, port, 0);
	const uint8_t *data = NULL;
	uint32_t got = 0;

	h.buf_alloc = 10000;
	send_raw(f, &h, NULL, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(write(a, block, sizeof(block)), sizeof(block));
	while (receive(f, &h, &data))
		got += h.len;
	assert_int_equal(got, 10000);
	assert_int_equal(loop_once(&f->g.loop, 0), 0); /* nothing spins without credit */
	h = packet(OP_CREDIT_UPDATE, port, 0);
	h.buf_alloc = 10000;
	h.fwd_cnt = 4000;
	send_raw(f, &h, NULL, 0);
	while (receive(f, &h, &data))
		got += h.len;
	assert_int_equal(got, 14000);
	/* A guest that claims to have had more than was sent gets nothing by it. */
	h = packet(OP_CREDIT_UPDATE, port, 0);
	h.buf_alloc = 10000;
	h.fwd_cnt = 14001;
	send_raw(f, &h, NULL, 0);
	expect_nothing(f);
	h.fwd_cnt = 14000;
	send_raw(f, &h, NULL, 0);
	while (receive(f, &h, &data))
		got += h.len;
	assert_int_equal(got, 5 * sizeof(block));
}

static void without_receive_buffers_nothing_is_lost(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int a = -EBADF;
	const uint8_t *data = NULL;
	struct header h = { 0 };
	uint32_t got = 0;

	(void)connect_host(f, &a);
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(write(a, &i, sizeof(i)), sizeof(i));
		guest_run(&f->g);
	}
	while (got < 40 * sizeof(got)) {
		for (bool any = true; any;) {
			any = receive(f, &h, &data);
			for (uint32_t at = 0; any && at < h.len; at += 4, got += 4)
				assert_int_equal(*(const uint32_t *)(data + at), got / 4);
		}
		assert_int_equal(loop_once(&f->g.loop, 0), 0);
		post_rx(f, 4);
	}
	assert_int_equal(got, 40 * sizeof(got));
}

static void shrink(int fd)
{
	int bytes = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

/* Fills our credit with numbered bytes while nobody reads. */
static size_t fill_window(struct fixture *f, uint32_t port, size_t upto)
{
	uint8_t block[16384];
	size_t sent = 0;

	while (sent < upto) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)((sent + i) * 7 >> 4);
		send_data(f, port, block, sizeof(block));
		sent += sizeof(block);
	}
	return sent;
}

/* Reads until the device has no more: the count; all must be as it was sent. */
static size_t read_all(struct fixture *f, int fd, size_t from, bool *ret_eof)
{
	uint8_t block[5000];
	size_t got = from;

	*ret_eof = false;
	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n == 0)
			*ret_eof = true;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (block[i] != (uint8_t)((got + (size_t)i) * 7 >> 4))
				fail_msg("byte %zu", got + (size_t)i);
		}
		got += (size_t)n;
		guest_run(&f->g);
	}
	return got;
}

static void a_slow_reader_is_waited_for(void **state)
{
	struct fixture *f = *state;
	size_t got = 0;
	bool eof = false;
	struct header h;

	shrink(f->boot);
	connect_boot(f);
	assert_int_equal(fill_window(f, AGENT_HOST_PORT, WINDOW), WINDOW);
	expect_nothing(f); /* no credit comes while nobody reads */
	got = read_all(f, f->monitor, 0, &eof);
	assert_int_equal(got, WINDOW);
	assert_false(eof);
	h = expect(f, OP_CREDIT_UPDATE);
	assert_true(h.fwd_cnt > 0);
	send_op(f, OP_CREDIT_REQUEST, AGENT_HOST_PORT);
	do
		h = expect(f, OP_CREDIT_UPDATE);
	while (h.fwd_cnt != WINDOW);
	expect_nothing(f);
}

static void more_than_the_credit_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	char buf[1];

	shrink(f->boot);
	connect_boot(f);
	(void)fill_window(f, AGENT_HOST_PORT, WINDOW + 2 * (size_t)65536);
	(void)expect(f, OP_RST);
	while (read(f->monitor, buf, sizeof(buf)) > 0)
		;
	assert_int_equal(read(f->monitor, buf, 1), 0);
}

static void what_was_sent_before_a_shutdown_arrives(void **state)
{
	struct fixture *f = *state;
	struct header h = packet(OP_SHUTDOWN, AGENT_HOST_PORT, 0);
	bool eof = false;

	shrink(f->boot);
	connect_boot(f);
	(void)fill_window(f, AGENT_HOST_PORT, WINDOW);
	h.flags = 3;
	send_raw(f, &h, NULL, 0);
	expect_nothing(f);
	assert_int_equal(read_all(f, f->monitor, 0, &eof), WINDOW);
	assert_true(eof);
	(void)expect(f, OP_RST); /* which is how the guest learns that it may forget it */
	expect_nothing(f);
}

static void what_was_sent_before_a_reset_arrives(void **state)
{
	struct fixture *f = *state;
	bool eof = false;

	shrink(f->boot);
	connect_boot(f);
	(void)fill_window(f, AGENT_HOST_PORT, WINDOW);
	send_op(f, OP_RST, AGENT_HOST_PORT);
	/* For the guest the connection is no more. */
	send_op(f, OP_RW, AGENT_HOST_PORT);
	(void)expect(f, OP_RST);
	assert_int_equal(read_all(f, f->monitor, 0, &eof), WINDOW);
	assert_true(eof);
	expect_nothing(f);
}

static void a_reader_that_is_gone_frees_what_was_held(void **state)
{
	struct fixture *f = *state;

	shrink(f->boot);
	connect_boot(f);
	(void)fill_window(f, AGENT_HOST_PORT, WINDOW);
	close_fd(&f->monitor);
	(void)expect(f, OP_RST);
	expect_nothing(f);
	assert_int_equal(loop_once(&f->g.loop, 0), 0);
}

static void directions_are_closed_one_by_one(void **state)
{
	struct fixture *f = *state;
	struct header h = packet(OP_SHUTDOWN, AGENT_HOST_PORT, 0);
	const uint8_t *data = NULL;
	char buf[8];

	connect_boot(f);
	h.flags = 2; /* sends no more */
	send_raw(f, &h, NULL, 0);
	assert_int_equal(read(f->monitor, buf, sizeof(buf)), 0);
	assert_int_equal(write(f->monitor, "still", 5), 5);
	assert_true(receive(f, &h, &data));
	assert_int_equal(h.len, 5);
	close_fd(&f->monitor);
	h = expect(f, OP_SHUTDOWN);
	assert_int_equal(h.flags, 2);
	/* Data after the end of it is a broken promise. */
	send_data(f, AGENT_HOST_PORT, "x", 1);
	(void)expect(f, OP_RST);
}

static void headers_that_lie_end_the_connection_only(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int a = -EBADF;
	uint32_t port = connect_host(f, &a);
	struct header h = packet(OP_RW, AGENT_HOST_PORT, 0);
	char buf[8];

	connect_boot(f);
	h.len = UINT32_MAX; /* more than the packet has */
	send_raw(f, &h, "abc", 3);
	h = expect(f, OP_RST);
	assert_int_equal(h.src_port, AGENT_HOST_PORT);
	assert_int_equal(read(f->monitor, buf, sizeof(buf)), 0);
	send_op(f, 77, port); /* no such operation */
	h = expect(f, OP_RST);
	assert_int_equal(h.src_port, port);
	assert_int_equal(reg_read(&f->g, 0x70) & 64, 0);
}

static void foreign_packets_are_answered_with_a_reset(void **state)
{
	struct fixture *f = *state;
	struct header h = packet(OP_RW, AGENT_HOST_PORT, 0);

	connect_boot(f);
	h.src_cid = 4;
	send_raw(f, &h, NULL, 0);
	(void)expect(f, OP_RST);
	h = packet(OP_RW, AGENT_HOST_PORT, 0);
	h.dst_cid = 1;
	send_raw(f, &h, NULL, 0);
	(void)expect(f, OP_RST);
	h = packet(OP_RW, AGENT_HOST_PORT, 0);
	h.type = 2; /* SEQPACKET was not offered */
	send_raw(f, &h, NULL, 0);
	(void)expect(f, OP_RST);
	/* None of that was the connection's. */
	send_data(f, AGENT_HOST_PORT, "x", 1);
	expect_nothing(f);
}

/* The last words are the guest's; what it said goes nowhere any more, and nothing spins. */
static void a_reader_that_hangs_up_without_reading(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int a = -EBADF;
	uint32_t port = connect_host(f, &a);
	static const char block[16384];
	const uint8_t *data = NULL;
	struct header h = { 0 };
	int size = 4096;

	assert_int_equal(setsockopt(a, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	/* As much as both sockets take, and some that is held. */
	for (size_t sent = 0; sent < 20 * sizeof(block) && h.op != OP_RST; sent += sizeof(block)) {
		h = packet(OP_RW, port, sizeof(block));
		send_raw(f, &h, block, sizeof(block));
		while (receive(f, &h, &data))
			post_rx(f, 1);
	}
	assert_int_not_equal(h.op, OP_RST);
	assert_int_equal(write(a, "bye", 3), 3);
	assert_int_equal(shutdown(a, SHUT_RDWR), 0);
	while (receive(f, &h, &data) && h.op == OP_RW)
		assert_memory_equal(data, "bye", 3);
	while (h.op != OP_RST && receive(f, &h, &data))
		;
	assert_int_equal(h.op, OP_RST);
	assert_int_equal(loop_once(&f->g.loop, 0), 0);
}

static void a_header_cut_short_is_dropped(void **state)
{
	struct fixture *f = *state;
	const struct seg cut = { TX_AT, 43, false };

	ring_chain(&f->r[1], &cut, 1);
	ring_kick(&f->r[1], 1);
	assert_int_equal(ring_used(&f->r[1]), 1);
	expect_nothing(f);
}

static void a_flood_of_refusals_is_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned answers = 0;
	const uint8_t *data = NULL;
	struct header h;

	for (unsigned i = 0; i < 100; i++)
		send_op(f, OP_RW, 9999);
	for (int turn = 0; turn < 10; turn++) {
		while (receive(f, &h, &data))
			answers++;
		post_rx(f, 8);
	}
	assert_in_range(answers, 16, 16 + 32);
}

static void the_table_of_connections_is_bounded(void **state)
{
	struct fixture *f = *state;
	int sv[2];
	int made = 0;
	int r = 0;

	while (r == 0 && made < 1000) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		r = dev_vsock_connect(sv[1], GUEST_PORT);
		made += r == 0;
		(void)close(sv[0]);
	}
	assert_int_equal(r, -EMFILE);
	assert_int_equal(made, 128);
	assert_int_equal(close(sv[1]), -1); /* it was closed */
	/* The boot connection is refused then, and possible again after a reset. */
	send_op(f, OP_REQUEST, AGENT_HOST_PORT);
	assert_int_equal(fcntl(f->boot, F_GETFD), FD_CLOEXEC);
}

static void a_reset_closes_connections(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int a = -EBADF;
	char buf[1];

	(void)connect_host(f, &a);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	assert_int_equal(read(a, buf, 1), 0);
}

static void a_receive_buffer_without_room_breaks_the_device(void **state)
{
	struct fixture *f = *state;
	const struct seg tiny = { RX_AT, sizeof(struct header), true };
	cleanup(close) int a = -EBADF;

	(void)connect_host(f, &a);
	/* Use up the good ones. */
	for (int i = 0; i < 16; i++) {
		assert_int_equal(write(a, "x", 1), 1);
		guest_run(&f->g);
	}
	ring_chain(&f->r[0], &tiny, 1);
	ring_kick(&f->r[0], 0);
	assert_true(reg_read(&f->g, 0x70) & 64);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_cid_is_read_in_any_size),
		CASE(the_boot_connection_carries_bytes_both_ways),
		CASE(connections_to_other_ports_are_refused),
		CASE(the_host_connects),
		CASE(the_guests_credit_is_kept),
		CASE(without_receive_buffers_nothing_is_lost),
		CASE(a_slow_reader_is_waited_for),
		CASE(more_than_the_credit_ends_the_connection),
		CASE(what_was_sent_before_a_shutdown_arrives),
		CASE(what_was_sent_before_a_reset_arrives),
		CASE(a_reader_that_is_gone_frees_what_was_held),
		CASE(directions_are_closed_one_by_one),
		CASE(headers_that_lie_end_the_connection_only),
		CASE(foreign_packets_are_answered_with_a_reset),
		CASE(a_reader_that_hangs_up_without_reading),
		CASE(a_header_cut_short_is_dropped),
		CASE(a_flood_of_refusals_is_bounded),
		CASE(the_table_of_connections_is_bounded),
		CASE(a_reset_closes_connections),
		CASE(a_receive_buffer_without_room_breaks_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
