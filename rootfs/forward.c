/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c - connections of the host to a port of a container's localhost; see forward.h.
 *
 * Owner:   a connection's two fds are its relay's.
 * Trust:   the server is the container's; what it sends is bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward.h"
#include "io.h"
#include "relay.h"

#define MAX_FORWARDS 32

static unsigned n_forwards;

static void on_done(void *arg)
{
	(void)arg;
	n_forwards--;
}

/* An address of this kernel's own refuses at once: when connect() returns, that is known. */
static int connect_to(const struct sockaddr *to, socklen_t len)
{
	cleanup(close) int fd =
		socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0 || (connect(fd, to, len) < 0 && errno != EINPROGRESS) ||
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return error ? -error : take_fd(&fd);
}

static int connect_local(uint16_t port)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = connect_to((const struct sockaddr *)&v4, sizeof(v4));

	return fd >= 0 ? fd : connect_to((const struct sockaddr *)&v6, sizeof(v6));
}

int forward_begin(struct loop *loop, int ns_fd, uint16_t port, int fd)
{
	cleanup(close) int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup(close) int peer = fd;
	int server = -EBADF;
	int r = 0;

	if (n_forwards == MAX_FORWARDS)
		return -EMFILE;
	if (own < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	server = connect_local(port);
	/* There is no going on elsewhere than where we were. */
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
	if (server < 0)
		return server;
	n_forwards++;
	r = relay_start(loop, take_fd(&peer), server, NULL, 0, on_done, NULL);
	if (r < 0)
		n_forwards--;
	return r;
}
