/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-vsock-sockets.c - the vsock device's link to the fs server, which connects to the host's
 * sockets and accepts clients of the guest's (socket-link.h). Nothing is opened here.
 *
 * Trust: what comes over the link is the fs server's word; an answer to nothing is dropped with its
 * fd.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "dev-vsock.h"

static struct loop *loop;
static int link_fd = -EBADF; /* owned */
static int link_src = -1;

static void close_link(void)
{
	loop_del(loop, link_src);
	link_src = -1;
	close_fd(&link_fd);
}

static void on_link(void *arg, uint32_t events)
{
	struct socket_message m;
	int fd = -EBADF;
	int r = socket_message_receive(link_fd, &m, &fd);

	(void)arg;
	(void)events;
	if (r == -EAGAIN)
		return;
	/* The fs server's end is noticed on the link for files. */
	if (r <= 0) {
		close_link();
		return;
	}
	if (m.kind == SOCKET_CONNECTED) {
		if (m.error < 0)
			close_fd(&fd);
		vsock_named(m.cookie, take_fd(&fd));
	} else if (m.kind == SOCKET_ACCEPTED && fd >= 0) {
		vsock_accepted(&m.head, take_fd(&fd));
	}
	close_fd(&fd);
}

void vsock_sockets_init(struct loop *l, int fd)
{
	loop = l;
	link_fd = fd;
	if (fd < 0)
		return;
	link_src = loop_add(l, fd, EPOLLIN, on_link, NULL);
	if (link_src < 0)
		close_fd(&link_fd);
}

int vsock_sockets_ask(uint64_t cookie, const struct socket_head *h)
{
	struct socket_message m = { .kind = SOCKET_CONNECT, .cookie = cookie, .head = *h };

	return link_fd < 0 ? -ENOTCONN : socket_message_send(link_fd, &m, -EBADF);
}
