/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gmem.h - guest physical memory: the only gate from a guest address to a host pointer.
 *
 * The region table is read by every thread without a lock, and only gets longer. Every gpa and
 * length is hostile.
 */
#ifndef NESTBOX_GMEM_H
#define NESTBOX_GMEM_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define GMEM_MAX_REGIONS 4

typedef uint64_t gpa_t; /* guest physical address */

struct gmem_region {
	gpa_t gpa;
	uint64_t len; /* atomic, it may grow */
	uint8_t *hva; /* borrowed: the mapping outlives the VM */
};

struct gmem {
	struct gmem_region region[GMEM_MAX_REGIONS];
	unsigned n; /* atomic once vCPUs run */
};

/* Adds a region of host memory at a guest address. What goes on where another region ends, in both,
 * makes that one longer: a buffer may lie across. -EINVAL when it wraps or overlaps another,
 * -ENOSPC when the table is full. One thread at a time. */
warn_unused int gmem_add(struct gmem *m, gpa_t gpa, void *hva, uint64_t len);

/* Host pointer to len bytes at gpa that lie in one region; NULL when any byte does not. What it
 * points to can change at any time by the guest's hand: copy before checking. */
void *gmem_ptr(const struct gmem *m, gpa_t gpa, uint64_t len);

/* Copy from or to the guest; -EFAULT when the range is not guest memory. */
warn_unused int gmem_read(const struct gmem *m, void *dst, gpa_t gpa, size_t len);
warn_unused int gmem_write(const struct gmem *m, gpa_t gpa, const void *src, size_t len);

#endif
