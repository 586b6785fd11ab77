/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - debug messages; see log.h.
 *
 * Threads: for programs of one thread, the command line.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "err.h"
#include "log.h"

static void (*debug_sink)(const char *text);

void log_debug_to(void (*sink)(const char *text))
{
	debug_sink = sink;
}

void log_debug(const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	int saved = errno;
	va_list args;

	if (!debug_sink)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	debug_sink(text);
	errno = saved;
}
