/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gmem.c - guest physical memory: the only place a guest address becomes a host pointer.
 *
 * Threads: the region table is frozen by gmem_seal() before the first vCPU runs; read-only
 * afterwards. Trust:   every gpa and len is hostile. Errors are returned, never asserted.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "gmem.h"

int gmem_add(struct gmem *m, gpa_t gpa, void *hva, uint64_t len)
{
	uint64_t end = 0;

	assert(!m->sealed);
	if (len == 0 || __builtin_add_overflow(gpa, len, &end))
		return -EINVAL;
	for (unsigned i = 0; i < m->n; i++) {
		const struct gmem_region *r = &m->region[i];

		if (gpa < r->gpa + r->len && r->gpa < end)
			return -EINVAL;
	}
	if (m->n == GMEM_MAX_REGIONS)
		return -ENOSPC;
	m->region[m->n++] = (struct gmem_region){ .gpa = gpa, .len = len, .hva = hva };
	return 0;
}

void gmem_seal(struct gmem *m)
{
	m->sealed = true;
}

void *gmem_ptr(const struct gmem *m, gpa_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct gmem_region *r = &m->region[i];

		/* Subtract, never add: gpa + len may wrap. */
		if (gpa >= r->gpa && gpa - r->gpa <= r->len && len <= r->len - (gpa - r->gpa))
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
