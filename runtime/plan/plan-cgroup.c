/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-cgroup.c - the host's cgroup of a sandbox: where it is, and what it limits.
 *
 * The container's own limits hold in the guest (plan-resources.c). On the host the same fields
 * bound the processes that carry it: memory with a stated overhead, processor time and its
 * distribution as they are, processors and block devices by the host's numbers, which mean
 * something only here. How many processes there are is our own business, so pids.limit is not the
 * host's.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "parts.h"

#define CGROUPS_PATH_MAX 2048u

struct out {
	struct arena *a;
	struct plan_files *files;
	struct err *e;
};

static int add(const struct out *o, const char *file, const char *value)
{
	struct gplan_pair *grown = arena_grow(o->a, o->files->v, o->files->n, sizeof(*grown));

	if (!grown || !value)
		return plan_no_memory(o->e);
	o->files->v = grown;
	grown[o->files->n++] = (struct gplan_pair){ file, value };
	return 0;
}

static int add_bytes(const struct out *o, const char *file, uint64_t bytes)
{
	return add(o, file, arena_printf(o->a, "%" PRIu64, bytes));
}

static int add_memory(const struct out *o, const struct oci_memory *m, uint64_t ram_bytes)
{
	uint64_t overhead = PLAN_RAM_OVERHEAD + PLAN_HOST_OVERHEAD;
	int r = 0;

	/* All of the guest's memory may be touched, whatever its cgroups say. */
	if (m->limit > 0)
		r = add_bytes(o, "memory.max", ram_bytes + ram_bytes / 16 + PLAN_HOST_OVERHEAD);
	else if (m->limit < 0)
		r = add(o, "memory.max", "max");
	if (r == 0 && m->reservation > 0)
		r = add_bytes(o, "memory.low", (uint64_t)m->reservation + overhead);
	if (r == 0 && (m->swap == -1 || (m->limit == -1 && !m->swap)))
		r = add(o, "memory.swap.max", "max");
	else if (r == 0 && m->swap > 0 && m->limit > 0 && m->swap >= m->limit)
		r = add_bytes(o, "memory.swap.max", (uint64_t)(m->swap - m->limit));
	return r;
}

static int add_cpu(const struct out *o, const struct oci_cpu *c)
{
	int r = 0;

	/* Before the weight, which an idle one cannot have. */
	if (c->has_idle)
		r = add(o, "cpu.idle", c->idle ? "1" : "0");
	if (r == 0 && !(c->has_idle && c->idle) && c->has_shares && c->shares)
		r = add_bytes(o, "cpu.weight", plan_cpu_weight(c->shares));
	if (r == 0 && c->cpus && *c->cpus)
		r = add(o, "cpuset.cpus", c->cpus);
	if (r == 0 && c->mems && *c->mems)
		r = add(o, "cpuset.mems", c->mems);
	return r;
}

static int add_quota(const struct out *o, const struct oci_cpu *c)
{
	uint64_t period = c->has_period && c->period ? c->period : 100000;
	int r = 0;

	if ((c->has_quota && c->quota) || (c->has_period && c->period))
		r = add(o, "cpu.max",
			c->has_quota && c->quota > 0
				? arena_printf(o->a, "%" PRId64 " %" PRIu64, c->quota, period)
				: arena_printf(o->a, "max %" PRIu64, period));
	if (r == 0 && c->has_burst)
		r = add_bytes(o, "cpu.max.burst", c->burst);
	return r;
}

int plan_host_resources(const struct oci_resources *res, uint64_t ram_bytes, struct arena *a,
	struct plan_cgroup *ret, struct err *e)
{
	const struct out o = { a, &ret->files, e };
	const struct out start = { a, &ret->start_files, e };
	int r = add_memory(&o, &res->memory, ram_bytes);

	if (r == 0)
		r = add_cpu(&o, &res->cpu);
	if (r == 0 && res->has_blkio_weight && res->blkio_weight)
		r = add(&o, "io.weight",
			arena_printf(a, "default %" PRIu64, plan_io_weight(res->blkio_weight)));
	return r < 0 ? r : add_quota(&start, &res->cpu);
}

/* ---- the place ----------------------------------------------------------------------------- */

/* A path without ".", ".." and double separators; what would lead above its beginning stays there.
 * Relative ones stay relative. */
static const char *clean_path(const char *path, struct arena *a)
{
	char *out = arena_alloc(a, strlen(path) + 2, 1);
	size_t len = 0;

	if (!out)
		return NULL;
	if (*path == '/')
		out[len++] = '/';
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && memcmp(path, "..", 2) == 0) {
			while (len > 0 && out[len - 1] != '/')
				len--;
			if (len > 1)
				len--;
		} else if (n && !(n == 1 && *path == '.')) {
			if (len && out[len - 1] != '/')
				out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n;
		path += strspn(path, "/");
	}
	out[len] = '\0';
	return out;
}

static int plan_unit(
	const char *path, const char *id, struct arena *a, struct plan_cgroup *c, struct err *e)
{
	const char *prefix = path ? strchr(path, ':') : NULL;
	const char *name = prefix ? strchr(prefix + 1, ':') : NULL;

	c->slice = "";
	if (!path || !*path) {
		c->unit = arena_printf(a, "runc-%s.scope", id);
		return c->unit ? 0 : plan_no_memory(e);
	}
	if (!prefix || !name || strchr(name + 1, ':'))
		return err_set(e, -EINVAL,
			"linux.cgroupsPath: expected cgroupsPath to be of format "
			"\"slice:prefix:name\" for systemd cgroups, got \"%.256s\" instead",
			path);
	c->slice = arena_strndup(a, path, (size_t)(prefix - path));
	c->unit = name == prefix + 1
		? arena_printf(a, "%s.scope", name + 1)
		: arena_printf(a, "%.*s-%s.scope", (int)(name - prefix - 1), prefix + 1, name + 1);
	return c->slice && c->unit ? 0 : plan_no_memory(e);
}

int plan_cgroup(const struct oci_spec *s, const struct plan_facts *facts, struct arena *a,
	struct plan *p, struct err *e)
{
	const char *path = s->linux_.cgroups_path;
	struct plan_cgroup *c = &p->host.cgroup;
	int r = 0;

	if (facts->systemd_cgroup) {
		r = plan_unit(path, facts->id, a, c, e);
	} else {
		if (path && strlen(path) > CGROUPS_PATH_MAX)
			return err_set(e, -ENAMETOOLONG, "linux.cgroupsPath: too long");
		c->path = clean_path(path && *path ? path : facts->id, a);
		if (c->path && !*c->path)
			c->path = facts->id;
		if (!c->path)
			return plan_no_memory(e);
	}
	return r < 0 ? r : plan_host_resources(&s->linux_.resources, p->vm.ram_bytes, a, c, e);
}
