/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-delete.c - delete: nothing is left of a container.
 */
#include "cli.h"
#include "ctr.h"

static bool force;

static const struct cli_option options[] = {
	{ "force", 'f', CLI_FLAG, &force, NULL, "kill it first if it runs; no error if missing" },
	{ 0 },
};

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	int r = ctr_delete(g->root, argv[0], force, e);

	(void)argc;
	if (r == 0 && *e->msg)
		cli_report(g, e);
	return r;
}

const struct cli_verb verb_delete = {
	.name = "delete",
	.operands = "CONTAINER-ID",
	.summary = "remove a container that has stopped",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = run,
};
