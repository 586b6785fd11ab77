/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory for object graphs that live and die together (a parsed config, a plan).
 *
 * All pointers that an arena gave are valid until arena_done(). Nothing is freed singly.
 */
#ifndef NESTBOX_ARENA_H
#define NESTBOX_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* owned */
	size_t used; /* bytes handed out so far */
	size_t limit; /* bytes at most; 0 = no limit */
};

#define ARENA_INIT(limit_) ((struct arena){ .limit = (limit_) })

/* Zeroed memory for n objects of the size, aligned for any type; NULL when out of memory, past the
 * limit, or when n * size overflows. */
void *arena_alloc(struct arena *a, size_t n, size_t size);

/* A NUL-terminated copy of len bytes of s; NULL as above. */
char *arena_strndup(struct arena *a, const char *s, size_t len);

/* printf into the arena; NULL as above. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Grows an array of n elements for one more: returns the array (moved when its capacity, a power of
 * two, is full) or NULL as above. The old array stays valid until arena_done(). */
void *arena_grow(struct arena *a, void *array, size_t n, size_t size);

/* Frees everything; the arena can be used again. Accepts a zeroed arena. */
void arena_done(struct arena *a);

static inline void cleanup_arena(struct arena *a)
{
	arena_done(a);
}

#endif
