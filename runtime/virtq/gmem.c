/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gmem.c - guest physical memory: the only place a guest address becomes a host pointer.
 *
 * Threads: any may read. A region is written before the count says that it is there; then its
 * length may grow. Trust: every gpa and len is hostile. Errors are returned, never asserted.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "gmem.h"

int gmem_add(struct gmem *m, gpa_t gpa, void *hva, uint64_t len)
{
	uint64_t end = 0;

	if (len == 0 || __builtin_add_overflow(gpa, len, &end))
		return -EINVAL;
	for (unsigned i = 0; i < m->n; i++) {
		const struct gmem_region *r = &m->region[i];

		if (gpa < r->gpa + r->len && r->gpa < end)
			return -EINVAL;
	}
	for (unsigned i = 0; i < m->n; i++) {
		struct gmem_region *r = &m->region[i];

		if (gpa == r->gpa + r->len && hva == r->hva + r->len) {
			__atomic_store_n(&r->len, r->len + len, __ATOMIC_RELEASE);
			return 0;
		}
	}
	if (m->n == GMEM_MAX_REGIONS)
		return -ENOSPC;
	m->region[m->n] = (struct gmem_region){ .gpa = gpa, .len = len, .hva = hva };
	__atomic_store_n(&m->n, m->n + 1, __ATOMIC_RELEASE);
	return 0;
}

void *gmem_ptr(const struct gmem *m, gpa_t gpa, uint64_t len)
{
	unsigned n = __atomic_load_n(&m->n, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < n; i++) {
		const struct gmem_region *r = &m->region[i];
		uint64_t all = __atomic_load_n(&r->len, __ATOMIC_ACQUIRE);

		/* Subtract, never add: gpa + len may wrap. */
		if (gpa >= r->gpa && gpa - r->gpa <= all && len <= all - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}

int gmem_read(const struct gmem *m, void *dst, gpa_t gpa, size_t len)
{
	const void *p = gmem_ptr(m, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(dst, p, len);
	return 0;
}

int gmem_write(const struct gmem *m, gpa_t gpa, const void *src, size_t len)
{
	void *p = gmem_ptr(m, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(p, src, len);
	return 0;
}
