/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - option tables: read with getopt_long_only (Go's callers write one dash or two), shown
 * as help.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int set_flag(const struct cli_option *o, const char *value, struct err *e)
{
	bool on = !value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;

	if (!on && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
		return err_set(
			e, -EINVAL, "invalid boolean value \"%.64s\" for --%s", value, o->name);
	*(bool *)o->to = on;
	return 0;
}

static int add_to_list(const struct cli_option *o, const char *value, struct err *e)
{
	struct cli_list *list = o->to;
	const char **v = NULL;

	if (list->n >= CLI_LIST_MAX)
		return err_set(e, -E2BIG, "--%s: given too often", o->name);
	/* Room for twice as many, and the NULL, whenever the number is a power of two. */
	if ((list->n & (list->n - 1)) == 0) {
		v = realloc(list->v, (2 * list->n + 2) * sizeof(*v));
		if (!v)
			return err_set(e, -ENOMEM, "out of memory");
		list->v = v;
	}
	list->v[list->n++] = value;
	list->v[list->n] = NULL;
	return 0;
}

static int set(const struct cli_option *o, const char *value, struct err *e)
{
	if (o->refused)
		return err_set(e, -ENOTSUP, "--%s is not supported", o->name);
	switch (o->kind) {
	case CLI_FLAG:
		return set_flag(o, value, e);
	case CLI_LIST:
		return add_to_list(o, value, e);
	case CLI_TEXT:
	default:
		*(const char **)o->to = value;
		return 0;
	}
}

static int complain(int code, char **argv, struct err *e)
{
	const char *given = argv[optind - 1];

	if (code == ':')
		return err_set(e, -EINVAL, "flag needs an argument: %.64s", given);
	if (optopt > 0 && optopt < 128)
		return err_set(e, -EINVAL, "flag provided but not defined: -%c", optopt);
	return err_set(e, -EINVAL, "flag provided but not defined: %.64s", given);
}

int cli_parse(const struct cli_option *options, bool options_first, int argc, char **argv,
	int *ret_first, struct err *e)
{
	struct option table[CLI_OPTIONS_MAX + 1] = { 0 };
	char letters[2 * CLI_OPTIONS_MAX + 4] = "";
	size_t n = 0, at = 0;
	int code = 0, index = -1;

	letters[at++] = options_first ? '+' : '-';
	if (!options_first)
		at--;
	letters[at++] = ':';
	for (; n < CLI_OPTIONS_MAX && options[n].name; n++) {
		const struct cli_option *o = &options[n];

		table[n] = (struct option){ .name = o->name,
			.has_arg = o->kind == CLI_FLAG ? optional_argument : required_argument };
		if (o->letter) {
			letters[at++] = o->letter;
			if (o->kind != CLI_FLAG)
				letters[at++] = ':';
		}
	}
	optind = 0;
	opterr = 0;
	while ((code = getopt_long_only(argc, argv, letters, table, &index)) != -1) {
		int r = 0;

		if (code == '?' || code == ':')
			return complain(code, argv, e);
		if (code != 0) {
			for (index = 0; options[index].letter != code; index++)
				;
		}
		r = set(&options[index], optarg, e);
		if (r < 0)
			return r;
	}
	*ret_first = optind;
	return 0;
}

int cli_check_preserve_fds(const char *text, struct err *e)
{
	char *end = NULL;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	if (text && (*text < '0' || *text > '9' || *end))
		return err_set(e, -EINVAL, "invalid value \"%.32s\" for flag -preserve-fds", text);
	if (n)
		return err_set(e, -ENOTSUP,
			"--preserve-fds %.32s is not supported: open files cannot be handed into a VM",
			text);
	return 0;
}

void cli_print_options(const struct cli_option *options)
{
	for (const struct cli_option *o = options; o->name; o++) {
		char left[64];

		if (o->refused)
			continue;
		(void)snprintf(left, sizeof(left), "--%s%s%s%s%.1s", o->name, o->value ? " " : "",
			o->value ? o->value : "", o->letter ? ", -" : "", &o->letter);
		printf("   %-34s %s\n", left, o->help);
	}
}
