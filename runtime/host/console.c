/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c - a terminal for the caller of --console-socket; see console.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"
#include "io.h"

static int connect_to(const char *path, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, -ENAMETOOLONG, "console socket %s: path is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(e, -errno, "console socket %s", path);
	return take_fd(&fd);
}

int console_open(
	const char *socket_path, uint16_t rows, uint16_t cols, int *ret_slave, struct err *e)
{
	cleanup(close) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cleanup(close) int slave = -EBADF;
	cleanup(close) int sock = -EBADF;
	const struct winsize size = { .ws_row = rows, .ws_col = cols };
	struct termios mode;
	char name[128];
	ssize_t n = 0;

	if (master < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0)
		return err_sys(e, -errno, "terminal");
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &mode) < 0)
		return err_sys(e, -errno, "terminal %s", name);
	/* The guest's terminal does echo and line editing; this one only carries bytes. */
	cfmakeraw(&mode);
	if (tcsetattr(slave, TCSANOW, &mode) < 0)
		return err_sys(e, -errno, "terminal %s", name);
	if (rows || cols)
		(void)ioctl(slave, TIOCSWINSZ, &size);
	sock = connect_to(socket_path, e);
	if (sock < 0)
		return sock;
	/* Exactly one fd, with a name. */
	n = io_send_fds(sock, name, strlen(name), &master, 1);
	if (n < 0)
		return err_sys(e, (int)n, "console socket %s", socket_path);
	*ret_slave = take_fd(&slave);
	return 0;
}

int console_check_own(struct err *e)
{
	cleanup(close) int fd = -EBADF;

	if (isatty(STDERR_FILENO) || isatty(STDOUT_FILENO) || isatty(STDIN_FILENO))
		return 0;
	fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	return errno == ENXIO ? err_set(e, -ENXIO, "open /dev/tty: no such device or address")
			      : err_sys(e, -errno, "open /dev/tty");
}
