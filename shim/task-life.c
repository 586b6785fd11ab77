/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task-life.c - calls that make, start, change and end a container.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bundle-files.h"
#include "cgroup-stats.h"
#include "io.h"
#include "pb-text.h"
#include "task.h"

#define RUNC_OPTIONS "containerd.runc.v1.Options"
/* Seconds: past what nestbox itself waits for, which has its own words for what was late. */
#define CREATE_LIMIT 120
#define START_LIMIT 660 /* hooks of the guest have ten minutes */
#define SHORT_LIMIT 60
#define KILL_GRACE (10 * SECONDS)

/* ---- Create -------------------------------------------------------------------------------- */

static int take_options(struct shim *s, struct container *c, const Pb__Any *options, struct err *e)
{
	struct bundle_runtime rt = { 0 };
	Pb__RuncOptions *o = NULL;
	int r = 0;

	if (options && strcmp(options->type_url, RUNC_OPTIONS) == 0) {
		o = pb__runc_options__unpack(NULL, options->value.len, options->value.data);
		if (!o)
			return err_set(e, -EINVAL, "options: no " RUNC_OPTIONS);
	}
	/* The file is not there yet: the defaults. */
	r = bundle_runtime_read(c->bundle, s->command, s->ns, &rt);
	c->command = o && *o->binary_name ? strdup(o->binary_name) : take_ptr(rt.command);
	c->systemd = o && o->systemd_cgroup;
	if (o && *o->root) {
		if (asprintf(&c->root, "%s/%s", o->root, s->ns) < 0)
			c->root = NULL;
	} else {
		c->root = take_ptr(rt.root);
	}
	bundle_runtime_done(&rt);
	if (o)
		pb__runc_options__free_unpacked(o, NULL);
	if (r < 0 || !c->command || !c->root)
		return err_set(e, -ENOMEM, "out of memory");
	return bundle_runtime_write(
		c->bundle, &(struct bundle_runtime){ c->command, c->root, c->systemd }, e);
}

static int sandbox_is_shut(struct err *e)
{
	return err_set(e, -EBUSY, "the sandbox is being shut down");
}

/* Who gets the answer may take the same id again, or shut us down: nothing may be left by then. */
static void on_undone(struct call *call)
{
	struct process *p = process_by_serial(call->s, call->serial);

	if (p)
		container_free(call->s, p->c);
	fail_with(call->s, call->to, &call->failed);
	free(call);
}

/* The call is its own; failed says why. */
static void create_failed(struct call *call, struct container *c)
{
	c->deleting = true;
	rootfs_unmount(call->s, c, call, on_undone);
}

/* The command that takes away what a failed create may have left has ended: nothing else can be
 * done. */
static void on_swept(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct process *p = process_by_serial(call->s, call->serial);

	(void)end;
	if (p)
		create_failed(call, p->c);
	else
		free(call);
}

/* No VM, no mount may stay. */
static void sweep(struct call *call, struct container *c)
{
	struct job_spec spec = command_for(
		c, (const char *[]){ "delete", "--force", c->id, NULL }, SHORT_LIMIT, 0);
	struct err none;

	c->deleting = true;
	process_io_failed(&c->init);
	spec.done = on_swept;
	spec.arg = call;
	if (job_start(&call->s->jobs, &spec, &none) < 0)
		create_failed(call, c);
}

static void tell_created(struct shim *s, const struct process *p)
{
	Pb__TaskIO io = PB__TASK_IO__INIT;
	Pb__TaskCreate event = PB__TASK_CREATE__INIT;

	io.stdin = p->in;
	io.stdout = p->out;
	io.stderr = p->err;
	io.terminal = p->terminal;
	event.container_id = p->c->id;
	event.bundle = p->c->bundle;
	event.io = &io;
	event.pid = (uint32_t)p->pid;
	events_publish(&s->events, "/tasks/create", "containerd.events.TaskCreate", &event.base);
}

static void on_created(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct shim *s = call->s;
	struct process *p = process_by_serial(s, call->serial);
	Pb__PidResponse answer = PB__PID_RESPONSE__INIT;
	struct err *e = &call->failed;

	/* It cannot have gone: what is being made is not deleted. */
	if (!p) {
		fail_gone(s, call->to);
	} else if (end->status != 0) {
		job_error(end, "OCI runtime create failed", e);
	} else if (s->close_by_ns != 0) {
		(void)sandbox_is_shut(e);
	} else if (process_io_started(s, p, e) == 0 && process_read_pid(s, p, e) == 0) {
		p->state = PROCESS_CREATED;
		p->c->memory_events = cgroup_memory_events(p->pid);
		tell_created(s, p);
		answer.pid = (uint32_t)p->pid;
		server_reply(&s->server, call->to, &answer.base);
		process_settled(s, p);
	}
	if (p && e->code != 0)
		sweep(call, p->c);
	else
		free(call);
}

