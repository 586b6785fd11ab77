/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-config-fields.c - every field of config.json, by the decoding tables: docs/config.md names
 * it, and a value of another type or past its range is refused by its place.
 *
 * A field counts as named when its name stands between backticks; also those of the specification
 * that the tables do not know, as they are ignored. Whether what is said there is true is the
 * business of the other tests; this one notices a field that nobody wrote about.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

#include "unit.h"

#include "io.h"

/* Whole, for its tables; the library's copy is not linked then. */
#include "../../oci-spec/oci-spec.c"

#define DOCUMENT NESTBOX_TESTS "/../docs/config.md"
#define MAX_DEPTH 16

/* Fields of runtime-spec 1.2, and two of later ones, that have no place in the tables. */
static const char *const ignored[] = { "solaris", "windows", "zos", "freebsd", "commandLine",
	"username", "execCPUAffinity", "kernelTCP", "swappiness", "disableOOMKiller",
	"useHierarchy", "realtimeRuntime", "realtimePeriod", "leafWeight", "network", "classID",
	"priorities", "rdma", "listenerMetadata", "memoryPolicy", "deviceTree" };

/* ---- the document -------------------------------------------------------------------------- */

static char *document(void)
{
	cleanup(close) int fd = open(DOCUMENT, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;

	assert_true(fd >= 0);
	assert_int_equal(io_read_file(fd, 1u << 20, &text, &len), 0);
	return text;
}

/* Whether the word stands between the backticks of a line. */
static bool names(const char *text, const char *word)
{
	size_t len = strlen(word);
	bool quoted = false;

	for (const char *p = text; *p; p++) {
		if (*p == '`' || *p == '\n')
			quoted = *p == '`' && !quoted;
		else if (quoted && strncmp(p, word, len) == 0 && !isalnum((unsigned char)p[-1]) &&
			!isalnum((unsigned char)p[len]))
			return true;
	}
	return false;
}

/* How many of the table's fields, and of the tables below it, the text does not name. */
static unsigned unnamed(
	const char *text, const struct decode_field *table, const char *path, unsigned depth)
{
	unsigned n = 0;

	assert_in_range(depth, 0, MAX_DEPTH);
	for (const struct decode_field *f = table; f->key; f++) {
		char inner[256];

		(void)snprintf(inner, sizeof(inner), "%s.%s", path, f->key);
		if (!names(text, f->key)) {
			print_error("not in docs/config.md: %s\n", inner + 1);
			n++;
		}
		if (f->table)
			n += unnamed(text, f->table, inner, depth + 1);
	}
	return n;
}

static bool table_knows(const struct decode_field *table, const char *key)
{
	for (const struct decode_field *f = table; f->key; f++) {
		if (strcmp(f->key, key) == 0 || (f->table && table_knows(f->table, key)))
			return true;
	}
	return false;
}

static void fields_that_are_read_are_documented(void **state)
{
	cleanup(free) char *text = document();

	(void)state;
	assert_int_equal(unnamed(text, spec_table, "", 0), 0);
	assert_false(names(text, "fieldOfTomorrow"));
}

static void fields_that_are_ignored_are_documented(void **state)
{
	cleanup(free) char *text = document();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
		if (!names(text, ignored[i]))
			fail_msg("not in docs/config.md: %s", ignored[i]);
		if (table_knows(spec_table, ignored[i]))
			fail_msg("no longer ignored: %s", ignored[i]);
	}
}

/* ---- wrong values -------------------------------------------------------------------------- */

/* The way to a field: one table and one of its fields for each level. */
struct way {
	const struct decode_field *tables[MAX_DEPTH], *fields[MAX_DEPTH];
	size_t n;
};

static const char *good_value(const struct decode_field *f)
{
	if (f->type == DECODE_BOOL)
		return "true";
	if (f->type == DECODE_STRV)
		return "[]";
	return f->type == DECODE_STR || f->type == DECODE_PATH ? "\"/x\"" : "1";
}

