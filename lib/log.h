/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - what `--debug` shows of the way to a result. Whoever has a command line says where it
 * goes; until then, and without --debug, nothing is written.
 */
#ifndef NESTBOX_LOG_H
#define NESTBOX_LOG_H

/* Takes one line of text, without newline. NULL = no debug messages. */
void log_debug_to(void (*sink)(const char *text));

/* One message; cut at ERR_MSG_MAX bytes. errno is left alone. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
