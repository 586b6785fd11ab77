/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle-files.h - the shim's files in a bundle: by them containerd finds the shim again, and
 * `delete` the container of a shim that was killed.
 */
#ifndef NESTBOX_SHIM_BUNDLE_FILES_H
#define NESTBOX_SHIM_BUNDLE_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

#define ADDRESS_FILE "address" /* its name is containerd's */
#define INIT_PID_FILE "init.pid"

/* How the container was made. */
struct bundle_runtime {
	char *command, *root; /* owned */
	bool systemd;
};

/* Writes name in the folder as a whole or not at all. */
warn_unused int bundle_file_write(
	const char *dir, const char *name, const char *text, struct err *e);

/* Reads name (owned by the caller; at most 64 KiB); -ENOENT and the like. */
warn_unused int bundle_file_read(const char *dir, const char *name, char **ret);

/* The number in a file that `--pid-file` wrote; -EIO when there is none in it. */
warn_unused int pid_file_read(const char *path, pid_t *ret);

warn_unused int bundle_runtime_write(
	const char *dir, const struct bundle_runtime *r, struct err *e);

/* What was written; what is given where nothing was. */
warn_unused int bundle_runtime_read(
	const char *dir, const char *command, const char *ns, struct bundle_runtime *ret);
void bundle_runtime_done(struct bundle_runtime *r);

/* Whether it can be part of a file's name and an operand of a command. */
bool id_is_usable(const char *id);

#endif
