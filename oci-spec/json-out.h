/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-out.h - writes JSON documents: state, list, features.
 */
#ifndef NESTBOX_JSON_OUT_H
#define NESTBOX_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct json_out {
	char *text; /* owned; NUL-terminated when not NULL */
	size_t len, size;
	unsigned depth;
	bool pretty; /* a line per value, two blanks per level */
	bool has_items; /* the open object or array is not empty */
	bool failed; /* out of memory */
};

/* key: NULL in arrays and at the top. Strings are written as UTF-8, control characters escaped;
 * bytes that are no UTF-8 (paths may hold them) become U+FFFD, so that any reader takes it. */
void json_out_open(struct json_out *o, const char *key, char bracket); /* '{' or '[' */
void json_out_close(struct json_out *o, char bracket); /* '}' or ']' */
void json_out_string(struct json_out *o, const char *key, const char *value);
void json_out_int(struct json_out *o, const char *key, int64_t value);
void json_out_uint(struct json_out *o, const char *key, uint64_t value);
void json_out_bool(struct json_out *o, const char *key, bool value);

/* Ends the document with a newline: its text (borrowed from o), NULL when memory ran out. */
const char *json_out_text(struct json_out *o);

void json_out_done(struct json_out *o);

static inline void cleanup_json_out(struct json_out *o)
{
	json_out_done(o);
}

#endif
