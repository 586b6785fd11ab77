/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-features.c - features: what this runtime can do, as JSON.
 */
#include "cli.h"
#include "ctr.h"

static const struct cli_option options[] = { { 0 } };

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(json_out) struct json_out o = { .pretty = true };

	(void)g;
	(void)argc;
	(void)argv;
	ctr_features(&o);
	return cli_print(json_out_text(&o), e);
}

const struct cli_verb verb_features = {
	.name = "features",
	.operands = "",
	.summary = "print what this runtime supports as JSON",
	.options = options,
	.max_operands = 0,
	.failure = 1,
	.run = run,
};