/* The command, when there is a root filesystem. 0: on_created() gets the call. */
static int make(struct call *call, struct container *c, struct err *e)
{
	struct process *p = &c->init;
	char file[PATH_MAX];
	const char *args[10] = { "create", "--bundle", c->bundle, "--pid-file", file };
	struct job_spec spec = command_for(c, (const char *[]){ NULL }, CREATE_LIMIT, 0);
	size_t n = 5;
	int r = process_open_io(call->s, p, &spec, e);

	if (r < 0)
		return r;
	spec.deadline_ns = call_until(call, spec.deadline_ns);
	process_pid_file(p, file);
	(void)unlink(file);
	if (p->terminal) {
		args[n++] = "--console-socket";
		args[n++] = p->socket.path;
	}
	args[n++] = c->id;
	command_add(&spec, args);
	spec.done = on_created;
	spec.arg = call;
	return job_start(&call->s->jobs, &spec, e);
}

static void on_mounted(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct process *p = process_by_serial(call->s, call->serial);
	int r = 0;

	if (!p) {
		fail_gone(call->s, call->to);
		free(call);
		return;
	}
	if (end->status != 0)
		r = rootfs_mount_failed(end, &call->failed);
	else if (call->s->close_by_ns != 0)
		r = sandbox_is_shut(&call->failed);
	else
		r = make(call, p->c, &call->failed);
	if (r < 0)
		create_failed(call, p->c);
}

static void create(struct shim *s, const struct ask *a, struct container *c,
	const Pb__CreateTaskRequest *m, struct call *call)
{
	struct err *e = &call->failed;
	int r = 0;

	*call = (struct call){ .s = s, .to = a->to, .serial = c->init.serial };
	if (a->timeout_ns > 0)
		call->answer_by_ns = io_now_ns() + a->timeout_ns;
	if (process_set_io(&c->init, m->stdin, m->stdout, m->stderr, m->terminal) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = take_options(s, c, m->options, e);
	if (r == 0)
		r = m->n_rootfs > 0 ? rootfs_mount(s, c, m, call, on_mounted, e) : make(call, c, e);
	if (r < 0)
		create_failed(call, c);
}

static int check_create(struct shim *s, const Pb__CreateTaskRequest *m, struct err *e)
{
	if (s->close_by_ns != 0)
		return sandbox_is_shut(e);
	if (!id_is_usable(m->id))
		return err_set(e, -EINVAL, "invalid container ID \"%.128s\"", m->id);
	if (m->bundle[0] != '/' || strlen(m->bundle) > PATH_MAX - 256)
		return err_set(e, -EINVAL, "bundle \"%.200s\": no absolute path", m->bundle);
	if (*m->checkpoint)
		return err_set(
			e, -EOPNOTSUPP, "restore from a checkpoint: not supported by nestbox");
	if (container_find(s, m->id))
		return err_set(e, -EEXIST, "container %s: already exists", m->id);
	return 0;
}

void rpc_create(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__CreateTaskRequest *m = message;
	struct container *c = NULL;
	struct call *call = NULL;
	struct err e = { 0 };

	if (check_create(s, m, &e) < 0) {
		fail_with(s, a->to, &e);
		return;
	}
	call = calloc(1, sizeof(*call));
	c = call ? container_new(s, m->id, m->bundle) : NULL;
	if (c) {
		create(s, a, c, m, call);
	} else {
		free(call);
		fail_text(s, a->to, -ENOMEM, "out of memory");
	}
}

/* ---- Start --------------------------------------------------------------------------------- */

static void on_started(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct shim *s = call->s;
	struct process *p = process_by_serial(s, call->serial);
	Pb__PidResponse answer = PB__PID_RESPONSE__INIT;
	Pb__TaskStart event = PB__TASK_START__INIT;

	if (!p) {
		fail_gone(s, call->to);
	} else if (end->status != 0) {
		p->state = PROCESS_CREATED;
		fail_job(s, call->to, end, "OCI runtime start failed");
	} else {
		p->state = PROCESS_RUNNING;
		event.container_id = p->c->id;
		event.pid = answer.pid = (uint32_t)p->pid;
		events_publish(
			&s->events, "/tasks/start", "containerd.events.TaskStart", &event.base);
		server_reply(&s->server, call->to, &answer.base);
	}
	if (p)
		process_settled(s, p);
	free(call);
}

void rpc_start(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__ProcessRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);
	struct job_spec spec;

	if (!p)
		return;
	if (p->state != PROCESS_CREATED || p->c->deleting) {
		fail_text(s, a->to, -EBUSY, "cannot start a process that is not in state created");
		return;
	}
	if (*p->id) {
		exec_start(s, a, p);
		return;
	}
	spec = command_for(
		p->c, (const char *[]){ "start", p->c->id, NULL }, START_LIMIT, a->timeout_ns);
	if (call_start(s, a->to, p, &spec, on_started) == 0)
		p->state = PROCESS_STARTING;
}

