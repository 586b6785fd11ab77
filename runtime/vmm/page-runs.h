/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page-runs.h - a set of pages of guest memory in a template's state: runs of neighbours, each the
 * first one's number and how many, in order; an empty run is the end.
 */
#ifndef NESTBOX_VMM_PAGE_RUNS_H
#define NESTBOX_VMM_PAGE_RUNS_H

#include "template-file.h"
#include "wire.h"

#define PAGE_BYTES ((uint64_t)4096)
#define PAGES_PER_WORD 64u
/* Words of a bit per page, for as much memory as a template can have. */
#define PAGE_SET_WORDS (TEMPLATE_MAX_RAM / PAGE_BYTES / PAGES_PER_WORD)

static inline bool page_set_has(const uint64_t *set, uint64_t page)
{
	return set[page / PAGES_PER_WORD] >> (page % PAGES_PER_WORD) & 1;
}

/* Those of the blocks that the template has. */
void page_runs_put(const struct template_head *h, const uint64_t *set, struct wire_out *w);

/* Calls fn for each run. -EBADMSG for pages that there are not, of `pages` in all, and for a list
 * without an end; some runs may have been called for then. */
warn_unused int page_runs_get(struct wire_in *r, uint64_t pages,
	void (*fn)(void *arg, uint64_t from, uint64_t n), void *arg);

#endif
