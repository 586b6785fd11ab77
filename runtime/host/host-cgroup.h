/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-cgroup.h - the host's cgroup (v2) of a container: where its monitor, VMM and fs server are
 * counted and limited.
 *
 * A path is what /proc/PID/cgroup shows after "0::": absolute, below the one hierarchy.
 */
#ifndef NESTBOX_HOST_CGROUP_H
#define NESTBOX_HOST_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

#define HOST_CGROUP_ROOT "/sys/fs/cgroup"

/* Refuses a host without the unified hierarchy, with the remedy. */
warn_unused int host_cgroup_check(struct err *e);

/* The path of a process's cgroup (0 = our own). 0 or a negative errno. */
warn_unused int host_cgroup_of(pid_t pid, char ret[PATH_MAX]);

/* Makes the cgroup and what is missing above it, and hands down whatever controllers may be had on
 * the way; *ret_fd is its folder (owned by the caller). One that exists is taken as it is. */
warn_unused int host_cgroup_make(const char *path, int *ret_fd, struct err *e);

/* Its folder (owned by the caller), or a negative errno. */
warn_unused int host_cgroup_open(const char *path);

/* Whether there are further cgroups in it. */
bool host_cgroup_has_below(int fd);

/* Whether it, or one above it, is frozen: what enters it stands still. */
bool host_cgroup_frozen(int fd);

/* Writes one of its files. A controller that the host keeps from us is named. */
warn_unused int host_cgroup_write(int fd, const char *file, const char *value, struct err *e);

/* Moves a process into it (0 = ourselves). 0 or a negative errno. */
warn_unused int host_cgroup_join(int fd, pid_t pid);

/* Pids of the processes in it, at most max; their count or a negative errno. */
warn_unused ssize_t host_cgroup_pids(int fd, pid_t *pids, size_t max);

/* Those of them that are monitors of ours: they stand for processes of the container. */
warn_unused ssize_t host_cgroup_monitors(int fd, pid_t *pids, size_t max);

/* Removes the cgroup with those below it, once our processes in it have ended; monitors (of exec)
 * that do not are killed. One that others live in stays, as does the root. */
void host_cgroup_remove(const char *path);

#endif
