/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events-out.h - tells containerd what happens, in the order in which it happens.
 *
 * Each event waits until the one before it was taken. While containerd is away they are kept, the
 * last EVENTS_MAX of them, and offered again every second.
 */
#ifndef NESTBOX_SHIM_EVENTS_OUT_H
#define NESTBOX_SHIM_EVENTS_OUT_H

#include <protobuf-c/protobuf-c.h>

#include "loop.h"
#include "ttrpc-conn.h"

#define EVENTS_MAX 1024u

struct event;

struct events {
	struct loop *loop; /* borrowed */
	const char *ns; /* borrowed: the program's arguments live as long as it does */
	const char *path; /* borrowed: of containerd's ttrpc socket; "" = nobody listens */
	struct ttrpc_conn conn; /* owned */
	uint32_t stream; /* of the last request */
	bool asked; /* the first event's answer is awaited */
	uint64_t deadline_ns; /* of that answer, or of the next try */
	struct event *first, *last; /* owned */
	size_t n;
};

/* path as in TTRPC_ADDRESS, with or without unix://. */
void events_init(struct events *ev, struct loop *loop, const char *ns, const char *path);

/* Queues one. topic: "/tasks/start". type: the message's full name, "containerd.events.TaskStart".
 */
void events_publish(
	struct events *ev, const char *topic, const char *type, const ProtobufCMessage *event);

/* Deadlines; returns the next one, UINT64_MAX for none. */
uint64_t events_tick(struct events *ev, uint64_t now_ns);

/* Whether all of them were taken. */
static inline bool events_idle(const struct events *ev)
{
	return ev->n == 0;
}

void events_done(struct events *ev);

#endif
