/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - error values with text; see err.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	e->code = code;
	return code;
}

/* As runc's errors end, which callers search for: "no such file or directory". */
static void begin_small(char *text)
{
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t used = 0;

	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	(void)snprintf(e->msg + used, sizeof(e->msg) - used, ": %s", strerror(-code));
	if (used + 3 < sizeof(e->msg))
		begin_small(e->msg + used + 2);
	e->code = code;
	return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char held[ERR_MSG_MAX];
	va_list ap;
	size_t used = 0;

	memcpy(held, e->msg, sizeof(held));
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	(void)snprintf(e->msg + used, sizeof(e->msg) - used, ": %s", held);
	return e->code;
}

void err_add(struct err *e, const char *text)
{
	size_t used = strlen(e->msg);

	if (*text)
		(void)snprintf(
			e->msg + used, sizeof(e->msg) - used, "%s%s", used ? "; " : "", text);
}

void err_sanitize(char *text, size_t len)
{
	for (size_t i = 0; i < len && text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c > 0x7e)
			text[i] = '?';
	}
}

void err_flatten(char *text)
{
	size_t len = strlen(text);

	while (len && strchr(" \r\n", text[len - 1]))
		text[--len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			text[i] = '|';
	}
	err_sanitize(text, len);
}
