/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.h - scopes of systemd: cgroups that it makes and knows, for callers that want it to
 * (--systemd-cgroup).
 *
 * systemd is spoken to through busctl(1), which comes with it: one call per container, and no
 * library that every other command would have to load.
 */
#ifndef NESTBOX_HOST_SYSTEMD_H
#define NESTBOX_HOST_SYSTEMD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

/* A file of the cgroup, which systemd has as a property: "memory.max" is MemoryMax. */
struct systemd_limit {
	const char *file, *value;
};

/* Makes a scope with the process in it, beneath a slice ("" = system.slice), with these limits, and
 * waits until the process is there; ret is the scope's cgroup. What the cgroup has and systemd has
 * no property for is left to the caller, as the cgroup is delegated. */
warn_unused int systemd_start_scope(const char *unit, const char *slice, pid_t pid,
	const struct systemd_limit *limits, size_t n, char ret[PATH_MAX], struct err *e);

/* Tells systemd of other limits, so that it does not put back the old ones. */
warn_unused int systemd_set(
	const char *unit, const struct systemd_limit *limits, size_t n, struct err *e);

/* Tells systemd that a scope is over: it might not notice when its cgroup is removed. */
void systemd_stop(const char *unit);

#endif
