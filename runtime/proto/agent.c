/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - codecs of the host-guest link; see agent.h.
 *
 * Trust: both sides treat the other's bytes as hostile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "io.h"

void agent_put_header(uint8_t out[AGENT_HEADER], uint16_t type, uint16_t stream, uint32_t len)
{
	struct wire_out w;

	wire_out_fixed(&w, out, AGENT_HEADER);
	wire_put_u32(&w, len);
	wire_put_u16(&w, type);
	wire_put_u16(&w, stream);
}

static size_t max_payload(uint16_t type)
{
	if (type == AGENT_CREATE || type == AGENT_EXEC)
		return AGENT_MAX_PAYLOAD;
	if (type == AGENT_DATA)
		return AGENT_MAX_DATA;
	return AGENT_MAX_REPLY;
}

int agent_get_header(const uint8_t in[AGENT_HEADER], struct agent_frame *ret)
{
	struct agent_frame f = { 0 };
	struct wire_in r;

	wire_in_init(&r, in, AGENT_HEADER);
	f.len = wire_get_u32(&r);
	f.type = wire_get_u16(&r);
	f.stream = wire_get_u16(&r);
	if (f.type == 0 || f.type >= AGENT_TYPE_MAX || f.stream >= AGENT_STREAM_MAX)
		return -EBADMSG;
	if (f.len > max_payload(f.type))
		return -EMSGSIZE;
	*ret = f;
	return 0;
}

/* Reads a string into a fixed buffer, cut at its size and made printable. */
static void get_text(struct wire_in *r, char *buf, size_t size)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const char *s = wire_get_str(r, &a, AGENT_MAX_REPLY);
	size_t len = strnlen(s, size - 1);

	memcpy(buf, s, len);
	buf[len] = '\0';
	err_sanitize(buf, len);
}

void agent_put_hello(struct wire_out *w, const struct agent_hello *m)
{
	wire_put_u32(w, m->version);
	wire_put_str(w, m->release);
	wire_put_u64(w, m->boottime_ns);
	wire_put_u8(w, m->clone);
}

int agent_get_hello(const void *p, size_t len, struct agent_hello *ret)
{
	struct agent_hello m = { 0 };
	struct wire_in r;
	int end = 0;

	wire_in_init(&r, p, len);
	m.version = wire_get_u32(&r);
	get_text(&r, m.release, sizeof(m.release));
	m.boottime_ns = wire_get_u64(&r);
	m.clone = wire_get_u8(&r);
	end = wire_in_end(&r);
	if (end < 0)
		return end;
	*ret = m;
	return 0;
}

void agent_put_exit(struct wire_out *w, const struct agent_exit *m)
{
	wire_put_u32(w, m->code);
	wire_put_u32(w, m->signal);
	wire_put_u8(w, m->oom);
}

