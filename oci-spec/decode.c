/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - JSON values into structs, by tables; see decode.h.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "decode.h"

#define PATH_TEXT 512

/* Where we are: a chain on the stack, written out only for an error. */
struct place {
	const struct place *up;
	const char *key; /* NULL = an element */
	size_t index;
};

struct decoder {
	const struct decode_source *s;
	struct err *e;
};

static size_t write_place(const struct place *p, char *buf, size_t size)
{
	size_t len = p->up ? write_place(p->up, buf, size) : 0;
	int n = 0;

	if (len >= size)
		return len;
	if (p->key)
		n = snprintf(buf + len, size - len, "%s%s", len ? "." : "", p->key);
	else if (p->up)
		n = snprintf(buf + len, size - len, "[%zu]", p->index);
	return len + (size_t)n;
}

static int refuse(const struct decoder *d, const struct json *v, const struct place *p, int code,
	const char *why)
{
	char where[PATH_TEXT] = "";
	unsigned line = 0, column = 0;

	(void)write_place(p, where, sizeof(where));
	err_sanitize(where, strlen(where));
	json_position(d->s->data, v->at, &line, &column);
	return err_set(d->e, code, "%s:%u:%u: %s%s%s", d->s->name, line, column, where,
		*where ? ": " : "", why);
}

static int refuse_kind(
	const struct decoder *d, const struct json *v, const struct place *p, const char *wanted)
{
	char why[96];

	(void)snprintf(why, sizeof(why), "is %s, not %s", json_kind_name(v->kind), wanted);
	return refuse(d, v, p, -EINVAL, why);
}

/* ---- scalars ------------------------------------------------------------------------------- */

static int decode_str(const struct decoder *d, const struct json *v, const struct place *p,
	bool path, const char **ret)
{
	if (v->kind != JSON_STRING)
		return refuse_kind(d, v, p, "a string");
	if (path && v->text[0] != '/')
		return refuse(d, v, p, -EINVAL, "not an absolute path");
	if (path && strlen(v->text) >= PATH_MAX)
		return refuse(d, v, p, -ENAMETOOLONG, "path is too long");
	*ret = v->text;
	return 0;
}

/* A whole number as sign and size; -EINVAL for anything else, -ERANGE past 64 bits. */
static int parse_number(const char *text, bool *ret_negative, uint64_t *ret_size)
{
	uint64_t size = 0;
	bool negative = *text == '-';

	for (text += negative; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(size, 10u, &size) ||
			__builtin_add_overflow(size, (uint64_t)(*text - '0'), &size))
			return -ERANGE;
	}
	*ret_negative = negative && size;
	*ret_size = size;
	return 0;
}

static int refuse_range(const struct decoder *d, const struct json *v, const struct place *p,
	int64_t min, uint64_t max)
{
	char why[96];

	(void)snprintf(
		why, sizeof(why), "must be %lld to %llu", (long long)min, (unsigned long long)max);
	return refuse(d, v, p, -ERANGE, why);
}

static int decode_number(const struct decoder *d, const struct json *v, const struct place *p,
	int64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t size = 0;
	bool negative = false;
	int r = 0;

	if (v->kind != JSON_NUMBER)
		return refuse_kind(d, v, p, "a number");
	r = parse_number(v->text, &negative, &size);
	if (r == -EINVAL)
		return refuse(d, v, p, r, "not a whole number");
	if (r < 0)
		return refuse_range(d, v, p, min, max);
	if (negative ? min >= 0 || size > 0 - (uint64_t)min : size > max)
		return refuse_range(d, v, p, min, max);
	if (!negative && min > 0 && size < (uint64_t)min)
		return refuse_range(d, v, p, min, max);
	*ret = negative ? 0 - size : size;
	return 0;
}

static int decode_integer(const struct decoder *d, const struct json *v, const struct place *p,
	const struct decode_field *f, void *at)
{
	static const struct {
		int64_t min;
		uint64_t max;
	} ranges[] = {
		[DECODE_U32] = { 0, UINT32_MAX },
		[DECODE_U64] = { 0, UINT64_MAX },
		[DECODE_I32] = { INT32_MIN, INT32_MAX },
		[DECODE_I64] = { INT64_MIN, INT64_MAX },
	};
	uint64_t value = 0;
	int r = f->max ? decode_number(d, v, p, f->min, (uint64_t)f->max, &value)
		       : decode_number(d, v, p, ranges[f->type].min, ranges[f->type].max, &value);

	if (r < 0)
		return r;
	if (f->type == DECODE_U32 || f->type == DECODE_I32) {
		uint32_t narrow = (uint32_t)value;

		memcpy(at, &narrow, sizeof(narrow));
	} else {
		memcpy(at, &value, sizeof(value));
	}
	return 0;
}

/* ---- lists --------------------------------------------------------------------------------- */

static int new_list(const struct decoder *d, const struct json *v, const struct place *p,
	size_t size, struct decode_list *ret)
{
	/* One more, zeroed: string lists end with NULL as execve(2) wants it. */
	ret->items = arena_alloc(d->s->arena, v->n + 1, size);
	if (!ret->items)
		return refuse(d, v, p, -ENOMEM, "too large: out of memory");
	ret->n = v->n;
	return 0;
}

