/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs.c - runs the nestbox command and reaps all children; see jobs.h.
 *
 * A job dies with the shim (PDEATHSIG): a command that nobody waits for any more undoes what it
 * began.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "jobs.h"
#include "json.h"
#include "signals.h"

#define OUTPUT_MAX ((size_t)4 << 20)
#define LOG_TAIL ((off_t)65536)
#define POLL_NS 5000000L

void jobs_init(struct jobs *j, jobs_exit_fn on_exit, void *arg)
{
	*j = (struct jobs){ .on_exit = on_exit, .arg = arg };
}

size_t jobs_running(const struct jobs *j)
{
	size_t n = 0;

	for (size_t i = 0; i < JOBS_MAX; i++)
		n += j->v[i].pid != 0 && !j->v[i].given_up;
	return n;
}

/* ---- start --------------------------------------------------------------------------------- */

/* In the child: what went wrong before the command could say it itself. */
static _Noreturn void fail_before(const struct job_spec *spec, const char *text)
{
	int fd = spec->log
		? open(spec->log,
			  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)
		: -EBADF;

	if (fd >= 0)
		(void)dprintf(fd, "{\"level\":\"error\",\"msg\":\"%s\"}\n", text);
	_exit(127);
}

static _Noreturn void become(const struct job_spec *spec, const int fds[3], pid_t shim)
{
	bool wait = spec->ready > 0;
	int from[4] = { fds[0], fds[1], fds[2], spec->ready };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != shim)
		_exit(127);
	signals_reset();
	/* Out of the way first: one of them may be 0 to 3 itself. */
	for (int i = 0; i < 3 + wait; i++) {
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
		if (from[i] < 0)
			_exit(127);
	}
	for (int i = 0; i < 3 + wait; i++) {
		if (dup2(from[i], i) < 0)
			_exit(127);
	}
	/* At once: a copy of a pipe's end in here would keep its other end from seeing the end. */
	(void)close_range(3 + (unsigned)wait, ~0u, 0);
	if (wait && io_wait_readable(3, JOB_READY_MS) <= 0)
		fail_before(spec, "the logging program did not get ready");
	(void)close_range(3, ~0u, 0);
	if (spec->run)
		_exit(spec->run(spec->run_arg));
	/* execvp() takes its arguments as not const, and leaves them alone. */
	(void)execvp(spec->argv[0], (char *const *)(uintptr_t)spec->argv);
	fail_before(spec, "the command cannot be executed");
}

static off_t size_of(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 ? st.st_size : 0;
}

static int fill_entry(struct job *entry, const struct job_spec *spec)
{
	*entry = (struct job){ .output = -EBADF,
		.deadline_ns = spec->deadline_ns,
		.done = spec->done,
		.arg = spec->arg,
		.log_from = size_of(spec->log) };
	entry->output = memfd_create("output", MFD_CLOEXEC);
	if (entry->output < 0)
		return -errno;
	entry->log = spec->log ? strdup(spec->log) : NULL;
	return spec->log && !entry->log ? -ENOMEM : 0;
}

static void clear_entry(struct job *entry)
{
	close_fd(&entry->output);
	free(entry->log);
	*entry = (struct job){ .output = -EBADF };
}

int job_start(struct jobs *j, const struct job_spec *spec, struct err *e)
{
	cleanup(close) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t shim = getpid();
	struct job *entry = NULL;
	int fds[3], r = 0;

	for (size_t i = 0; !entry && i < JOBS_MAX; i++)
		entry = j->v[i].pid == 0 ? &j->v[i] : NULL;
	if (!entry)
		return err_set(e, -EAGAIN, "%d commands run already", JOBS_MAX);
	r = null < 0 ? -errno : fill_entry(entry, spec);
	if (r == 0) {
		for (int i = 0; i < 3; i++)
			fds[i] = spec->fds[i] >= 0 ? spec->fds[i] : null;
		if (spec->fds[1] < 0 && !spec->no_output)
			fds[1] = entry->output;
		entry->pid = fork();
		if (entry->pid == 0)
			become(spec, fds, shim);
		r = entry->pid < 0 ? -errno : 0;
	}
	if (r < 0) {
		clear_entry(entry);
		return err_sys(e, r, "%s", spec->argv[0]);
	}
	return 0;
}

/* ---- end ----------------------------------------------------------------------------------- */

