/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - what is told on the way to a result: warnings, and what `--debug` shows. Whoever has a
 * command line says where it goes; until then nothing is written.
 */
#ifndef NESTBOX_LOG_H
#define NESTBOX_LOG_H

#include <stdbool.h>

/* The sink takes one line of text, without newline, and its level: "debug", "warning". */
void log_to(void (*sink)(const char *level, const char *text), bool debug);

/* One message; cut at ERR_MSG_MAX bytes. errno is left alone. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
