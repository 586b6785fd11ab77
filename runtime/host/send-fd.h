/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send-fd.h - hands an fd to a caller who listens on a unix socket: terminals, pidfds.
 */
#ifndef NESTBOX_HOST_SEND_FD_H
#define NESTBOX_HOST_SEND_FD_H

#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

/* Connects to the unix socket at path and sends exactly one fd (borrowed) with a name as payload.
 * what: the socket's name in errors, "console socket". */
warn_unused int send_fd(
	const char *what, const char *path, const char *name, int fd, struct err *e);

/* Sends a pidfd of a process that is our own or our child. */
warn_unused int send_pidfd(const char *path, const char *name, pid_t pid, struct err *e);

#endif
