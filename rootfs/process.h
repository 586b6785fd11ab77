/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - turns the calling process into a container's process: credentials, limits, exec.
 */
#ifndef NESTBOX_PROCESS_H
#define NESTBOX_PROCESS_H

#include <sys/types.h>

#include "err.h"
#include "guest-plan.h"

/* What only root of init's user namespace may do to the process pid (0: the caller), before it is
 * in another one: raises hard limits, without setting the new ones yet; sets oom_score_adj. */
warn_unused int process_raise(pid_t pid, const struct gplan_process *p, struct err *e);

/* Everything that needs privileges, in the order that lets it succeed, then gives them up; resolves
 * the program. Called in the container's namespaces and root. *ret_program is malloc'ed. The error
 * texts are those that runc's callers look for. */
warn_unused int process_prepare(struct gplan_process *p, char **ret_program, struct err *e);

/* The last step, on the word to go: no new privileges, and with them the filter, which needs no
 * privilege then. */
warn_unused int process_confine(const struct gplan_process *p, struct err *e);

/* execve; returns only on failure, with the error set. */
int process_exec(const struct gplan_process *p, const char *program, struct err *e);

#endif
