/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-template.c - template create, list, remove: VMs that containers are cloned from.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "ctr.h"
#include "json-out.h"

static const char *bundle, *format = "table";
static bool all, quiet;

static const struct cli_option options[] = {
	{ "all", 'a', CLI_FLAG, &all, NULL, "remove: all templates" },
	{ "bundle", 'b', CLI_TEXT, &bundle, "DIR",
		"create: whose containers it is for (default: the current folder)" },
	{ "format", 'f', CLI_TEXT, &format, "FORMAT", "list: table or json" },
	{ "quiet", 'q', CLI_FLAG, &quiet, NULL, "list: names only" },
	{ 0 },
};

static int create(struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const char *name = NULL;
	int r = ctr_template_create(bundle, &a, &name, e);

	if (r == 0)
		printf("%s\n", name);
	return r;
}

/* As in the state's "created". */
static void time_text(int64_t seconds, char buf[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf[0] = '\0';
}

static void put_json(struct json_out *o, const struct ctr_template *t)
{
	char when[32];

	json_out_open(o, NULL, '{');
	json_out_string(o, "name", t->name);
	json_out_uint(o, "bytes", t->bytes);
	json_out_uint(o, "memory", t->ram_bytes);
	time_text(t->made, when);
	json_out_string(o, "created", when);
	time_text(t->used, when);
	json_out_string(o, "used", when);
	json_out_string(o, "key", t->key);
	if (t->fault)
		json_out_string(o, "fault", t->fault);
	json_out_close(o, '}');
}

static void print_row(const struct ctr_template *t)
{
	char made[32], used[32];

	time_text(t->made, made);
	time_text(t->used, used);
	printf("%-19s%7llu MiB%7llu MiB   %-23s%-23s%s\n", t->name,
		(unsigned long long)(t->ram_bytes >> 20), (unsigned long long)(t->bytes >> 20),
		made, used, t->fault ? t->fault : "ok");
}

static int list(struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(json_out) struct json_out o = { 0 };
	struct ctr_template *t = NULL;
	bool json = strcmp(format, "json") == 0;
	size_t n = 0;
	int r = 0;

	if (!json && strcmp(format, "table") != 0)
		return err_set(e, -EINVAL, "invalid format option");
	r = ctr_template_list(&a, &t, &n, e);
	if (r < 0)
		return r;
	if (!json && !quiet)
		printf("%-19s%11s%11s   %-23s%-23s%s\n", "NAME", "MEMORY", "SIZE", "CREATED",
			"USED", "STATUS");
	if (json)
		json_out_open(&o, NULL, '[');
	for (size_t i = 0; i < n; i++) {
		if (quiet)
			printf("%s\n", t[i].name);
		else if (json)
			put_json(&o, &t[i]);
		else
			print_row(&t[i]);
	}
	if (!json)
		return 0;
	json_out_close(&o, ']');
	return cli_print(json_out_text(&o), e);
}

static int remove_named(int n, char **names, struct err *e)
{
	int r = 0;

	if (all == (n > 0))
		return err_set(e, -EINVAL, "remove: give names, or --all");
	if (all)
		return ctr_template_remove(NULL, e);
	for (int i = 0; i < n && r == 0; i++)
		r = ctr_template_remove(names[i], e);
	return r;
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	(void)g;
	if (strcmp(argv[0], "remove") == 0)
		return remove_named(argc - 1, argv + 1, e);
	if (strcmp(argv[0], "create") != 0 && strcmp(argv[0], "list") != 0)
		return err_set(e, -EINVAL, "template: not create, list or remove: %.32s", argv[0]);
	if (argc > 1)
		return err_set(e, -EINVAL, "template %s takes no operands", argv[0]);
	return *argv[0] == 'c' ? create(e) : list(e);
}

const struct cli_verb verb_template = {
	.name = "template",
	.operands = "create | list | remove [NAME...]",
	.summary = "manage the VMs that containers are cloned from",
	.options = options,
	.min_operands = 1,
	.max_operands = -1,
	.own = true,
	.failure = 1,
	.run = run,
};
