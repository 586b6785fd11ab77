/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.c - the caller's terminal: its size and its mode; see terminal.h.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "io.h"
#include "terminal.h"

static struct termios found;
static int have_found;

int terminal_size(int fd, struct agent_winsize *ret)
{
	struct winsize size;

	if (io_ioctl(fd, TIOCGWINSZ, &size) < 0)
		return -errno;
	*ret = (struct agent_winsize){ size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel };
	return 0;
}

void terminal_raw(int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &found) < 0)
		return;
	have_found = 1;
	raw = found;
	cfmakeraw(&raw);
	(void)tcsetattr(fd, TCSANOW, &raw);
}

void terminal_restore(int fd)
{
	if (have_found)
		(void)tcsetattr(fd, TCSANOW, &found);
}
