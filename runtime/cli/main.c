/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - nestbox: global options, then a verb.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "oci-spec.h"
#include "trace.h"

static const struct cli_verb *const verbs[] = { &verb_check, &verb_create, &verb_delete,
	&verb_events, &verb_exec, &verb_features, &verb_kill, &verb_list, &verb_pause, &verb_ps,
	&verb_resume, &verb_run, &verb_spec, &verb_start, &verb_state, &verb_template, &verb_trace,
	&verb_update };

#define UNKNOWN_VERB 3 /* exit status, runc's */

static struct cli_globals globals = { .root = CLI_DEFAULT_ROOT, .log_format = "text" };
static bool verb_help;

static const struct cli_option global_options[] = {
	{ "root", 0, CLI_TEXT, &globals.root, "DIR",
		"folder of the containers' states (default: " CLI_DEFAULT_ROOT ")" },
	{ "log", 0, CLI_TEXT, &globals.log, "FILE", "append errors to this file too" },
	{ "log-format", 0, CLI_TEXT, &globals.log_format, "FORMAT", "of that file: text, json" },
	{ "debug", 0, CLI_FLAG, &globals.debug, NULL,
		"log what is done too: to --log's file, else to stderr" },
	{ "systemd-cgroup", 0, CLI_FLAG, &globals.systemd_cgroup, NULL,
		"systemd makes the cgroups; cgroupsPath is slice:prefix:name" },
	{ "rootless", 0, CLI_TEXT, &globals.rootless, "VALUE", "false or auto; true is refused" },
	{ "version", 'v', CLI_FLAG, &globals.version, NULL, "print the version" },
	{ "help", 'h', CLI_FLAG, &globals.help, NULL, "this text; COMMAND --help for a command" },
	{ 0 },
};

static const struct cli_option help_options[] = {
	{ "help", 'h', CLI_FLAG, &verb_help, NULL, "this text" },
	{ 0 },
};

static void print_help(void)
{
	/* The first lines are where runc's users, and its tests, look for them. */
	printf("NAME:\n   nestbox, in place of runc - Open Container Initiative runtime, "
	       "every container in its own microVM\n\n"
	       "usage: nestbox [global options] COMMAND [options] [operands]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("   %-12s %s\n", verbs[i]->name, verbs[i]->summary);
	printf("\nglobal options:\n");
	cli_print_options(global_options);
}

static void print_verb_help(const struct cli_verb *v)
{
	printf("NAME:\n   nestbox %s", v->name);
	if (!v->own)
		printf(", in place of runc %s", v->name);
	printf(" - %s\n\nusage: nestbox %s [options]%s%s\n\noptions:\n", v->summary, v->name,
		*v->operands ? " " : "", v->operands);
	cli_print_options(v->options);
	cli_print_options(help_options);
}

/* The first line begins as go-runc requires it. */
static void print_version(void)
{
	printf("runc version %s-nestbox\ncommit: v%s\nspec: %s\n", NESTBOX_VERSION, NESTBOX_VERSION,
		OCI_VERSION);
}

static int check_globals(struct err *e)
{
	const char *rootless = globals.rootless;

	if (rootless && strcmp(rootless, "false") != 0 && strcmp(rootless, "auto") != 0)
		return err_set(e, -ENOTSUP, "--rootless=%.32s is not supported", rootless);
	if (strcmp(globals.log_format, "text") != 0 && strcmp(globals.log_format, "json") != 0)
		return err_set(e, -EINVAL, "invalid log format: %.32s", globals.log_format);
	if (!*globals.root)
		return err_set(e, -EINVAL, "--root: is empty");
	return 0;
}

static const struct cli_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	}
	return NULL;
}

