/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions.h - what the shim's command line can ask for.
 */
#ifndef NESTBOX_SHIM_ACTIONS_H
#define NESTBOX_SHIM_ACTIONS_H

#include "err.h"
#include "shim-options.h"

#define SHIM_NAME "io.containerd.nestbox.v1"
#define SERVE_FD 3 /* the listening socket, as start hands it to the server */

/* start: makes the server and tells its address. */
warn_unused int action_start(const struct shim_options *o, struct err *e);

/* delete: takes away what a shim that is gone has left. */
warn_unused int action_delete(const struct shim_options *o, const char *command, struct err *e);

/* -info: who we are, and the features of nestbox. */
warn_unused int action_info(const char *command, struct err *e);

/* No action: the server, until it is shut down. */
warn_unused int action_serve(const struct shim_options *o, const char *command, struct err *e);

#endif
