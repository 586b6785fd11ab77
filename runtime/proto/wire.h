/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - bounded little-endian reading and writing: the alphabet of every link of nestbox.
 *
 * Both sides keep a sticky error: after the first failure every further call does nothing (readers
 * give zeros), so that a codec is a straight list of fields and checks the result once, at its end.
 * Strings are a u32 length, the bytes, and no NUL; a NUL inside is refused.
 */
#ifndef NESTBOX_WIRE_H
#define NESTBOX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"

struct wire_out {
	uint8_t *data; /* owned when growable */
	size_t len;
	size_t capacity;
	size_t max; /* bytes at most */
	bool growable;
	int error; /* 0 or negative errno: -EMSGSIZE past max, -ENOMEM */
};

struct wire_in {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t pos;
	int error; /* 0 or -EBADMSG */
};

/* A writer into heap memory of at most max bytes; wire_out_done() frees it. */
void wire_out_init(struct wire_out *w, size_t max);
/* A writer into the caller's buffer. */
void wire_out_fixed(struct wire_out *w, void *buf, size_t size);
void wire_out_done(struct wire_out *w);

void wire_put_u8(struct wire_out *w, uint8_t v);
void wire_put_u16(struct wire_out *w, uint16_t v);
void wire_put_u32(struct wire_out *w, uint32_t v);
void wire_put_u64(struct wire_out *w, uint64_t v);
void wire_put_bytes(struct wire_out *w, const void *p, size_t len); /* no length before it */
void wire_put_blob(struct wire_out *w, const void *p, size_t len); /* u32 length, bytes */
void wire_put_str(struct wire_out *w, const char *s); /* NULL is written as "" */
void wire_put_strv(struct wire_out *w, const char *const *v, size_t n); /* u32 count, strings */

void wire_in_init(struct wire_in *r, const void *data, size_t len);
uint8_t wire_get_u8(struct wire_in *r);
uint16_t wire_get_u16(struct wire_in *r);
uint32_t wire_get_u32(struct wire_in *r);
uint64_t wire_get_u64(struct wire_in *r);
void wire_get_bytes(struct wire_in *r, void *p, size_t len); /* no length before it; else zeros */

/* Copies of what is read, in the arena. A count or length past max is an error. On error they give
 * NULL (str: "") and a zero count, never a wild pointer. */
const char *wire_get_str(struct wire_in *r, struct arena *a, size_t max);
const void *wire_get_blob(struct wire_in *r, struct arena *a, size_t max, size_t *ret_len);
/* NULL-terminated vector of *ret_n strings. */
char **wire_get_strv(
	struct wire_in *r, struct arena *a, size_t max_n, size_t max_len, size_t *ret_n);

/* A count of elements that each need at least min_bytes of what is left: bounds an allocation by
 * the size of the input. */
size_t wire_get_count(struct wire_in *r, size_t max, size_t min_bytes);

/* 0 if everything was read without error and nothing is left, else -EBADMSG. */
warn_unused int wire_in_end(const struct wire_in *r);

#endif