int agent_get_exit(const void *p, size_t len, struct agent_exit *ret)
{
	struct agent_exit m = { 0 };
	struct wire_in r;

	wire_in_init(&r, p, len);
	m.code = wire_get_u32(&r);
	m.signal = wire_get_u32(&r);
	m.oom = wire_get_u8(&r);
	if (wire_in_end(&r) < 0 || m.code > 255 || m.signal > 64 || m.oom > 1)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void agent_put_winsize(struct wire_out *w, const struct agent_winsize *m)
{
	wire_put_u16(w, m->rows);
	wire_put_u16(w, m->cols);
	wire_put_u16(w, m->xpixel);
	wire_put_u16(w, m->ypixel);
}

int agent_get_winsize(const void *p, size_t len, struct agent_winsize *ret)
{
	struct agent_winsize m = { 0 };
	struct wire_in r;

	wire_in_init(&r, p, len);
	m.rows = wire_get_u16(&r);
	m.cols = wire_get_u16(&r);
	m.xpixel = wire_get_u16(&r);
	m.ypixel = wire_get_u16(&r);
	if (wire_in_end(&r) < 0)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void agent_put_error(struct wire_out *w, const struct err *e)
{
	wire_put_u32(w, (uint32_t)-e->code);
	wire_put_str(w, e->msg);
}

int agent_get_error(const void *p, size_t len, struct err *ret)
{
	struct err m = { 0 };
	struct wire_in r;
	uint32_t code = 0;

	wire_in_init(&r, p, len);
	code = wire_get_u32(&r);
	get_text(&r, m.msg, sizeof(m.msg));
	if (wire_in_end(&r) < 0 || code == 0 || code > 4095)
		return -EBADMSG;
	m.code = -(int)code;
	*ret = m;
	return 0;
}

void agent_put_files(struct wire_out *w, const struct gplan_pair *v, size_t n)
{
	wire_put_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_put_str(w, v[i].key);
		wire_put_str(w, v[i].value);
	}
}

/* A string of the peer's, with its lines. */
static const char *get_lines(struct wire_in *r, struct arena *a)
{
	const char *s = wire_get_str(r, a, AGENT_MAX_REPLY);
	char *copy = arena_strndup(a, s, strlen(s));

	for (char *c = copy; c && *c; c++) {
		if (*c != '\n' && *c != '\t')
			err_sanitize(c, 1);
	}
	return copy;
}

/* The same on one line. */
static const char *get_line(struct wire_in *r, struct arena *a)
{
	const char *s = wire_get_str(r, a, AGENT_MAX_REPLY);
	char *copy = arena_strndup(a, s, strlen(s));

	if (copy)
		err_sanitize(copy, strlen(copy));
	return copy;
}

int agent_get_files(struct wire_in *r, struct arena *a, struct gplan_pair **ret, size_t *ret_n)
{
	size_t n = wire_get_count(r, AGENT_MAX_FILES, 2 * sizeof(uint32_t));
	struct gplan_pair *v = arena_alloc(a, n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v[i].key = get_lines(r, a);
		v[i].value = get_lines(r, a);
		if (!v[i].key || !v[i].value)
			return -ENOMEM;
	}
	*ret = v;
	*ret_n = n;
	return wire_in_end(r);
}

void agent_put_process(struct wire_out *w, const struct agent_process *m)
{
	wire_put_u32(w, m->pid);
	wire_put_u32(w, m->inner_pid);
	wire_put_u32(w, m->inner_parent);
	wire_put_u32(w, m->uid);
	wire_put_u64(w, m->cpu_ms);
	wire_put_str(w, m->command);
}

int agent_get_processes(
	const void *p, size_t len, struct arena *a, struct agent_process **ret, size_t *ret_n)
{
	struct agent_process *v = NULL;
	struct wire_in r;
	size_t n = 0;

	wire_in_init(&r, p, len);
	n = wire_get_count(&r, AGENT_MAX_REPLY, 28);
	v = arena_alloc(a, n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v[i].pid = wire_get_u32(&r);
		v[i].inner_pid = wire_get_u32(&r);
		v[i].inner_parent = wire_get_u32(&r);
		v[i].uid = wire_get_u32(&r);
		v[i].cpu_ms = wire_get_u64(&r);
		v[i].command = get_line(&r, a);
		/* Ascending, so that asking for the next ones comes to an end. */
		if (!v[i].command || (i && v[i].pid <= v[i - 1].pid))
			return v[i].command ? -EBADMSG : -ENOMEM;
	}
	*ret = v;
	*ret_n = n;
	return wire_in_end(&r);
}

void agent_put_marks(struct wire_out *w, uint64_t now_ns, const struct agent_mark *v, size_t n)
{
	wire_put_u64(w, now_ns);
	wire_put_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_put_str(w, v[i].name);
		wire_put_u64(w, v[i].ns);
	}
}

int agent_get_marks(struct wire_in *r, struct arena *a, uint64_t *ret_now, struct agent_mark **ret,
	size_t *ret_n)
{
	uint64_t now = wire_get_u64(r);
	size_t n = wire_get_count(r, AGENT_MAX_MARKS, sizeof(uint32_t) + sizeof(uint64_t));
	struct agent_mark *v = arena_alloc(a, n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v[i].name = get_line(r, a);
		v[i].ns = wire_get_u64(r);
		if (!v[i].name)
			return -ENOMEM;
		/* In their order, and none later than now: so they make spans. */
		if (v[i].ns > now || (i && v[i].ns < v[i - 1].ns))
			return -EBADMSG;
	}
	*ret_now = now;
	*ret = v;
	*ret_n = n;
	return wire_in_end(r);
}

