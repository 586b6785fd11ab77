/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-pause.c - pause and resume: all processes of a container stop, and go on.
 */
#include "cli.h"
#include "ctr.h"

static const struct cli_option options[] = { { 0 } };

static int run_pause(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	(void)argc;
	return ctr_pause(g->root, argv[0], e);
}

static int run_resume(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	(void)argc;
	return ctr_resume(g->root, argv[0], e);
}

const struct cli_verb verb_pause = {
	.name = "pause",
	.operands = "CONTAINER-ID",
	.summary = "stop all processes of a container",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = run_pause,
};

const struct cli_verb verb_resume = {
	.name = "resume",
	.operands = "CONTAINER-ID",
	.summary = "let the processes of a paused container go on",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = run_resume,
};
