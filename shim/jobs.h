/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.h - runs the nestbox command, many at a time, without waiting for any; reaps all children.
 * The same for functions that may hang in the kernel.
 */
#ifndef NESTBOX_SHIM_JOBS_H
#define NESTBOX_SHIM_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

#define JOBS_MAX 64
#define JOB_MAX_ARGS 24
#define JOB_READY_MS 5000
#define JOB_DYING_NS 2000000000ull

struct job_end {
	bool timed_out; /* it was killed at its deadline, and may be dying still */
	int status; /* exit status, 128 + signal when it was killed */
	const char
		*output; /* what it wrote to stdout, where that was not handed in; NUL-terminated */
	const char *error; /* its last error by its log, "" when status is 0 */
};

typedef void (*job_fn)(void *arg, const struct job_end *end);

struct job_spec {
	const char *argv[JOB_MAX_ARGS]; /* ends with NULL; argv[0] is looked up in PATH if it has no
					   '/' */
	int (*run)(void *arg); /* not NULL: is called in the job's process instead of a command, and
				  returns its exit status; argv[0] is its name then */
	void *run_arg; /* borrowed until job_start() returns: the process has a copy */
	const char *log; /* the file of argv's --log; its last error is told. NULL = none */
	int fds[3]; /* borrowed; -EBADF = /dev/null, but stdout is kept for job_end unless no_output
		     */
	bool no_output;
	int ready; /* borrowed; 0 = none: the command begins when this one has input or its end, and
		    * fails where that takes JOB_READY_MS. It is not the server that waits. */
	uint64_t deadline_ns; /* io_now_ns() at which it is killed */
	job_fn done; /* may be NULL: nobody waits for the end */
	void *arg; /* borrowed; or owned by done */
};

struct job {
	pid_t pid; /* 0 = free entry */
	int output; /* owned: anonymous file */
	char *log; /* owned */
	off_t log_from; /* the log is longer by our entries only */
	bool timed_out;
	bool given_up; /* its end was told: the entry is there for the exit alone */
	uint64_t deadline_ns;
	job_fn done;
	void *arg;
};

/* An exit of a child that is no job: a monitor's. */
typedef void (*jobs_exit_fn)(void *arg, pid_t pid, int status);

struct jobs {
	struct job v[JOBS_MAX];
	jobs_exit_fn on_exit;
	void *arg;
};

void jobs_init(struct jobs *j, jobs_exit_fn on_exit, void *arg);

/* Starts one. -EAGAIN when JOBS_MAX run, or why it cannot be started; done is not called then. */
warn_unused int job_start(struct jobs *j, const struct job_spec *spec, struct err *e);

/* How many run whose end will be told. */
size_t jobs_running(const struct jobs *j);

/* After SIGCHLD: reaps whatever ended. All exits are told before the ends of jobs. */
void jobs_reap(struct jobs *j);

/* Kills what is past its deadline. What does not die of that, as it hangs in the kernel, is given
 * up JOB_DYING_NS later: its end is told. Returns when to call again, UINT64_MAX for never. */
uint64_t jobs_tick(struct jobs *j, uint64_t now_ns);

/* One to its end, where nothing else is to be done: done was called when this returns 0. */
warn_unused int job_run(const struct job_spec *spec, struct err *e);

/* The last error in a log of JSON lines (from byte from on), "" when there is none. */
void job_last_error(const char *path, off_t from, char *to, size_t size);

#endif
