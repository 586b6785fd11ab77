/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-kill.c - kill: a signal for a container.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "ctr.h"

#define RT_MIN 34 /* glibc's and musl's SIGRTMIN is 34 and 35: callers mean the first */
#define RT_MAX 64

static bool all;

static const struct cli_option options[] = {
	{ "all", 'a', CLI_FLAG, &all, NULL, "to every process of the container" },
	{ 0 },
};

static int named(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < 32; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcasecmp(known, name) == 0)
			return i;
	}
	if (strcasecmp(name, "IOT") == 0)
		return SIGABRT;
	if (strcasecmp(name, "CLD") == 0)
		return SIGCHLD;
	if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0) {
		int from = toupper((unsigned char)name[3]) == 'I' ? RT_MIN : RT_MAX;
		char *end = NULL;
		long offset = name[5] ? strtol(name + 5, &end, 10) : 0;

		if (name[5] && (!end || *end || !strchr("+-", name[5])))
			return -1;
		if (offset < RT_MIN - from || offset > RT_MAX - from)
			return -1;
		return from + (int)offset;
	}
	return -1;
}

int cli_signal_number(const char *text, struct err *e)
{
	char *end = NULL;
	long number = strtol(text, &end, 10);

	if (!*text || *end)
		number = named(text);
	/* 0 only asks whether the process is there. */
	if (number < 0 || number > RT_MAX)
		return err_set(e, -EINVAL, "unknown signal \"%.32s\"", text);
	return (int)number;
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	int signal = cli_signal_number(argc > 1 ? argv[1] : "SIGTERM", e);

	return signal < 0 ? signal : ctr_kill(g->root, argv[0], signal, all, e);
}

const struct cli_verb verb_kill = {
	.name = "kill",
	.operands = "CONTAINER-ID [SIGNAL]",
	.summary = "send a signal (default: SIGTERM) to the container's first process",
	.options = options,
	.min_operands = 1,
	.max_operands = 2,
	.failure = 1,
	.run = run,
};
