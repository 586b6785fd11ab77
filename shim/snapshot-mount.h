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

/* mount(2) waits for servers that may never answer, and so may umount2(2), with MNT_DETACH too,
 * when it is the last that holds a file system: both are for a process that can be given up
 * (jobs.h).
 */

struct snapshot {
	const struct snapshot_mount *mounts;
	size_t n;
	const char *path;
};

/* Mounts all of a struct snapshot at its path, one upon the other; undoes what it did when one
 * fails. Returns 0 or a positive errno. The last line of what it writes to stdout is the error;
 * when it does not come to its end, the mount that it is at. */
int snapshot_mount_run(void *snapshot);

/* What is to be said of such a process: its exit status, and what it wrote. */
warn_unused int snapshot_mount_failed(
	int status, bool timed_out, const char *output, struct err *e);

/* Takes everything away that is mounted at a path; nothing there is no error. Returns 0. */
int snapshot_unmount_run(void *path);

#endif
