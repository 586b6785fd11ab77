/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-json.c - JSON read: trees, positions, what is refused and where; JSON written.
 */
#include <errno.h>
#include <string.h>

#include "unit.h"

#include "json-out.h"
#include "json.h"

/* ---- reading ------------------------------------------------------------------------------- */

/* Parses in an arena that the caller ends; the text is copied to a block of its very size, so that
 * ASan sees a read past it. */
static int parse(const char *text, size_t len, struct arena *a, struct json **ret, struct err *e)
{
	char *exact = malloc(len ? len : 1);
	int r = 0;

	assert_non_null(exact);
	memcpy(exact, text, len);
	*e = (struct err){ 0 };
	r = json_parse(exact, len, "t.json", a, ret, e);
	free(exact);
	return r;
}

static void assert_refused_len(const char *text, size_t len, const char *message)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e;

	assert_int_equal(parse(text, len, &a, &root, &e), -EINVAL);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, -EINVAL);
	assert_null(root);
}

static void assert_refused(const char *text, const char *message)
{
	assert_refused_len(text, strlen(text), message);
}

static void tree_has_every_kind(void **state)
{
	static const char text[] =
		"{\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"d\":1.5e3,"
		"\"s\":\"a\\u00e4\\n\",\"a\":[1,[],{}],\"o\":{\"k\":\"v\"},\"\":0}";
	static const enum json_kind kinds[] = { JSON_NULL, JSON_BOOL, JSON_BOOL, JSON_NUMBER,
		JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_NUMBER };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const struct json *v[ARRAY_LEN(kinds)];
	struct json *root = NULL;
	struct err e;
	size_t n = 0;

	(void)state;
	assert_int_equal(parse(text, strlen(text), &a, &root, &e), 0);
	assert_int_equal(root->kind, JSON_OBJECT);
	assert_int_equal(root->n, ARRAY_LEN(kinds));
	for (const struct json *c = root->first; c; c = c->next, n++) {
		assert_in_range(n, 0, ARRAY_LEN(kinds) - 1);
		assert_int_equal(c->kind, kinds[n]);
		v[n] = c;
	}
	assert_int_equal(n, ARRAY_LEN(kinds));
	assert_true(v[1]->truth);
	assert_false(v[2]->truth);
	assert_string_equal(v[3]->text, "-12");
	assert_string_equal(v[4]->text, "1.5e3");
	assert_string_equal(v[5]->text, "a\xc3\xa4\n");
	assert_int_equal(v[6]->n, 3);
	assert_null(v[6]->first->key);
	assert_int_equal(v[6]->first->next->kind, JSON_ARRAY);
	assert_int_equal(v[6]->last->kind, JSON_OBJECT);
	assert_string_equal(v[7]->first->key, "k");
	assert_string_equal(v[7]->first->text, "v");
	assert_string_equal(v[8]->key, "");
}

/* Where each value begins, as line:column. */
static void values_know_where_they_stand(void **state)
{
	static const char text[] = "{\n"
				   "  \"a\": 1,\n"
				   "\t\"b\" : [ true ,\r\n"
				   "    \"x\" ],\n"
				   "  \"c\":{\"d\":null}}";
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	const struct json *b = NULL;
	unsigned line = 0, column = 0;
	struct err e;

	(void)state;
	assert_int_equal(parse(text, strlen(text), &a, &root, &e), 0);
	json_position(text, root->at, &line, &column);
	assert_int_equal(line * 100 + column, 101);
	json_position(text, root->first->at, &line, &column);
	assert_int_equal(line * 100 + column, 208);
	b = root->first->next;
	json_position(text, b->at, &line, &column);
	assert_int_equal(line * 100 + column, 308);
	json_position(text, b->first->at, &line, &column);
	assert_int_equal(line * 100 + column, 310);
	json_position(text, b->last->at, &line, &column);
	assert_int_equal(line * 100 + column, 405);
	json_position(text, b->next->at, &line, &column);
	assert_int_equal(line * 100 + column, 507);
	json_position(text, b->next->first->at, &line, &column);
	assert_int_equal(line * 100 + column, 512);
}

