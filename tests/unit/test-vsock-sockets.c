/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-vsock-sockets.c - the vsock device and bound sockets: the guest names a share, the fs server
 * (the test) connects; the fs server brings a client, the guest is told whom it wants.
 */
#include "vsock-driver.h"

#include "socket-link.h"

static void connect_guest(struct fixture *f)
{
	send_op(f, OP_REQUEST, SOCKET_HOST_PORT);
	(void)expect(f, OP_RESPONSE);
}

/* The device's question to the fs server. */
static struct socket_message asked(struct fixture *f)
{
	struct socket_message m;
	int fd = -EBADF;

	assert_int_equal(socket_message_receive(f->link, &m, &fd), 1);
	assert_int_equal(m.kind, SOCKET_CONNECT);
	assert_int_equal(fd, -EBADF);
	return m;
}

/* The fs server's answer; our end of the connection. */
static int answer(struct fixture *f, uint64_t cookie, int error)
{
	struct socket_message m = { .kind = SOCKET_CONNECTED, .cookie = cookie, .error = error };
	int sv[2] = { -EBADF, -EBADF };

	if (error == 0)
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(socket_message_send(f->link, &m, sv[1]), 0);
	close_fd(&sv[1]);
	guest_run(&f->g);
	return sv[0];
}

static void say_who(struct fixture *f, const char *more)
{
	const struct socket_head head = { .number = 3, .uid = 1000, .gid = 100 };
	uint8_t bytes[SOCKET_HEAD + 16];

	socket_head_put(bytes, &head);
	memcpy(bytes + SOCKET_HEAD, more, strlen(more));
	send_data(f, SOCKET_HOST_PORT, bytes, (uint32_t)(SOCKET_HEAD + strlen(more)));
}

static void the_guest_reaches_a_share_by_its_number(void **state)
{
	struct fixture *f = *state;
	struct socket_message m;
	const uint8_t *data = NULL;
	struct header h = { 0 };
	char buf[16] = { 0 };
	int fd = -EBADF;

	connect_guest(f);
	say_who(f, "early");
	m = asked(f);
	assert_int_equal(m.head.number, 3);
	assert_int_equal(m.head.uid, 1000);
	assert_int_equal(m.head.gid, 100);
	send_data(f, SOCKET_HOST_PORT, "+", 1);
	fd = answer(f, m.cookie, 0);
	assert_int_equal(read(fd, buf, sizeof(buf)), 6);
	assert_string_equal(buf, "early+");
	assert_int_equal(write(fd, "reply", 5), 5);
	assert_true(receive(f, &h, &data));
	assert_int_equal(h.op, OP_RW);
	assert_memory_equal(data, "reply", 5);
	/* An answer to what is over is dropped with its fd. */
	{
		int other = answer(f, m.cookie, 0);

		assert_int_equal(read(other, buf, 1), 0);
		close_fd(&other);
	}
	close_fd(&fd);
}

static void a_head_in_pieces_and_a_server_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct socket_message m;
	int fd = -EBADF;

	connect_guest(f);
	for (int i = 0; i < SOCKET_HEAD; i++) {
		assert_int_equal(socket_message_receive(f->link, &m, &fd), -EAGAIN);
		/* The last four: the VM's own file system. */
		send_data(f, SOCKET_HOST_PORT, i < SOCKET_HEAD - 4 ? "\1" : "\0", 1);
	}
	m = asked(f);
	assert_int_equal(m.head.number, 0x0101010101010101ull);
	(void)answer(f, m.cookie, -ECONNREFUSED);
	(void)expect(f, OP_RST);
}

static void a_guest_that_gives_up_early_costs_nothing(void **state)
{
	struct fixture *f = *state;
	struct header h = packet(OP_SHUTDOWN, SOCKET_HOST_PORT, 0);
	struct socket_message m;
	char buf[16];
	int fd = -EBADF;

	/* Before it has said what it wants. */
	connect_guest(f);
	send_data(f, SOCKET_HOST_PORT, "\1", 1);
	h.flags = 2; /* sends no more */
	send_raw(f, &h, NULL, 0);
	(void)expect(f, OP_RST);
	/* After that: what it sent arrives, and then the end. */
	connect_guest(f);
	say_who(f, "words");
	m = asked(f);
	send_op(f, OP_RST, SOCKET_HOST_PORT);
	fd = answer(f, m.cookie, 0);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	close_fd(&fd);
	expect_nothing(f);
}

