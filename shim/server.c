/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - the ttrpc server; see server.h.
 *
 * Owner:   an entry owns its connection, which does not end while an answer is given. Trust: frames
 * come from whoever may connect (root, by the socket's mode). What is no request gets an error or
 * no answer; a client that does not read loses its connection.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"
#include "shim-api.pb-c.h"

static void close_conn(struct server_conn *c)
{
	ttrpc_conn_close(&c->conn);
	c->pending = 0;
	c->generation++;
}

static struct server_conn *conn_of(struct server *s, struct reply_to to)
{
	struct server_conn *c = NULL;

	if (to.conn >= SERVER_MAX_CONNS)
		return NULL;
	c = &s->conns[to.conn];
	return c->conn.fd >= 0 && c->generation == to.generation ? c : NULL;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void send_response(struct server *s, struct reply_to to, const Pb__Response *response)
{
	struct server_conn *c = conn_of(s, to);
	size_t len = pb__response__get_packed_size(response);
	uint8_t *payload = NULL;
	int r = 0;

	if (!c)
		return;
	if (c->pending > 0)
		c->pending--;
	r = ttrpc_conn_add(&c->conn, TTRPC_RESPONSE, to.stream, len, &payload);
	/* The loop sees the end and closes; here the caller may be in the middle of its reading. */
	if (r < 0)
		(void)shutdown(c->conn.fd, SHUT_RDWR);
	else
		(void)pb__response__pack(response, payload);
}

void server_reply(struct server *s, struct reply_to to, const ProtobufCMessage *answer)
{
	Pb__Response response = PB__RESPONSE__INIT;
	cleanup(free) uint8_t *data = NULL;
	size_t len = answer ? protobuf_c_message_get_packed_size(answer) : 0;

	if (len > 0) {
		data = malloc(len);
		if (!data || len > TTRPC_MAX) {
			server_fail(s, to, TTRPC_RESOURCE_EXHAUSTED, "the answer is too large");
			return;
		}
		(void)protobuf_c_message_pack(answer, data);
	}
	response.payload = (ProtobufCBinaryData){ .len = len, .data = data };
	send_response(s, to, &response);
}

void server_fail(struct server *s, struct reply_to to, int code, const char *text)
{
	Pb__Response response = PB__RESPONSE__INIT;
	Pb__Status status = PB__STATUS__INIT;
	char message[2048];

	(void)snprintf(message, sizeof(message), "%s", text);
	status.code = code;
	status.message = message;
	response.status = &status;
	send_response(s, to, &response);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void handle_request(struct server_conn *c, struct reply_to to)
{
	struct server *s = c->server;
	Pb__Request *r = pb__request__unpack(NULL, c->conn.in.frame.len, c->conn.in.payload);
	struct server_request request = { 0 };

	if (!r) {
		server_fail(s, to, TTRPC_INVALID_ARGUMENT, "the request is no protobuf message");
		return;
	}
	request = (struct server_request){ .service = r->service,
		.method = r->method,
		.payload = r->payload.data,
		.len = r->payload.len,
		.timeout_ns = r->timeout_nano > 0 ? (uint64_t)r->timeout_nano : 0 };
	s->fn(s->arg, to, &request);
	pb__request__free_unpacked(r, NULL);
}

static void handle_frame(void *arg, enum ttrpc_event event)
{
	struct server_conn *c = arg;
	struct server *s = c->server;
	struct reply_to to = { .conn = (uint32_t)(c - s->conns),
		.generation = c->generation,
		.stream = c->conn.in.frame.stream };

	/* Data belongs to streaming calls, of which there are none; responses are ours to send. */
	if (c->conn.in.frame.type != TTRPC_REQUEST)
		return;
	c->pending++;
	if (event == TTRPC_TOO_LARGE)
		server_fail(s, to, TTRPC_RESOURCE_EXHAUSTED, "the message is longer than 4 MiB");
	else if (to.stream % 2 != 1)
		server_fail(s, to, TTRPC_INVALID_ARGUMENT, "a client's streams have odd numbers");
	else if (c->pending > SERVER_MAX_PENDING)
		server_fail(s, to, TTRPC_RESOURCE_EXHAUSTED, "too many requests wait");
	else
		handle_request(c, to);
}

static void on_conn(void *arg, uint32_t events)
{
	struct server_conn *c = arg;

	if (ttrpc_conn_handle(&c->conn, events, handle_frame, c) < 0)
		close_conn(c);
}

static void on_listen(void *arg, uint32_t events)
{
	struct server *s = arg;
	cleanup(close) int fd =
		loop_accept(s->loop, s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	for (size_t i = 0; fd >= 0 && i < SERVER_MAX_CONNS; i++) {
		struct server_conn *c = &s->conns[i];

		if (c->conn.fd >= 0)
			continue;
		(void)!ttrpc_conn_open(&c->conn, s->loop, take_fd(&fd), on_conn, c);
		return;
	}
}

int server_init(struct server *s, struct loop *loop, int listen_fd, server_fn fn, void *arg)
{
	*s = (struct server){ .loop = loop, .listen_fd = listen_fd, .fn = fn, .arg = arg };
	for (size_t i = 0; i < SERVER_MAX_CONNS; i++)
		s->conns[i] = (struct server_conn){ .server = s, .conn = TTRPC_CONN_INIT };
	s->source = loop_add(loop, listen_fd, EPOLLIN, on_listen, s);
	if (s->source < 0)
		close_fd(&s->listen_fd);
	return s->source < 0 ? s->source : 0;
}

bool server_idle(const struct server *s)
{
	for (size_t i = 0; i < SERVER_MAX_CONNS; i++) {
		if (s->conns[i].conn.out.len > 0)
			return false;
	}
	return true;
}

void server_done(struct server *s)
{
	for (size_t i = 0; i < SERVER_MAX_CONNS; i++)
		close_conn(&s->conns[i]);
	loop_del(s->loop, s->source);
	close_fd(&s->listen_fd);
}
