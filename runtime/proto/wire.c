/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - bounded little-endian reading and writing; see wire.h.
 *
 * Trust: what a reader reads is hostile. Lengths are compared with what is left before use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

void wire_out_init(struct wire_out *w, size_t max)
{
	*w = (struct wire_out){ .max = max, .growable = true };
}

void wire_out_fixed(struct wire_out *w, void *buf, size_t size)
{
	*w = (struct wire_out){ .data = buf, .capacity = size, .max = size };
}

void wire_out_done(struct wire_out *w)
{
	if (w->growable)
		free(w->data);
	*w = (struct wire_out){ 0 };
}

/* Room for len more bytes, or NULL with the sticky error set. */
static uint8_t *out_room(struct wire_out *w, size_t len)
{
	uint8_t *at = NULL;

	if (w->error)
		return NULL;
	if (len > w->max - w->len) {
		w->error = -EMSGSIZE;
		return NULL;
	}
	if (len > w->capacity - w->len) {
		size_t grown = w->capacity ? w->capacity : 512;
		uint8_t *moved = NULL;

		while (grown - w->len < len)
			grown *= 2;
		moved = realloc(w->data, grown);
		if (!moved) {
			w->error = -ENOMEM;
			return NULL;
		}
		w->data = moved;
		w->capacity = grown;
	}
	at = w->data + w->len;
	w->len += len;
	return at;
}

static void put_le(struct wire_out *w, uint64_t v, size_t bytes)
{
	uint8_t *p = out_room(w, bytes);

	if (!p)
		return;
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void wire_put_u8(struct wire_out *w, uint8_t v)
{
	put_le(w, v, 1);
}

void wire_put_u16(struct wire_out *w, uint16_t v)
{
	put_le(w, v, 2);
}

void wire_put_u32(struct wire_out *w, uint32_t v)
{
	put_le(w, v, 4);
}

void wire_put_u64(struct wire_out *w, uint64_t v)
{
	put_le(w, v, 8);
}

void wire_put_bytes(struct wire_out *w, const void *p, size_t len)
{
	uint8_t *room = NULL;

	if (!len)
		return;
	room = out_room(w, len);
	if (room)
		memcpy(room, p, len);
}

void wire_put_blob(struct wire_out *w, const void *p, size_t len)
{
	if (len > UINT32_MAX) {
		w->error = -EMSGSIZE;
		return;
	}
	wire_put_u32(w, (uint32_t)len);
	wire_put_bytes(w, p, len);
}

void wire_put_str(struct wire_out *w, const char *s)
{
	wire_put_blob(w, s, s ? strlen(s) : 0);
}

void wire_put_strv(struct wire_out *w, const char *const *v, size_t n)
{
	if (n > UINT32_MAX) {
		w->error = -EMSGSIZE;
		return;
	}
	wire_put_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		wire_put_str(w, v[i]);
}

void wire_in_init(struct wire_in *r, const void *data, size_t len)
{
	*r = (struct wire_in){ .data = data, .len = len };
}

/* The next len bytes, or NULL with the sticky error set. */
static const uint8_t *in_take(struct wire_in *r, size_t len)
{
	const uint8_t *at = NULL;

	if (r->error)
		return NULL;
	if (len > r->len - r->pos) {
		r->error = -EBADMSG;
		return NULL;
	}
	at = r->data + r->pos;
	r->pos += len;
	return at;
}

static uint64_t get_le(struct wire_in *r, size_t bytes)
{
	const uint8_t *p = in_take(r, bytes);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t wire_get_u8(struct wire_in *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t wire_get_u16(struct wire_in *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t wire_get_u32(struct wire_in *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t wire_get_u64(struct wire_in *r)
{
	return get_le(r, 8);
}

void wire_get_bytes(struct wire_in *r, void *p, size_t len)
{
	const uint8_t *from = in_take(r, len);

	if (from)
		memcpy(p, from, len);
	else
		memset(p, 0, len);
}

const void *wire_get_blob(struct wire_in *r, struct arena *a, size_t max, size_t *ret_len)
{
	size_t len = wire_get_u32(r);
	const uint8_t *p = NULL;
	char *copy = NULL;

	*ret_len = 0;
	if (len > max)
		r->error = -EBADMSG;
	p = in_take(r, len);
	if (!p)
		return NULL;
	copy = arena_strndup(a, (const char *)p, len);
	if (!copy) {
		r->error = -ENOMEM;
		return NULL;
	}
	*ret_len = len;
	return copy;
}

const char *wire_get_str(struct wire_in *r, struct arena *a, size_t max)
{
	size_t len = 0;
	const char *s = wire_get_blob(r, a, max, &len);

	if (!s)
		return "";
	if (memchr(s, '\0', len)) {
		r->error = -EBADMSG;
		return "";
	}
	return s;
}

char **wire_get_strv(
	struct wire_in *r, struct arena *a, size_t max_n, size_t max_len, size_t *ret_n)
{
	size_t n = wire_get_count(r, max_n, 4);
	char **v = arena_alloc(a, n + 1, sizeof(*v));

	*ret_n = 0;
	if (!v) {
		r->error = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = (char *)(uintptr_t)wire_get_str(r, a, max_len);
	if (r->error)
		return NULL;
	*ret_n = n;
	return v;
}

size_t wire_get_count(struct wire_in *r, size_t max, size_t min_bytes)
{
	size_t n = wire_get_u32(r);

	if (r->error)
		return 0;
	if (n > max || (min_bytes && n > (r->len - r->pos) / min_bytes)) {
		r->error = -EBADMSG;
		return 0;
	}
	return n;
}

int wire_in_end(const struct wire_in *r)
{
	if (r->error)
		return r->error;
	return r->pos == r->len ? 0 : -EBADMSG;
}
