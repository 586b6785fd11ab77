/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tasks.h - the containers' processes, each with the connection that carries its streams.
 *
 * Life of a task: PREPARING (spawned, not heard of) -> READY (waits for the word) -> RUNNING ->
 * EXITED (its last output is on its way) -> gone. All on init's event loop; nothing here blocks.
 */
#ifndef NESTBOX_TASKS_H
#define NESTBOX_TASKS_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent.h"
#include "err.h"
#include "guest-plan.h"
#include "loop.h"
#include "net-config.h"

/* Answers to a request; called once. e is NULL on success. pid: the process in the guest. */
typedef void (*task_answer)(void *arg, const struct err *e, pid_t pid);

/* Once, before everything else. */
void tasks_init(struct loop *loop);

/* Builds the container of the plan (payload of CREATE). joined: it did not come with the VM.
 * answer() follows when its first process is prepared, unless an error is returned. */
warn_unused int tasks_create(
	const void *plan, size_t len, bool joined, task_answer answer, void *arg, struct err *e);

/* Lets the first process run. answer() follows when it has become the program. */
warn_unused int tasks_start(const char *id, task_answer answer, void *arg, struct err *e);

/* Starts a further process (payload of EXEC after the id). */
warn_unused int tasks_exec(const char *id, const void *process, size_t len, task_answer answer,
	void *arg, struct err *e);

/* Hands the connection (owned from here on) to the process as its session; when that cannot be, it
 * ends. */
void tasks_attach(pid_t pid, int fd);

/* The asker is gone: its answer is dropped, and a process that nobody got is killed. */
void tasks_forget(void *arg);

warn_unused int tasks_kill(const char *id, int signal, bool all, struct err *e);

/* The network namespace that it is in (owned by the caller). */
warn_unused int tasks_net_namespace(const char *id, struct err *e);

/* Gives the container an interface, changes it to be like that, or takes it away. */
warn_unused int tasks_net(const char *id, const struct net_config *c, struct err *e);
warn_unused int tasks_net_gone(const char *id, uint32_t slot, struct err *e);

/* The folder of the container's cgroup (borrowed), or a negative errno with the error set. */
warn_unused int tasks_cgroup(const char *id, struct err *e);

/* Sends OOM to the connection (oom.h) for the container's sake. */
warn_unused int tasks_watch_oom(const char *id, int fd, struct err *e);

/* Children have ended: takes their statuses. */
void tasks_reap(void);

/* Frees what has ended; between two rounds of the event loop. */
void tasks_sweep(void);

#endif
