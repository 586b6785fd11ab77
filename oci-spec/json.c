/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - a JSON text as a tree of values that know where they stood; see json.h.
 *
 * yajl's SAX interface calls back for each token; its own tree is not used, as it leaks on bad
 * input.
 *
 * Trust: the text is hostile. Depth, count and size are bounded here; memory is the arena's.
 */
#include <errno.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "json.h"

struct reader {
	yajl_handle yajl; /* owned */
	const char *data, *name; /* borrowed */
	size_t len;
	size_t last_end; /* where the token before the current one ended */
	struct arena *arena;
	struct err *e;
	bool failed; /* e is set */
	struct json *root;
	struct json *open[JSON_MAX_DEPTH]; /* the arrays and objects around the current value */
	unsigned depth, nodes;
	const char *key; /* read, waits for its value */
};

void json_position(const char *data, size_t at, unsigned *ret_line, unsigned *ret_column)
{
	unsigned line = 1;
	size_t start = 0;

	for (size_t i = 0; i < at; i++) {
		if (data[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	*ret_line = line;
	*ret_column = (unsigned)(at - start) + 1;
}

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = { "null", "a boolean", "a number", "a string",
		"an array", "an object" };

	return names[kind];
}

static int refuse(struct reader *r, size_t at, const char *why)
{
	unsigned line = 0, column = 0;

	json_position(r->data, at < r->len ? at : r->len, &line, &column);
	(void)err_set(r->e, -EINVAL, "%s:%u:%u: %s", r->name, line, column, why);
	r->failed = true;
	return 0; /* ends the parse */
}

static int refuse_memory(struct reader *r, size_t at)
{
	(void)refuse(r, at, "too large: out of memory");
	r->e->code = -ENOMEM;
	return 0;
}

/* Where the current token begins: behind the last one and what may stand between two. */
static size_t token_start(const struct reader *r)
{
	size_t at = r->last_end;

	while (at < r->len && strchr(" \t\r\n,:", r->data[at]) && r->data[at])
		at++;
	return at;
}

/* The same, and the current token becomes the last one. */
static size_t next_token(struct reader *r)
{
	size_t at = token_start(r);

	r->last_end = yajl_get_bytes_consumed(r->yajl);
	return at;
}

static struct json *add(struct reader *r, enum json_kind kind)
{
	struct json *parent = r->depth ? r->open[r->depth - 1] : NULL;
	size_t at = next_token(r);
	struct json *node = NULL;

	if (++r->nodes > JSON_MAX_NODES) {
		(void)refuse(r, at, "too many values");
		return NULL;
	}
	node = arena_alloc(r->arena, 1, sizeof(*node));
	if (!node) {
		(void)refuse_memory(r, at);
		return NULL;
	}
	node->kind = kind;
	node->at = (uint32_t)at;
	node->key = r->key;
	r->key = NULL;
	if (!parent) {
		r->root = node;
		return node;
	}
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->n++;
	return node;
}

static int push(struct reader *r, enum json_kind kind)
{
	struct json *node = add(r, kind);

	if (!node)
		return 0;
	if (r->depth == JSON_MAX_DEPTH)
		return refuse(r, node->at, "nested too deeply");
	r->open[r->depth++] = node;
	return 1;
}

static int pop(struct reader *r)
{
	(void)next_token(r);
	r->depth--;
	return 1;
}

static const char *copy_text(struct reader *r, const unsigned char *text, size_t len)
{
	const char *copy = NULL;

	if (memchr(text, '\0', len)) {
		(void)refuse(r, token_start(r), "NUL character in a string");
		return NULL;
	}
	copy = arena_strndup(r->arena, (const char *)text, len);
	if (!copy)
		(void)refuse_memory(r, token_start(r));
	return copy;
}

static int on_null(void *arg)
{
	return add(arg, JSON_NULL) != NULL;
}

static int on_boolean(void *arg, int value)
{
	struct json *node = add(arg, JSON_BOOL);

	if (node)
		node->truth = value != 0;
	return node != NULL;
}

static int on_text(struct reader *r, enum json_kind kind, const char *text, size_t len)
{
	const char *copy = copy_text(r, (const unsigned char *)text, len);
	struct json *node = copy ? add(r, kind) : NULL;

	if (node)
		node->text = copy;
	return node != NULL;
}

static int on_number(void *arg, const char *text, size_t len)
{
	return on_text(arg, JSON_NUMBER, text, len);
}

static int on_string(void *arg, const unsigned char *text, size_t len)
{
	return on_text(arg, JSON_STRING, (const char *)text, len);
}

static int on_key(void *arg, const unsigned char *text, size_t len)
{
	struct reader *r = arg;
	size_t at = 0;

	r->key = copy_text(r, text, len);
	if (!r->key)
		return 0;
	at = next_token(r);
	if (r->open[r->depth - 1]->n >= JSON_MAX_KEYS)
		return refuse(r, at, "too many keys in one object");
	for (const struct json *n = r->open[r->depth - 1]->first; n; n = n->next) {
		if (strcmp(n->key, r->key) == 0)
			return refuse(r, at, "key stands twice in one object");
	}
	return 1;
}

static int on_start_map(void *arg)
{
	return push(arg, JSON_OBJECT);
}

static int on_start_array(void *arg)
{
	return push(arg, JSON_ARRAY);
}

static int on_end(void *arg)
{
	return pop(arg);
}

/* at_end: the text ended too early. Else yajl stands behind the token that it did not like, which
 * may be a comma or a colon. */
static void say_yajl_error(struct reader *r, bool at_end)
{
	size_t consumed = yajl_get_bytes_consumed(r->yajl);
	size_t at = token_start(r);
	unsigned char *text = yajl_get_error(r->yajl, 0, (const unsigned char *)r->data, r->len);
	char why[128];

	if (at_end)
		at = r->len;
	else if (consumed && at > consumed - 1)
		at = consumed - 1;
	(void)snprintf(why, sizeof(why), "%.*s", text ? (int)strcspn((char *)text, "\n") : 0,
		text ? (const char *)text : "");
	yajl_free_error(r->yajl, text);
	(void)refuse(r, at, *why ? why : "not JSON");
}

int json_parse(const char *data, size_t len, const char *name, struct arena *a, struct json **ret,
	struct err *e)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_boolean,
		.yajl_number = on_number,
		.yajl_string = on_string,
		.yajl_start_map = on_start_map,
		.yajl_map_key = on_key,
		.yajl_end_map = on_end,
		.yajl_start_array = on_start_array,
		.yajl_end_array = on_end,
	};
	struct reader r = { .data = data, .name = name, .len = len, .arena = a, .e = e };
	yajl_status status = yajl_status_ok;
	bool at_end = false;

	if (len > JSON_MAX_BYTES)
		return err_set(e, -EFBIG, "%s: larger than %zu MiB", name, JSON_MAX_BYTES >> 20);
	r.yajl = yajl_alloc(&callbacks, NULL, &r);
	if (!r.yajl)
		return err_set(e, -ENOMEM, "%s: out of memory", name);
	status = yajl_parse(r.yajl, (const unsigned char *)data, len);
	if (status == yajl_status_ok) {
		at_end = true;
		status = yajl_complete_parse(r.yajl);
	}
	if (status != yajl_status_ok && !r.failed)
		say_yajl_error(&r, at_end);
	yajl_free(r.yajl);
	if (r.failed)
		return e->code;
	if (!r.root)
		return err_set(e, -EINVAL, "%s:1:1: empty", name);
	*ret = r.root;
	return 0;
}
