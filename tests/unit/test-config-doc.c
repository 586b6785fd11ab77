/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-config-doc.c - docs/config.md names every field of config.json: those that the decoding
 * tables know, and those of the runtime specification that they do not and that are ignored.
 *
 * A field counts as named when its name stands between backticks. Whether what is said there is
 * true is the business of the other tests; this one notices a field that nobody wrote about.
 */
#include <ctype.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_are_read_are_documented),
		cmocka_unit_test(fields_that_are_ignored_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
