/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-state.c - state and list: what is known of containers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "ctr.h"
#include "json-out.h"

static const char *format = "table";
static bool quiet;

static const struct cli_option state_options[] = { { 0 } };

static const struct cli_option list_options[] = {
	{ "format", 'f', CLI_TEXT, &format, "FORMAT", "table or json" },
	{ "quiet", 'q', CLI_FLAG, &quiet, NULL, "ids only" },
	{ 0 },
};

static int state(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(json_out) struct json_out o = { .pretty = true };
	struct ctr_state s;
	int r = ctr_get(g->root, argv[0], &a, &s, e);

	(void)argc;
	if (r < 0)
		return r;
	ctr_state_put(&o, &s);
	return cli_print(json_out_text(&o), e);
}

static int max_width(
	const struct ctr_state *list, size_t n, const char *(*text)(const struct ctr_state *))
{
	size_t width = 9;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(text(&list[i]));

		if (len > width)
			width = len;
	}
	return (int)width + 3;
}

static const char *id_of(const struct ctr_state *s)
{
	return s->id;
}

static const char *bundle_of(const struct ctr_state *s)
{
	return s->bundle;
}

static const char *created_of(const struct ctr_state *s)
{
	return s->created;
}

static void print_table(const struct ctr_state *list, size_t n)
{
	int id = max_width(list, n, id_of);
	int bundle = max_width(list, n, bundle_of);
	int created = max_width(list, n, created_of);

	printf("%-*s%-12s%-12s%-*s%-*s%s\n", id, "ID", "PID", "STATUS", bundle, "BUNDLE", created,
		"CREATED", "OWNER");
	for (size_t i = 0; i < n; i++) {
		const struct ctr_state *s = &list[i];

		printf("%-*s%-12lld%-12s%-*s%-*s%s\n", id, s->id, (long long)ctr_state_pid(s),
			ctr_status_name(s->status), bundle, s->bundle, created, s->created,
			s->owner);
	}
}

static int print_json(const struct ctr_state *list, size_t n, struct err *e)
{
	cleanup(json_out) struct json_out o = { 0 };

	/* As Go writes an empty list. */
	if (n == 0)
		return cli_print("null\n", e);
	json_out_open(&o, NULL, '[');
	for (size_t i = 0; i < n; i++)
		ctr_state_put(&o, &list[i]);
	json_out_close(&o, ']');
	return cli_print(json_out_text(&o), e);
}

static int list(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state *states = NULL;
	size_t n = 0;
	bool json = strcmp(format, "json") == 0;
	int r = 0;

	(void)argc;
	(void)argv;
	if (!json && strcmp(format, "table") != 0)
		return err_set(e, -EINVAL, "invalid format option");
	r = ctr_list(g->root, &a, &states, &n, e);
	if (r < 0)
		return r;
	if (quiet) {
		for (size_t i = 0; i < n; i++)
			printf("%s\n", states[i].id);
		return 0;
	}
	if (json)
		return print_json(states, n, e);
	print_table(states, n);
	return 0;
}

const struct cli_verb verb_state = {
	.name = "state",
	.operands = "CONTAINER-ID",
	.summary = "print a container's state as JSON",
	.options = state_options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = state,
};

const struct cli_verb verb_list = {
	.name = "list",
	.operands = "",
	.summary = "list the containers below the root folder",
	.options = list_options,
	.max_operands = 0,
	.failure = 1,
	.run = list,
};
