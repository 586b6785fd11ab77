/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.h - the caller's terminal: its size and its mode.
 */
#ifndef NESTBOX_TERMINAL_H
#define NESTBOX_TERMINAL_H

#include "agent.h"
#include "cleanup.h"

warn_unused int terminal_size(int fd, struct agent_winsize *ret);

/* Raw mode: the guest's terminal does the line discipline. terminal_restore() puts back what
 * terminal_raw() found, if it found a terminal. */
void terminal_raw(int fd);
void terminal_restore(int fd);

#endif
