/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - an error with its text, on the caller's stack: no heap, copyable over links and forks.
 *
 * The same text reaches stderr, --log-format json and the callers of the shim, so it is one line
 * without a final full stop or newline. Text that came from the guest goes through err_sanitize().
 */
#ifndef NESTBOX_ERR_H
#define NESTBOX_ERR_H

#include <stddef.h>

#define ERR_MSG_MAX 1024

struct err {
	int code; /* negative errno, 0 when no error is held */
	char msg[ERR_MSG_MAX];
};

/* Sets text and code (a negative errno) and returns the code, for "return err_set(…)". */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with ": <strerror(-code)>" after the text, in small letters as runc has it. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " before the held message; keeps and returns the code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts a further text, if it is one, behind the held message: "; <text>"; keeps the code. */
void err_add(struct err *e, const char *text);

/* Replaces every byte that is not printable ASCII by '?', in place; for text from foreign sides. */
void err_sanitize(char *text, size_t len);

/* Text of several lines as one: its end cut of blanks, '|' between lines, made printable. */
void err_flatten(char *text);

#endif
