/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.c - the Sandbox service. Each container has a VM of its own, so a sandbox is nothing but
 * this shim: it is there from its start to its stop, and stopping it ends every container of it;
 * shutting it down deletes them, too.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "io.h"
#include "pb-text.h"
#include "task.h"

#define STOP_LIMIT 60

void rpc_sandbox_create(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	server_reply(&s->server, a->to, NULL);
}

void rpc_sandbox_start(struct shim *s, const struct ask *a, const void *message)
{
	Pb__StartSandboxResponse answer = PB__START_SANDBOX_RESPONSE__INIT;
	Pb__Timestamp stamp = PB__TIMESTAMP__INIT;

	(void)message;
	if (s->sandbox_started.tv_sec != 0) {
		server_fail(&s->server, a->to, TTRPC_FAILED_PRECONDITION,
			"the sandbox was started already");
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &s->sandbox_started);
	stamp = pb_time(&s->sandbox_started);
	answer.pid = (uint32_t)getpid();
	answer.created_at = &stamp;
	server_reply(&s->server, a->to, &answer.base);
}

void rpc_sandbox_platform(struct shim *s, const struct ask *a, const void *message)
{
	Pb__PlatformResponse answer = PB__PLATFORM_RESPONSE__INIT;
	Pb__Platform platform = PB__PLATFORM__INIT;

	(void)message;
	platform.os = pb_text("linux");
	platform.architecture = pb_text("amd64");
	answer.platform = &platform;
	server_reply(&s->server, a->to, &answer.base);
}

/* Everything that runs is killed; containerd deletes the containers after that. */
static void kill_containers(struct shim *s)
{
	for (struct container *c = s->containers; c; c = c->next) {
		struct job_spec spec = command_for(
			c, (const char *[]){ "kill", c->id, "KILL", NULL }, STOP_LIMIT, 0);
		struct err e;

		if (c->init.state == PROCESS_STOPPED || c->deleting)
			continue;
		/* Where the command fails, the monitor is killed soon after. */
		c->init.kill_at_ns = io_now_ns() + 2 * SECONDS;
		(void)!job_start(&s->jobs, &spec, &e);
	}
}

static void answer_wait(struct shim *s, struct reply_to to)
{
	Pb__WaitResponse answer = PB__WAIT_RESPONSE__INIT;
	Pb__Timestamp stamp = pb_time(&s->sandbox_stopped);

	answer.exited_at = &stamp;
	server_reply(&s->server, to, &answer.base);
}

static void tell_stopped(struct shim *s)
{
	if (s->sandbox_stopped.tv_sec == 0)
		(void)clock_gettime(CLOCK_REALTIME, &s->sandbox_stopped);
	while (s->sandbox_waiters) {
		struct waiter *w = s->sandbox_waiters;

		s->sandbox_waiters = w->next;
		answer_wait(s, w->to);
		free(w);
	}
}

void rpc_sandbox_stop(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	kill_containers(s);
	tell_stopped(s);
	server_reply(&s->server, a->to, NULL);
}

void rpc_sandbox_wait(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	if (s->sandbox_stopped.tv_sec != 0)
		answer_wait(s, a->to);
	else if (waiter_add(&s->sandbox_waiters, a->to) < 0)
		server_fail(&s->server, a->to, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
}

void rpc_sandbox_status(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__IdRequest *m = message;
	Pb__SandboxStatusResponse answer = PB__SANDBOX_STATUS_RESPONSE__INIT;
	Pb__Timestamp started = pb_time(&s->sandbox_started);
	Pb__Timestamp stopped = pb_time(&s->sandbox_stopped);
	bool ready = s->sandbox_started.tv_sec != 0 && s->sandbox_stopped.tv_sec == 0;

	answer.sandbox_id = m->id;
	answer.pid = (uint32_t)getpid();
	answer.state = pb_text(ready ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
	answer.created_at = s->sandbox_started.tv_sec != 0 ? &started : NULL;
	answer.exited_at = s->sandbox_stopped.tv_sec != 0 ? &stopped : NULL;
	server_reply(&s->server, a->to, &answer.base);
}

void rpc_sandbox_ping(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	server_reply(&s->server, a->to, NULL);
}

/* After the answer containerd takes the bundles away, and does not call `delete`: nothing may be
 * left by then. */
void rpc_sandbox_shutdown(struct shim *s, const struct ask *a, const void *message)
{
	(void)message;
	if (waiter_add(&s->sandbox_closers, a->to) < 0) {
		fail_text(s, a->to, -ENOMEM, "out of memory");
		return;
	}
	tell_stopped(s);
	if (s->close_by_ns != 0)
		return;
	s->close_by_ns = io_now_ns() + STOP_LIMIT * SECONDS;
	for (struct container *c = s->containers; c; c = c->next)
		container_end(s, c);
}

uint64_t sandbox_tick(struct shim *s, uint64_t now_ns)
{
	if (!s->sandbox_closers)
		return UINT64_MAX;
	if (s->containers && now_ns < s->close_by_ns)
		return s->close_by_ns;
	while (s->sandbox_closers) {
		struct waiter *w = s->sandbox_closers;

		s->sandbox_closers = w->next;
		if (s->containers)
			fail_text(s, w->to, -ETIMEDOUT,
				"shutdown: not all containers could be deleted");
		else
			server_reply(&s->server, w->to, NULL);
		free(w);
	}
	shim_stop_now(s);
	return UINT64_MAX;
}

void rpc_sandbox_metrics(struct shim *s, const struct ask *a, const void *message)
{
	const Pb__IdRequest *m = message;
	Pb__SandboxMetricsResponse answer = PB__SANDBOX_METRICS_RESPONSE__INIT;
	Pb__Metric metric = PB__METRIC__INIT;
	Pb__Timestamp stamp = pb_now();

	/* A sandbox without containers uses nothing; what these use, Stats tells. */
	metric.timestamp = &stamp;
	metric.id = m->id;
	answer.metrics = &metric;
	server_reply(&s->server, a->to, &answer.base);
}
