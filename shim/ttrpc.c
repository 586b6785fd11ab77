/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc.c - frames of ttrpc; see ttrpc.h.
 *
 * Owner:   input and output own their buffers; both are empty, and without memory, between
 * messages. Trust:   length and type come from the other side: the length is checked before
 * anything is allocated.
 */
#include <errno.h>
#include <sys/socket.h>

#include "ttrpc.h"

#define OUTPUT_MAX (4 * TTRPC_MAX)

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void ttrpc_put_header(uint8_t to[TTRPC_HEADER], const struct ttrpc_frame *f)
{
	put_be32(to, f->len);
	put_be32(to + 4, f->stream);
	to[8] = f->type;
	to[9] = f->flags;
}

struct ttrpc_frame ttrpc_get_header(const uint8_t from[TTRPC_HEADER])
{
	return (struct ttrpc_frame){ .len = get_be32(from),
		.stream = get_be32(from + 4),
		.type = from[8],
		.flags = from[9] };
}

/* The header is whole: what it announces. One byte more, as an empty payload is no failure. */
static int begin_payload(struct ttrpc_input *in)
{
	in->frame = ttrpc_get_header(in->header);
	if (in->frame.len > TTRPC_MAX)
		return 0;
	in->payload = malloc((size_t)in->frame.len + 1);
	return in->payload ? 0 : -ENOMEM;
}

int ttrpc_input_feed(struct ttrpc_input *in, const uint8_t *data, size_t len, size_t *ret_used)
{
	size_t used = 0;

	while (used < len && in->have < TTRPC_HEADER) {
		in->header[in->have++] = data[used++];
		if (in->have == TTRPC_HEADER && begin_payload(in) < 0)
			return -ENOMEM;
	}
	if (in->have >= TTRPC_HEADER) {
		size_t at = in->have - TTRPC_HEADER, n = in->frame.len - at;

		if (n > len - used)
			n = len - used;
		if (in->payload && n > 0)
			memcpy(in->payload + at, data + used, n);
		in->have += n;
		used += n;
	}
	*ret_used = used;
	if (in->have < TTRPC_HEADER || in->have - TTRPC_HEADER < in->frame.len)
		return TTRPC_MORE;
	return in->payload ? TTRPC_FRAME : TTRPC_TOO_LARGE;
}

void ttrpc_input_next(struct ttrpc_input *in)
{
	free(in->payload);
	*in = (struct ttrpc_input){ 0 };
}

void ttrpc_input_done(struct ttrpc_input *in)
{
	ttrpc_input_next(in);
}

/* Room for len more bytes. What was sent is dropped first. */
static int make_room(struct ttrpc_output *out, size_t len)
{
	size_t size = out->len - out->sent + len;
	uint8_t *data = NULL;

	if (size > OUTPUT_MAX)
		return -ENOBUFS;
	if (out->sent > 0)
		memmove(out->data, out->data + out->sent, out->len - out->sent);
	out->len -= out->sent;
	out->sent = 0;
	if (size <= out->size)
		return 0;
	data = realloc(out->data, size);
	if (!data)
		return -ENOMEM;
	out->data = data;
	out->size = size;
	return 0;
}

int ttrpc_output_add(
	struct ttrpc_output *out, uint8_t type, uint32_t stream, size_t len, uint8_t **ret_payload)
{
	struct ttrpc_frame f = { .len = (uint32_t)len, .stream = stream, .type = type };
	int r = 0;

	if (len > TTRPC_MAX)
		return -EMSGSIZE;
	r = make_room(out, TTRPC_HEADER + len);
	if (r < 0)
		return r;
	ttrpc_put_header(out->data + out->len, &f);
	*ret_payload = out->data + out->len + TTRPC_HEADER;
	out->len += TTRPC_HEADER + len;
	return 0;
}

int ttrpc_output_write(struct ttrpc_output *out, int fd)
{
	while (out->sent < out->len) {
		ssize_t n = send(fd, out->data + out->sent, out->len - out->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		out->sent += (size_t)n;
	}
	ttrpc_output_done(out);
	return 1;
}

void ttrpc_output_done(struct ttrpc_output *out)
{
	free(out->data);
	*out = (struct ttrpc_output){ 0 };
}
