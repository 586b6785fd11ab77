/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - a terminal for the caller of --console-socket.
 */
#ifndef NESTBOX_HOST_CONSOLE_H
#define NESTBOX_HOST_CONSOLE_H

#include <stdint.h>

#include "cleanup.h"
#include "err.h"

/* Makes a terminal, sends its master over the unix socket at path and gives the slave, in raw mode
 * (*ret_slave, owned by the caller). rows, cols: its size, 0 = leave it. */
warn_unused int console_open(
	const char *socket_path, uint16_t rows, uint16_t cols, int *ret_slave, struct err *e);

/* Whether we have a terminal that a container in the foreground can take over: one of fds 0-2, or a
 * controlling one; else runc's "open /dev/tty: no such device or address", and why that was tried.
 */
warn_unused int console_check_own(struct err *e);

#endif
