/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.h - the containers of this shim, their processes, and what is common to the calls about
 * them.
 */
#ifndef NESTBOX_SHIM_TASK_H
#define NESTBOX_SHIM_TASK_H

#include <limits.h>
#include <time.h>

#include "console-io.h"
#include "err.h"
#include "events-out.h"
#include "jobs.h"
#include "loop.h"
#include "server.h"
#include "shim-api.pb-c.h"
#include "task-io.h"

#define SHIM_MAX_SOURCES 4096
#define EARLY_EXITS 64u
#define SECONDS 1000000000ull

enum process_state {
	PROCESS_CREATING, /* its create runs */
	PROCESS_CREATED, /* an exec: was only told of */
	PROCESS_STARTING, /* its start, or exec, runs */
	PROCESS_RUNNING,
	PROCESS_STOPPED,
};

struct waiter {
	struct waiter *next;
	struct reply_to to;
};

struct process {
	struct container *c; /* borrowed: owns us */
	struct process *next; /* of execs */
	uint64_t serial; /* never used again: what calls remember of a process */
	char *id; /* owned; "" for the container's first process */
	enum process_state state;
	pid_t pid; /* the monitor's; 0 until it is known */
	char *in, *out, *err; /* owned: names of its stdio */
	bool terminal;
	struct task_io io;
	struct console_socket socket;
	struct console *console; /* owned */
	bool exit_held; /* it ended before its create or start did: told after that */
	uint32_t exit_status;
	struct timespec exited_at;
	struct waiter *waiters; /* owned */
	uint64_t kill_at_ns; /* SIGKILL was sent: when the monitor is killed; 0 = never */
};

struct container {
	struct container *next;
	char *id, *bundle, *log; /* owned */
	char *command, *root; /* owned: nestbox, and its --root */
	bool systemd, paused;
	bool deleting; /* its delete runs */
	bool mounted; /* what the snapshotter named was mounted, or perhaps in part */
	int memory_events; /* owned: of its cgroup; -EBADF = none */
	struct process init;
	struct process *execs; /* owned */
};

/* An exit whose pid nobody knows yet: its create or exec has not been evaluated. */
struct early_exit {
	pid_t pid;
	int status;
	struct timespec at;
};

struct shim {
	struct loop loop;
	struct server server;
	struct jobs jobs;
	struct events events;
	const char *ns, *id; /* borrowed: the program's arguments */
	const char *command; /* borrowed: nestbox */
	struct container *containers; /* owned */
	uint64_t last_serial;
	struct early_exit early[EARLY_EXITS];
	unsigned n_early; /* counts on: an index modulo EARLY_EXITS */
	uint64_t stop_at_ns; /* Shutdown was asked for: when to end at the latest; 0 = not yet */
	struct timespec sandbox_started, sandbox_stopped; /* tv_sec 0 = not */
	struct waiter *sandbox_waiters; /* owned */
	/* The sandbox is being shut down: who waits for that (owned), and until when. */
	struct waiter *sandbox_closers;
	uint64_t close_by_ns; /* 0 = it is not */
};

/* ---- finding ---- */

struct container *container_find(struct shim *s, const char *id);

/* exec_id "": the container's first process. NULL with *e set when there is none. */
struct process *process_find(struct shim *s, const char *id, const char *exec_id, struct err *e);
struct process *process_by_serial(struct shim *s, uint64_t serial);

/* The same for a call, which was answered when this is NULL. */
struct process *process_or_fail(
	struct shim *s, struct reply_to to, const char *id, const char *exec_id);

/* ---- life ---- */

/* An empty container in the list; NULL: out of memory. */
struct container *container_new(struct shim *s, const char *id, const char *bundle);

/* Takes it off the list and frees it with its processes; who waits for them gets an error. */
void container_free(struct shim *s, struct container *c);

/* Kills and deletes it, with its events and for no caller; not while its create runs, which is to
 * look at close_by_ns itself. */
void container_end(struct shim *s, struct container *c);

/* An event that says no more than which container. */
void container_tell(struct shim *s, const struct container *c, const char *topic, const char *type);

void process_init(struct shim *s, struct process *p, struct container *c);

/* Frees what it holds, not itself. */
void process_done(struct shim *s, struct process *p);

/* The process's names of stdio, as given in a request. */
warn_unused int process_set_io(
	struct process *p, const char *in, const char *out, const char *err, bool terminal);

/* Where create or exec writes the pid. */
void process_pid_file(const struct process *p, char to[PATH_MAX]);

/* Takes the pid out of the file that create or exec wrote. */
warn_unused int process_read_pid(struct shim *s, struct process *p, struct err *e);

/* Its create or start has come to an end: tells the exit that was held back. */
void process_settled(struct shim *s, struct process *p);

/* The end of a process, for who waits for it. */
void answer_exit(struct shim *s, struct reply_to to, const struct process *p);

/* For jobs_init(). */
void shim_on_exit(void *arg, pid_t pid, int status);

/* Deadlines of processes; returns the next one, UINT64_MAX for none. */
uint64_t shim_tick(struct shim *s, uint64_t now_ns);

/* The same for a sandbox that is being shut down: ends the server with the last container. */
uint64_t sandbox_tick(struct shim *s, uint64_t now_ns);

