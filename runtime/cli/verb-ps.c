/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-ps.c - ps: a container's processes.
 *
 * The host has one process for each that a caller knows of (its monitor); these are what table and
 * json show, as callers pass the numbers on to ps(1). What runs inside is --format guest.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ctr.h"
#include "program.h"

#define PS_MAX ((size_t)64 << 20)
#define GUEST_MAX ((size_t)64 << 20)

static const char *format = "table";

static const struct cli_option options[] = {
	{ "format", 'f', CLI_TEXT, &format, "FORMAT",
		"table, json, or guest: the processes inside" },
	{ 0 },
};

/* ---- ps(1) --------------------------------------------------------------------------------- */

/* Runs ps with these arguments (none: -ef); its output is malloc'ed. */
static int run_ps(int argc, char **argv, char **ret, struct err *e)
{
	cleanup(free) char **args = calloc((size_t)argc + 3, sizeof(*args));
	char name[] = "ps", all[] = "-ef";

	if (!args)
		return err_set(e, -ENOMEM, "out of memory");
	args[0] = name;
	args[1] = all;
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	return program_output(args, PS_MAX, ret, e);
}

/* The column of a heading; -1. */
static int column_of(const char *line, const char *heading)
{
	size_t len = strlen(heading);
	int column = 0;

	for (line += strspn(line, " "); *line && *line != '\n'; column++) {
		size_t n = strcspn(line, " \n");

		if (n == len && strncmp(line, heading, n) == 0)
			return column;
		line += n;
		line += strspn(line, " ");
	}
	return -1;
}

static long field(const char *line, int column)
{
	for (line += strspn(line, " "); column > 0; column--) {
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
	return isdigit((unsigned char)*line) ? strtol(line, NULL, 10) : -1;
}

static int print_table(int argc, char **argv, const pid_t *pids, size_t n, struct err *e)
{
	cleanup(free) char *text = NULL;
	char *rest = NULL;
	int r = run_ps(argc, argv, &text, e);
	int column = r < 0 ? -1 : column_of(text, "PID");

	if (r == 0 && column < 0)
		return err_set(e, -EINVAL, "couldn't find PID field in ps output");
	for (char *line = r < 0 ? NULL : text; line && *line; line = rest) {
		bool shown = line == text;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		for (size_t i = 0; i < n && !shown; i++)
			shown = field(line, column) == pids[i];
		if (shown)
			printf("%s\n", line);
	}
	return r;
}

/* ---- the others ---------------------------------------------------------------------------- */

static int print_json(const pid_t *pids, size_t n, struct err *e)
{
	cleanup(json_out) struct json_out o = { 0 };

	/* As Go writes an empty list. */
	if (n == 0)
		return cli_print("null\n", e);
	json_out_open(&o, NULL, '[');
	for (size_t i = 0; i < n; i++)
		json_out_int(&o, NULL, pids[i]);
	json_out_close(&o, ']');
	return cli_print(json_out_text(&o), e);
}

static int print_guest(const char *root, const char *id, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(GUEST_MAX);
	struct ctr_process *v = NULL;
	size_t n = 0;
	int r = ctr_processes(root, id, &a, &v, &n, e);

	if (r < 0)
		return r;
	printf("%10s %10s %10s %12s %s\n", "UID", "PID", "PPID", "TIME", "CMD");
	for (size_t i = 0; i < n; i++) {
		uint64_t s = v[i].cpu_ms / 1000;

		printf("%10u %10u %10u %6" PRIu64 ":%02u:%02u %s\n", v[i].uid, v[i].pid,
			v[i].parent, s / 3600, (unsigned)(s / 60 % 60), (unsigned)(s % 60),
			v[i].command);
	}
	return 0;
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	bool json = strcmp(format, "json") == 0;
	pid_t *pids = NULL;
	size_t n = 0;
	int r = 0;

	if (strcmp(format, "guest") == 0)
		return print_guest(g->root, argv[0], e);
	r = ctr_pids(g->root, argv[0], &a, &pids, &n, e);
	if (r < 0)
		return r;
	if (json)
		return print_json(pids, n, e);
	if (strcmp(format, "table") != 0)
		return err_set(e, -EINVAL, "invalid format option");
	return print_table(argc - 1, argv + 1, pids, n, e);
}

const struct cli_verb verb_ps = {
	.name = "ps",
	.operands = "CONTAINER-ID [PS-OPTION...]",
	.summary = "show a container's processes",
	.options = options,
	.min_operands = 1,
	.max_operands = -1,
	.options_first = true,
	.failure = 1,
	.run = run,
};