static int decode_strv(const struct decoder *d, const struct json *v, const struct place *p,
	struct decode_list *ret)
{
	struct place here = { .up = p };
	const char **items = NULL;
	int r = 0;

	if (v->kind != JSON_ARRAY)
		return refuse_kind(d, v, p, "an array");
	r = new_list(d, v, p, sizeof(*items), ret);
	items = (const char **)ret->items;
	for (const struct json *c = v->first; c && r == 0; c = c->next, here.index++)
		r = decode_str(d, c, &here, false, &items[here.index]);
	return r;
}

static int decode_u32v(const struct decoder *d, const struct json *v, const struct place *p,
	struct decode_list *ret)
{
	static const struct decode_field element = { .type = DECODE_U32 };
	struct place here = { .up = p };
	int r = 0;

	if (v->kind != JSON_ARRAY)
		return refuse_kind(d, v, p, "an array");
	r = new_list(d, v, p, sizeof(uint32_t), ret);
	for (const struct json *c = v->first; c && r == 0; c = c->next, here.index++)
		r = decode_integer(d, c, &here, &element, (uint32_t *)ret->items + here.index);
	return r;
}

static int decode_map(const struct decoder *d, const struct json *v, const struct place *p,
	struct decode_list *ret)
{
	struct decode_pair *pair = NULL;
	int r = 0;

	if (v->kind != JSON_OBJECT)
		return refuse_kind(d, v, p, "an object");
	r = new_list(d, v, p, sizeof(*pair), ret);
	pair = ret->items;
	for (const struct json *c = v->first; c && r == 0; c = c->next, pair++) {
		struct place here = { .up = p, .key = c->key };

		pair->key = c->key;
		r = decode_str(d, c, &here, false, &pair->value);
	}
	return r;
}

/* ---- objects ------------------------------------------------------------------------------- */

static int decode_table(const struct decoder *d, const struct json *v, const struct place *p,
	const struct decode_field *table, void *to);

static int decode_objects(const struct decoder *d, const struct json *v, const struct place *p,
	const struct decode_field *f, struct decode_list *ret)
{
	struct place here = { .up = p };
	int r = 0;

	if (v->kind != JSON_ARRAY)
		return refuse_kind(d, v, p, "an array");
	r = new_list(d, v, p, f->size, ret);
	for (const struct json *c = v->first; c && r == 0; c = c->next, here.index++)
		r = decode_table(d, c, &here, f->table, (char *)ret->items + here.index * f->size);
	return r;
}

static int decode_field(const struct decoder *d, const struct json *v, const struct place *p,
	const struct decode_field *f, void *at)
{
	switch (f->type) {
	case DECODE_OPTIONAL_PATH:
		if (v->kind == JSON_STRING && !*v->text)
			return 0;
		return decode_str(d, v, p, true, at);
	case DECODE_STR:
	case DECODE_PATH:
		return decode_str(d, v, p, f->type == DECODE_PATH, at);
	case DECODE_BOOL:
		if (v->kind != JSON_BOOL)
			return refuse_kind(d, v, p, "a boolean");
		*(bool *)at = v->truth;
		return 0;
	case DECODE_U32:
	case DECODE_U64:
	case DECODE_I32:
	case DECODE_I64:
		return decode_integer(d, v, p, f, at);
	case DECODE_STRV:
		return decode_strv(d, v, p, at);
	case DECODE_U32V:
		return decode_u32v(d, v, p, at);
	case DECODE_MAP:
		return decode_map(d, v, p, at);
	case DECODE_OBJECT:
		return decode_table(d, v, p, f->table, at);
	case DECODE_OBJECTS:
		return decode_objects(d, v, p, f, at);
	case DECODE_JSON:
		*(const struct json **)at = v;
		return 0;
	}
	return -EINVAL;
}

static const struct json *child(const struct json *object, const char *key)
{
	for (const struct json *c = object->first; c; c = c->next) {
		if (strcmp(c->key, key) == 0)
			return c->kind == JSON_NULL ? NULL : c;
	}
	return NULL;
}

static int decode_table(const struct decoder *d, const struct json *v, const struct place *p,
	const struct decode_field *table, void *to)
{
	if (v->kind != JSON_OBJECT)
		return refuse_kind(d, v, p, "an object");
	for (const struct decode_field *f = table; f->key; f++) {
		const struct json *c = child(v, f->key);
		struct place here = { .up = p, .key = f->key };
		int r = 0;

		if (!c && f->required)
			return refuse(d, v, &here, -EINVAL, "is missing");
		if (!c)
			continue;
		r = decode_field(d, c, &here, f, (char *)to + f->offset);
		if (r < 0)
			return r;
		if (f->has)
			*((bool *)to + f->has) = true;
	}
	return 0;
}

int decode_object(const struct decode_source *s, const struct json *object,
	const struct decode_field *table, void *to, struct err *e)
{
	const struct decoder d = { .s = s, .e = e };
	const struct place root = { 0 };

	return decode_table(&d, object, &root, table, to);
}
