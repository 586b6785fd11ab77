/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-socket-link.c - any bytes, with or without file descriptors, on the link of VMM and fs
 * server that is about sockets: what is taken for a message is one, and no fd is kept that the
 * caller did not get. The first bytes of a connection besides: every head is one, and written as it
 * was read.
 *
 * Input: how many fds come with it (0 to 2), then the packet.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#include "io.h"
#include "socket-link.h"

static void check_head(struct input in)
{
	uint8_t head[SOCKET_HEAD], again[SOCKET_HEAD];
	struct socket_head h;

	input_take(&in, head, sizeof(head));
	socket_head_get(head, &h);
	socket_head_put(again, &h);
	assert(memcmp(head, again, sizeof(head)) == 0);
}

/* The lowest number that is free: the same before and after, unless an fd was left open. */
static int free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		abort();
	(void)close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t n_fds = input_u8(&in) % 3;
	int before = 0, fd = -EBADF, r = 0;
	struct socket_message m;
	int fds[2], sv[2];

	check_head(in);
	fds[0] = fds[1] = memfd_create("fd", MFD_CLOEXEC);
	if (fds[0] < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		abort();
	(void)!io_send_fds(sv[0], in.p, in.left, fds, n_fds);
	(void)shutdown(sv[0], SHUT_WR);
	before = free_fd();
	r = socket_message_receive(sv[1], &m, &fd);
	if (r == 1)
		assert(m.magic == SOCKET_LINK_MAGIC && (fd < 0 || n_fds == 1));
	else
		assert(fd < 0 && (r == 0 || r == -EBADMSG || r == -EMSGSIZE));
	assert(fd < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	close_fd(&fd);
	assert(free_fd() == before);
	(void)close(sv[0]);
	(void)close(sv[1]);
	(void)close(fds[0]);
	return 0;
}
