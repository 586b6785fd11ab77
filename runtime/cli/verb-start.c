/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-start.c - start: the program of a created container runs.
 */
#include "cli.h"
#include "ctr.h"

static const struct cli_option options[] = { { 0 } };

static int start(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	(void)argc;
	return ctr_start(g->root, argv[0], e);
}

const struct cli_verb verb_start = {
	.name = "start",
	.operands = "CONTAINER-ID",
	.summary = "run the program of a created container",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = start,
};
