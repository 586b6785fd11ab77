/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.h - a bundle's config.json, read; and the small files that callers want.
 */
#ifndef NESTBOX_CTR_BUNDLE_H
#define NESTBOX_CTR_BUNDLE_H

#include "arena.h"
#include "cleanup.h"
#include "err.h"
#include "oci-spec.h"

struct bundle {
	const char *path; /* absolute */
	const char *text; /* of config.json */
	size_t len;
	struct oci_spec spec;
};

/* Reads and checks the bundle at path (NULL = "."). Memory is the arena's.
 * "JSON specification file config.json not found" when there is none. */
warn_unused int bundle_read(const char *path, struct arena *a, struct bundle *ret, struct err *e);

/* The config.json that create kept in the state folder: not the bundle's, which somebody may have
 * changed. */
warn_unused int bundle_read_kept(
	int state_fd, struct arena *a, struct oci_spec *ret, struct err *e);

/* Reads a JSON document of at most JSON_MAX_BYTES below dirfd into the arena. -ENOENT as it is. */
warn_unused int bundle_read_file(int dirfd, const char *name, struct arena *a, const char **ret,
	size_t *ret_len, struct err *e);

/* Writes the pid's digits, nothing else, and puts the file there in one step. path NULL: nothing.
 */
warn_unused int bundle_write_pid(const char *path, pid_t pid, struct err *e);

/* What can be said of a process's terminal: runc's words when the options contradict it. */
warn_unused int bundle_check_console(
	bool terminal, bool detach, const char *console_socket, struct err *e);

#endif
