/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - runs a program of the host and reads what it has to say.
 *
 * For those that we ask something of (ps, busctl); hooks are run by lib/hook.h.
 */
#ifndef NESTBOX_HOST_PROGRAM_H
#define NESTBOX_HOST_PROGRAM_H

#include <stddef.h>

#include "cleanup.h"
#include "err.h"

/* Runs argv[0], found by PATH, with nothing on its standard input, and waits for its end. *ret_text
 * is its output and errors, at most max bytes, malloc'ed; it is set also when the program fails: an
 * error that tells its exit status and the first line of them. */
warn_unused int program_output(char *const argv[], size_t max, char **ret_text, struct err *e);

#endif
