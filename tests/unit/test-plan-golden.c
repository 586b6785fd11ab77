/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-plan-golden.c - what config.json shall become, by example: tests/golden/NAME.json against
 * NAME.plan (the plan as plan-dump.h writes it) or NAME.err (the error line).
 *
 * A new case is a new NAME.json. UPDATE_GOLDEN=1 in the environment writes the expectations instead
 * of comparing them, and fails each case that changed: read the difference against the runtime
 * specification before it is committed.
 *
 * Every plan also goes through the codec of the guest plan and must come out the same.
 */
#include <dirent.h>
#include <fcntl.h>

#include "unit.h"

#include "io.h"
#include "plan-dump.h"

#define GOLDEN NESTBOX_TESTS "/golden"
#define MAX_CASES 256
#define MIN_CASES 40

static char *read_file(const char *name, const char *suffix, size_t *ret_len)
{
	char path[512];
	cleanup(close) int fd = -EBADF;
	char *text = NULL;

	(void)snprintf(path, sizeof(path), GOLDEN "/%s%s", name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	assert_int_equal(io_read_file(fd, 1u << 20, &text, ret_len), 0);
	return text;
}

static void write_file(const char *name, const char *suffix, const char *text)
{
	char path[512];
	FILE *f = NULL;

	(void)snprintf(path, sizeof(path), GOLDEN "/%s%s", name, suffix);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What the guest makes of the plan is what the host meant. */
static void assert_survives_the_codec(const struct plan *p, const char *text)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(free) char *again = NULL;
	struct plan received = *p;
	struct wire_out w;
	size_t size = 0;
	FILE *f = NULL;

	wire_out_init(&w, 1u << 20);
	gplan_put(&w, &p->guest);
	assert_int_equal(w.error, 0);
	assert_int_equal(gplan_get(w.data, w.len, &a, &received.guest), 0);
	wire_out_done(&w);
	f = open_memstream(&again, &size);
	assert_non_null(f);
	dump_plan(f, &received);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(again, text);
}

/* The plan's text, or the error line; malloc'ed. */
static char *outcome(const char *json, size_t len, const char **ret_suffix)
{
	static const struct plan_facts facts = { .id = "c1", .bundle = "/bundle", .cpus = 8 };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct oci_spec spec = { 0 };
	struct err e = { 0 };
	struct plan p;
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int r = oci_spec_parse(json, len, "config.json", &a, &spec, &e);

	assert_non_null(f);
	if (r == 0) {
		r = plan_build(&spec, &facts, &a, &p, &e);
		/* As create does. */
		if (r < 0)
			(void)err_wrap(&e, "config.json");
	}
	if (r == 0)
		dump_plan(f, &p);
	else
		fprintf(f, "%s\n", e.msg);
	assert_int_equal(fclose(f), 0);
	if (r == 0)
		assert_survives_the_codec(&p, text);
	assert_true(r == 0 || e.code == r);
	*ret_suffix = r == 0 ? ".plan" : ".err";
	return text;
}

static void golden(void **state)
{
	const char *name = *state;
	const char *suffix = NULL;
	size_t len = 0, ignored = 0;
	cleanup(free) char *json = read_file(name, ".json", &len);
	cleanup(free) char *text = outcome(json, len, &suffix);
	cleanup(free) char *wanted = read_file(name, suffix, &ignored);
	bool same = wanted && strcmp(text, wanted) == 0;

	if (!same && getenv("UPDATE_GOLDEN"))
		write_file(name, suffix, text);
	if (!same)
		print_error("%s%s is not what was expected, but:\n%s", name, suffix, text);
	assert_true(same);
	/* An outcome of the other kind must not lie beside it. */
	assert_null(read_file(name, strcmp(suffix, ".err") == 0 ? ".plan" : ".err", &ignored));
}

static int is_case(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 5 && strcmp(d->d_name + len - 5, ".json") == 0;
}

/* The name of a test is the file's, as an identifier. */
static char *test_name(const char *name)
{
	char *copy = strdup(name);

	for (char *c = copy; c && *c; c++) {
		if (*c == '-')
			*c = '_';
	}
	return copy;
}

int main(void)
{
	static struct CMUnitTest tests[MAX_CASES];
	struct dirent **entries = NULL;
	int n = scandir(GOLDEN, &entries, is_case, alphasort);
	int failed = 0;

	if (n < MIN_CASES || n > MAX_CASES) {
		print_error("%d cases in " GOLDEN "\n", n);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char *name = strndup(entries[i]->d_name, strlen(entries[i]->d_name) - 5);

		free(entries[i]);
		tests[i] = (struct CMUnitTest){
			.name = test_name(name), .test_func = golden, .initial_state = name
		};
	}
	free(entries);
	failed = _cmocka_run_group_tests("golden", tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++) {
		free((void *)(uintptr_t)tests[i].name);
		free(tests[i].initial_state);
	}
	return failed;
}