/* The message of one line of the log, when it is an error's. */
static void take_error(const char *line, size_t len, char *to, size_t size)
{
	cleanup(arena) struct arena a = ARENA_INIT(1 << 20);
	const char *level = "", *message = "";
	struct json *root = NULL;
	struct err e;

	if (json_parse(line, len, "log", &a, &root, &e) < 0 || root->kind != JSON_OBJECT)
		return;
	for (const struct json *v = root->first; v; v = v->next) {
		if (v->kind == JSON_STRING && strcmp(v->key, "level") == 0)
			level = v->text;
		if (v->kind == JSON_STRING && strcmp(v->key, "msg") == 0)
			message = v->text;
	}
	if (strcmp(level, "error") == 0)
		(void)snprintf(to, size, "%s", message);
}

void job_last_error(const char *path, off_t from, char *to, size_t size)
{
	cleanup(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup(free) char *text = NULL;
	off_t end = size_of(path);
	size_t len = 0;

	to[0] = '\0';
	if (end - from > LOG_TAIL)
		from = end - LOG_TAIL;
	if (fd < 0 || lseek(fd, from, SEEK_SET) < 0 ||
		io_read_file(fd, 2 * (size_t)LOG_TAIL, &text, &len) < 0)
		return;
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		take_error(line, n, to, size);
		line += n + (line[n] == '\n');
	}
	err_flatten(to);
}

/* Tells the end of what was in an entry, which is free, or kept for an exit, by now. */
static void tell_end(struct job job, int status)
{
	struct job_end end = { .timed_out = job.timed_out, .status = status, .error = "" };
	cleanup(free) char *output = NULL;
	char error[ERR_MSG_MAX] = "";
	size_t len = 0;

	if (lseek(job.output, 0, SEEK_SET) == 0 &&
		io_read_file(job.output, OUTPUT_MAX, &output, &len) < 0)
		output = NULL;
	end.output = output ? output : "";
	if (job.timed_out)
		(void)snprintf(error, sizeof(error), "the command took too long and was ended");
	else if (status != 0 && job.log)
		job_last_error(job.log, job.log_from, error, sizeof(error));
	if (status != 0 && !*error)
		(void)snprintf(error, sizeof(error), "the command ended with status %d", status);
	end.error = error;
	if (job.done)
		job.done(job.arg, &end);
	clear_entry(&job);
}

static void finish(struct job *entry, int status)
{
	struct job job = *entry;

	/* The entry is free for what done starts. */
	*entry = (struct job){ .output = -EBADF };
	if (!job.given_up)
		tell_end(job, status);
}

/* It has not died of SIGKILL, and may do so at any time. */
static void give_up(struct job *entry)
{
	struct job job = *entry;

	*entry = (struct job){ .pid = job.pid, .output = -EBADF, .given_up = true };
	tell_end(job, 128 + SIGKILL);
}

void jobs_reap(struct jobs *j)
{
	int ended[JOBS_MAX], wait_status = 0;
	bool has_ended[JOBS_MAX] = { 0 };
	pid_t pid = 0;

	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
		int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
						    : 128 + WTERMSIG(wait_status);
		size_t i = 0;

		while (i < JOBS_MAX && j->v[i].pid != pid)
			i++;
		if (i < JOBS_MAX) {
			has_ended[i] = true;
			ended[i] = status;
			continue;
		}
		j->on_exit(j->arg, pid, status);
	}
	for (size_t i = 0; i < JOBS_MAX; i++) {
		if (has_ended[i])
			finish(&j->v[i], ended[i]);
	}
}

uint64_t jobs_tick(struct jobs *j, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *job = &j->v[i];

		if (job->pid == 0 || job->given_up || job->deadline_ns > now_ns)
			continue;
		if (job->timed_out) {
			give_up(job);
			continue;
		}
		job->timed_out = true;
		job->deadline_ns = now_ns + JOB_DYING_NS;
		(void)kill(job->pid, SIGKILL);
	}
	/* Of those too that the end of another has started. */
	for (size_t i = 0; i < JOBS_MAX; i++) {
		const struct job *job = &j->v[i];

		if (job->pid != 0 && !job->given_up && job->deadline_ns < next)
			next = job->deadline_ns;
	}
	return next;
}

static void ignore_exit(void *arg, pid_t pid, int status)
{
	(void)arg;
	(void)pid;
	(void)status;
}

int job_run(const struct job_spec *spec, struct err *e)
{
	static struct jobs jobs;
	int r = 0;

	jobs_init(&jobs, ignore_exit, NULL);
	r = job_start(&jobs, spec, e);
	while (r == 0 && jobs_running(&jobs) > 0) {
		(void)nanosleep(&(struct timespec){ .tv_nsec = POLL_NS }, NULL);
		(void)jobs_tick(&jobs, io_now_ns());
		jobs_reap(&jobs);
	}
	return r;
}