static int check_count(const struct cli_verb *v, int n, struct err *e)
{
	if (n >= v->min_operands && (v->max_operands < 0 || n <= v->max_operands))
		return 0;
	if (v->max_operands == 0)
		return err_set(e, -EINVAL, "\"%s\" requires exactly 0 argument(s)", v->name);
	if (v->min_operands == v->max_operands)
		return err_set(e, -EINVAL, "\"%s\" requires exactly %d argument(s): %s", v->name,
			v->min_operands, v->operands);
	if (n < v->min_operands)
		return err_set(e, -EINVAL, "\"%s\" requires a minimum of %d argument(s): %s",
			v->name, v->min_operands, v->operands);
	return err_set(e, -EINVAL, "\"%s\" requires a maximum of %d argument(s): %s", v->name,
		v->max_operands, v->operands);
}

/* The verb's own options and --help, which each of them has. */
static int parse_options(
	const struct cli_verb *v, int argc, char **argv, int *ret_first, struct err *e)
{
	struct cli_option all[CLI_OPTIONS_MAX + 1] = { 0 };
	size_t n = 0;

	for (; v->options[n].name; n++) {
		assert(n < CLI_OPTIONS_MAX - 1);
		all[n] = v->options[n];
	}
	all[n] = help_options[0];
	return cli_parse(all, v->options_first, argc, argv, ret_first, e);
}

/* Returns the exit status or a negative errno. */
static int run_verb(const struct cli_verb *v, int argc, char **argv, struct err *e)
{
	int first = 0;
	int r = parse_options(v, argc, argv, &first, e);

	if (r == 0 && verb_help) {
		print_verb_help(v);
		return 0;
	}
	if (r == 0)
		r = check_count(v, argc - first, e);
	return r < 0 ? r : v->run(&globals, argc - first, argv + first, e);
}

/* Fds 0-2 are the container's: where they are closed, no file of ours may take their place. */
static int fill_stdio(struct err *e)
{
	int fd = -1;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, -errno, "/dev/null");
		if (fd < 3 && fcntl(fd, F_SETFD, 0) < 0)
			return err_sys(e, -errno, "/dev/null");
	} while (fd < 3);
	(void)close(fd);
	/* What else a caller left open stays with it: a pipe that our monitor held would never end.
	 */
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(e, -errno, "close_range");
	return 0;
}

static int dispatch(int argc, char **argv, int *ret_failure, struct err *e)
{
	const struct cli_verb *v = NULL;
	int first = 0;
	int r = cli_parse(global_options, true, argc, argv, &first, e);

	if (r < 0)
		return r;
	/* As runc has it: "help VERB" is "VERB --help". */
	verb_help = first < argc && strcmp(argv[first], "help") == 0;
	first += verb_help;
	if (globals.version) {
		print_version();
		return 0;
	}
	if (globals.help || first == argc) {
		print_help();
		return 0;
	}
	r = check_globals(e);
	if (r < 0)
		return r;
	cli_log(&globals);
	v = find_verb(argv[first]);
	/* Also with --help: podman takes an answer to that for support. */
	if (!v && (strcmp(argv[first], "checkpoint") == 0 || strcmp(argv[first], "restore") == 0))
		return err_set(e, -ENOTSUP, "%s: not supported: a microVM cannot be saved yet",
			argv[first]);
	if (!v) {
		*ret_failure = UNKNOWN_VERB;
		return err_set(e, -EINVAL,
			"No help topic for '%.64s' (nestbox --help lists the commands)",
			argv[first]);
	}
	*ret_failure = v->failure;
	return run_verb(v, argc - first, argv + first, e);
}

/* Wherever it is that the rights end. */
static void add_missing_rights(int code, struct err *e)
{
	static const char remedy[] = "nestbox runs as root";

	if ((code == -EACCES || code == -EPERM) && geteuid() != 0 && !strstr(e->msg, remedy))
		err_add(e, remedy);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int failure = 1;
	int r = 0;

	trace_clock();
	r = fill_stdio(&e);

	(void)signal(SIGPIPE, SIG_IGN);
	/* A caller may have it ignored: then no end of a child would ever be told. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (r == 0)
		r = dispatch(argc, argv, &failure, &e);
	if (r < 0) {
		add_missing_rights(r, &e);
		cli_report(&globals, &e);
		return failure;
	}
	if (fflush(stdout) != 0)
		return 1;
	return r;
}
