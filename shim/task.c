/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c - containers and processes: finding them, their end, what waits for it; see task.h.
 *
 * Owner:   the shim owns containers, a container its processes. A call that runs a command
 * remembers a process by its serial number, as the process may be gone when the command ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "bundle-files.h"
#include "cgroup-stats.h"
#include "io.h"
#include "pb-text.h"
#include "task.h"

#define LAST_WORDS (5 * SECONDS)

/* ---- finding ------------------------------------------------------------------------------- */

struct container *container_find(struct shim *s, const char *id)
{
	struct container *c = s->containers;

	while (c && strcmp(c->id, id) != 0)
		c = c->next;
	return c;
}

struct process *process_find(struct shim *s, const char *id, const char *exec_id, struct err *e)
{
	struct container *c = container_find(s, id);
	struct process *p = NULL;

	if (!c) {
		(void)err_set(e, -ENOENT, "container %.128s: not found", id);
		return NULL;
	}
	if (!*exec_id)
		return &c->init;
	for (p = c->execs; p && strcmp(p->id, exec_id) != 0;)
		p = p->next;
	if (!p)
		(void)err_set(e, -ENOENT, "exec %.128s: not found", exec_id);
	return p;
}

typedef bool (*match_fn)(const struct process *p, uint64_t value);

static struct process *find_where(struct shim *s, match_fn match, uint64_t value)
{
	for (struct container *c = s->containers; c; c = c->next) {
		if (match(&c->init, value))
			return &c->init;
		for (struct process *p = c->execs; p; p = p->next) {
			if (match(p, value))
				return p;
		}
	}
	return NULL;
}

static bool has_serial(const struct process *p, uint64_t serial)
{
	return p->serial == serial;
}

static bool has_pid(const struct process *p, uint64_t pid)
{
	return p->state != PROCESS_STOPPED && !p->exit_held && p->pid == (pid_t)pid;
}

struct process *process_by_serial(struct shim *s, uint64_t serial)
{
	return find_where(s, has_serial, serial);
}

struct process *process_or_fail(
	struct shim *s, struct reply_to to, const char *id, const char *exec_id)
{
	struct err e = { 0 };
	struct process *p = process_find(s, id, exec_id, &e);

	if (!p)
		fail_with(s, to, &e);
	return p;
}

/* ---- life ---------------------------------------------------------------------------------- */

void process_init(struct shim *s, struct process *p, struct container *c)
{
	*p = (struct process){ .c = c, .serial = ++s->last_serial, .io = TASK_IO_INIT };
	p->socket = CONSOLE_SOCKET_INIT;
}

static void fail_waiters(struct shim *s, struct waiter **list)
{
	while (*list) {
		struct waiter *w = *list;

		*list = w->next;
		fail_gone(s, w->to);
		free(w);
	}
}

void process_done(struct shim *s, struct process *p)
{
	fail_waiters(s, &p->waiters);
	console_free(p->console);
	console_socket_done(&p->socket);
	task_io_done(&p->io);
	free(p->id);
	free(p->in);
	free(p->out);
	free(p->err);
}

struct container *container_new(struct shim *s, const char *id, const char *bundle)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	process_init(s, &c->init, c);
	c->memory_events = -EBADF;
	c->next = s->containers;
	s->containers = c;
	c->id = strdup(id);
	c->bundle = strdup(bundle);
	c->init.id = strdup("");
	if (asprintf(&c->log, "%s/log.json", bundle) < 0)
		c->log = NULL;
	if (!c->id || !c->bundle || !c->init.id || !c->log) {
		container_free(s, c);
		return NULL;
	}
	return c;
}

void container_free(struct shim *s, struct container *c)
{
	struct container **at = &s->containers;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	while (c->execs) {
		struct process *p = c->execs;

		c->execs = p->next;
		process_done(s, p);
		free(p);
	}
	process_done(s, &c->init);
	close_fd(&c->memory_events);
	free(c->id);
	free(c->bundle);
	free(c->log);
	free(c->command);
	free(c->root);
	free(c);
}

int process_set_io(
	struct process *p, const char *in, const char *out, const char *err, bool terminal)
{
	p->in = strdup(in);
	p->out = strdup(out);
	p->err = strdup(err);
	p->terminal = terminal;
	return p->in && p->out && p->err ? 0 : -ENOMEM;
}

/* ---- the end of a process ------------------------------------------------------------------ */

