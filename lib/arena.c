/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - bump allocation in chained blocks; see arena.h.
 */
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define BLOCK_MIN ((size_t)4096)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data[] */
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

static struct arena_block *block_for(struct arena *a, size_t bytes)
{
	struct arena_block *b = a->blocks;
	size_t size = bytes > BLOCK_MIN ? bytes : BLOCK_MIN;
	size_t total = 0;

	if (b && b->size - b->used >= bytes)
		return b;
	if (__builtin_add_overflow(size, sizeof(*b), &total))
		return NULL;
	b = calloc(1, total);
	if (!b)
		return NULL;
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *b = NULL;
	size_t bytes = 0;
	void *p = NULL;

	if (__builtin_mul_overflow(n, size, &bytes) ||
		__builtin_add_overflow(bytes, align - 1, &bytes))
		return NULL;
	bytes &= ~(align - 1);
	if (a->limit && (a->used > a->limit || bytes > a->limit - a->used))
		return NULL;
	b = block_for(a, bytes);
	if (!b)
		return NULL;
	p = b->data + b->used;
	b->used += bytes;
	a->used += bytes;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = NULL;

	if (len == SIZE_MAX)
		return NULL;
	copy = arena_alloc(a, len + 1, 1);
	if (copy && len)
		memcpy(copy, s, len);
	return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	int len = 0;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	text = arena_alloc(a, (size_t)len + 1, 1);
	if (!text)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return text;
}

void *arena_grow(struct arena *a, void *array, size_t n, size_t size)
{
	void *grown = NULL;
	size_t capacity = 0;

	/* Full exactly when n is zero or a power of two: the capacity needs no field of its own. */
	if (n & (n - 1))
		return array;
	if (__builtin_mul_overflow(n ? n : 1, (size_t)2, &capacity))
		return NULL;
	if (n == 1)
		return array; /* the first block has room for two */
	grown = arena_alloc(a, capacity, size);
	if (grown && n)
		memcpy(grown, array, n * size);
	return grown;
}

void arena_done(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	a->blocks = NULL;
	a->used = 0;
}
