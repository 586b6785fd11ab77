/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.h - JSON values into structs, by tables: what a key means, where it goes, what it may be.
 *
 * A table is an array of fields that ends with a NULL key. Unknown keys are ignored (runtime-spec,
 * "Extensibility"); null counts as absent. Errors name the place:
 *   config.json:41:17: mounts[3].destination: not an absolute path
 */
#ifndef NESTBOX_DECODE_H
#define NESTBOX_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"

enum decode_type {
	DECODE_STR, /* const char *; NULL when absent */
	DECODE_PATH, /* the same, an absolute path of less than PATH_MAX bytes */
	DECODE_OPTIONAL_PATH, /* the same; "" is as good as absent */
	DECODE_BOOL,
	DECODE_U32,
	DECODE_U64,
	DECODE_I32,
	DECODE_I64,
	DECODE_STRV, /* struct decode_list of const char * */
	DECODE_U32V, /* struct decode_list of uint32_t */
	DECODE_MAP, /* struct decode_list of struct decode_pair: values are strings */
	DECODE_OBJECT, /* a struct in place, by its table */
	DECODE_OBJECTS, /* struct decode_list of structs, by their table */
	DECODE_JSON, /* const struct json *: kept as it is */
};

/* How lists are laid out in the structs: a pointer and then a count. */
struct decode_list {
	void *items;
	size_t n;
};

struct decode_pair {
	const char *key, *value;
};

struct decode_field {
	const char *key;
	enum decode_type type;
	uint32_t offset;
	uint32_t has; /* offset of a bool that tells presence; 0 = none (offset 0 is never one) */
	int64_t min, max; /* numbers: range when max is not 0 */
	const struct decode_field *table; /* OBJECT, OBJECTS */
	uint32_t size; /* OBJECTS: of one */
	bool required;
};

/* Text of a document, for positions. */
struct decode_source {
	const char *data, *name;
	struct arena *arena;
};

/* Fills the zeroed struct at `to` from an object. path is what the object is called ("" = root). */
warn_unused int decode_object(const struct decode_source *s, const struct json *object,
	const struct decode_field *table, void *to, struct err *e);

#endif
