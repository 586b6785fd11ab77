/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-events.c - events: a container's statistics and OOM kills, as JSON lines.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ctr.h"

static const char *interval = "5s";
static bool stats;

static const struct cli_option options[] = {
	{ "interval", 0, CLI_TEXT, &interval, "DURATION",
		"between two lines of statistics: 100ms, 5s, 1m30s (default: 5s)" },
	{ "stats", 0, CLI_FLAG, &stats, NULL, "print one line of statistics and end" },
	{ 0 },
};

/* As Go writes durations: numbers with units, one after another. */
static double milliseconds(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "us", 1e-3 }, { "ns", 1e-6 }, { "h", 3600e3 }, { "m", 60e3 },
		{ "s", 1e3 } };
	double sum = 0;

	if (!*text)
		return -1;
	while (*text) {
		char *end = NULL;
		double value = strtod(text, &end);
		size_t i = 0;

		while (i < ARRAY_LEN(units) &&
			strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
			i++;
		if (end == text || i == ARRAY_LEN(units) || !isfinite(value))
			return -1;
		sum += value * units[i].ms;
		text = end + strlen(units[i].unit);
	}
	return sum;
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	double ms = milliseconds(interval);

	(void)argc;
	if (ms < 0 && interval[0] != '-')
		return err_set(e, -EINVAL, "invalid value \"%.64s\" for flag -interval", interval);
	if (ms <= 0)
		return err_set(e, -EINVAL, "duration interval must be greater than 0");
	if (ms < 1)
		ms = 1;
	if (ms > INT_MAX / 2)
		ms = INT_MAX / 2;
	return stats ? ctr_stats(g->root, argv[0], e) : ctr_events(g->root, argv[0], (int)ms, e);
}

const struct cli_verb verb_events = {
	.name = "events",
	.operands = "CONTAINER-ID",
	.summary = "print statistics and OOM kills of a container as JSON lines",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = run,
};