void answer_exit(struct shim *s, struct reply_to to, const struct process *p)
{
	Pb__Timestamp stamp = pb_time(&p->exited_at);
	Pb__WaitResponse answer = PB__WAIT_RESPONSE__INIT;

	answer.exit_status = p->exit_status;
	answer.exited_at = &stamp;
	server_reply(&s->server, to, &answer.base);
}

void container_tell(struct shim *s, const struct container *c, const char *topic, const char *type)
{
	Pb__TaskEvent event = PB__TASK_EVENT__INIT;

	event.container_id = c->id;
	events_publish(&s->events, topic, type, &event.base);
}

static void tell_exit(struct shim *s, struct process *p)
{
	Pb__Timestamp stamp = pb_time(&p->exited_at);
	Pb__TaskExit event = PB__TASK_EXIT__INIT;

	p->state = PROCESS_STOPPED;
	p->exit_held = false;
	p->kill_at_ns = 0;
	/* Nobody reads stdin any more; output may wait in a fifo for its reader until the delete.
	 */
	task_io_close_stdin(&p->io);
	/* Where the OOM killer struck in the guest, the monitor had it strike in the cgroup, too.
	 */
	if (!*p->id && cgroup_oom_kills(p->c->memory_events))
		container_tell(s, p->c, "/tasks/oom", "containerd.events.TaskOOM");
	event.container_id = p->c->id;
	event.id = *p->id ? p->id : p->c->id;
	event.pid = (uint32_t)p->pid;
	event.exit_status = p->exit_status;
	event.exited_at = &stamp;
	events_publish(&s->events, "/tasks/exit", "containerd.events.TaskExit", &event.base);
	while (p->waiters) {
		struct waiter *w = p->waiters;

		p->waiters = w->next;
		answer_exit(s, w->to, p);
		free(w);
	}
}

static void process_exited(struct shim *s, struct process *p, const struct early_exit *x)
{
	p->exit_status = (uint32_t)x->status;
	p->exited_at = x->at;
	/* Events come in the order create, start, exit. */
	if (p->state == PROCESS_CREATING || p->state == PROCESS_STARTING)
		p->exit_held = true;
	else
		tell_exit(s, p);
}

void process_settled(struct shim *s, struct process *p)
{
	if (p->exit_held)
		tell_exit(s, p);
}

void shim_on_exit(void *arg, pid_t pid, int status)
{
	struct shim *s = arg;
	struct process *p = find_where(s, has_pid, (uint64_t)pid);
	struct early_exit x = { .pid = pid, .status = status };

	(void)clock_gettime(CLOCK_REALTIME, &x.at);
	if (p)
		process_exited(s, p, &x);
	else
		s->early[s->n_early++ % EARLY_EXITS] = x;
}

/* The pid is known now: perhaps its exit is, too. */
static void claim_early(struct shim *s, struct process *p)
{
	for (unsigned i = 0; i < EARLY_EXITS; i++) {
		if (s->early[i].pid == p->pid) {
			process_exited(s, p, &s->early[i]);
			s->early[i].pid = 0;
		}
	}
}

void process_pid_file(const struct process *p, char to[PATH_MAX])
{
	if (*p->id)
		(void)snprintf(to, PATH_MAX, "%s/%s-process.pid", p->c->bundle, p->id);
	else
		(void)snprintf(to, PATH_MAX, "%s/" INIT_PID_FILE, p->c->bundle);
}

int process_read_pid(struct shim *s, struct process *p, struct err *e)
{
	char file[PATH_MAX];
	int r = 0;

	process_pid_file(p, file);
	r = pid_file_read(file, &p->pid);
	if (r < 0)
		return err_sys(e, r, "%s", file);
	claim_early(s, p);
	return 0;
}

/* A monitor whose output nobody takes does not end by itself, even when its process was killed. */
static uint64_t kill_late(struct process *p, uint64_t now_ns)
{
	if (p->kill_at_ns == 0)
		return UINT64_MAX;
	if (now_ns < p->kill_at_ns)
		return p->kill_at_ns;
	p->kill_at_ns = 0;
	if (p->pid > 0 && p->state != PROCESS_STOPPED && !p->exit_held)
		(void)kill(p->pid, SIGKILL);
	return UINT64_MAX;
}

