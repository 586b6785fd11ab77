/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-options.h - the command line of the shim, as containerd gives it: options in the manner of
 * Go's flag package (-id X, --id X, -id=X), then the action.
 */
#ifndef NESTBOX_SHIM_OPTIONS_H
#define NESTBOX_SHIM_OPTIONS_H

#include <stdbool.h>

#include "cleanup.h"
#include "err.h"

struct shim_options {
	bool debug, version, info, help;
	const char *ns, *id, *socket, *bundle, *address; /* "" = not given */
	const char *publish_binary; /* containerd always gives it; events go to TTRPC_ADDRESS */
	const char *action; /* "start", "delete"; "" = serve */
};

/* Takes argv apart; the result points into it. */
warn_unused int shim_options_parse(int argc, char **argv, struct shim_options *ret, struct err *e);

#endif
