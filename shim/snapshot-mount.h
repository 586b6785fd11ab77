/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-mount.h - the mounts by which a snapshotter gives a root filesystem, and their end.
 */
#ifndef NESTBOX_SHIM_SNAPSHOT_MOUNT_H
#define NESTBOX_SHIM_SNAPSHOT_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"

struct snapshot_mount {
	const char *type, *source, *target;
	char *const *options;
	size_t n_options;
};

/* What mount(2) gets of a list of options in the manner of fstab(5). */
struct mount_options {
	uint64_t flags; /* MS_* */
	char data[4096]; /* what is no flag, for the file system: a page at most (mount(2)) */
};

warn_unused int mount_options_parse(
	char *const *options, size_t n, struct mount_options *ret, struct err *e);

/* Mounts all of them at path, one upon the other; undoes what it did when one fails. */
warn_unused int snapshot_mount_all(
	const struct snapshot_mount *mounts, size_t n, const char *path, struct err *e);

/* Takes everything away that is mounted at path; nothing there is no error. Never waits for a file
 * system that hangs. */
void snapshot_unmount_all(const char *path);

#endif
