/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-resources.c - linux.resources as files of the guest's cgroup v2.
 *
 * The limits hold in the guest, so that an OOM kill or a full pids table hits the workload and not
 * the VMM. The arithmetic between the specification's values, which are cgroup v1's, and cgroup v2
 * is runc's, and so are the words where it refuses. What names the host's hardware (cpuset.cpus,
 * cpuset.mems) means nothing there and is left out: docs/config.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "ranges.h"

#define MAX_CPU 65535ul

int plan_add(const struct plan_out *o, const char *key, const char *value)
{
	struct gplan_pair *grown = arena_grow(o->a, o->files->v, o->files->n, sizeof(*grown));

	if (!grown || !key || !value)
		return plan_no_memory(o->e);
	o->files->v = grown;
	grown[o->files->n++] = (struct gplan_pair){ key, value };
	return 0;
}

int plan_add_number(const struct plan_out *o, const char *key, uint64_t value)
{
	return plan_add(o, key, arena_printf(o->a, "%" PRIu64, value));
}

/* A limit where -1 (and for pids 0) means none. */
static int add_limit(const struct plan_out *o, const char *key, int64_t value)
{
	return value < 0 ? plan_add(o, key, "max") : plan_add_number(o, key, (uint64_t)value);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* v1 counts memory and swap together, v2 swap alone. 0 = unset, as in the specification. */
int plan_swap(const struct plan_out *o, const struct oci_memory *m)
{
	/* As under v1, where memory without a limit means swap without one. */
	if (m->limit == -1 && !m->swap)
		return plan_add(o, "memory.swap.max", "max");
	if (!m->swap || m->swap == -1)
		return m->swap ? plan_add(o, "memory.swap.max", "max") : 0;
	if (m->swap < 0)
		return err_set(o->e, -EINVAL,
			"linux.resources.memory.swap: invalid memory+swap limit: %" PRId64,
			m->swap);
	if (!m->limit || m->limit == -1)
		return err_set(o->e, -EINVAL,
			"linux.resources.memory.swap: unable to set swap limit without memory "
			"limit");
	if (m->swap < m->limit)
		return err_set(o->e, -EINVAL,
			"linux.resources.memory.swap: memory+swap limit should be >= memory limit");
	return plan_add_number(o, "memory.swap.max", (uint64_t)(m->swap - m->limit));
}

static int plan_memory(const struct plan_out *o, const struct oci_memory *m)
{
	int r = 0;

	if (m->limit < -1)
		return err_set(o->e, -EINVAL,
			"linux.resources.memory.limit: invalid memory value: %" PRId64, m->limit);
	if (m->reservation < -1)
		return err_set(o->e, -EINVAL,
			"linux.resources.memory.reservation: invalid memory value: %" PRId64,
			m->reservation);
	r = plan_swap(o, m);
	if (r == 0 && m->limit)
		r = add_limit(o, "memory.max", m->limit);
	if (r == 0 && m->reservation)
		r = add_limit(o, "memory.low", m->reservation);
	return r;
}

/* ---- cpu ----------------------------------------------------------------------------------- */

int plan_count_cpus(const char *list, unsigned *ret)
{
	unsigned long from = 0, to = 0, n = 0;

	while (ranges_next(&list, &from, &to)) {
		if (from > to || to > MAX_CPU)
			return -EINVAL;
		n += to - from + 1;
	}
	if (*list)
		return -EINVAL;
	/* One that is named twice counts twice, but never past what there may be. */
	*ret = n > MAX_CPU ? (unsigned)MAX_CPU : (unsigned)n;
	return 0;
}

static int check_list(const struct plan_out *o, const char *list, const char *name)
{
	unsigned ignored = 0;

	if (!list || plan_count_cpus(list, &ignored) == 0)
		return 0;
	return err_set(
		o->e, -EINVAL, "linux.resources.cpu.%s: not a list of numbers: %.64s", name, list);
}

/* v1 shares (2…262144) to v2 weight (1…10000). */
static uint64_t cpu_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

/* An idle group has no weight: the kernel refuses one, and so idle comes first. */
int plan_cpu_shares(const struct plan_out *o, const struct oci_cpu *c)
{
	int r = c->has_idle ? plan_add_number(o, "cpu.idle", (uint64_t)c->idle) : 0;

	if (r == 0 && c->shares && !c->idle)
		r = plan_add_number(o, "cpu.weight", cpu_weight(c->shares));
	return r;
}

int plan_cpu_quota(const struct plan_out *o, const struct oci_cpu *c)
{
	uint64_t period = c->period ? c->period : 100000;
	bool limited = c->quota || c->period;
	int r = 0;

	/* A quota below the burst that was before is refused, whatever the burst is to be. */
	if (limited && c->has_burst)
		r = plan_add_number(o, "cpu.max.burst", 0);
	if (r == 0 && limited)
		r = plan_add(o, "cpu.max",
			c->quota > 0 ? arena_printf(o->a, "%" PRId64 " %" PRIu64, c->quota, period)
				     : arena_printf(o->a, "max %" PRIu64, period));
	if (r == 0 && c->has_burst)
		r = plan_add_number(o, "cpu.max.burst", c->burst);
	return r;
}

static int plan_cpu(const struct plan_out *o, const struct oci_cpu *c)
{
	int r = check_list(o, c->cpus, "cpus");

	if (r == 0)
		r = check_list(o, c->mems, "mems");
	if (r == 0)
		r = plan_cpu_shares(o, c);
	return r < 0 ? r : plan_cpu_quota(o, c);
}

/* ---- block devices ------------------------------------------------------------------------- */

/* 10…1000 of v1 to 1…10000 of v2. */
static uint64_t io_weight(uint32_t weight)
{
	return weight < 10 ? 1 : 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

static int plan_throttle(
	const struct plan_out *o, const struct oci_block_limits *limits, const char *what)
{
	int r = 0;

	for (size_t i = 0; i < limits->n && r == 0; i++) {
		const struct oci_block_limit *l = &limits->v[i];

		/* 0 lifts a limit, as under v1; v2 wants a word for it. */
		r = plan_add(o, "io.max",
			l->rate ? arena_printf(o->a, "%" PRId64 ":%" PRId64 " %s=%" PRIu64,
					  l->major, l->minor, what, l->rate)
				: arena_printf(o->a, "%" PRId64 ":%" PRId64 " %s=max", l->major,
					  l->minor, what));
	}
	return r;
}

/* The guest leaves out the lines that name a device which it does not have. */
int plan_io_share(const struct plan_out *o, const struct oci_resources *res)
{
	if (!res->blkio_weight)
		return 0;
	return plan_add(o, "io.weight",
		arena_printf(o->a, "default %" PRIu64, io_weight(res->blkio_weight)));
}

static int plan_block_io(const struct plan_out *o, const struct oci_resources *res)
{
	int r = plan_io_share(o, res);

	for (size_t i = 0; i < res->weight_device.n && r == 0; i++) {
		const struct oci_block_limit *l = &res->weight_device.v[i];

		if (l->weight)
			r = plan_add(o, "io.weight",
				arena_printf(o->a, "%" PRId64 ":%" PRId64 " %" PRIu64, l->major,
					l->minor, io_weight(l->weight)));
	}
	if (r == 0)
		r = plan_throttle(o, &res->read_bps, "rbps");
	if (r == 0)
		r = plan_throttle(o, &res->write_bps, "wbps");
	if (r == 0)
		r = plan_throttle(o, &res->read_iops, "riops");
	return r < 0 ? r : plan_throttle(o, &res->write_iops, "wiops");
}

/* ---- the rest ------------------------------------------------------------------------------ */

/* "64KB", "2MB", "1GB" (config-linux.md, "Huge page limits"). */
static bool is_page_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits && text[digits] && strchr("KMG", text[digits]) &&
		strcmp(text + digits + 1, "B") == 0;
}

static int plan_huge_pages(const struct plan_out *o, const struct oci_resources *res)
{
	int r = 0;

	for (size_t i = 0; i < res->n_hugepage_limits && r == 0; i++) {
		const struct oci_hugepage_limit *l = &res->hugepage_limits[i];

		if (!is_page_size(l->page_size))
			return err_set(o->e, -EINVAL,
				"linux.resources.hugepageLimits[%zu].pageSize: not a size: %.64s",
				i, l->page_size);
		r = plan_add_number(
			o, arena_printf(o->a, "hugetlb.%s.max", l->page_size), l->limit);
		/* What is reserved and not yet touched counts as well. */
		if (r == 0)
			r = plan_add_number(o,
				arena_printf(o->a, "hugetlb.%s.rsvd.max", l->page_size), l->limit);
	}
	return r;
}

/* A file takes one line at a write. */
static int add_lines(const struct plan_out *o, const char *key, const char *value)
{
	int r = 0;

	if (!strchr(value, '\n'))
		return plan_add(o, key, value);
	while (*value && r == 0) {
		size_t len = strcspn(value, "\n");

		if (len)
			r = plan_add(o, key, arena_strndup(o->a, value, len));
		value += len + (value[len] == '\n');
	}
	return r;
}

static int plan_unified(const struct plan_out *o, const struct oci_map *unified)
{
	int r = 0;

	for (size_t i = 0; i < unified->n && r == 0; i++) {
		const char *key = unified->v[i].key;

		if (strchr(key, '/'))
			return err_set(o->e, -EINVAL,
				"unified resource \"%.64s\" must be a file name (no slashes)", key);
		if (key[0] == '.' || !strchr(key, '.'))
			return err_set(o->e, -EINVAL,
				"unified resource \"%.64s\" must be in the form "
				"CONTROLLER.PARAMETER",
				key);
		if (!plan_is_of_host(key))
			r = add_lines(o, key, unified->v[i].value);
		else
			r = check_list(o, unified->v[i].value, key + strlen("cpuset."));
	}
	return r;
}

int plan_resources(
	const struct oci_resources *res, struct arena *a, struct plan_files *ret, struct err *e)
{
	struct plan_files files = { 0 };
	const struct plan_out o = { a, &files, e };
	int r = plan_memory(&o, &res->memory);

	if (r == 0)
		r = plan_cpu(&o, &res->cpu);
	if (r == 0 && res->pids_limit)
		r = add_limit(&o, "pids.max", res->pids_limit);
	if (r == 0)
		r = plan_block_io(&o, res);
	if (r == 0)
		r = plan_huge_pages(&o, res);
	if (r == 0)
		r = plan_unified(&o, &res->unified);
	if (r == 0)
		*ret = files;
	return r;
}
