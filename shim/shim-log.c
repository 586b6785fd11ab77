/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-log.c - the server's log; see shim-log.h.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "err.h"
#include "shim-log.h"

static int log_fd = -1; /* for the program's life */
static bool with_debug;

void shim_log_open(bool debug)
{
	struct stat st;

	with_debug = debug;
	/* Both ends: it stays when containerd, who reads it, is started again. */
	log_fd = open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (log_fd >= 0 && (fstat(log_fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
		close_fd(&log_fd);
}

static __attribute__((format(printf, 2, 0))) void write_line(
	const char *level, const char *fmt, va_list args)
{
	char text[ERR_MSG_MAX], line[ERR_MSG_MAX + 64];
	int n = 0;

	(void)vsnprintf(text, sizeof(text), fmt, args);
	err_flatten(text);
	n = snprintf(line, sizeof(line), "level=%s msg=\"%s\" runtime=nestbox\n", level, text);
	if (log_fd >= 0)
		(void)!write(log_fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void shim_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line("info", fmt, args);
	va_end(args);
}

void shim_log_debug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (with_debug)
		write_line("debug", fmt, args);
	va_end(args);
}
