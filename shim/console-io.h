/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console-io.h - a process's terminal: its master, and what goes between that and the client's
 * fifos.
 */
#ifndef NESTBOX_SHIM_CONSOLE_IO_H
#define NESTBOX_SHIM_CONSOLE_IO_H

#include <stdint.h>

#include "cleanup.h"
#include "err.h"
#include "loop.h"

/* ---- the socket by which nestbox hands over the master ---- */

struct console_socket {
	int fd; /* owned; -EBADF = none */
	int file; /* owned: the socket's file, which has no name any more */
	char path[48]; /* where it is reached, by us and by root: that fd in /proc */
};

#define CONSOLE_SOCKET_INIT ((struct console_socket){ .fd = -EBADF, .file = -EBADF })

/* Nothing of it is left in the bundle, however we end. */
warn_unused int console_socket_open(struct console_socket *s, const char *bundle, struct err *e);

/* The master that was sent (owned by the caller): after the command has ended well, so nothing
 * waits. */
warn_unused int console_socket_receive(struct console_socket *s, struct err *e);

/* Accepts what was never opened. */
void console_socket_done(struct console_socket *s);

/* ---- the terminal ---- */

struct console;

/* Copies from in to the terminal and from the terminal to out, as far as each side goes along. All
 * three fds are taken over, also on failure; in and out may be -EBADF. NULL: -ENOMEM or no room in
 * the loop. */
struct console *console_new(struct loop *loop, int master, int in, int out);

warn_unused int console_resize(struct console *c, uint32_t width, uint32_t height);

/* Accepts NULL. What was not taken by the reader is lost. */
void console_free(struct console *c);

#endif
