/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cli-options.c - words of the command line: options by their tables, and names of signals.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "unit.h"

#include "cli.h"

#define MAX_ARGS 16

static bool flag, other;
static const char *text;
static struct cli_list list;
static const struct cli_option options_of_test[] = {
	{ "flag", 'f', CLI_FLAG, &flag, NULL, "h" },
	{ "other", 0, CLI_FLAG, &other, NULL, "h" },
	{ "text", 't', CLI_TEXT, &text, "V", "h" },
	{ "list", 'l', CLI_LIST, &list, "V", "h" },
	{ .name = "gone", .kind = CLI_TEXT, .to = &text, .refused = true },
	{ 0 },
};

/* cli_parse() on words; *ret_first as it says. argv and the words are static. */
static int parse(
	const char *line, bool options_first, int *ret_first, char ***ret_argv, struct err *e)
{
	static char words[256];
	static char *argv[MAX_ARGS + 1];
	char *rest = words, *word = NULL;
	int argc = 0;

	flag = other = false;
	text = NULL;
	free(list.v);
	list = (struct cli_list){ 0 };
	(void)snprintf(words, sizeof(words), "verb %s", line);
	while ((word = strsep(&rest, " ")))
		argv[argc++] = word;
	argv[argc] = NULL;
	*ret_argv = argv;
	return cli_parse(options_of_test, options_first, argc, argv, ret_first, e);
}

static void options_are_read(void **state)
{
	char **argv = NULL;
	struct err e = { 0 };
	int first = 0;

	(void)state;
	assert_int_equal(
		parse("--flag --text x --list=1 -l 2 -l3 a b", false, &first, &argv, &e), 0);
	assert_true(flag && !other);
	assert_string_equal(text, "x");
	assert_int_equal(list.n, 3);
	assert_string_equal(list.v[0], "1");
	assert_string_equal(list.v[1], "2");
	assert_string_equal(list.v[2], "3");
	assert_null(list.v[3]);
	assert_string_equal(argv[first], "a");
	/* One dash as Go's callers may write; the last one counts; values may look like options. */
	assert_int_equal(parse("-text=x -text --flag -other a", false, &first, &argv, &e), 0);
	assert_string_equal(text, "--flag");
	assert_true(other && !flag);
	/* Flags take a value by = only. */
	assert_int_equal(parse("--flag=false --other=true false", false, &first, &argv, &e), 0);
	assert_true(other && !flag);
	assert_string_equal(argv[first], "false");
	assert_int_equal(parse("--flag=1 --flag=0 -f", false, &first, &argv, &e), 0);
	assert_true(flag);
	assert_int_equal(parse("--flag=maybe", false, &first, &argv, &e), -EINVAL);
	assert_string_equal(e.msg, "invalid boolean value \"maybe\" for --flag");
	assert_int_equal(parse("--text=", false, &first, &argv, &e), 0);
	assert_string_equal(text, "");
}

static void operands_may_come_first_or_end_the_options(void **state)
{
	char **argv = NULL;
	struct err e = { 0 };
	int first = 0;

	(void)state;
	assert_int_equal(parse("id --flag", false, &first, &argv, &e), 0);
	assert_true(flag);
	assert_string_equal(argv[first], "id");
	/* exec: what stands behind the id is the program's. */
	assert_int_equal(parse("--other id ls --flag --gone", true, &first, &argv, &e), 0);
	assert_true(other && !flag);
	assert_string_equal(argv[first], "id");
	assert_string_equal(argv[first + 2], "--flag");
	assert_int_equal(parse("-- --flag", false, &first, &argv, &e), 0);
	assert_false(flag);
	assert_string_equal(argv[first], "--flag");
}

static void bad_options_are_named(void **state)
{
	static const struct {
		const char *line, *message;
		int code;
	} cases[] = {
		{ "--nope", "flag provided but not defined: --nope", -EINVAL },
		{ "-nope", "flag provided but not defined: -nope", -EINVAL },
		{ "-x", "flag provided but not defined: -x", -EINVAL },
		{ "a --nope=1 b", "flag provided but not defined: --nope=1", -EINVAL },
		{ "--text", "flag needs an argument: --text", -EINVAL },
		{ "a -l", "flag needs an argument: -l", -EINVAL },
		{ "--gone 1", "--gone is not supported", -ENOTSUP },
		{ "--gone=1", "--gone is not supported", -ENOTSUP },
	};
	char **argv = NULL;
	int first = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };

		assert_int_equal(parse(cases[i].line, false, &first, &argv, &e), cases[i].code);
		assert_string_equal(e.msg, cases[i].message);
	}
}

static void lists_are_bounded(void **state)
{
	static char *argv[CLI_LIST_MAX + 3];
	static char name[] = "verb", value[] = "-lx";
	struct err e = { 0 };
	int first = 0;

	(void)state;
	free(list.v);
	list = (struct cli_list){ 0 };
	argv[0] = name;
	for (int i = 1; i < CLI_LIST_MAX + 2; i++)
		argv[i] = value;
	assert_int_equal(cli_parse(options_of_test, false, CLI_LIST_MAX + 1, argv, &first, &e), 0);
	assert_int_equal(list.n, CLI_LIST_MAX);
	free(list.v);
	list = (struct cli_list){ 0 };
	assert_int_equal(
		cli_parse(options_of_test, false, CLI_LIST_MAX + 2, argv, &first, &e), -E2BIG);
	assert_string_equal(e.msg, "--list: given too often");
}

static void signals_have_names_and_numbers(void **state)
{
	static const struct {
		const char *name;
		int number; /* -1 = refused */
	} cases[] = {
		{ "9", 9 },
		{ "1", 1 },
		{ "64", 64 },
		{ "KILL", SIGKILL },
		{ "SIGKILL", SIGKILL },
		{ "sigterm", SIGTERM },
		{ "Hup", SIGHUP },
		{ "WINCH", SIGWINCH },
		{ "SIGIOT", SIGABRT },
		{ "CLD", SIGCHLD },
		{ "SIGSYS", SIGSYS },
		{ "RTMIN", 34 },
		{ "SIGRTMIN+1", 35 },
		{ "RTMIN+30", 64 },
		{ "RTMAX", 64 },
		{ "SIGRTMAX-14", 50 },
		{ "RTMAX-30", 34 },
		{ "", -1 },
		{ "0", 0 },
		{ "-1", -1 },
		{ "65", -1 },
		{ "99999999999999999999", -1 },
		{ "9x", -1 },
		{ "SIG", -1 },
		{ "SIGSIGKILL", -1 },
		{ "NOPE", -1 },
		{ "RTMIN+31", -1 },
		{ "RTMIN-1", -1 },
		{ "RTMAX+1", -1 },
		{ "RTMAX-31", -1 },
		{ "RTMIN+", -1 },
		{ "RTMIN5", -1 },
		{ "RTMIN+5x", -1 },
		{ "RTMIN+99999999999999999999", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int r = cli_signal_number(cases[i].name, &e);

		if (r != (cases[i].number < 0 ? -EINVAL : cases[i].number))
			fail_msg("%s: %d", cases[i].name, r);
	}
}

static int teardown(void **state)
{
	(void)state;
	free(list.v);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(operands_may_come_first_or_end_the_options),
		cmocka_unit_test(bad_options_are_named),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(signals_have_names_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
