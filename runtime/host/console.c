/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.c - a terminal for the caller of --console-socket; see console.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"
#include "send-fd.h"

int console_open(
	const char *socket_path, uint16_t rows, uint16_t cols, int *ret_slave, struct err *e)
{
	cleanup(close) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cleanup(close) int slave = -EBADF;
	const struct winsize size = { .ws_row = rows, .ws_col = cols };
	struct termios mode;
	char name[128];
	int r = 0;

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
	r = send_fd("console socket", socket_path, name, master, e);
	if (r == 0)
		*ret_slave = take_fd(&slave);
	return r;
}

int console_check_own(struct err *e)
{
	cleanup(close) int fd = -EBADF;

	if (isatty(STDERR_FILENO) || isatty(STDOUT_FILENO) || isatty(STDIN_FILENO))
		return 0;
	fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	/* runc's words, and what they mean. */
	(void)err_sys(e, -errno, "open /dev/tty");
	err_add(e, "the process wants a terminal (process.terminal, or exec --tty)");
	return e->code;
}
