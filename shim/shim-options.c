/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-options.c - the command line of the shim; see shim-options.h.
 */
#include <errno.h>
#include <stddef.h>

#include "shim-options.h"

struct option {
	const char *name;
	size_t offset;
	bool flag;
};

#define TEXT(name_, member_) \
	{ \
		name_, offsetof(struct shim_options, member_), false \
	}
#define FLAG(name_, member_) \
	{ \
		name_, offsetof(struct shim_options, member_), true \
	}

static const struct option options[] = {
	TEXT("namespace", ns),
	TEXT("id", id),
	TEXT("socket", socket),
	TEXT("bundle", bundle),
	TEXT("address", address),
	TEXT("publish-binary", publish_binary),
	FLAG("debug", debug),
	FLAG("v", version),
	FLAG("version", version),
	FLAG("info", info),
	FLAG("h", help),
	FLAG("help", help),
};

/* name ends at its NUL or at '='. */
static const struct option *find(const char *name)
{
	size_t len = strcspn(name, "=");

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	}
	return NULL;
}

static int set_flag(struct shim_options *ret, const struct option *o, const char *value)
{
	bool on = !value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;

	if (value && !on && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
		return -EINVAL;
	*(bool *)((char *)ret + o->offset) = on;
	return 0;
}

int shim_options_parse(int argc, char **argv, struct shim_options *ret, struct err *e)
{
	int i = 1;

	*ret = (struct shim_options){ .ns = "",
		.id = "",
		.socket = "",
		.bundle = "",
		.address = "",
		.publish_binary = "",
		.action = "" };
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *name = argv[i] + (argv[i][1] == '-' ? 2 : 1),
			   *value = strchr(name, '=');
		const struct option *o = find(name);

		if (!*name) {
			i++;
			break;
		}
		if (!o)
			return err_set(e, -EINVAL, "flag provided but not defined: -%.64s", name);
		if (value)
			value++;
		if (o->flag && set_flag(ret, o, value) < 0)
			return err_set(
				e, -EINVAL, "invalid value \"%.64s\" for flag -%s", value, o->name);
		if (o->flag)
			continue;
		if (!value && ++i == argc)
			return err_set(e, -EINVAL, "flag needs an argument: -%s", o->name);
		*(const char **)((char *)ret + o->offset) = value ? value : argv[i];
	}
	if (i < argc)
		ret->action = argv[i];
	return 0;
}
