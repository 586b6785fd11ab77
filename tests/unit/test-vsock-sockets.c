/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-vsock-sockets.c - the vsock device and bound sockets: the guest shows its container's key
 * and names a share, the fs server (the test) connects; the fs server brings a client, the guest is
 * told whom it wants.
 */
#include "vsock-driver.h"

#include "dev-vsock.h"
#include "socket-link.h"

static const struct socket_key no_key, other_key = { "a member of it." };

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
	const struct socket_head head = { .key = driver_key, .number = 3, .uid = 1000, .gid = 100 };
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
	const struct socket_head head = { .key = driver_key, .number = 0x0101010101010101ull };
	uint8_t bytes[SOCKET_HEAD];
	struct socket_message m;
	int fd = -EBADF;

	socket_head_put(bytes, &head);
	connect_guest(f);
	for (int i = 0; i < SOCKET_HEAD; i++) {
		assert_int_equal(socket_message_receive(f->link, &m, &fd), -EAGAIN);
		send_data(f, SOCKET_HOST_PORT, &bytes[i], 1);
	}
	m = asked(f);
	assert_int_equal(m.head.number, 0x0101010101010101ull);
	/* It is nobody else's business. */
	assert_memory_equal(&m.head.key, &no_key, sizeof(no_key));
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

/* ---- keys ---- */

/* The next packet, and a buffer for one more. */
static struct header got(struct fixture *f, uint16_t op)
{
	struct header h = expect(f, op);

	post_rx(f, 1);
	return h;
}

static struct header from(uint16_t op, uint32_t guest_port, uint32_t len)
{
	struct header h = packet(op, SOCKET_HOST_PORT, len);

	h.src_port = guest_port;
	return h;
}

/* A process of the guest connects from that port; and says what init would say of a client. */
static void connect_from(struct fixture *f, uint32_t guest_port)
{
	const struct header h = from(OP_REQUEST, guest_port, 0);

	send_raw(f, &h, NULL, 0);
	assert_int_equal(got(f, OP_RESPONSE).dst_port, guest_port);
}

static void claim(
	struct fixture *f, uint32_t guest_port, uint32_t slot, const struct socket_key *key)
{
	const struct socket_head head = { .key = *key, .number = 3, .fs_slot = slot };
	const struct header h = from(OP_RW, guest_port, SOCKET_HEAD);
	uint8_t bytes[SOCKET_HEAD];

	socket_head_put(bytes, &head);
	send_raw(f, &h, bytes, sizeof(bytes));
}

static bool nothing_asked(int link)
{
	struct socket_message m;
	int fd = -EBADF;

	return socket_message_receive(link, &m, &fd) == -EAGAIN;
}

/* A container that joins the VM; our end of its fs server's link. */
static int join(struct fixture *f, unsigned slot, const struct socket_key *key)
{
	int link[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, link), 0);
	dev_vsock_attach_sockets(slot, link[1], key);
	guest_run(&f->g);
	return link[0];
}

