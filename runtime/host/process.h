/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - processes of the host: told apart for good by pid and start time, waited for, ended.
 */
#ifndef NESTBOX_HOST_PROCESS_H
#define NESTBOX_HOST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"

/* A process that stays the same one when its pid is used again. */
struct process_ref {
	int64_t pid; /* 0 = none */
	uint64_t start; /* of /proc/PID/stat, clock ticks after boot */
};

/* The reference of a pid now; start is 0 when there is no such process. */
struct process_ref process_ref_of(pid_t pid);

/* Whether it lives (a zombie does not). */
bool process_alive(const struct process_ref *p);

/* A pidfd of it (owned by the caller), -ESRCH when it is gone. */
warn_unused int process_open(const struct process_ref *p);

/* Sends the signal to that very process. -ESRCH when it is gone. */
warn_unused int process_signal(const struct process_ref *p, int signal);

/* Waits for its end: 0, or -ETIMEDOUT. */
warn_unused int process_wait(const struct process_ref *p, int timeout_ms);

/* Kills it, if it lives, and waits for its end: 0, or -ETIMEDOUT. */
warn_unused int process_end(const struct process_ref *p, int timeout_ms);

#endif
