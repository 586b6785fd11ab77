/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events-out.c - a ttrpc client of containerd's Events service; see events-out.h.
 *
 * Owner:   events own their packed requests. An event leaves the queue when containerd has
 * answered, whatever it answered: what it refused once it will refuse again.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "events-out.h"
#include "io.h"
#include "pb-text.h"
#include "shim-api.pb-c.h"

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
	*ev = (struct events){ .loop = loop, .ns = ns, .path = path, .fd = -EBADF, .source = -1 };
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
	if (ev->source >= 0)
		loop_del(ev->loop, ev->source);
	ev->source = -1;
	close_fd(&ev->fd);
	ttrpc_input_done(&ev->in);
	ttrpc_output_done(&ev->out);
	ev->asked = false;
	ev->deadline_ns = io_now_ns() + AGAIN_NS;
}

static int read_answers(struct events *ev)
{
	uint8_t buf[4096];
	ssize_t n = recv(ev->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	for (size_t at = 0; at < (size_t)n;) {
		size_t used = 0;
		int event = ttrpc_input_feed(&ev->in, buf + at, (size_t)n - at, &used);

		if (event < 0)
			return event;
		at += used;
		if (event == TTRPC_MORE)
			break;
		if (ev->asked && ev->in.frame.type == TTRPC_RESPONSE &&
			ev->in.frame.stream == ev->stream) {
			ev->asked = false;
			drop_first(ev);
		}
		ttrpc_input_next(&ev->in);
	}
	return 0;
}

static void on_socket(void *arg, uint32_t events)
{
	struct events *ev = arg;
	int r = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = read_answers(ev);
	if (r == 0 && (events & EPOLLOUT)) {
		r = ttrpc_output_write(&ev->out, ev->fd);
		if (r == 1)
			r = loop_mod(ev->loop, ev->source, EPOLLIN);
	}
	if (r < 0)
		give_up(ev);
	else
		try_first(ev);
}

static int connect_socket(struct events *ev)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(ev->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, ev->path, strlen(ev->path) + 1);
	ev->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ev->fd < 0 || connect(ev->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	ev->source = loop_add(ev->loop, ev->fd, EPOLLIN, on_socket, ev);
	ev->stream = 0;
	return ev->source < 0 ? ev->source : 0;
}

/* Sends the first event of the queue, unless its answer is awaited already. */
static void try_first(struct events *ev)
{
	uint8_t *payload = NULL;
	int r = 0;

	if (ev->asked || !ev->first)
		return;
	if (ev->fd < 0)
		r = connect_socket(ev);
	if (r == 0) {
		ev->stream = ev->stream == 0 ? 1 : ev->stream + 2;
		r = ttrpc_output_add(&ev->out, TTRPC_REQUEST, ev->stream, ev->first->len, &payload);
	}
	if (r == 0) {
		memcpy(payload, ev->first->request, ev->first->len);
		r = loop_mod(ev->loop, ev->source, EPOLLIN | EPOLLOUT);
	}
	if (r < 0) {
		give_up(ev);
		return;
	}
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
	Pb__Timestamp stamp = PB__TIMESTAMP__INIT;
	Pb__Envelope envelope = PB__ENVELOPE__INIT;
	Pb__ForwardRequest forward = PB__FORWARD_REQUEST__INIT;
	Pb__Request request = PB__REQUEST__INIT;
	cleanup(free) uint8_t *value = packed(event, &any.value.len), *payload = NULL;
	struct event *e = NULL;
	struct timespec now;
	size_t len = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	stamp.seconds = now.tv_sec;
	stamp.nanos = (int32_t)now.tv_nsec;
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
	if (ev->fd >= 0 || ev->n == 1)
		try_first(ev);
}

int events_tick(struct events *ev, uint64_t now_ns)
{
	if (!ev->first)
		return -1;
	if (now_ns >= ev->deadline_ns) {
		if (ev->asked)
			give_up(ev);
		else
			try_first(ev);
	}
	return now_ns >= ev->deadline_ns ? 0 : (int)((ev->deadline_ns - now_ns) / 1000000) + 1;
}

void events_done(struct events *ev)
{
	while (ev->first)
		drop_first(ev);
	give_up(ev);
}
