/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - a JSON text as a tree of values that know where they stood; the only user of yajl.
 *
 * Refused, with line and column: what is not JSON, bad UTF-8, NUL in strings, a key twice in an
 * object, more than the limits below. Numbers are kept as their text.
 */
#ifndef NESTBOX_JSON_H
#define NESTBOX_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"
#include "err.h"

#define JSON_MAX_BYTES ((size_t)16 << 20)
#define JSON_MAX_DEPTH 64
#define JSON_MAX_NODES 1000000u
#define JSON_MAX_KEYS 8192u /* in one object */

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json {
	enum json_kind kind;
	bool truth; /* BOOL */
	uint32_t at; /* byte where the value begins */
	const char *key; /* in an object */
	const char *text; /* STRING, NUMBER */
	struct json *first, *last; /* ARRAY, OBJECT: children */
	struct json *next; /* sibling */
	size_t n; /* number of children */
};

/* The text as a tree in the arena. name stands for the file in messages ("config.json"). */
warn_unused int json_parse(const char *data, size_t len, const char *name, struct arena *a,
	struct json **ret, struct err *e);

/* Line and column, from 1, of a byte. */
void json_position(const char *data, size_t at, unsigned *ret_line, unsigned *ret_column);

/* "object", "a number" …, for messages. */
const char *json_kind_name(enum json_kind kind);

#endif
