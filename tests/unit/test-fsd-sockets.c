/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fsd-sockets.c - the fs server connects to the host's sockets and listens for the guest's;
 * the test is the VMM, the host's server and its client.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fsd-client.h"

#include "socket-link.h"
#include "sockets.h"

static int link_fd; /* our end */
static int server; /* a socket of the host, the share m3 */
static int always; /* readable: sockets_wait() comes back after one round */

static struct sockaddr_un address_of(int dir, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, name);
	return a;
}

static int setup_sockets(void **state)
{
	struct fixture *f = make(1000);
	struct sockaddr_un a;
	int link[2], ends[2];

	*state = f;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, link) < 0 ||
		pipe(ends) < 0 || write(ends[1], "x", 1) != 1)
		return -1;
	(void)close(ends[1]);
	always = ends[0];
	link_fd = link[0];
	sockets_init(link[1]);
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	a = address_of(f->s.base, "server");
	if (server < 0 || bind(server, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(server, 0) < 0)
		return -1;
	return sockets_add_share("m3", openat(f->s.base, "server", O_PATH | O_CLOEXEC));
}

static int teardown_sockets(void **state)
{
	close_fd(&link_fd);
	close_fd(&server);
	close_fd(&always);
	sockets_done();
	return teardown(state);
}

static void ask_for(uint64_t share, uint64_t cookie)
{
	struct socket_message m = { .kind = SOCKET_CONNECT,
		.cookie = cookie,
		.head = { .number = share, .uid = getuid(), .gid = getgid() } };

	assert_int_equal(socket_message_send(link_fd, &m, -EBADF), 0);
	sockets_wait(always);
}

/* The next answer: its error, and the fd. */
static int answered(uint64_t cookie, int *ret_fd)
{
	struct socket_message m;

	assert_int_equal(socket_message_receive(link_fd, &m, ret_fd), 1);
	assert_int_equal(m.kind, SOCKET_CONNECTED);
	assert_int_equal(m.cookie, cookie);
	return m.error;
}

static void connects_to_the_share_that_is_a_socket_and_no_other(void **state)
{
	int fd = -EBADF;
	char buf[8] = { 0 };

	(void)state;
	ask_for(3, 7);
	assert_int_equal(answered(7, &fd), 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hi", 2), 2);
	close_fd(&fd);
	fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(read(fd, buf, sizeof(buf)), 2);
	close_fd(&fd);
	ask_for(2, 8);
	assert_int_equal(answered(8, &fd), -ENOENT);
	assert_int_equal(fd, -EBADF);
	ask_for(UINT64_MAX, 9);
	assert_int_equal(answered(9, &fd), -ENOENT);
}

static void names_of_shares_that_are_none_are_refused(void **state)
{
	static const char *const names[] = { "rootfs", "m", "m1x", "m1024", "x3" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(
			sockets_add_share(names[i], openat(f->s.base, "server", O_PATH)), -EINVAL);
}

static void a_server_that_is_gone_is_an_answer(void **state)
{
	int fd = -EBADF;

	(void)state;
	close_fd(&server);
	ask_for(3, 1);
	assert_int_equal(answered(1, &fd), -ECONNREFUSED);
}

/* Its backlog is full: others are not kept waiting, and the answer comes when there is room. */
static void a_busy_server_is_asked_again(void **state)
{
	struct socket_message m;
	int fd = -EBADF, first = -EBADF;

	(void)state;
	ask_for(3, 1);
	assert_int_equal(answered(1, &first), 0);
	ask_for(3, 2);
	assert_int_equal(socket_message_receive(link_fd, &m, &fd), -EAGAIN);
	ask_for(9, 3);
	assert_int_equal(answered(3, &fd), -ENOENT);
	fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close_fd(&fd);
	sockets_wait(always);
	assert_int_equal(answered(2, &fd), 0);
	close_fd(&fd);
	close_fd(&first);
}

static int make_node(struct fixture *f, const char *name)
{
	const struct fuse_mknod_in in = { .mode = S_IFSOCK | 0640 };

	return ask(f, FUSE_MKNOD, ROOT, &in, sizeof(in), name);
}

static int call(struct fixture *f, const char *name)
{
	struct sockaddr_un a = address_of(f->s.root, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close_fd(&fd);
	return -errno;
}

static void the_guests_socket_takes_the_hosts_clients(void **state)
{
	struct fixture *f = *state;
	struct socket_message m;
	struct stat st;
	uint64_t node = 0;
	int client = -EBADF, fd = -EBADF;

	assert_int_equal(make_node(f, "sock"), 0);
	node = entry(f).nodeid;
	assert_int_equal(fstatat(f->s.root, "sock", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0640);
	client = call(f, "sock");
	assert_true(client >= 0);
	sockets_wait(always);
	assert_int_equal(socket_message_receive(link_fd, &m, &fd), 1);
	assert_int_equal(m.kind, SOCKET_ACCEPTED);
	assert_int_equal(m.head.number, node);
	assert_int_equal(m.head.generation, node >> 32);
	assert_int_equal(m.head.uid, getuid());
	assert_int_equal(write(client, "x", 1), 1);
	assert_int_equal(read(fd, &st, sizeof(st)), 1);
	close_fd(&fd);
	close_fd(&client);
	/* A name that is there already is not taken over. */
	assert_int_equal(make_node(f, "sock"), -EEXIST);
	forget(f, node, 1);
	assert_int_equal(call(f, "sock"), -ECONNREFUSED);
}

static void what_cannot_listen_is_a_node_all_the_same(void **state)
{
	char name[200];
	struct fixture *f = *state;
	struct stat st;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(make_node(f, name), 0);
	assert_int_equal(fstatat(f->s.root, name, &st, 0), 0);
	assert_true(S_ISSOCK(st.st_mode));
}

/* More than can listen: the places of those that are forgotten are used again. */
static void listeners_are_bounded(void **state)
{
	struct fixture *f = *state;
	uint64_t node = 0;
	char name[16];
	int fd = -EBADF;

	for (int i = 0; i < 257; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(make_node(f, name), 0);
		if (i == 100)
			node = entry(f).nodeid;
	}
	assert_int_equal(call(f, "s256"), -ECONNREFUSED);
	forget(f, node, 1);
	assert_int_equal(make_node(f, "again"), 0);
	fd = call(f, "again");
	assert_true(fd >= 0);
	close_fd(&fd);
}

int main(void)
{
#define SOCKETS(f) cmocka_unit_test_setup_teardown(f, setup_sockets, teardown_sockets)
	const struct CMUnitTest tests[] = {
		SOCKETS(connects_to_the_share_that_is_a_socket_and_no_other),
		SOCKETS(names_of_shares_that_are_none_are_refused),
		SOCKETS(a_server_that_is_gone_is_an_answer),
		SOCKETS(a_busy_server_is_asked_again),
		SOCKETS(the_guests_socket_takes_the_hosts_clients),
		SOCKETS(what_cannot_listen_is_a_node_all_the_same),
		SOCKETS(listeners_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
