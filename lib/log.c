/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - messages; see log.h.
 *
 * Threads: for programs of one thread, the command line.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "err.h"
#include "log.h"

static void (*log_sink)(const char *level, const char *text);
static bool with_debug;

void log_to(void (*sink)(const char *level, const char *text), bool debug)
{
	log_sink = sink;
	with_debug = debug;
}

static __attribute__((format(printf, 2, 0))) void tell(
	const char *level, const char *fmt, va_list args)
{
	char text[ERR_MSG_MAX];
	int saved = errno;

	if (!log_sink)
		return;
	(void)vsnprintf(text, sizeof(text), fmt, args);
	log_sink(level, text);
	errno = saved;
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	if (!with_debug)
		return;
	va_start(args, fmt);
	tell("debug", fmt, args);
	va_end(args);
}

void log_warning(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell("warning", fmt, args);
	va_end(args);
}
