/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-stats.h - what a container uses, by the files of its cgroup (v2) on the host, which holds
 * its VM, or as its guest tells it.
 */
#ifndef NESTBOX_SHIM_CGROUP_STATS_H
#define NESTBOX_SHIM_CGROUP_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

/* A packed io.containerd.cgroups.v2.Metrics (owned by the caller) of the cgroup that pid is in. */
warn_unused int cgroup_stats(pid_t pid, uint8_t **ret, size_t *ret_len, struct err *e);

/* The same out of what `nestbox events --stats` prints, of a container that is not the first one in
 * its VM: the host's cgroup has no more of it than its monitor. */
warn_unused int guest_stats(const char *json, uint8_t **ret, size_t *ret_len, struct err *e);

/* The cgroup's memory.events (owned by the caller), of the cgroup that pid is in; and how many
 * processes in it the OOM killer has hit. */
warn_unused int cgroup_memory_events(pid_t pid);
uint64_t cgroup_oom_kills(int fd);

/* The value of a key in lines of "key value"; 0 when it is not there. */
uint64_t stats_value(const char *text, const char *key);

#endif
