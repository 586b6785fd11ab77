/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cli-help.c - the command line's tables of options, its help and its version.
 */
#include "cli-run.h"

/* ---- tables -------------------------------------------------------------------------------- */

static void check_table(const struct cli_option *options)
{
	size_t n = 0;

	for (; options[n].name; n++) {
		const struct cli_option *o = &options[n];

		assert_non_null(o->to);
		assert_true(o->refused || (o->help && *o->help));
		assert_true(o->kind != CLI_FLAG || !o->value);
		assert_true(o->kind == CLI_FLAG || o->value || o->refused);
		/* --help, -h are every verb's. */
		assert_true(options == global_options || strcmp(o->name, "help") != 0);
		assert_true(options == global_options || o->letter != 'h');
		for (size_t i = 0; i < n; i++) {
			assert_string_not_equal(o->name, options[i].name);
			assert_true(!o->letter || o->letter != options[i].letter);
		}
	}
	assert_in_range(n, 0, CLI_OPTIONS_MAX - 1);
}

static void tables_are_sound(void **state)
{
	(void)state;
	check_table(global_options);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct cli_verb *v = verbs[i];

		check_table(v->options);
		assert_true(*v->name && *v->summary && v->operands && v->run);
		assert_true(v->max_operands < 0 || v->min_operands <= v->max_operands);
		/* In order, as the help text shows them. */
		assert_true(i == 0 || strcmp(verbs[i - 1]->name, v->name) < 0);
	}
}

static bool knows(const struct cli_option *options, const char *name)
{
	for (; options->name; options++) {
		if (strcmp(options->name, name) == 0)
			return true;
	}
	return false;
}

/* Each flag of runc's is there, if only to be refused by its name. */
static void runcs_flags_are_known(void **state)
{
	static const struct {
		const char *verb; /* NULL = global */
		const char *names[20];
	} runc[] = {
		{ NULL, { "debug", "log", "log-format", "root", "systemd-cgroup", "rootless" } },
		{ "create",
			{ "bundle", "console-socket", "pidfd-socket", "pid-file", "no-pivot",
				"no-new-keyring", "preserve-fds", "detach" } },
		{ "run",
			{ "bundle", "console-socket", "pidfd-socket", "pid-file", "no-pivot",
				"no-new-keyring", "preserve-fds", "detach", "keep",
				"no-subreaper" } },
		{ "exec",
			{ "console-socket", "pidfd-socket", "cwd", "env", "tty", "user",
				"additional-gids", "process", "detach", "pid-file", "process-label",
				"apparmor", "no-new-privs", "cap", "preserve-fds", "cgroup",
				"ignore-paused" } },
		{ "list", { "format", "quiet" } },
		{ "kill", { "all" } },
		{ "delete", { "force" } },
		{ "spec", { "bundle", "rootless" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runc); i++) {
		const struct cli_option *options =
			runc[i].verb ? find_verb(runc[i].verb)->options : global_options;

		for (size_t j = 0; runc[i].names[j]; j++) {
			if (!knows(options, runc[i].names[j]))
				fail_msg("%s --%s", runc[i].verb, runc[i].names[j]);
		}
	}
}

/* ---- help and version ---------------------------------------------------------------------- */

static void help_names_every_verb(void **state)
{
	cleanup(outcome) struct outcome o = nestbox("--help");
	cleanup(outcome) struct outcome bare = nestbox("");
	cleanup(outcome) struct outcome letter = nestbox("-h");
	cleanup(outcome) struct outcome verb = nestbox("help");

	(void)state;
	assert_int_equal(o.status, 0);
	assert_string_equal(o.err, "");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		char line[128];

		(void)snprintf(
			line, sizeof(line), "\n   %-12s %s\n", verbs[i]->name, verbs[i]->summary);
		assert_non_null(strstr(o.out, line));
	}
	assert_non_null(strstr(o.out, "--root DIR"));
	assert_string_equal(bare.out, o.out);
	assert_string_equal(letter.out, o.out);
	assert_string_equal(verb.out, o.out);
	assert_int_equal(bare.status, 0);
}

/* Asked for in any way, each verb's help shows its options, but not what it refuses. */
static void every_verb_has_help(void **state)
{
	static const struct {
		const char *before, *behind;
	} ways[] = { { "", " --help" }, { "", " -h" }, { "", " -help" }, { "help ", "" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct cli_verb *v = verbs[i];
		char wanted[320];

		for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
			char line[64];

			(void)snprintf(line, sizeof(line), "%s%s%s", ways[w].before, v->name,
				ways[w].behind);
			{
				cleanup(outcome) struct outcome o = nestbox(line);

				assert_int_equal(o.status, 0);
				assert_string_equal(o.err, "");
				(void)snprintf(wanted, sizeof(wanted),
					"NAME:\n   nestbox %s%s%s - %s\n\n"
					"usage: nestbox %s [options]%s%s\n\n",
					v->name, v->own ? "" : ", in place of runc ",
					v->own ? "" : v->name, v->summary, v->name,
					*v->operands ? " " : "", v->operands);
				assert_memory_equal(o.out, wanted, strlen(wanted));
				assert_non_null(strstr(o.out, "--help, -h"));
				for (const struct cli_option *p = v->options; p->name; p++) {
					(void)snprintf(wanted, sizeof(wanted), "   --%s%s", p->name,
						p->value ? " " : "");
					assert_int_equal(!strstr(o.out, wanted), p->refused);
				}
			}
		}
	}
}

static void help_may_stand_behind_other_options(void **state)
{
	cleanup(outcome) struct outcome o = nestbox("create --bundle /x --help");
	cleanup(outcome) struct outcome id = nestbox("delete c --help");
	/* But here it is the program's. */
	cleanup(outcome) struct outcome exec = nestbox("--root /nowhere/at/all exec c ls --help");

	(void)state;
	assert_int_equal(o.status, 0);
	assert_non_null(strstr(o.out, "usage: nestbox create"));
	assert_int_equal(id.status, 0);
	assert_non_null(strstr(id.out, "usage: nestbox delete"));
	assert_int_equal(exec.status, 255);
	assert_string_equal(exec.err, "nestbox: container does not exist\n");
}

static void version_is_in_the_form_that_callers_parse(void **state)
{
	(void)state;
	assert_prints("--version",
		"runc version " NESTBOX_VERSION "-nestbox\ncommit: "
		"v" NESTBOX_VERSION "\nspec: " OCI_VERSION "\n");
	assert_prints("-v",
		"runc version " NESTBOX_VERSION "-nestbox\ncommit: v" NESTBOX_VERSION
		"\nspec: " OCI_VERSION "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_sound),
		cmocka_unit_test(runcs_flags_are_known),
		cmocka_unit_test(help_names_every_verb),
		cmocka_unit_test(every_verb_has_help),
		cmocka_unit_test(help_may_stand_behind_other_options),
		cmocka_unit_test(version_is_in_the_form_that_callers_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
