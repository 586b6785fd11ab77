/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.c - requests to the kernel's network configuration; see netlink.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "netlink.h"

#define ANSWER_S 5
#define RECEIVE_MAX ((size_t)32 << 10)

int nl_open(uint32_t groups)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	const struct timeval limit = { .tv_sec = ANSWER_S };
	cleanup(close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* ---- building ------------------------------------------------------------------------------ */

void nl_begin(struct nl_message *m, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_type = type;
	m->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	m->head.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + NLMSG_ALIGN(len));
	memcpy(m->bytes + NLMSG_HDRLEN, header, len);
}

void nl_put(struct nl_message *m, uint16_t attribute, const void *data, size_t len)
{
	size_t at = m->head.nlmsg_len;
	struct rtattr a = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = attribute };

	if (m->error || at + RTA_SPACE(len) > sizeof(m->bytes)) {
		m->error = -EMSGSIZE;
		return;
	}
	memcpy(m->bytes + at, &a, sizeof(a));
	if (len)
		memcpy(m->bytes + at + RTA_LENGTH(0), data, len);
	m->head.nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
}

void nl_put_u32(struct nl_message *m, uint16_t attribute, uint32_t value)
{
	nl_put(m, attribute, &value, sizeof(value));
}

void nl_put_str(struct nl_message *m, uint16_t attribute, const char *text)
{
	nl_put(m, attribute, text, strlen(text) + 1);
}

size_t nl_nest(struct nl_message *m, uint16_t attribute)
{
	size_t at = m->head.nlmsg_len;

	nl_put(m, attribute, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_message *m, size_t at)
{
	uint16_t len = (uint16_t)(m->head.nlmsg_len - at);

	if (!m->error)
		memcpy(m->bytes + at + offsetof(struct rtattr, rta_len), &len, sizeof(len));
}

/* ---- asking -------------------------------------------------------------------------------- */

static int send_message(int fd, struct nl_message *m)
{
	static uint32_t sequence;

	if (m->error)
		return m->error;
	m->head.nlmsg_seq = ++sequence;
	return send(fd, m->bytes, m->head.nlmsg_len, 0) < 0 ? -errno : 0;
}

static int error_of(const struct nlmsghdr *h)
{
	int code = 0;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(code)))
		return -EBADMSG;
	memcpy(&code, nl_header(h), sizeof(code));
	return code;
}

/* Reads answers until the last: of a dump, or the one that says how it went. */
static int receive(int fd, uint32_t sequence, nl_fn fn, void *arg)
{
	static union {
		struct nlmsghdr head;
		uint8_t bytes[RECEIVE_MAX];
	} in;
	bool changed = false;

	for (;;) {
		ssize_t n = recv(fd, in.bytes, sizeof(in.bytes), 0);
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (struct nlmsghdr *h = &in.head; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			/* An answer that came too late for somebody before us. */
			if (h->nlmsg_seq != sequence)
				continue;
			changed = changed || (h->nlmsg_flags & NLM_F_DUMP_INTR);
			if (h->nlmsg_type == NLMSG_ERROR)
				return error_of(h);
			if (h->nlmsg_type == NLMSG_DONE)
				return changed ? -EINTR : 0;
			if (fn)
				fn(arg, h);
		}
	}
}

int nl_call(int fd, struct nl_message *m)
{
	int r = 0;

	m->head.nlmsg_flags |= NLM_F_ACK;
	r = send_message(fd, m);
	return r < 0 ? r : receive(fd, m->head.nlmsg_seq, NULL, NULL);
}

int nl_dump(int fd, struct nl_message *m, nl_fn fn, void *arg)
{
	int r = 0;

	m->head.nlmsg_flags |= NLM_F_DUMP;
	r = send_message(fd, m);
	return r < 0 ? r : receive(fd, m->head.nlmsg_seq, fn, arg);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void sort_attributes(const void *from, size_t len, const struct rtattr **ret, size_t n)
{
	const struct rtattr *a = from;

	memset(ret, 0, n * sizeof(const struct rtattr *));
	while (RTA_OK(a, len)) {
		size_t type = (unsigned)a->rta_type & (unsigned)NLA_TYPE_MASK;
		size_t step = RTA_ALIGN(a->rta_len);

		if (type < n)
			ret[type] = a;
		len -= step < len ? step : len;
		a = (const struct rtattr *)((const void *)((const uint8_t *)a + step));
	}
}

void nl_attributes(const struct nlmsghdr *h, size_t header_len, const struct rtattr **ret, size_t n)
{
	size_t skip = NLMSG_LENGTH(NLMSG_ALIGN(header_len));
	size_t len = h->nlmsg_len > skip ? h->nlmsg_len - skip : 0;

	sort_attributes((const uint8_t *)h + skip, len, ret, n);
}

void nl_nested(const struct rtattr *a, const struct rtattr **ret, size_t n)
{
	sort_attributes(nl_data(a), RTA_PAYLOAD(a), ret, n);
}

void nl_get(const struct rtattr *a, void *ret, size_t len)
{
	if (a && RTA_PAYLOAD(a) >= len)
		memcpy(ret, nl_data(a), len);
}

void nl_get_text(const struct rtattr *a, char *ret, size_t size)
{
	size_t len = a ? strnlen(nl_data(a), RTA_PAYLOAD(a)) : 0;

	if (len > size - 1)
		len = size - 1;
	if (len)
		memcpy(ret, nl_data(a), len);
	ret[len] = '\0';
}

uint32_t nl_get_u32(const struct rtattr *a)
{
	uint32_t v = 0;

	nl_get(a, &v, sizeof(v));
	return v;
}
