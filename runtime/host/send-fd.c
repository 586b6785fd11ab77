/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send-fd.c - hands an fd to a caller who listens on a unix socket; see send-fd.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "io.h"
#include "send-fd.h"

int send_fd(const char *what, const char *path, const char *name, int fd, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, -ENAMETOOLONG, "%s %s: path is too long", what, path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(e, -errno, "%s %s", what, path);
	n = io_send_fds(sock, name, strlen(name), &fd, 1);
	return n < 0 ? err_sys(e, (int)n, "%s %s", what, path) : 0;
}

int send_pidfd(const char *path, const char *name, pid_t pid, struct err *e)
{
	cleanup(close) int fd = (int)syscall(SYS_pidfd_open, pid, 0u);

	return fd < 0 ? err_sys(e, -errno, "pidfd") : send_fd("pidfd socket", path, name, fd, e);
}
