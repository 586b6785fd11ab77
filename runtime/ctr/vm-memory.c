/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-memory.c - the memory of a VM that runs; see vm-memory.h.
 *
 * The host's limit comes first, as the guest's kernel writes to memory that it takes: what it has
 * to know of each page. The state comes last: what failed half-way is taken up by the next request,
 * as the VMM and guest init only do what they have not done yet.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "call.h"
#include "host-limits.h"
#include "plan.h"
#include "ram-layout.h"
#include "vm-memory.h"

uint64_t vm_memory_of_host(void)
{
	long pages = sysconf(_SC_PHYS_PAGES);

	return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static int set_limit(const struct ctr_state *s, uint64_t bytes, struct err *e)
{
	char text[24];
	struct gplan_pair file = { "memory.max", text };
	const struct plan_files files = { &file, 1 };

	(void)snprintf(text, sizeof(text), "%" PRIu64, bytes);
	return limits_write(s, &files, e);
}

/* Not by as much as it grows but to what it shall be, so that it is the same however often it is
 * tried. */
static int grow(int fd, const struct ctr_state *s, uint64_t ram_bytes, struct err *e)
{
	uint64_t limit = 0, enough = plan_host_memory(ram_bytes);
	struct vmm_info info;
	struct err ignored;
	char text[32];
	int r = call_vmm_info(fd, &info, e);

	if (r < 0)
		return r;
	limits_read(s, "memory.max", text, sizeof(text));
	limit = strtoull(text, NULL, 10); /* 0 of "max" */
	if (limit && limit < enough)
		r = set_limit(s, enough, e);
	if (r == 0)
		r = call_grow(fd, ram_bytes, e);
	/* From here on the guest can use it, whatever it answers. */
	if (r == 0)
		return call_use_memory(fd, info.boot_bytes, ram_bytes, e);
	if (limit && limit < enough)
		(void)!set_limit(s, limit, &ignored);
	return r;
}

int vm_memory_reach(int fd, struct ctr_state *s, int64_t limit, struct err *e)
{
	uint64_t wanted = plan_ram(limit, vm_memory_of_host()), had = s->ram_bytes;
	int r = 0;

	/* Of an earlier version's container it is not known. */
	if (wanted <= had || !had)
		return 0;
	wanted = had + (wanted - had + RAM_BLOCK - 1) / RAM_BLOCK * RAM_BLOCK;
	r = grow(fd, s, wanted, e);
	if (r < 0)
		return err_wrap(e, "memory limit of %" PRId64 " bytes", limit);
	s->ram_bytes = wanted;
	return state_save(fd, s, e);
}

int vm_memory_reach_of(int fd, int64_t limit, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int lock = -EBADF;
	struct ctr_state s;
	int r = 0;

	if (limit <= 0)
		return 0;
	r = state_lock(fd, &lock, e);
	if (r == 0)
		r = state_load(fd, &a, &s, e);
	if (r < 0)
		return r;
	state_lock_waits(lock, true);
	return vm_memory_reach(fd, &s, limit, e);
}