/* A config.json in which the field has this value; the rest is what those around it require. */
static char *document_with(const struct way *w, const char *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < w->n; i++) {
		fputc('{', f);
		for (const struct decode_field *o = w->tables[i]; o->key; o++) {
			if (o->required && o != w->fields[i])
				fprintf(f, "\"%s\":%s,", o->key, good_value(o));
		}
		fprintf(f, "\"%s\":", w->fields[i]->key);
		if (i + 1 < w->n && w->fields[i]->type == DECODE_OBJECTS)
			fputc('[', f);
	}
	fputs(value, f);
	for (size_t i = w->n; i-- > 0;) {
		if (i + 1 < w->n && w->fields[i]->type == DECODE_OBJECTS)
			fputc(']', f);
		fputc('}', f);
	}
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Refused with the field's path, what stands behind that, and then the message. */
static void assert_refused(
	const struct way *w, const char *value, const char *behind, const char *message, int code)
{
	cleanup(free) char *text = document_with(w, value);
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct oci_spec spec = { 0 };
	struct err e = { 0 };
	char wanted[512];
	size_t len = 0;

	for (size_t i = 0; i < w->n; i++)
		len += (size_t)snprintf(wanted + len, sizeof(wanted) - len, "%s%s%s",
			i ? "." : ": ", w->fields[i]->key,
			i + 1 < w->n && w->fields[i]->type == DECODE_OBJECTS ? "[0]" : "");
	(void)snprintf(wanted + len, sizeof(wanted) - len, "%s: %s", behind, message);
	if (oci_spec_parse(text, strlen(text), "config.json", &a, &spec, &e) != code ||
		!strstr(e.msg, wanted))
		fail_msg("%s: \"%s\", not \"%s\"", text, e.msg, wanted);
}

static void check_list(const struct way *w, const char *element, const char *message)
{
	assert_refused(w, "{}", "", "is an object, not an array", -EINVAL);
	assert_refused(w, element, "[0]", message, -EINVAL);
	assert_refused(w, "[null]", "[0]", "is null", -EINVAL);
}

static void check_number(const struct way *w, const struct decode_field *f)
{
	char value[32];

	assert_refused(w, "\"1\"", "", "is a string, not a number", -EINVAL);
	assert_refused(w, "1.5", "", "not a whole number", -EINVAL);
	assert_refused(w, "18446744073709551616", "", "must be ", -ERANGE);
	if (f->type == DECODE_U32 || f->type == DECODE_U64)
		assert_refused(w, "-1", "", "must be 0 to ", -ERANGE);
	if (f->type == DECODE_U32 || f->type == DECODE_I32)
		assert_refused(w, "4294967296", "", "must be ", -ERANGE);
	if (!f->max)
		return;
	(void)snprintf(value, sizeof(value), "%lld", (long long)f->min - 1);
	assert_refused(w, value, "", "must be ", -ERANGE);
	(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)f->max + 1);
	assert_refused(w, value, "", "must be ", -ERANGE);
}

static void check_field(const struct way *w, const struct decode_field *f)
{
	switch (f->type) {
	case DECODE_PATH:
		assert_refused(w, "\"\"", "", "not an absolute path", -EINVAL);
		/* fall through */
	case DECODE_OPTIONAL_PATH:
		assert_refused(w, "\"x/y\"", "", "not an absolute path", -EINVAL);
		/* fall through */
	case DECODE_STR:
		assert_refused(w, "7", "", "is a number, not a string", -EINVAL);
		break;
	case DECODE_BOOL:
		assert_refused(w, "\"yes\"", "", "is a string, not a boolean", -EINVAL);
		break;
	case DECODE_U32:
	case DECODE_U64:
	case DECODE_I32:
	case DECODE_I64:
		check_number(w, f);
		break;
	case DECODE_STRV:
		check_list(w, "[7]", "is a number, not a string");
		break;
	case DECODE_U32V:
		check_list(w, "[\"7\"]", "is a string, not a number");
		break;
	case DECODE_OBJECTS:
		check_list(w, "[[]]", "is an array, not an object");
		break;
	case DECODE_MAP:
		assert_refused(w, "{\"k\":7}", ".k", "is a number, not a string", -EINVAL);
		/* fall through */
	case DECODE_OBJECT:
		assert_refused(w, "[]", "", "is an array, not an object", -EINVAL);
		break;
	case DECODE_JSON: /* kept as it is: refused by the plan when it is not empty */
		break;
	}
	if (f->required)
		assert_refused(w, "null", "", "is missing", -EINVAL);
}

/* Each field of the table at the way's end, and those below; how many. */
static unsigned check_table(struct way *w, const struct decode_field *table)
{
	unsigned n = 0;

	assert_in_range(w->n, 0, MAX_DEPTH - 1);
	w->tables[w->n] = table;
	w->n++;
	for (const struct decode_field *f = table; f->key; f++, n++) {
		w->fields[w->n - 1] = f;
		check_field(w, f);
		if (f->table)
			n += check_table(w, f->table);
	}
	w->n--;
	return n;
}

static void wrong_values_of_every_field_are_refused_by_place(void **state)
{
	struct way w = { 0 };

	(void)state;
	/* A walk that finds less has lost its way. */
	assert_in_range(check_table(&w, spec_table), 150, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_are_read_are_documented),
		cmocka_unit_test(fields_that_are_ignored_are_documented),
		cmocka_unit_test(wrong_values_of_every_field_are_refused_by_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
