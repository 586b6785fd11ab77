/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reports.h - what the host may ask about the container: files of its cgroup, its processes.
 */
#ifndef NESTBOX_REPORTS_H
#define NESTBOX_REPORTS_H

#include <stdint.h>

#include "wire.h"

/* Payload of FILES: those of the named files that are there, and as many as have room. */
void report_files(int cgroup_fd, char *const *names, size_t n, struct arena *a, struct wire_out *w);

/* Payload of PROCESSES: those with a pid above `after`, as many as have room. */
void report_processes(int cgroup_fd, uint32_t after, struct wire_out *w);

#endif
