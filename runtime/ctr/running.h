/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running.h - a container that lives, opened for a question.
 */
#ifndef NESTBOX_CTR_RUNNING_H
#define NESTBOX_CTR_RUNNING_H

#include "state.h"

/* Opens the folder (*ret_fd is owned by the caller) and loads the state (memory of the arena). One
 * that has stopped, or is not there yet, is refused with runc's "container not running". */
warn_unused int running_open(const char *root, const char *id, struct arena *a, int *ret_fd,
	struct ctr_state *ret, struct err *e);

#endif