static void scalars_may_stand_alone(void **state)
{
	static const char *const texts[] = { "1", "-0", " true ", "null", "\"x\"", "[]" };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(parse(texts[i], strlen(texts[i]), &a, &root, &e), 0);
		assert_int_equal(root->at, texts[i][0] == ' ');
	}
}

static void broken_text_is_refused_at_its_place(void **state)
{
	(void)state;
	assert_refused("", "t.json:1:1: parse error: premature EOF");
	assert_refused(" \n ", "t.json:2:2: parse error: premature EOF");
	assert_refused("{\"a\" 1}",
		"t.json:1:6: parse error: object key and value must be separated by a colon (':')");
	assert_refused(
		"[1,,2]", "t.json:1:4: parse error: unallowed token at this point in JSON text");
	assert_refused("{,}", "t.json:1:2: parse error: invalid object key (must be a string)");
	assert_refused("{1:2}", "t.json:1:2: parse error: invalid object key (must be a string)");
	assert_refused("[1}", "t.json:1:3: parse error: after array element, I expect ',' or ']'");
	assert_refused("{\n\"a\": tru}", "t.json:2:6: lexical error: invalid string in json text.");
	assert_refused("{\"a\": 'x'}", "t.json:1:7: lexical error: invalid char in json text.");
	assert_refused("[1] [2]", "t.json:1:5: parse error: trailing garbage");
	assert_refused("[1]x", "t.json:1:4: parse error: trailing garbage");
	assert_refused("/* no */ {}",
		"t.json:1:1: lexical error: probable comment found in input text, comments are not enabled.");
	assert_refused("[01]", "t.json:1:3: parse error: after array element, I expect ',' or ']'");
	assert_refused("[\"a\tb\"]", "t.json:1:2: lexical error: invalid character inside string.");
}

static void truncated_text_is_refused_at_its_end(void **state)
{
	static const char text[] =
		"{\"a\": [1, true, null, \"x\\u0041\xc3\xa4\", {\"b\": -1.5e7}]}";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		cleanup(arena) struct arena a = ARENA_INIT(0);
		struct json *root = NULL;
		char place[32];
		struct err e;

		assert_int_equal(parse(text, len, &a, &root, &e), -EINVAL);
		assert_null(root);
		(void)snprintf(place, sizeof(place), "t.json:1:%zu: ", len + 1);
		assert_memory_equal(e.msg, place, strlen(place));
	}
}

static void nul_and_bad_utf8_are_refused(void **state)
{
	static const char raw[] = "[\"a\0b\"]";
	static const char outside[] = "{}\0";

	(void)state;
	assert_refused("{\"k\": \"a\\u0000b\"}", "t.json:1:7: NUL character in a string");
	assert_refused("{ \"k\\u0000\": 1}", "t.json:1:3: NUL character in a string");
	assert_refused_len(raw, sizeof(raw) - 1,
		"t.json:1:2: lexical error: invalid character inside string.");
	assert_refused_len(
		outside, sizeof(outside) - 1, "t.json:1:3: parse error: trailing garbage");
	/* A stray continuation byte, an overlong form, a cut sequence. */
	assert_refused("[\"\x80\"]", "t.json:1:2: lexical error: invalid bytes in UTF8 string.");
	assert_refused("[\"\xc3(\"]", "t.json:1:2: lexical error: invalid bytes in UTF8 string.");
	assert_refused("[\"\xff\"]", "t.json:1:2: lexical error: invalid bytes in UTF8 string.");
	assert_refused(
		"{\"\xe2\x82\": 1}", "t.json:1:2: lexical error: invalid bytes in UTF8 string.");
}

static void keys_stand_once_in_an_object(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e;

	(void)state;
	assert_refused("{\"a\": 1,\n \"a\": 1}", "t.json:2:2: key stands twice in one object");
	/* The same after its escape. */
	assert_refused("{\"a\": 1, \"\\u0061\": 1}", "t.json:1:10: key stands twice in one object");
	assert_int_equal(parse("{\"a\":{\"a\":1},\"b\":[{\"a\":1}]}", 27, &a, &root, &e), 0);
}

