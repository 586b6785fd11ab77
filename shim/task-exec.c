/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task-exec.c - stdio and terminals of processes, and calls about further processes of a container.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "bundle-files.h"
#include "io.h"
#include "task.h"

#define EXEC_LIMIT 90

/* ---- stdio --------------------------------------------------------------------------------- */

int process_open_io(struct shim *s, struct process *p, struct job_spec *spec, struct err *e)
{
	struct task_io_names names = { .in = p->in,
		.out = p->out,
		.err = p->err,
		.terminal = p->terminal,
		.id = p->c->id,
		.ns = s->ns };
	int r = task_io_open(&p->io, &names, e);

	if (r == 0 && p->terminal)
		r = console_socket_open(&p->socket, p->c->bundle, e);
	if (r < 0) {
		task_io_done(&p->io);
		return r;
	}
	/* Both with a terminal and without stdout: no output of the process is to be kept for us.
	 */
	for (int i = 0; i < 3 && !p->terminal; i++)
		spec->fds[i] = p->io.fds[i];
	spec->no_output = true;
	spec->ready = p->io.ready;
	return 0;
}

int process_io_started(struct shim *s, struct process *p, struct err *e)
{
	int master = -EBADF;

	if (p->terminal) {
		master = console_socket_receive(&p->socket, e);
		console_socket_done(&p->socket);
		if (master < 0)
			return master;
		p->console = console_new(
			&s->loop, master, take_fd(&p->io.fds[0]), take_fd(&p->io.fds[1]));
	}
	task_io_handed_over(&p->io);
	return p->console || !p->terminal ? 0 : err_set(e, -ENOMEM, "terminal: out of memory");
}

void process_io_failed(struct process *p)
{
	console_socket_done(&p->socket);
	console_free(p->console);
	p->console = NULL;
	task_io_done(&p->io);
}

/* ---- Exec ---------------------------------------------------------------------------------- */

static void spec_name(const struct process *p, char *to, size_t size)
{
	(void)snprintf(to, size, "%s-process.json", p->id);
}

static int add_exec(
	struct shim *s, struct container *c, const Pb__ExecProcessRequest *m, struct err *e)
{
	cleanup(free) char *text = strndup((const char *)m->spec->value.data, m->spec->value.len);
	struct process *p = calloc(1, sizeof(*p));
	char name[256];
	int r = 0;

	if (p) {
		process_init(s, p, c);
		p->state = PROCESS_CREATED;
		p->id = strdup(m->exec_id);
	}
	if (!text || !p || !p->id ||
		process_set_io(p, m->stdin, m->stdout, m->stderr, m->terminal) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0) {
		spec_name(p, name, sizeof(name));
		r = bundle_file_write(c->bundle, name, text, e);
	}
	if (r < 0) {
		if (p)
			process_done(s, p);
		free(p);
		return r;
	}
	p->next = c->execs;
	c->execs = p;
	return 0;
}

void rpc_exec(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__ExecProcessRequest *m = message;
	Pb__TaskExecAdded event = PB__TASK_EXEC_ADDED__INIT;
	struct err e = { 0 }, none = { 0 };
	struct process *init = process_find(s, m->id, "", &e);
	int r = init ? 0 : e.code;

	if (r == 0 && !id_is_usable(m->exec_id))
		r = err_set(&e, -EINVAL, "invalid exec ID \"%.128s\"", m->exec_id);
	else if (r == 0 && !m->spec)
		r = err_set(&e, -EINVAL, "exec without a process");
	else if (r == 0 && process_find(s, m->id, m->exec_id, &none))
		r = err_set(&e, -EEXIST, "exec %s: already exists", m->exec_id);
	else if (r == 0 && init->state != PROCESS_RUNNING)
		r = err_set(&e, -EBUSY, "cannot exec in a container that does not run");
	if (r == 0)
		r = add_exec(s, init->c, m, &e);
	if (r < 0) {
		fail_with(s, a->to, &e);
		return;
	}
	event.container_id = m->id;
	event.exec_id = m->exec_id;
	events_publish(
		&s->events, "/tasks/exec-added", "containerd.events.TaskExecAdded", &event.base);
	server_reply(&s->server, a->to, NULL);
}

/* ---- Start of an exec ---------------------------------------------------------------------- */

static void on_exec_started(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct shim *s = call->s;
	struct process *p = process_by_serial(s, call->serial);
	Pb__TaskExecStarted event = PB__TASK_EXEC_STARTED__INIT;
	Pb__PidResponse answer = PB__PID_RESPONSE__INIT;
	struct err e = { 0 };

	if (!p) {
		fail_gone(s, call->to);
	} else if (end->status != 0) {
		fail_job(s, call->to, end, "OCI runtime exec failed");
		process_io_failed(p);
		p->state = PROCESS_CREATED;
	} else if (process_io_started(s, p, &e) < 0 || process_read_pid(s, p, &e) < 0) {
		fail_with(s, call->to, &e);
		process_io_failed(p);
		p->state = PROCESS_CREATED;
	} else {
		p->state = PROCESS_RUNNING;
		event.container_id = p->c->id;
		event.exec_id = p->id;
		event.pid = answer.pid = (uint32_t)p->pid;
		events_publish(&s->events, "/tasks/exec-started",
			"containerd.events.TaskExecStarted", &event.base);
		server_reply(&s->server, call->to, &answer.base);
	}
	if (p)
		process_settled(s, p);
	free(call);
}

void exec_start(struct shim *s, const struct ask *a, struct process *p)
{
	char file[PATH_MAX], name[256], process[PATH_MAX];
	const char *args[12] = { "exec", "--process", process, "--detach", "--pid-file", file };
	struct job_spec spec =
		command_for(p->c, (const char *[]){ NULL }, EXEC_LIMIT, a->timeout_ns);
	struct err e = { 0 };
	size_t n = 6;

	process_pid_file(p, file);
	(void)unlink(file);
	spec_name(p, name, sizeof(name));
	(void)snprintf(process, sizeof(process), "%s/%s", p->c->bundle, name);
	if (process_open_io(s, p, &spec, &e) < 0) {
		fail_with(s, a->to, &e);
		return;
	}
	if (p->terminal) {
		args[n++] = "--console-socket";
		args[n++] = p->socket.path;
	}
	args[n++] = p->c->id;
	command_add(&spec, args);
	if (call_start(s, a->to, p, &spec, on_exec_started) == 0)
		p->state = PROCESS_STARTING;
	else
		process_io_failed(p);
}

/* ---- terminals and stdin ------------------------------------------------------------------- */

void rpc_resize_pty(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__ResizePtyRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);
	struct err e = { 0 };
	int r = 0;

	if (!p)
		return;
	/* Without a terminal there is nothing to do, as with runc's shim. */
	if (p->console)
		r = console_resize(p->console, m->width, m->height);
	if (r < 0) {
		(void)err_sys(&e, r, "resize to %u x %u", m->width, m->height);
		fail_with(s, a->to, &e);
	} else {
		server_reply(&s->server, a->to, NULL);
	}
}

void rpc_close_io(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__CloseIORequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);

	if (!p)
		return;
	if (m->stdin)
		task_io_close_stdin(&p->io);
	server_reply(&s->server, a->to, NULL);
}

void rpc_checkpoint(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	server_fail(&s->server, a->to, TTRPC_UNIMPLEMENTED, "checkpoint: not supported by nestbox");
}