static int ms_until(unsigned long long deadline)
{
	unsigned long long now = io_now_ns();

	return now >= deadline ? 0 : (int)((deadline - now) / 1000000ULL) + 1;
}

/* Sends all before the deadline (io_now_ns() clock): the peer may never read. */
static int send_exact(int fd, const void *buf, size_t len, unsigned long long deadline)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			send(fd, (const char *)buf + done, len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		int ready = 0;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
		ready = io_wait_writable(fd, ms_until(deadline));
		if (ready < 0)
			return ready;
		if (ready == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

int agent_send(int fd, uint16_t type, uint16_t stream, const void *p, size_t len)
{
	unsigned long long deadline = io_now_ns() + AGENT_SEND_MS * 1000000ULL;
	uint8_t header[AGENT_HEADER];
	int r = 0;

	if (len > max_payload(type))
		return -EMSGSIZE;
	agent_put_header(header, type, stream, (uint32_t)len);
	r = send_exact(fd, header, sizeof(header), deadline);
	return r < 0 ? r : send_exact(fd, p, len, deadline);
}

/* Reads exactly len bytes before the deadline (io_now_ns() clock). */
static int recv_exact(int fd, void *buf, size_t len, unsigned long long deadline)
{
	size_t done = 0;

	while (done < len) {
		int ready = io_wait_readable(fd, ms_until(deadline));
		ssize_t n = 0;

		if (ready < 0)
			return ready;
		if (ready == 0)
			return -ETIMEDOUT;
		n = read(fd, (char *)buf + done, len - done);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int agent_recv(int fd, int timeout_ms, struct agent_frame *ret_frame, uint8_t **ret_p)
{
	unsigned long long deadline = io_now_ns() + (unsigned long long)timeout_ms * 1000000ULL;
	uint8_t header[AGENT_HEADER];
	cleanup(free) uint8_t *p = NULL;
	struct agent_frame f = { 0 };
	int r = recv_exact(fd, header, sizeof(header), deadline);

	if (r < 0)
		return r;
	r = agent_get_header(header, &f);
	/* Only plans are larger, and these are never received here. */
	if (r == 0 && f.len > AGENT_MAX_REPLY)
		r = -EMSGSIZE;
	if (r < 0)
		return r;
	p = malloc((size_t)f.len + 1);
	if (!p)
		return -ENOMEM;
	r = recv_exact(fd, p, f.len, deadline);
	if (r < 0)
		return r;
	p[f.len] = 0;
	*ret_frame = f;
	*ret_p = take_ptr(p);
	return 0;
}

int agent_call(int fd, uint16_t type, const void *payload, size_t len, uint16_t wanted,
	int timeout_ms, uint8_t **ret_payload, size_t *ret_len, struct err *e)
{
	cleanup(free) uint8_t *answer = NULL;
	struct agent_frame frame;
	struct err told = { 0 };
	int r = agent_send(fd, type, 0, payload, len);

	if (r == 0)
		r = agent_recv(fd, timeout_ms, &frame, &answer);
	if (r == -ETIMEDOUT)
		return err_set(e, r, "the guest does not answer");
	if (r == -ECONNRESET || r == -EPIPE)
		return err_set(e, -ESRCH, "container not running");
	if (r < 0)
		return err_sys(e, r, "guest");
	if (frame.type == AGENT_ERROR && agent_get_error(answer, frame.len, &told) == 0)
		return err_set(e, told.code, "%s", told.msg);
	if (frame.type != wanted)
		return err_set(e, -EPROTO, "the guest answers with message %u", frame.type);
	if (ret_payload) {
		*ret_payload = take_ptr(answer);
		*ret_len = frame.len;
	}
	return 0;
}