static int bring_client(struct fixture *f)
{
	struct socket_message m = { .kind = SOCKET_ACCEPTED,
		.head = { .number = 1ull << 32 | 9, .generation = 1, .uid = 33, .gid = 44 } };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(socket_message_send(f->link, &m, sv[1]), 0);
	close_fd(&sv[1]);
	return sv[0];
}

static void a_client_of_the_host_is_announced(void **state)
{
	struct fixture *f = *state;
	struct socket_head head;
	const uint8_t *data = NULL;
	struct header h = { 0 };
	int fd = bring_client(f);
	uint32_t port = 0;

	assert_int_equal(write(fd, "hello", 5), 5);
	h = expect(f, OP_REQUEST);
	assert_int_equal(h.dst_port, SOCKET_GUEST_PORT);
	port = h.src_port;
	h = packet(OP_RESPONSE, port, 0);
	h.src_port = SOCKET_GUEST_PORT;
	send_raw(f, &h, NULL, 0);
	assert_true(receive(f, &h, &data));
	assert_int_equal(h.op, OP_RW);
	assert_int_equal(h.len, SOCKET_HEAD);
	socket_head_get(data, &head);
	assert_int_equal(head.number, 1ull << 32 | 9);
	assert_int_equal(head.generation, 1);
	assert_int_equal(head.uid, 33);
	assert_int_equal(head.gid, 44);
	assert_true(receive(f, &h, &data));
	assert_memory_equal(data, "hello", 5);
	close_fd(&fd);
}

/* Sockets cannot take the places that exec and kill need. */
static void their_connections_are_bounded_apart(void **state)
{
	struct fixture *f = *state;
	int fds[SOCKET_MAX_CONNS + 1], host = -EBADF;
	char c = 0;

	for (unsigned i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = bring_client(f);
		if (i == SOCKET_MAX_CONNS)
			break;
		(void)expect(f, OP_REQUEST);
		post_rx(f, 1);
	}
	expect_nothing(f);
	assert_int_equal(read(fds[SOCKET_MAX_CONNS], &c, 1), 0);
	send_op(f, OP_REQUEST, SOCKET_HOST_PORT);
	(void)expect(f, OP_RST);
	(void)connect_host(f, &host);
	close_fd(&host);
	for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
		close_fd(&fds[i]);
}

/* What any process of the container may bind: who it says it is cannot be believed. */
static void unprivileged_ports_are_refused(void **state)
{
	struct fixture *f = *state;
	struct header h = packet(OP_REQUEST, SOCKET_HOST_PORT, 0);

	h.src_port = SOCKET_RESERVED;
	send_raw(f, &h, NULL, 0);
	assert_int_equal(expect(f, OP_RST).dst_port, SOCKET_RESERVED);
	h.src_port = SOCKET_RESERVED - 1;
	send_raw(f, &h, NULL, 0);
	(void)expect(f, OP_RESPONSE);
}

static void garbage_on_the_link_ends_it(void **state)
{
	struct fixture *f = *state;
	struct header h;
	const uint8_t *data = NULL;

	assert_int_equal(write(f->link, "garbage", 7), 7);
	guest_run(&f->g);
	connect_guest(f);
	say_who(f, "");
	assert_true(receive(f, &h, &data));
	assert_int_equal(h.op, OP_RST);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(the_guest_reaches_a_share_by_its_number),
		CASE(a_head_in_pieces_and_a_server_that_is_not_there),
		CASE(a_guest_that_gives_up_early_costs_nothing),
		CASE(a_client_of_the_host_is_announced),
		CASE(their_connections_are_bounded_apart),
		CASE(unprivileged_ports_are_refused),
		CASE(garbage_on_the_link_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
