/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow.h - the VM has more than its kernel found at boot: templates are made of few sizes, and what
 * a container's VM has beside that is taken into use before the container is built. An update can
 * give it more memory later.
 */
#ifndef NESTBOX_GROW_H
#define NESTBOX_GROW_H

#include <stdbool.h>

#include "err.h"
#include "guest-plan.h"

/* For the first container. What it is promised and the kernel does not take is an error. */
warn_unused int grow(const struct gplan_size *s, struct err *e);

/* The VM has so much memory now: what the kernel does not know of yet it takes. The limits that it
 * made of its memory at boot stay, as they may be the container's own by now. */
warn_unused int grow_memory(uint64_t boot_bytes, uint64_t ram_bytes, struct err *e);

/* A limit's numbers, or the last one of them alone, in proportion to the memory, up to `most`. */
#define GROW_NUMBERS_MAX 128
void grow_numbers(const struct gplan_size *s, const char *text, bool last, uint64_t most,
	char ret[GROW_NUMBERS_MAX]);

#endif
