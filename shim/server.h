/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - the ttrpc server: connections of containerd, requests in, answers out, in any order.
 */
#ifndef NESTBOX_SHIM_SERVER_H
#define NESTBOX_SHIM_SERVER_H

#include <protobuf-c/protobuf-c.h>

#include "loop.h"
#include "ttrpc-conn.h"

#define SERVER_MAX_CONNS 32
#define SERVER_MAX_PENDING 1024u /* requests of one connection that wait for their answer */

/* Who waits for an answer. A connection that has ended since is recognised by its generation. */
struct reply_to {
	uint32_t conn, generation, stream;
};

/* For calls that nobody made. */
#define REPLY_NOBODY ((struct reply_to){ .conn = SERVER_MAX_CONNS })

struct server_request {
	const char *service, *method;
	const uint8_t *payload;
	size_t len;
	uint64_t timeout_ns; /* the caller waits no longer; 0 = it did not say */
};

/* Has to answer once, now or later, by server_reply() or server_fail(). */
typedef void (*server_fn)(void *arg, struct reply_to to, const struct server_request *r);

struct server;

struct server_conn {
	struct server *server; /* borrowed: the table is part of it */
	struct ttrpc_conn conn; /* owned; not connected = free entry */
	uint32_t generation;
	unsigned pending;
};

struct server {
	struct loop *loop; /* borrowed: outlives us */
	int listen_fd; /* owned */
	int source;
	server_fn fn;
	void *arg;
	struct server_conn conns[SERVER_MAX_CONNS];
};

/* Serves a listening socket, which it takes over, also on failure. */
warn_unused int server_init(
	struct server *s, struct loop *loop, int listen_fd, server_fn fn, void *arg);

/* The answer. NULL is an empty message. */
void server_reply(struct server *s, struct reply_to to, const ProtobufCMessage *answer);

/* An error: a code of enum ttrpc_code and one line of text. */
void server_fail(struct server *s, struct reply_to to, int code, const char *text);

/* Whether all answers that were given are written. */
bool server_idle(const struct server *s);

void server_done(struct server *s);

#endif