/* ---- limits -------------------------------------------------------------------------------- */

/* n times what, then n times end. */
static char *repeated(const char *what, const char *end, size_t n)
{
	size_t a = strlen(what), b = strlen(end);
	char *text = malloc(n * (a + b) + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++) {
		memcpy(text + i * a, what, a);
		memcpy(text + n * a + i * b, end, b);
	}
	text[n * (a + b)] = '\0';
	return text;
}

static void depth_is_bounded(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(free) char *fits = repeated("[", "]", JSON_MAX_DEPTH);
	cleanup(free) char *deep = repeated("[", "]", JSON_MAX_DEPTH + 1);
	cleanup(free) char *unclosed = repeated("[", "", 1u << 20);
	cleanup(free) char *objects = repeated("{\"a\":", "", JSON_MAX_DEPTH + 1);
	struct json *root = NULL;
	struct err e;

	(void)state;
	assert_int_equal(parse(fits, strlen(fits), &a, &root, &e), 0);
	assert_refused(deep, "t.json:1:65: nested too deeply");
	assert_refused(unclosed, "t.json:1:65: nested too deeply");
	assert_refused(objects, "t.json:1:321: nested too deeply");
}

static void size_is_bounded(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	size_t len = JSON_MAX_BYTES;
	cleanup(free) char *text = malloc(len + 1);
	struct json *root = NULL;
	struct err e = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len + 1);
	memcpy(text, "[]", 2);
	assert_int_equal(json_parse(text, len, "t.json", &a, &root, &e), 0);
	root = NULL;
	assert_int_equal(json_parse(text, len + 1, "t.json", &a, &root, &e), -EFBIG);
	assert_string_equal(e.msg, "t.json: larger than 16 MiB");
	assert_null(root);
}

static void number_of_values_is_bounded(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	/* The array itself is a value too. */
	size_t n = JSON_MAX_NODES - 1;
	cleanup(free) char *items = repeated("0,", "", n + 1);
	cleanup(free) char *text = malloc(2 * n + 8);
	struct json *root = NULL;
	struct err e;

	(void)state;
	assert_non_null(text);
	(void)snprintf(text, 2 * n + 8, "[%.*s]", (int)(2 * n - 1), items);
	assert_int_equal(parse(text, strlen(text), &a, &root, &e), 0);
	assert_int_equal(root->n, n);
	(void)snprintf(text, 2 * n + 8, "[%.*s]", (int)(2 * n + 1), items);
	assert_refused(text, "t.json:1:2000000: too many values");
}

static void keys_of_an_object_are_bounded(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	size_t size = (JSON_MAX_KEYS + 2) * 16, len = 0;
	cleanup(free) char *text = malloc(size);
	struct json *root = NULL;
	struct err e;

	(void)state;
	assert_non_null(text);
	text[len++] = '{';
	for (unsigned i = 0; i < JSON_MAX_KEYS; i++)
		len += (size_t)snprintf(text + len, size - len, "%s\"k%05u\":0", i ? "," : "", i);
	text[len] = '}';
	assert_int_equal(parse(text, len + 1, &a, &root, &e), 0);
	assert_int_equal(root->n, JSON_MAX_KEYS);
	(void)snprintf(text + len, size - len, ",\"k\":0}");
	/* 8192 members of ten characters, a brace, commas between. */
	assert_refused(text, "t.json:1:90114: too many keys in one object");
}