/* The server ends soon, even with containers. */
void shim_stop_now(struct shim *s);

/* The server ends soon, unless there are containers: others of the same group are still served. */
void shim_stop(struct shim *s);

/* ---- answers ---- */

warn_unused int waiter_add(struct waiter **list, struct reply_to to);

/* An error by its errno. */
void fail_with(struct shim *s, struct reply_to to, const struct err *e);

/* The same without further ado: code is the errno. */
void fail_text(struct shim *s, struct reply_to to, int code, const char *text);

/* The command's process was deleted meanwhile. */
void fail_gone(struct shim *s, struct reply_to to);

/* An error of a command, with a text before it. */
void job_error(const struct job_end *end, const char *what, struct err *ret);
void fail_job(struct shim *s, struct reply_to to, const struct job_end *end, const char *what);

/* ---- commands ---- */

/* What is told to a call's end: freed by it. */
struct call {
	struct shim *s;
	struct reply_to to;
	uint64_t serial;
	void (*unmounted)(struct call *call); /* rootfs_unmount()'s */
	struct err failed; /* of a create: what is answered when its traces are gone */
	uint64_t answer_by_ns; /* of a create: until when the caller waits; 0 = he did not say */
};

/* A job of `nestbox … args`; args ends with NULL. timeout_ns: the caller's, 0 = none; seconds:
 * ours. */
struct job_spec command_for(
	const struct container *c, const char *const *args, unsigned seconds, uint64_t timeout_ns);

/* More arguments, up to a NULL. */
void command_add(struct job_spec *spec, const char *const *args);

/* Our deadline, or its caller's if that is sooner. */
static inline uint64_t call_until(const struct call *call, uint64_t at_ns)
{
	return call->answer_by_ns != 0 && call->answer_by_ns < at_ns ? call->answer_by_ns : at_ns;
}

/* Starts it with a call as its argument. */
warn_unused int call_try(struct shim *s, struct reply_to to, const struct process *p,
	struct job_spec *spec, job_fn done, struct err *e);

/* The same; when it fails the caller was answered. */
int call_start(struct shim *s, struct reply_to to, const struct process *p, struct job_spec *spec,
	job_fn done);

/* ---- the root filesystem: task-rootfs.c ---- */

/* Starts to mount what the snapshotter named; done gets the call, which it owns, with the end. */
warn_unused int rootfs_mount(struct shim *s, struct container *c, const Pb__CreateTaskRequest *m,
	struct call *call, job_fn done, struct err *e);

/* For done: what went wrong. */
int rootfs_mount_failed(const struct job_end *end, struct err *e);

/* Takes the mounts away, if there are any, then calls fn: when that takes too long, or cannot be
 * done, too. The call is fn's. */
void rootfs_unmount(
	struct shim *s, struct container *c, struct call *call, void (*fn)(struct call *call));

/* ---- calls: one function each, in task-life.c, task-exec.c, task-look.c, sandbox.c ---- */

struct ask {
	struct reply_to to;
	uint64_t timeout_ns;
};

void rpc_create(struct shim *s, const struct ask *a, const void *message);
void rpc_start(struct shim *s, const struct ask *a, const void *message);
void rpc_delete(struct shim *s, const struct ask *a, const void *message);
void rpc_kill(struct shim *s, const struct ask *a, const void *message);
void rpc_pause(struct shim *s, const struct ask *a, const void *message);
void rpc_resume(struct shim *s, const struct ask *a, const void *message);
void rpc_update(struct shim *s, const struct ask *a, const void *message);
void rpc_exec(struct shim *s, const struct ask *a, const void *message);
void rpc_resize_pty(struct shim *s, const struct ask *a, const void *message);
void rpc_close_io(struct shim *s, const struct ask *a, const void *message);
void rpc_checkpoint(struct shim *s, const struct ask *a, const void *message);
void rpc_state(struct shim *s, const struct ask *a, const void *message);
void rpc_pids(struct shim *s, const struct ask *a, const void *message);
void rpc_wait(struct shim *s, const struct ask *a, const void *message);
void rpc_stats(struct shim *s, const struct ask *a, const void *message);
void rpc_connect(struct shim *s, const struct ask *a, const void *message);
void rpc_shutdown(struct shim *s, const struct ask *a, const void *message);

void rpc_sandbox_create(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_start(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_platform(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_stop(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_wait(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_status(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_ping(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_shutdown(struct shim *s, const struct ask *a, const void *message);
void rpc_sandbox_metrics(struct shim *s, const struct ask *a, const void *message);

/* Starts the exec's process (rpc_start of one). */
void exec_start(struct shim *s, const struct ask *a, struct process *p);

/* Opens the stdio, and a socket for the terminal where there is one, and puts both into the
 * command. */
warn_unused int process_open_io(
	struct shim *s, struct process *p, struct job_spec *spec, struct err *e);

/* After the command: closes what it has, takes the terminal over. The command failed: closes all.
 */
warn_unused int process_io_started(struct shim *s, struct process *p, struct err *e);
void process_io_failed(struct process *p);

/* Looks a request's method up and makes the call. For server_init(). */
void methods_dispatch(void *arg, struct reply_to to, const struct server_request *r);

#endif
