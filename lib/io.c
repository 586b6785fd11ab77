/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.c - whole reads and writes, fds over sockets; see io.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "io.h"

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * IO_MAX_FDS)];
};

ssize_t io_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int io_read_file(int fd, size_t max, char **ret_data, size_t *ret_len)
{
	cleanup(free) char *data = NULL;
	size_t len = 0;
	size_t capacity = 0;

	for (;;) {
		ssize_t n = 0;

		if (len == capacity) {
			size_t grown = capacity ? capacity * 2 : 4096;
			char *moved = NULL;

			if (grown > max + 1)
				grown = max + 1;
			if (len > max)
				return -EFBIG;
			moved = realloc(data, grown + 1);
			if (!moved)
				return -ENOMEM;
			data = moved;
			capacity = grown;
		}
		n = io_read_full(fd, data + len, capacity - len);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	data[len] = '\0';
	*ret_data = take_ptr(data);
	*ret_len = len;
	return 0;
}

int io_write_at(int dirfd, const char *name, const char *text)
{
	cleanup(close) int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return io_write_full(fd, text, strlen(text));
}

ssize_t io_send_fds(int sock, const void *buf, size_t len, const int *fds, size_t n)
{
	struct iovec iov = { .iov_base = (void *)(size_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_control control;
	ssize_t sent = 0;

	if (n > IO_MAX_FDS)
		return -EINVAL;
	if (n) {
		struct cmsghdr *c = NULL;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = (__typeof__(msg.msg_controllen))CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = (__typeof__(c->cmsg_len))CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* musl's CMSG_NXTHDR() mixes signedness. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"

/* Moves the received fds into fds[0..max); closes and counts what has no room. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t max, size_t *ret_extra)
{
	size_t n = 0;

	*ret_extra = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd = -EBADF;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < max) {
				fds[n++] = fd;
			} else {
				close_fd(&fd);
				(*ret_extra)++;
			}
		}
	}
	return n;
}

#pragma GCC diagnostic pop

ssize_t io_recv_fds(int sock, void *buf, size_t len, int *fds, size_t max, size_t *ret_n)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	union fd_control control;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t got = 0;
	size_t extra = 0;
	size_t n = 0;

	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	n = take_fds(&msg, fds, max, &extra);
	if (extra || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < n; i++)
			close_fd(&fds[i]);
		return -EMSGSIZE;
	}
	*ret_n = n;
	return got;
}

int io_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int io_memfd_sealed(const char *name, const void *buf, size_t len)
{
	cleanup(close) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = 0;

	if (fd < 0)
		return -errno;
	r = io_write_full(fd, buf, len);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return take_fd(&fd);
}

static int wait_for(int fd, short events, int timeout_ms)
{
	unsigned long long end = io_now_ns() + (unsigned long long)timeout_ms * 1000000ULL;
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		unsigned long long now = io_now_ns();
		int left = now >= end ? 0 : (int)((end - now + 999999ULL) / 1000000ULL);
		int n = poll(&p, 1, left);

		if (n > 0)
			return 1;
		if (n == 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

int io_wait_readable(int fd, int timeout_ms)
{
	return wait_for(fd, POLLIN, timeout_ms);
}

int io_wait_writable(int fd, int timeout_ms)
{
	return wait_for(fd, POLLOUT, timeout_ms);
}

int io_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

unsigned long long io_now_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long long)ts.tv_sec * 1000000000ULL + (unsigned long long)ts.tv_nsec;
}