/* ---- Delete -------------------------------------------------------------------------------- */

static void answer_deleted(struct shim *s, struct reply_to to, const struct process *p)
{
	Pb__DeleteResponse answer = PB__DELETE_RESPONSE__INIT;
	Pb__Timestamp stamp = pb_time(&p->exited_at);

	answer.pid = (uint32_t)p->pid;
	answer.exit_status = p->exit_status;
	answer.exited_at = &stamp;
	server_reply(&s->server, to, &answer.base);
}

static void tell_deleted(struct shim *s, const struct process *p)
{
	Pb__TaskDelete event = PB__TASK_DELETE__INIT;
	Pb__Timestamp stamp = pb_time(&p->exited_at);

	event.container_id = p->c->id;
	event.pid = (uint32_t)p->pid;
	event.exit_status = p->exit_status;
	event.exited_at = &stamp;
	events_publish(&s->events, "/tasks/delete", "containerd.events.TaskDelete", &event.base);
}

static void on_all_gone(struct call *call)
{
	struct shim *s = call->s;
	struct process *p = process_by_serial(s, call->serial);

	if (p) {
		tell_deleted(s, p);
		answer_deleted(s, call->to, p);
		container_free(s, p->c);
	}
	free(call);
}

static void on_deleted(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct shim *s = call->s;
	struct process *p = process_by_serial(s, call->serial);

	if (!p) {
		fail_gone(s, call->to);
	} else if (end->status != 0 && !strstr(end->error, "does not exist")) {
		p->c->deleting = false;
		fail_job(s, call->to, end, "OCI runtime delete failed");
	} else {
		/* One that was never started was killed by its delete: its exit comes first. */
		if (p->state != PROCESS_STOPPED) {
			(void)clock_gettime(CLOCK_REALTIME, &p->exited_at);
			p->exit_status = 128 + SIGKILL;
			p->exit_held = true;
			process_settled(s, p);
		}
		rootfs_unmount(s, p->c, call, on_all_gone);
		return;
	}
	free(call);
}

static void delete_exec(struct shim *s, const struct ask *a, struct process *p)
{
	struct process **at = &p->c->execs;
	char file[PATH_MAX];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	process_pid_file(p, file);
	(void)unlink(file);
	(void)snprintf(file, sizeof(file), "%s/%s-process.json", p->c->bundle, p->id);
	(void)unlink(file);
	answer_deleted(s, a->to, p);
	process_done(s, p);
	free(p);
}

static void delete_container(
	struct shim *s, const struct ask *a, const struct process *p, const char *force)
{
	struct container *c = p->c;
	const char *const forced[] = { "delete", force, c->id, NULL };
	const char *const plain[] = { "delete", c->id, NULL };
	struct job_spec spec = command_for(c, force ? forced : plain, SHORT_LIMIT, a->timeout_ns);

	c->deleting = call_start(s, a->to, p, &spec, on_deleted) == 0;
}

void container_end(struct shim *s, struct container *c)
{
	const struct ask nobody = { .to = REPLY_NOBODY };

	if (!c->deleting && c->init.state != PROCESS_CREATING)
		delete_container(s, &nobody, &c->init, "--force");
}

void rpc_delete(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__ProcessRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);
	bool stopped = p && p->state == PROCESS_STOPPED;

	if (!p)
		return;
	if ((!stopped && p->state != PROCESS_CREATED) || p->c->deleting) {
		fail_text(s, a->to, -EBUSY, "cannot delete a process that is not stopped");
		return;
	}
	if (*p->id) {
		delete_exec(s, a, p);
		return;
	}
	delete_container(s, a, p, stopped ? NULL : "--force");
}

/* ---- Kill ---------------------------------------------------------------------------------- */

static bool says_gone(const char *error)
{
	return strstr(error, "process already finished") || strstr(error, "not running") ||
		strstr(error, "no such process") || strstr(error, "does not exist");
}

