/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page-runs.c - a set of pages in a template's state; see page-runs.h.
 */
#include <errno.h>

#include "page-runs.h"

#define BLOCK_PAGES (TEMPLATE_BLOCK / PAGE_BYTES)

static void put_run(struct wire_out *w, uint64_t from, uint64_t n)
{
	wire_put_u32(w, (uint32_t)from);
	wire_put_u32(w, (uint32_t)n);
}

static void put_block(const uint64_t *set, struct wire_out *w, uint64_t first)
{
	uint64_t end = first + BLOCK_PAGES;

	for (uint64_t at = first; at < end; at++) {
		uint64_t from = at;

		while (at < end && page_set_has(set, at))
			at++;
		if (at > from)
			put_run(w, from, at - from);
	}
}

void page_runs_put(const struct template_head *h, const uint64_t *set, struct wire_out *w)
{
	for (uint64_t b = 0; b < h->ram_bytes / TEMPLATE_BLOCK; b++) {
		if (template_has(h, b))
			put_block(set, w, b * BLOCK_PAGES);
	}
	put_run(w, 0, 0);
}

int page_runs_get(struct wire_in *r, uint64_t pages,
	void (*fn)(void *arg, uint64_t from, uint64_t n), void *arg)
{
	for (;;) {
		uint64_t from = wire_get_u32(r);
		uint64_t n = wire_get_u32(r);

		if (r->error || from + n > pages)
			return -EBADMSG;
		if (!n)
			return 0;
		fn(arg, from, n);
	}
}
