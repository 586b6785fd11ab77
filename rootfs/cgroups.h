/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroups.h - the container's cgroup (v2) in the guest: its limits, its processes, its end.
 */
#ifndef NESTBOX_CGROUPS_H
#define NESTBOX_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"
#include "guest-plan.h"

/* Makes the plan's cgroup and writes its limits; *ret_fd is its folder (owned by the caller). */
warn_unused int cgroup_make(const struct gplan *g, int *ret_fd, struct err *e);

/* Writes the files of a cgroup (fd of its folder, borrowed) in their order, up to the first that
 * fails. What the guest has no hardware for is left out: sizes of huge pages, block devices. */
warn_unused int cgroup_write(int fd, const struct gplan_pair *files, size_t n, struct err *e);

/* The folder of the cgroup that a process of exec starts in (owned by the caller): path is as in
 * struct gplan_process, and is not "". */
warn_unused int cgroup_sub(int fd, const char *path, struct err *e);

/* The folder of the cgroup that a process is in; negative errno. */
warn_unused int cgroup_of(pid_t pid);

/* Pids of the cgroup and all below it, at most max; returns their count or a negative errno. */
warn_unused ssize_t cgroup_pids(int fd, pid_t *pids, size_t max);

/* Sends the signal to every process of the cgroup. */
void cgroup_signal(int fd, int signal);

/* Removes the cgroup of that path, as a plan has it, and what is below it: -EBUSY while there are
 * processes, 0 also when there is none. */
warn_unused int cgroup_remove(const char *path);

#endif
