/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-resources.c - linux.resources as files of the guest's cgroup v2.
 *
 * The limits hold in the guest, so that an OOM kill or a full pids table hits the workload and not
 * the VMM. What names the host's hardware (cpuset.cpus, cpuset.mems, devices by number) means
 * nothing there and is left out: docs/config.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "parts.h"

struct out {
	struct arena *a;
	struct gplan *g;
	struct err *e;
};

static int add(const struct out *o, const char *key, const char *value)
{
	struct gplan *g = o->g;
	struct gplan_pair *grown =
		arena_grow(o->a, g->cgroup_files, g->n_cgroup_files, sizeof(*grown));

	if (!grown || !key || !value)
		return plan_no_memory(o->e);
	g->cgroup_files = grown;
	grown[g->n_cgroup_files++] = (struct gplan_pair){ key, value };
	return 0;
}

/* A limit where -1 (and for pids 0) means none. */
static int add_limit(const struct out *o, const char *key, int64_t value)
{
	return add(o, key, value < 0 ? "max" : arena_printf(o->a, "%" PRId64, value));
}

static int plan_memory(const struct out *o, const struct oci_memory *m)
{
	int r = 0;

	if (m->has_limit && m->has_swap && m->limit > 0 && m->swap > 0 && m->swap < m->limit)
		return err_set(o->e, -EINVAL,
			"linux.resources.memory.swap: below memory.limit (it counts both)");
	if (m->has_limit && m->limit)
		r = add_limit(o, "memory.max", m->limit);
	if (r == 0 && m->has_reservation && m->reservation)
		r = add_limit(o, "memory.low", m->reservation);
	/* v1 counts memory and swap together, v2 swap alone. */
	if (r == 0 && m->has_swap && m->swap) {
		if (m->swap > 0 && (!m->has_limit || !m->limit))
			return err_set(o->e, -EINVAL,
				"linux.resources.memory.swap: needs memory.limit beside it");
		/* Without a limit on memory there is nothing to take off. */
		r = add_limit(o, "memory.swap.max",
			m->swap < 0 || m->limit < 0 ? m->swap : m->swap - m->limit);
	}
	return r;
}

/* The kernel's own relation between v1 shares (2…262144) and v2 weight (1…10000). */
static uint64_t weight_of_shares(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

static int plan_cpu(const struct out *o, const struct oci_cpu *c)
{
	uint64_t period = c->has_period && c->period ? c->period : 100000;
	int r = 0;

	if (c->has_idle && c->idle)
		r = add(o, "cpu.idle", "1");
	else if (c->has_shares && c->shares)
		r = add(o, "cpu.weight",
			arena_printf(o->a, "%" PRIu64, weight_of_shares(c->shares)));
	if (r == 0 && ((c->has_quota && c->quota) || (c->has_period && c->period)))
		r = add(o, "cpu.max",
			c->has_quota && c->quota > 0
				? arena_printf(o->a, "%" PRId64 " %" PRIu64, c->quota, period)
				: arena_printf(o->a, "max %" PRIu64, period));
	if (r == 0 && c->has_burst)
		r = add(o, "cpu.max.burst", arena_printf(o->a, "%" PRIu64, c->burst));
	return r;
}

/* 10…1000 of v1 to 1…10000 of v2, as runc does. */
static uint64_t io_weight(uint32_t weight)
{
	return weight < 10 ? 1 : 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

static int plan_unified(const struct out *o, const struct oci_map *unified)
{
	int r = 0;

	for (size_t i = 0; i < unified->n && r == 0; i++) {
		if (strchr(unified->v[i].key, '/') || unified->v[i].key[0] == '.')
			return err_set(o->e, -EINVAL,
				"linux.resources.unified.%.64s: not the name of a cgroup file",
				unified->v[i].key);
		r = add(o, unified->v[i].key, unified->v[i].value);
	}
	return r;
}

int plan_resources(const struct oci_resources *res, struct arena *a, struct gplan *g, struct err *e)
{
	const struct out o = { a, g, e };
	int r = plan_memory(&o, &res->memory);

	if (r == 0)
		r = plan_cpu(&o, &res->cpu);
	if (r == 0 && res->has_pids_limit && res->pids_limit)
		r = add_limit(&o, "pids.max", res->pids_limit);
	if (r == 0 && res->has_blkio_weight && res->blkio_weight)
		r = add(&o, "io.weight",
			arena_printf(a, "default %" PRIu64, io_weight(res->blkio_weight)));
	for (size_t i = 0; i < res->n_hugepage_limits && r == 0; i++) {
		const struct oci_hugepage_limit *l = &res->hugepage_limits[i];

		if (strchr(l->page_size, '/'))
			return err_set(e, -EINVAL,
				"linux.resources.hugepageLimits[%zu].pageSize: not a size", i);
		r = add(&o, arena_printf(a, "hugetlb.%s.max", l->page_size),
			arena_printf(a, "%" PRIu64, l->limit));
	}
	return r < 0 ? r : plan_unified(&o, &res->unified);
}
