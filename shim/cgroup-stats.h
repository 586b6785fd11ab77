/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-stats.h - what a container uses, by the files of its cgroup (v2) on the host, which holds
 * its VM.
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

/* The value of a key in lines of "key value"; 0 when it is not there. */
uint64_t stats_value(const char *text, const char *key);

#endif
