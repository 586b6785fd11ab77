/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - the fs server's view of the system: its shares, and nothing else.
 */
#ifndef NESTBOX_FSD_JAIL_H
#define NESTBOX_FSD_JAIL_H

#include <stdbool.h>

#include "cleanup.h"
#include "err.h"

/* A share as the command line names it: NAME=FD, a detached mount. */
struct share {
	const char *name;
	int fd; /* owned; closed when it is in place */
	bool is_socket; /* set by jail_enter() */
};

/* Puts the shares into a new, empty root and enters it; /proc/self/fd becomes the working folder.
 * Called as root with one thread. */
warn_unused int jail_enter(struct share *shares, size_t n, struct err *e);

/* Gives up everything but what files need, and binds the process to its system calls. */
warn_unused int jail_seal(struct err *e);

#endif
