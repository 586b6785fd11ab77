/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom.h - the guest's OOM killer struck, and whoever watches the host's cgroup shall learn of it.
 *
 * Docker and podman ask the kernel whether a container was killed for want of memory: they count
 * oom_kill in memory.events of the cgroup that the monitor is in. That a guest's kernel killed
 * somebody is not seen there. So a child of the monitor is killed in its place: it touches memory
 * until the cgroup's limit is met, with the score of one who is killed first.
 */
#ifndef NESTBOX_MONITOR_OOM_H
#define NESTBOX_MONITOR_OOM_H

#include <stdbool.h>

/* At start: our own /proc/PID/oom_score_adj and memory.max of our cgroup (both owned from here on;
 * -1: there is no limit that could be met). */
void oom_prepare(int score_fd, int limit_fd);

/* Whether oom_show() will need to fork. */
bool oom_prepared(void);

/* Waits until it is done, a few seconds at most. */
void oom_show(void);

#endif