static void memory_is_the_arenas(void **state)
{
	static const char text[] = "{\"key\": [\"value\", 1, true, null, {}]}";
	int failures = 0;

	(void)state;
	for (size_t limit = 16;; limit += 16) {
		cleanup(arena) struct arena a = ARENA_INIT(limit);
		struct json *root = NULL;
		struct err e;

		if (parse(text, strlen(text), &a, &root, &e) == 0)
			break;
		failures++;
		assert_null(root);
		assert_non_null(strstr(e.msg, ": too large: out of memory"));
		assert_int_equal(e.code, -ENOMEM);
	}
	assert_true(failures > 10);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void documents_are_written(void **state)
{
	cleanup(json_out) struct json_out o = { 0 };

	(void)state;
	json_out_open(&o, NULL, '{');
	json_out_string(&o, "s", "x");
	json_out_string(&o, "none", NULL);
	json_out_int(&o, "i", INT64_MIN);
	json_out_uint(&o, "u", UINT64_MAX);
	json_out_bool(&o, "t", true);
	json_out_open(&o, "a", '[');
	json_out_int(&o, NULL, 1);
	json_out_open(&o, NULL, '{');
	json_out_close(&o, '}');
	json_out_close(&o, ']');
	json_out_open(&o, "e", '[');
	json_out_close(&o, ']');
	json_out_close(&o, '}');
	assert_string_equal(json_out_text(&o),
		"{\"s\":\"x\",\"none\":\"\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
		"\"t\":true,\"a\":[1,{}],\"e\":[]}\n");
}

static void pretty_documents_have_a_line_per_value(void **state)
{
	cleanup(json_out) struct json_out o = { .pretty = true };

	(void)state;
	json_out_open(&o, NULL, '{');
	json_out_bool(&o, "a", false);
	json_out_open(&o, "b", '[');
	json_out_string(&o, NULL, "x");
	json_out_close(&o, ']');
	json_out_open(&o, "c", '{');
	json_out_close(&o, '}');
	json_out_close(&o, '}');
	assert_string_equal(json_out_text(&o),
		"{\n  \"a\": false,\n  \"b\": [\n    \"x\"\n  ],\n  \"c\": {}\n}\n");
}

/* What one string becomes. */
static void assert_written(const char *value, const char *json)
{
	cleanup(json_out) struct json_out o = { 0 };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e;
	char wanted[128];

	json_out_string(&o, NULL, value);
	(void)snprintf(wanted, sizeof(wanted), "\"%s\"\n", json);
	assert_string_equal(json_out_text(&o), wanted);
	/* Whatever it was, our own reader takes it. */
	assert_int_equal(parse(o.text, o.len, &a, &root, &e), 0);
}

static void strings_are_escaped(void **state)
{
	(void)state;
	assert_written("a\"b\\c/d", "a\\\"b\\\\c/d");
	assert_written("\n\t\x1b\x7f", "\\u000a\\u0009\\u001b\\u007f");
	assert_written(
		"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6");
	/* No UTF-8: Latin-1, a cut sequence, an overlong slash, half a surrogate pair, past the
	 * end. */
	assert_written("caf\xe9!", "caf\xef\xbf\xbd!");
	assert_written("x\xe2\x82", "x\xef\xbf\xbd\xef\xbf\xbd");
	assert_written("\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
	assert_written("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_written("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void long_documents_are_written(void **state)
{
	cleanup(json_out) struct json_out o = { 0 };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct json *root = NULL;
	struct err e;

	(void)state;
	json_out_open(&o, NULL, '[');
	for (int i = 0; i < 10000; i++)
		json_out_string(&o, NULL, "0123456789");
	json_out_close(&o, ']');
	assert_non_null(json_out_text(&o));
	assert_int_equal(o.len, 10000 * 13 + 2);
	assert_int_equal(parse(o.text, o.len, &a, &root, &e), 0);
	assert_int_equal(root->n, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_has_every_kind),
		cmocka_unit_test(values_know_where_they_stand),
		cmocka_unit_test(scalars_may_stand_alone),
		cmocka_unit_test(broken_text_is_refused_at_its_place),
		cmocka_unit_test(truncated_text_is_refused_at_its_end),
		cmocka_unit_test(nul_and_bad_utf8_are_refused),
		cmocka_unit_test(keys_stand_once_in_an_object),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(number_of_values_is_bounded),
		cmocka_unit_test(keys_of_an_object_are_bounded),
		cmocka_unit_test(memory_is_the_arenas),
		cmocka_unit_test(documents_are_written),
		cmocka_unit_test(pretty_documents_have_a_line_per_value),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(long_documents_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
