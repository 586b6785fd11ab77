/* SPDX-License-Identifier: Apache-2.0 */
/*
 * methods.c - which request is which call: the table of services and methods.
 */
#include "task.h"

struct method {
	const char *name;
	const ProtobufCMessageDescriptor *request;
	void (*fn)(struct shim *s, const struct ask *a, const void *message);
};

/* Version 2 of the service (containerd 1.x) and 3 (2.x) have the same methods and messages. */
static const struct method task_methods[] = {
	{ "State", &pb__process_request__descriptor, rpc_state },
	{ "Create", &pb__create_task_request__descriptor, rpc_create },
	{ "Start", &pb__process_request__descriptor, rpc_start },
	{ "Delete", &pb__process_request__descriptor, rpc_delete },
	{ "Pids", &pb__id_request__descriptor, rpc_pids },
	{ "Pause", &pb__id_request__descriptor, rpc_pause },
	{ "Resume", &pb__id_request__descriptor, rpc_resume },
	{ "Checkpoint", &pb__id_request__descriptor, rpc_checkpoint },
	{ "Kill", &pb__kill_request__descriptor, rpc_kill },
	{ "Exec", &pb__exec_process_request__descriptor, rpc_exec },
	{ "ResizePty", &pb__resize_pty_request__descriptor, rpc_resize_pty },
	{ "CloseIO", &pb__close_iorequest__descriptor, rpc_close_io },
	{ "Update", &pb__update_task_request__descriptor, rpc_update },
	{ "Wait", &pb__process_request__descriptor, rpc_wait },
	{ "Stats", &pb__id_request__descriptor, rpc_stats },
	{ "Connect", &pb__id_request__descriptor, rpc_connect },
	{ "Shutdown", &pb__id_request__descriptor, rpc_shutdown },
	{ 0 },
};

static const struct method sandbox_methods[] = {
	{ "CreateSandbox", &pb__id_request__descriptor, rpc_sandbox_create },
	{ "StartSandbox", &pb__id_request__descriptor, rpc_sandbox_start },
	{ "Platform", &pb__id_request__descriptor, rpc_sandbox_platform },
	{ "StopSandbox", &pb__id_request__descriptor, rpc_sandbox_stop },
	{ "WaitSandbox", &pb__id_request__descriptor, rpc_sandbox_wait },
	{ "SandboxStatus", &pb__id_request__descriptor, rpc_sandbox_status },
	{ "PingSandbox", &pb__id_request__descriptor, rpc_sandbox_ping },
	{ "ShutdownSandbox", &pb__id_request__descriptor, rpc_sandbox_shutdown },
	{ "SandboxMetrics", &pb__id_request__descriptor, rpc_sandbox_metrics },
	{ 0 },
};

static const struct {
	const char *name;
	const struct method *methods;
} services[] = {
	{ "containerd.task.v2.Task", task_methods },
	{ "containerd.task.v3.Task", task_methods },
	{ "containerd.runtime.sandbox.v1.Sandbox", sandbox_methods },
};

static const struct method *find_method(const char *service, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		if (strcmp(services[i].name, service) != 0)
			continue;
		for (const struct method *m = services[i].methods; m->name; m++) {
			if (strcmp(m->name, name) == 0)
				return m;
		}
	}
	return NULL;
}

void methods_dispatch(void *arg, struct reply_to to, const struct server_request *r)
{
	struct shim *s = arg;
	const struct method *method = find_method(r->service, r->method);
	const struct ask a = { .to = to, .timeout_ns = r->timeout_ns };
	ProtobufCMessage *message = NULL;
	char text[256];

	if (!method) {
		(void)snprintf(
			text, sizeof(text), "%.100s/%.100s: no such method", r->service, r->method);
		err_sanitize(text, strlen(text));
		server_fail(&s->server, to, TTRPC_UNIMPLEMENTED, text);
		return;
	}
	message = protobuf_c_message_unpack(method->request, NULL, r->len, r->payload);
	if (!message) {
		(void)snprintf(
			text, sizeof(text), "%s: the payload is no such message", method->name);
		server_fail(&s->server, to, TTRPC_INVALID_ARGUMENT, text);
		return;
	}
	method->fn(s, &a, message);
	protobuf_c_message_free_unpacked(message, NULL);
}
