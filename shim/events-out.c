/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events-out.c - a ttrpc client of containerd's Events service; see events-out.h.
 *
 * Owner:   events own their packed requests. An event leaves the queue when containerd has
 * answered, whatever it answered: what it refused once it will refuse again.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "events-out.h"
#include "io.h"
#include "pb-text.h"

#define ANSWER_NS 5000000000ull
#define AGAIN_NS 1000000000ull

struct event {
	struct event *next;
	size_t len;
	uint8_t request[]; /* packed ttrpc Request */
};

static void try_first(struct events *ev);

void events_init(struct events *ev, struct loop *loop, const char *ns, const char *path)
{
	if (strncmp(path, "unix://", 7) == 0)
		path += 7;
	*ev = (struct events){ .loop = loop, .ns = ns, .path = path, .conn = TTRPC_CONN_INIT };
}

static void drop_first(struct events *ev)
{
	struct event *e = ev->first;

	ev->first = e->next;
	if (!ev->first)
		ev->last = NULL;
	ev->n--;
	free(e);
}

/* Not now: the connection ends, and with it the answer that is awaited. */
static void give_up(struct events *ev)
{
	ttrpc_conn_close(&ev->conn);
	ev->asked = false;
	ev->deadline_ns = io_now_ns() + AGAIN_NS;
}

static void take_answer(void *arg, enum ttrpc_event event)
{
	struct events *ev = arg;

	(void)event;
	if (ev->asked && ev->conn.in.frame.type == TTRPC_RESPONSE &&
		ev->conn.in.frame.stream == ev->stream) {
		ev->asked = false;
		drop_first(ev);
	}
}

static void on_socket(void *arg, uint32_t events)
{
	struct events *ev = arg;

	if (ttrpc_conn_handle(&ev->conn, events, take_answer, ev) < 0)
		give_up(ev);
	else
		try_first(ev);
}

static int connect_socket(struct events *ev)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(ev->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, ev->path, strlen(ev->path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	ev->stream = 0;
	return ttrpc_conn_open(&ev->conn, ev->loop, take_fd(&fd), on_socket, ev);
}

/* Sends the first event of the queue, unless its answer is awaited already. */
static void try_first(struct events *ev)
{
	uint8_t *payload = NULL;
	int r = 0;

	if (ev->asked || !ev->first)
		return;
	if (ev->conn.fd < 0)
		r = connect_socket(ev);
	if (r == 0) {
		ev->stream = ev->stream == 0 ? 1 : ev->stream + 2;
		r = ttrpc_conn_add(&ev->conn, TTRPC_REQUEST, ev->stream, ev->first->len, &payload);
	}
	if (r < 0) {
		give_up(ev);
		return;
	}
	memcpy(payload, ev->first->request, ev->first->len);
	ev->asked = true;
	ev->deadline_ns = io_now_ns() + ANSWER_NS;
}

/* Packs a message; NULL when memory runs out. */
static uint8_t *packed(const ProtobufCMessage *m, size_t *ret_len)
{
	uint8_t *data = NULL;

	*ret_len = protobuf_c_message_get_packed_size(m);
	data = malloc(*ret_len + 1);
	if (data)
		(void)protobuf_c_message_pack(m, data);
	return data;
}

static struct event *new_event(
	const struct events *ev, const char *topic, const char *type, const ProtobufCMessage *event)
{
	Pb__Any any = PB__ANY__INIT;
	Pb__Timestamp stamp = pb_now();
	Pb__Envelope envelope = PB__ENVELOPE__INIT;
	Pb__ForwardRequest forward = PB__FORWARD_REQUEST__INIT;
	Pb__Request request = PB__REQUEST__INIT;
	cleanup(free) uint8_t *value = packed(event, &any.value.len), *payload = NULL;
	struct event *e = NULL;
	size_t len = 0;

	any.type_url = pb_text(type);
	any.value.data = value;
	envelope.timestamp = &stamp;
	envelope.namespace_ = pb_text(ev->ns);
	envelope.topic = pb_text(topic);
	envelope.event = &any;
	forward.envelope = &envelope;
	if (value)
		payload = packed(&forward.base, &request.payload.len);
	if (!payload)
		return NULL;
	request.service = pb_text("containerd.services.events.ttrpc.v1.Events");
	request.method = pb_text("Forward");
	request.payload.data = payload;
	request.timeout_nano = (int64_t)ANSWER_NS;
	len = pb__request__get_packed_size(&request);
	e = malloc(sizeof(*e) + len);
	if (e) {
		e->next = NULL;
		e->len = pb__request__pack(&request, e->request);
	}
	return e;
}

void events_publish(
	struct events *ev, const char *topic, const char *type, const ProtobufCMessage *event)
{
	struct event *e = *ev->path ? new_event(ev, topic, type, event) : NULL;

	if (!e)
		return;
	if (ev->n == EVENTS_MAX) {
		/* The oldest one goes, and with it the answer that may be awaited for it. */
		give_up(ev);
		drop_first(ev);
	}
	if (ev->last)
		ev->last->next = e;
	else
		ev->first = e;
	ev->last = e;
	ev->n++;
	if (ev->conn.fd >= 0 || ev->n == 1)
		try_first(ev);
}

uint64_t events_tick(struct events *ev, uint64_t now_ns)
{
	if (!ev->first)
		return UINT64_MAX;
	if (now_ns >= ev->deadline_ns) {
		if (ev->asked)
			give_up(ev);
		else
			try_first(ev);
	}
	return ev->deadline_ns;
}

void events_done(struct events *ev)
{
	while (ev->first)
		drop_first(ev);
	give_up(ev);
}