uint64_t shim_tick(struct shim *s, uint64_t now_ns)
{
	uint64_t next = sandbox_tick(s, now_ns);

	for (struct container *c = s->containers; c; c = c->next) {
		uint64_t at = kill_late(&c->init, now_ns);

		next = at < next ? at : next;
		for (struct process *p = c->execs; p; p = p->next) {
			at = kill_late(p, now_ns);
			next = at < next ? at : next;
		}
	}
	/* No command runs whose process could have ended early: a pid here would be a later one's.
	 */
	if (jobs_running(&s->jobs) == 0)
		memset(s->early, 0, sizeof(s->early));
	return next;
}

void shim_stop_now(struct shim *s)
{
	s->stop_at_ns = io_now_ns() + LAST_WORDS;
}

void shim_stop(struct shim *s)
{
	if (!s->containers)
		shim_stop_now(s);
}

/* ---- answers ------------------------------------------------------------------------------- */

int waiter_add(struct waiter **list, struct reply_to to)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->to = to;
	w->next = *list;
	*list = w;
	return 0;
}

void fail_with(struct shim *s, struct reply_to to, const struct err *e)
{
	static const struct {
		int error, code;
	} codes[] = { { -ENOENT, TTRPC_NOT_FOUND }, { -ESRCH, TTRPC_NOT_FOUND },
		{ -EEXIST, TTRPC_ALREADY_EXISTS }, { -EINVAL, TTRPC_INVALID_ARGUMENT },
		{ -EBUSY, TTRPC_FAILED_PRECONDITION }, { -EOPNOTSUPP, TTRPC_UNIMPLEMENTED },
		{ -EAGAIN, TTRPC_RESOURCE_EXHAUSTED }, { -ENOMEM, TTRPC_RESOURCE_EXHAUSTED },
		{ -ETIMEDOUT, TTRPC_DEADLINE_EXCEEDED } };
	int code = TTRPC_UNKNOWN;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].error == e->code)
			code = codes[i].code;
	}
	server_fail(&s->server, to, code, e->msg);
}

void fail_text(struct shim *s, struct reply_to to, int code, const char *text)
{
	struct err e = { 0 };

	(void)err_set(&e, code, "%s", text);
	fail_with(s, to, &e);
}

void fail_gone(struct shim *s, struct reply_to to)
{
	fail_text(s, to, -ENOENT, "the process was deleted");
}

void job_error(const struct job_end *end, const char *what, struct err *ret)
{
	(void)err_set(ret, end->timed_out ? -ETIMEDOUT : -EIO, "%s: %s", what, end->error);
}

void fail_job(struct shim *s, struct reply_to to, const struct job_end *end, const char *what)
{
	struct err e = { 0 };

	job_error(end, what, &e);
	fail_with(s, to, &e);
}

/* ---- commands ------------------------------------------------------------------------------ */

void command_add(struct job_spec *spec, const char *const *args)
{
	size_t n = 0;

	while (spec->argv[n])
		n++;
	while (*args && n + 1 < JOB_MAX_ARGS)
		spec->argv[n++] = *args++;
}

struct job_spec command_for(
	const struct container *c, const char *const *args, unsigned seconds, uint64_t timeout_ns)
{
	struct job_spec spec = { .log = c->log, .fds = { -EBADF, -EBADF, -EBADF } };
	uint64_t limit = seconds * SECONDS;
	size_t n = 0;

	spec.argv[n++] = c->command;
	spec.argv[n++] = "--root";
	spec.argv[n++] = c->root;
	spec.argv[n++] = "--log";
	spec.argv[n++] = c->log;
	spec.argv[n++] = "--log-format";
	spec.argv[n++] = "json";
	if (c->systemd)
		spec.argv[n] = "--systemd-cgroup";
	command_add(&spec, args);
	if (timeout_ns > 0 && timeout_ns < limit)
		limit = timeout_ns;
	spec.deadline_ns = io_now_ns() + limit;
	return spec;
}

int call_try(struct shim *s, struct reply_to to, const struct process *p, struct job_spec *spec,
	job_fn done, struct err *e)
{
	struct call *call = calloc(1, sizeof(*call));
	int r = 0;

	if (!call)
		return err_set(e, -ENOMEM, "out of memory");
	*call = (struct call){ .s = s, .to = to, .serial = p->serial };
	spec->done = done;
	spec->arg = call;
	r = job_start(&s->jobs, spec, e);
	if (r < 0)
		free(call);
	return r;
}

int call_start(struct shim *s, struct reply_to to, const struct process *p, struct job_spec *spec,
	job_fn done)
{
	struct err e = { 0 };
	int r = call_try(s, to, p, spec, done, &e);

	if (r < 0)
		fail_with(s, to, &e);
	return r;
}
