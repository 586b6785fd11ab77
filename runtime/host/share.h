/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - folders and files of the host as detached mounts for the fs server.
 */
#ifndef NESTBOX_HOST_SHARE_H
#define NESTBOX_HOST_SHARE_H

#include <stdbool.h>

#include "cleanup.h"

/* A copy of the mount at path, nosuid and nodev, read-only if asked; with the mounts below it when
 * recursive, these read-only with readonly_below. *ret_fd is owned by the caller. 0 or a negative
 * errno. */
warn_unused int share_open(
	const char *path, bool readonly, bool readonly_below, bool recursive, int *ret_fd);

/* Whether something is mounted below the path, in the namespace that the caller is in. */
warn_unused bool share_has_mounts_below(const char *path);

#endif
