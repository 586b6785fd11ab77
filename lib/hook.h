/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook.h - runs the hooks of a container (runtime-spec 1.2, config.md "POSIX-platform Hooks"): on
 * the host for the command line, in the guest for init. The words of errors are runc's.
 */
#ifndef NESTBOX_HOOK_H
#define NESTBOX_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"

struct hook {
	const char *path; /* absolute */
	char **args; /* with argv[0], ends with NULL; n_args 0: the path alone */
	size_t n_args;
	bool has_env; /* else the environment is hook_place's */
	char **env; /* ends with NULL when has_env */
	size_t n_env;
	uint32_t timeout_s; /* 0 = none */
};

struct hook_list {
	struct hook *v;
	size_t n;
};

/* Where hooks run. */
struct hook_place {
	const char *dir; /* working folder, "/" when it is gone; NULL = the caller's */
	int root_fd; /* root and working folder; -EBADF = the caller's root, and dir */
	char **env; /* of hooks that have none; ends with NULL */
};

/* Runs one hook to its end, in a process group of its own that a time limit kills as a whole and
 * whose leader dies with the caller. input_fd is its stdin from the start of the file. What it
 * writes is read on and on, and only the last of it is kept, for the error text:
 *   error running NAME hook #I: error running hook: exit status 1, stdout: …, stderr: …
 * The end of the hook is the end of its process: others that it left behind may keep its output
 * open. 0, or -ECHILD with *e set. The caller's fds 0-2 are open, all others close-on-exec. */
warn_unused int hook_run(const struct hook *h, const char *name, size_t i, int input_fd,
	const struct hook_place *place, struct err *e);

/* Runs a list in order up to the first failure. */
warn_unused int hook_run_all(const struct hook_list *l, const char *name, int input_fd,
	const struct hook_place *place, struct err *e);

#endif