static void a_key_fits_itself_alone(void **state)
{
	struct socket_key near = driver_key;

	(void)state;
	assert_true(socket_key_fits(&driver_key, &driver_key));
	assert_false(socket_key_fits(&driver_key, &other_key));
	assert_false(socket_key_fits(&driver_key, &no_key));
	assert_false(socket_key_fits(&no_key, &no_key));
	for (unsigned bit = 0; bit < SOCKET_KEY * 8; bit++) {
		near.byte[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(socket_key_fits(&driver_key, &near));
		near.byte[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* Whatever port it comes from: the one that it claims to be for is not asked. */
static void who_has_no_key_reaches_nobody(void **state)
{
	const struct {
		uint32_t slot;
		const struct socket_key *key;
	} claims[] = { { 0, &no_key }, { 0, &other_key }, { 1, &driver_key }, { 1, &no_key },
		{ 2, &no_key }, { 2, &driver_key }, { VSOCK_LINKS, &driver_key },
		{ UINT32_MAX, &other_key } };
	const uint8_t old_head[24] = { 3 };
	struct header h = from(OP_RW, 7, sizeof(old_head));
	struct fixture *f = *state;
	int member = join(f, 0, &other_key);

	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		connect_from(f, 7);
		claim(f, 7, claims[i].slot, claims[i].key);
		assert_int_equal(got(f, OP_RST).dst_port, 7);
		assert_true(nothing_asked(f->link) && nothing_asked(member));
	}
	/* Without the room for one, and then with more. */
	connect_from(f, 7);
	send_raw(f, &h, old_head, sizeof(old_head));
	assert_true(nothing_asked(f->link) && nothing_asked(member));
	send_raw(f, &h, old_head, sizeof(old_head));
	(void)got(f, OP_RST);
	assert_true(nothing_asked(f->link) && nothing_asked(member));
	/* And each by its own. */
	connect_from(f, 7);
	claim(f, 7, 1, &other_key);
	connect_from(f, 8);
	claim(f, 8, 0, &driver_key);
	assert_false(nothing_asked(member));
	assert_false(nothing_asked(f->link));
	close_fd(&member);
}

/* The member is gone, and its slot's key with it: another one's does not fit. */
static void a_key_ends_with_its_container(void **state)
{
	static const struct socket_key next_key = { "who comes then." };
	struct fixture *f = *state;
	int member = join(f, 0, &other_key);
	int next = -EBADF;

	close_fd(&member);
	guest_run(&f->g);
	connect_from(f, 7);
	claim(f, 7, 1, &other_key);
	(void)got(f, OP_RST);
	next = join(f, 0, &next_key);
	connect_from(f, 7);
	claim(f, 7, 1, &other_key);
	(void)got(f, OP_RST);
	assert_true(nothing_asked(next));
	close_fd(&next);
}

static void who_says_nothing_is_not_kept(void **state)
{
	struct fixture *f = *state;

	connect_from(f, 7);
	assert_true(vsock_tick());
	connect_from(f, 8);
	say_who(f, ""); /* on a connection that there is not */
	(void)got(f, OP_RST);
	expect_nothing(f);
	assert_true(vsock_tick());
	assert_int_equal(got(f, OP_RST).dst_port, 7);
	expect_nothing(f);
	/* Whoever has shown a key is not meant. */
	claim(f, 8, 0, &driver_key);
	(void)asked(f);
	assert_false(vsock_tick());
	assert_false(vsock_tick());
	expect_nothing(f);
}

/* Nor can it keep anybody out. */
static void of_too_many_without_a_key_the_oldest_goes(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < VSOCK_MAX_UNNAMED; i++)
		connect_from(f, 1 + i);
	expect_nothing(f);
	for (uint32_t i = 0; i < 3; i++) {
		const struct header h = from(OP_REQUEST, 200 + i, 0);

		send_raw(f, &h, NULL, 0);
		assert_int_equal(got(f, OP_RST).dst_port, 1 + i);
		assert_int_equal(got(f, OP_RESPONSE).dst_port, 200 + i);
	}
	claim(f, 202, 0, &driver_key);
	(void)asked(f);
}

/* The host's servers do not accept; one container's clients take no other one's places. */
static void each_container_has_its_share(void **state)
{
	struct fixture *f = *state;
	bool over[SOCKET_MAX_CONNS] = { false };
	int member = join(f, 0, &other_key);

	for (uint32_t i = 0; i < SOCKET_MAX_CONNS; i++) {
		connect_from(f, 1 + i);
		claim(f, 1 + i, 1, &other_key);
		assert_false(nothing_asked(member));
	}
	connect_from(f, 500);
	claim(f, 500, 1, &other_key);
	assert_int_equal(got(f, OP_RST).dst_port, 500);
	assert_true(nothing_asked(member));
	connect_from(f, 501);
	claim(f, 501, 0, &driver_key);
	(void)asked(f);
	/* When it ends nothing of it is left. */
	close_fd(&member);
	for (uint32_t i = 0; i < SOCKET_MAX_CONNS; i++) {
		uint32_t port = got(f, OP_RST).dst_port;

		assert_in_range(port, 1, SOCKET_MAX_CONNS);
		assert_false(over[port - 1]);
		over[port - 1] = true;
	}
	expect_nothing(f);
	member = join(f, 0, &other_key);
	connect_from(f, 1);
	claim(f, 1, 1, &other_key);
	assert_false(nothing_asked(member));
	close_fd(&member);
}

/* What was asked of one server another one cannot answer; and what is connected may go on until the
 * next container comes. */
static void servers_answer_for_their_own(void **state)
{
	struct fixture *f = *state;
	struct socket_message m;
	int member = join(f, 0, &other_key);
	int client = -EBADF, mine = -EBADF, other = -EBADF;
	char c = 0;

	connect_from(f, GUEST_PORT);
	claim(f, GUEST_PORT, 1, &other_key);
	assert_int_equal(socket_message_receive(member, &m, &client), 1);
	other = answer(f, m.cookie, 0); /* by the link of the first container */
	assert_int_equal(read(other, &c, 1), 0);
	mine = f->link;
	f->link = member;
	client = answer(f, m.cookie, 0);
	f->link = mine;
	close_fd(&member);
	guest_run(&f->g);
	expect_nothing(f);
	send_data(f, SOCKET_HOST_PORT, "x", 1);
	assert_int_equal(read(client, &c, 1), 1);
	member = join(f, 0, &no_key);
	(void)got(f, OP_RST);
	assert_int_equal(read(client, &c, 1), 0);
	close_fd(&other);
	close_fd(&client);
	close_fd(&member);
}

/* ---- from the host ---- */

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
	connect_guest(f);
	say_who(f, "");
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
		cmocka_unit_test(a_key_fits_itself_alone),
		CASE(who_has_no_key_reaches_nobody),
		CASE(a_key_ends_with_its_container),
		CASE(who_says_nothing_is_not_kept),
		CASE(of_too_many_without_a_key_the_oldest_goes),
		CASE(each_container_has_its_share),
		CASE(servers_answer_for_their_own),
		CASE(a_client_of_the_host_is_announced),
		CASE(their_connections_are_bounded_apart),
		CASE(unprivileged_ports_are_refused),
		CASE(garbage_on_the_link_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
