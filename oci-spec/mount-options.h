/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-options.h - the options of mount(8) that are flags of mount(2), for config.json and for
 * snapshotters.
 */
#ifndef NESTBOX_MOUNT_OPTIONS_H
#define NESTBOX_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct mount_option {
	const char *name;
	bool clear; /* the flag is taken away */
	uint64_t flag;
};

/* Those that are flags MS_*. */
extern const struct mount_option mount_flag_options[];
extern const size_t n_mount_flag_options;

/* By its name in a table of n; NULL = it is not there. */
const struct mount_option *mount_option_find(
	const struct mount_option *table, size_t n, const char *name);

/* Sets or clears the flag (MS_*) that the option stands for; false = it stands for none. */
bool mount_option_apply(const char *name, uint64_t *flags);

#endif
