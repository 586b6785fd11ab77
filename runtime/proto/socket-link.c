/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket-link.c - messages about unix sockets across the VM's boundary; see socket-link.h.
 */
#include <errno.h>
#include <string.h>

#include "io.h"
#include "socket-link.h"
#include "wire.h"

void socket_head_put(uint8_t out[SOCKET_HEAD], const struct socket_head *h)
{
	struct wire_out w;

	wire_out_fixed(&w, out, SOCKET_HEAD);
	wire_put_bytes(&w, h->key.byte, SOCKET_KEY);
	wire_put_u64(&w, h->number);
	wire_put_u32(&w, h->generation);
	wire_put_u32(&w, h->uid);
	wire_put_u32(&w, h->gid);
	wire_put_u32(&w, h->fs_slot);
}

void socket_head_get(const uint8_t in[SOCKET_HEAD], struct socket_head *ret)
{
	struct wire_in r;

	wire_in_init(&r, in, SOCKET_HEAD);
	wire_get_bytes(&r, ret->key.byte, SOCKET_KEY);
	ret->number = wire_get_u64(&r);
	ret->generation = wire_get_u32(&r);
	ret->uid = wire_get_u32(&r);
	ret->gid = wire_get_u32(&r);
	ret->fs_slot = wire_get_u32(&r);
}

int socket_message_send(int link, struct socket_message *m, int fd)
{
	ssize_t n = 0;

	m->magic = SOCKET_LINK_MAGIC;
	n = io_send_fds(link, m, sizeof(*m), &fd, fd >= 0 ? 1 : 0);
	return n < 0 ? (int)n : 0;
}

int socket_message_receive(int link, struct socket_message *ret, int *ret_fd)
{
	size_t n_fds = 0;
	ssize_t n = 0;

	memset(ret, 0, sizeof(*ret));
	*ret_fd = -EBADF;
	n = io_recv_fds(link, ret, sizeof(*ret), ret_fd, 1, &n_fds);
	/* The bytes are there, the fd is not. */
	if (n == -EMSGSIZE && ret->magic == SOCKET_LINK_MAGIC) {
		ret->error = -EMFILE;
		*ret_fd = -EBADF;
		return 1;
	}
	if (n == sizeof(*ret) && ret->magic == SOCKET_LINK_MAGIC)
		return 1;
	/* An empty packet may have brought one too. */
	close_fd(ret_fd);
	if (n == 0 || n == -ECONNRESET)
		return 0;
	return n < 0 ? (int)n : -EBADMSG;
}