static void on_killed(void *arg, const struct job_end *end)
{
	struct call *call = arg;

	if (end->status == 0)
		server_reply(&call->s->server, call->to, NULL);
	else if (says_gone(end->error))
		server_fail(&call->s->server, call->to, TTRPC_NOT_FOUND, end->error);
	else
		fail_job(call->s, call->to, end, "OCI runtime kill failed");
	free(call);
}

/* An exec's monitor forwards what it gets; SIGKILL ends its connection, and with that the process.
 */
static void kill_exec(struct shim *s, const struct ask *a, struct process *p, uint32_t number)
{
	if (p->pid > 0 && kill(p->pid, (int)number) == 0)
		server_reply(&s->server, a->to, NULL);
	else
		fail_text(s, a->to, -ESRCH, "no such process");
}

void rpc_kill(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__KillRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);
	char number[16];
	struct job_spec spec;

	if (!p)
		return;
	if (m->signal > (uint32_t)SIGRTMAX) {
		fail_text(s, a->to, -EINVAL, "no such signal");
		return;
	}
	if (p->state == PROCESS_STOPPED || p->exit_held) {
		fail_text(s, a->to, -ESRCH, "process already finished");
		return;
	}
	if (m->signal == SIGKILL)
		p->kill_at_ns = io_now_ns() + KILL_GRACE;
	if (*p->id) {
		kill_exec(s, a, p, m->signal);
		return;
	}
	(void)snprintf(number, sizeof(number), "%u", m->signal);
	spec = command_for(p->c,
		m->all ? (const char *[]){ "kill", "--all", p->c->id, number, NULL }
		       : (const char *[]){ "kill", p->c->id, number, NULL },
		SHORT_LIMIT, a->timeout_ns);
	(void)call_start(s, a->to, p, &spec, on_killed);
}

/* ---- Pause, Resume, Update ----------------------------------------------------------------- */

static void on_pause_or_resume(struct call *call, const struct job_end *end, bool paused)
{
	struct process *p = process_by_serial(call->s, call->serial);

	if (p && end->status == 0) {
		p->c->paused = paused;
		container_tell(call->s, p->c, paused ? "/tasks/paused" : "/tasks/resumed",
			paused ? "containerd.events.TaskPaused" : "containerd.events.TaskResumed");
		server_reply(&call->s->server, call->to, NULL);
	} else {
		fail_job(call->s, call->to, end,
			paused ? "OCI runtime pause failed" : "OCI runtime resume failed");
	}
	free(call);
}

static void on_paused(void *arg, const struct job_end *end)
{
	on_pause_or_resume(arg, end, true);
}

static void on_resumed(void *arg, const struct job_end *end)
{
	on_pause_or_resume(arg, end, false);
}

/* A command that has the id as its only operand. */
static void simple(
	struct shim *s, const struct ask *a, const char *id, const char *verb, job_fn done)
{
	struct process *p = process_or_fail(s, a->to, id, "");
	struct job_spec spec;

	if (!p)
		return;
	spec = command_for(
		p->c, (const char *[]){ verb, p->c->id, NULL }, SHORT_LIMIT, a->timeout_ns);
	(void)call_start(s, a->to, p, &spec, done);
}

void rpc_pause(struct shim *s, const struct ask *a, const void *message)
{
	simple(s, a, ((const Pb__IdRequest *)message)->id, "pause", on_paused);
}

void rpc_resume(struct shim *s, const struct ask *a, const void *message)
{
	simple(s, a, ((const Pb__IdRequest *)message)->id, "resume", on_resumed);
}

static void on_updated(void *arg, const struct job_end *end)
{
	struct call *call = arg;

	if (end->status == 0)
		server_reply(&call->s->server, call->to, NULL);
	else
		fail_job(call->s, call->to, end, "OCI runtime update failed");
	free(call);
}

void rpc_update(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__UpdateTaskRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, "");
	cleanup(close) int in = -EBADF;
	struct job_spec spec;

	if (!p)
		return;
	if (!m->resources) {
		fail_text(s, a->to, -EINVAL, "update without resources");
		return;
	}
	in = io_memfd_sealed("resources", m->resources->value.data, m->resources->value.len);
	if (in < 0) {
		fail_text(s, a->to, in, "resources: no memory for them");
		return;
	}
	spec = command_for(p->c, (const char *[]){ "update", "--resources=-", p->c->id, NULL },
		SHORT_LIMIT, a->timeout_ns);
	spec.fds[0] = in;
	(void)call_start(s, a->to, p, &spec, on_updated);
}
