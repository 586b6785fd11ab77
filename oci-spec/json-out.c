/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-out.c - writes JSON documents; see json-out.h.
 */
#include <inttypes.h>
#include <string.h>

#include "json-out.h"

#define FIRST_SIZE 1024u

static void add(struct json_out *o, const char *text, size_t len)
{
	if (o->failed)
		return;
	if (o->size - o->len <= len) {
		size_t size = o->size ? o->size : FIRST_SIZE;
		char *grown = NULL;

		while (size - o->len <= len)
			size *= 2;
		grown = realloc(o->text, size);
		if (!grown) {
			o->failed = true;
			return;
		}
		o->text = grown;
		o->size = size;
	}
	memcpy(o->text + o->len, text, len);
	o->len += len;
	o->text[o->len] = '\0';
}

static void add_text(struct json_out *o, const char *text)
{
	add(o, text, strlen(text));
}

static void new_line(struct json_out *o)
{
	if (!o->pretty)
		return;
	add_text(o, "\n");
	for (unsigned i = 0; i < o->depth; i++)
		add_text(o, "  ");
}

/* Bytes of the well-formed UTF-8 sequence at s (Unicode 15, table 3-7); 0 when it is none. */
static size_t utf8_len(const char *s)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high; /* of the second one */
		size_t len;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *u = (const unsigned char *)s;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(forms) && !n; i++) {
		if (u[0] >= forms[i].first && u[0] <= forms[i].last &&
			(forms[i].len == 1 || (u[1] >= forms[i].low && u[1] <= forms[i].high)))
			n = forms[i].len;
	}
	for (size_t i = 2; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static void add_string(struct json_out *o, const char *value)
{
	add_text(o, "\"");
	for (const char *at = value; *at;) {
		char escaped[8];
		unsigned char c = (unsigned char)*at;
		size_t len = utf8_len(at);

		if (c == '"' || c == '\\') {
			(void)snprintf(escaped, sizeof(escaped), "\\%c", c);
			add_text(o, escaped);
		} else if (c < 0x20 || c == 0x7f) {
			(void)snprintf(escaped, sizeof(escaped), "\\u%04x", c);
			add_text(o, escaped);
		} else if (len == 0) {
			add_text(o, "\xef\xbf\xbd"); /* U+FFFD */
		} else {
			add(o, at, len);
		}
		at += len ? len : 1;
	}
	add_text(o, "\"");
}

/* What stands before a value. */
static void begin(struct json_out *o, const char *key)
{
	if (o->has_items)
		add_text(o, ",");
	if (o->depth)
		new_line(o);
	if (key) {
		add_string(o, key);
		add_text(o, o->pretty ? ": " : ":");
	}
	o->has_items = true;
}

void json_out_open(struct json_out *o, const char *key, char bracket)
{
	begin(o, key);
	add(o, &bracket, 1);
	o->depth++;
	o->has_items = false;
}

void json_out_close(struct json_out *o, char bracket)
{
	o->depth--;
	if (o->has_items)
		new_line(o);
	add(o, &bracket, 1);
	o->has_items = true;
}

void json_out_string(struct json_out *o, const char *key, const char *value)
{
	begin(o, key);
	add_string(o, value ? value : "");
}

void json_out_int(struct json_out *o, const char *key, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	begin(o, key);
	add_text(o, text);
}

void json_out_uint(struct json_out *o, const char *key, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	begin(o, key);
	add_text(o, text);
}

void json_out_bool(struct json_out *o, const char *key, bool value)
{
	begin(o, key);
	add_text(o, value ? "true" : "false");
}

const char *json_out_text(struct json_out *o)
{
	add_text(o, "\n");
	return o->failed ? NULL : o->text;
}

void json_out_done(struct json_out *o)
{
	free(o->text);
	*o = (struct json_out){ 0 };
}
