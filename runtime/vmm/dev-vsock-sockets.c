/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-vsock-sockets.c - the vsock device's links to the fs servers, which connect to the host's
 * sockets and accept clients of the guest's (socket-link.h). Nothing is opened here.
 *
 * Trust: what comes over the link is the fs server's word; an answer to nothing is dropped with its
 * fd.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "dev-vsock.h"
#include "devices.h"

struct link {
	int fd; /* owned; -EBADF = none */
	int src;
	struct socket_key key; /* that clients of this container bring */
};

static struct loop *loop;
static struct link links[VSOCK_LINKS]; /* as struct socket_head counts the slots */

static void close_link(struct link *l)
{
	loop_del(loop, l->src);
	l->src = -1;
	close_fd(&l->fd);
	vsock_link_gone((int)(l - links));
}

static void on_link(void *arg, uint32_t events)
{
	struct link *l = arg;
	struct socket_message m;
	int fd = -EBADF;
	int r = socket_message_receive(l->fd, &m, &fd);

	(void)events;
	if (r == -EAGAIN)
		return;
	/* The fs server's end is noticed on the link for files. */
	if (r <= 0) {
		close_link(l);
		return;
	}
	if (m.kind == SOCKET_CONNECTED) {
		if (m.error < 0)
			close_fd(&fd);
		vsock_named((int)(l - links), m.cookie, take_fd(&fd));
	} else if (m.kind == SOCKET_ACCEPTED && fd >= 0) {
		m.head.fs_slot = (uint32_t)(l - links);
		m.head.key = (struct socket_key){ 0 };
		vsock_accepted(&m.head, take_fd(&fd));
	}
	close_fd(&fd);
}

static void open_link(struct link *l, int fd)
{
	l->fd = fd;
	l->src = fd < 0 ? -1 : loop_add(loop, fd, EPOLLIN, on_link, l);
	if (l->src < 0)
		close_fd(&l->fd);
}

void vsock_sockets_init(struct loop *lp, int fd, const struct socket_key *key)
{
	loop = lp;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		links[i] = (struct link){ .fd = -EBADF, .src = -1 };
	links[0].key = *key;
	open_link(&links[0], fd);
}

void dev_vsock_attach_sockets(unsigned slot, int fd, const struct socket_key *key)
{
	struct link *l = &links[1 + slot];

	if (l->fd >= 0)
		close_link(l);
	vsock_link_new((int)(l - links));
	l->key = *key;
	open_link(l, fd);
}

bool vsock_sockets_know(const struct socket_head *h)
{
	return h->fs_slot < ARRAY_LEN(links) && socket_key_fits(&links[h->fs_slot].key, &h->key);
}

int vsock_sockets_ask(uint64_t cookie, const struct socket_head *h)
{
	struct socket_message m = { .kind = SOCKET_CONNECT, .cookie = cookie, .head = *h };

	if (h->fs_slot >= ARRAY_LEN(links) || links[h->fs_slot].fd < 0)
		return -ENOTCONN;
	m.head.key = (struct socket_key){ 0 };
	return socket_message_send(links[h->fs_slot].fd, &m, -EBADF);
}
