/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task-look.c - calls that look at containers and change nothing, and Shutdown.
 */
#include <errno.h>
#include <unistd.h>

#include "cgroup-stats.h"
#include "json.h"
#include "pb-text.h"
#include "task.h"

#define PS_LIMIT 30

/* ---- State --------------------------------------------------------------------------------- */

static Pb__TaskStatus status_of(const struct process *p)
{
	switch (p->state) {
	case PROCESS_CREATING:
	case PROCESS_CREATED:
		return PB__TASK_STATUS__TASK_CREATED;
	case PROCESS_STARTING:
	case PROCESS_RUNNING:
		return p->c->paused ? PB__TASK_STATUS__TASK_PAUSED : PB__TASK_STATUS__TASK_RUNNING;
	case PROCESS_STOPPED:
		break;
	}
	return PB__TASK_STATUS__TASK_STOPPED;
}

void rpc_state(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__ProcessRequest *m = message;
	Pb__StateResponse answer = PB__STATE_RESPONSE__INIT;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);
	Pb__Timestamp stamp = PB__TIMESTAMP__INIT;

	if (!p)
		return;
	stamp = pb_time(&p->exited_at);
	answer.id = *p->id ? p->id : p->c->id;
	answer.exec_id = p->id;
	answer.bundle = p->c->bundle;
	answer.pid = (uint32_t)p->pid;
	answer.status = status_of(p);
	answer.stdin = p->in;
	answer.stdout = p->out;
	answer.stderr = p->err;
	answer.terminal = p->terminal;
	answer.exit_status = p->exit_status;
	if (p->state == PROCESS_STOPPED)
		answer.exited_at = &stamp;
	server_reply(&s->server, a->to, &answer.base);
}

/* ---- Pids ---------------------------------------------------------------------------------- */

static const struct process *exec_of(const struct container *c, uint32_t pid)
{
	const struct process *p = c->execs;

	while (p && p->pid != (pid_t)pid)
		p = p->next;
	return p;
}

/* What is known of a process beside its number: which exec it is. */
static Pb__Any *details(struct arena *a, const struct process *exec)
{
	Pb__ProcessDetails d = PB__PROCESS_DETAILS__INIT;
	Pb__Any *any = arena_alloc(a, 1, sizeof(*any));
	uint8_t *data = NULL;

	d.exec_id = exec->id;
	data = arena_alloc(a, 1, pb__process_details__get_packed_size(&d));
	if (!any || !data)
		return NULL;
	pb__any__init(any);
	any->type_url = pb_text("containerd.runc.v1.ProcessDetails");
	any->value = (ProtobufCBinaryData){ pb__process_details__pack(&d, data), data };
	return any;
}

static int parse_pids(const struct container *c, const char *text, struct arena *a,
	Pb__PidsResponse *ret, struct err *e)
{
	struct json *root = NULL;
	int r = json_parse(text, strlen(text), "ps", a, &root, e);

	if (r < 0)
		return r;
	if (root->kind != JSON_ARRAY)
		return err_set(e, -EIO, "ps: no list");
	ret->processes = arena_alloc(a, root->n + 1, sizeof(Pb__ProcessInfo *));
	for (const struct json *v = root->first; ret->processes && v; v = v->next) {
		Pb__ProcessInfo *info = arena_alloc(a, 1, sizeof(*info));
		const struct process *exec = NULL;

		if (!info || v->kind != JSON_NUMBER)
			return err_set(e, -EIO, "ps: no list of numbers");
		pb__process_info__init(info);
		info->pid = (uint32_t)strtoul(v->text, NULL, 10);
		exec = exec_of(c, info->pid);
		info->info = exec ? details(a, exec) : NULL;
		ret->processes[ret->n_processes++] = info;
	}
	return ret->processes ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static void on_ps(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	struct shim *s = call->s;
	struct process *p = process_by_serial(s, call->serial);
	cleanup(arena) struct arena a = ARENA_INIT(16 << 20);
	Pb__PidsResponse answer = PB__PIDS_RESPONSE__INIT;
	struct err e = { 0 };

	if (!p || end->status != 0)
		fail_job(s, call->to, end, "OCI runtime ps failed");
	else if (parse_pids(p->c, end->output, &a, &answer, &e) < 0)
		fail_with(s, call->to, &e);
	else
		server_reply(&s->server, call->to, &answer.base);
	free(call);
}

void rpc_pids(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__IdRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, "");
	struct job_spec spec;

	if (!p)
		return;
	spec = command_for(p->c, (const char *[]){ "ps", "--format", "json", p->c->id, NULL },
		PS_LIMIT, a->timeout_ns);
	(void)call_start(s, a->to, p, &spec, on_ps);
}

/* ---- Wait, Stats, Connect, Shutdown -------------------------------------------------------- */

void rpc_wait(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__ProcessRequest *m = message;
	struct process *p = process_or_fail(s, a->to, m->id, m->exec_id);

	if (p && p->state == PROCESS_STOPPED)
		answer_exit(s, a->to, p);
	else if (p && waiter_add(&p->waiters, a->to) < 0)
		fail_text(s, a->to, -ENOMEM, "out of memory");
}

static void answer_stats(struct shim *s, struct reply_to to, uint8_t *data, size_t len)
{
	Pb__StatsResponse answer = PB__STATS_RESPONSE__INIT;
	Pb__Any any = PB__ANY__INIT;

	any.type_url = pb_text("io.containerd.cgroups.v2.Metrics");
	any.value = (ProtobufCBinaryData){ len, data };
	answer.stats = &any;
	server_reply(&s->server, to, &answer.base);
}

static void on_stats(void *arg, const struct job_end *end)
{
	struct call *call = arg;
	cleanup(free) uint8_t *data = NULL;
	struct err e = { 0 };
	size_t len = 0;

	if (end->status != 0)
		fail_job(call->s, call->to, end, "OCI runtime events failed");
	else if (guest_stats(end->output, &data, &len, &e) < 0)
		fail_with(call->s, call->to, &e);
	else
		answer_stats(call->s, call->to, data, len);
	free(call);
}

void rpc_stats(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__IdRequest *m = message;
	cleanup(free) uint8_t *data = NULL;
	struct job_spec spec;
	struct err e = { 0 };
	size_t len = 0;
	struct process *p = process_or_fail(s, a->to, m->id, "");

	if (!p)
		return;
	if (p->pid == 0) {
		fail_text(s, a->to, -EBUSY, "the container has not been made yet");
		return;
	}
	/* Another one than we were started for has joined that one's VM. */
	if (strcmp(m->id, s->id) != 0) {
		spec = command_for(p->c, (const char *[]){ "events", "--stats", m->id, NULL },
			PS_LIMIT, a->timeout_ns);
		(void)call_start(s, a->to, p, &spec, on_stats);
	} else if (cgroup_stats(p->pid, &data, &len, &e) < 0) {
		fail_with(s, a->to, &e);
	} else {
		answer_stats(s, a->to, data, len);
	}
}

void rpc_connect(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__IdRequest *m = message;
	Pb__ConnectResponse answer = PB__CONNECT_RESPONSE__INIT;
	const struct container *c = container_find(s, m->id);

	answer.shim_pid = (uint32_t)getpid();
	answer.task_pid = c ? (uint32_t)c->init.pid : 0;
	answer.version = pb_text(NESTBOX_VERSION);
	server_reply(&s->server, a->to, &answer.base);
}

void rpc_shutdown(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	shim_stop(s);
	server_reply(&s->server, a->to, NULL);
}
