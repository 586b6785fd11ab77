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

uint64_t plan_host_memory(uint64_t ram_bytes)
{
	return ram_bytes + ram_bytes / 16 + PLAN_HOST_OVERHEAD;
}

static int add_memory(const struct plan_out *o, const struct oci_memory *m, uint64_t ram_bytes)
{
	uint64_t overhead = PLAN_RAM_OVERHEAD + PLAN_HOST_OVERHEAD;
	int r = 0;

	/* All of the guest's memory may be touched, whatever its cgroups say. */
	if (m->limit > 0)
		r = plan_add_number(o, "memory.max", plan_host_memory(ram_bytes));
	else if (m->limit < 0)
		r = plan_add(o, "memory.max", "max");
	if (r == 0 && m->reservation > 0)
		r = plan_add_number(o, "memory.low", (uint64_t)m->reservation + overhead);
	else if (r == 0 && m->reservation < 0)
		r = plan_add(o, "memory.low", "max");
	return r;
}

static int add_cpu(const struct plan_out *o, const struct oci_cpu *c)
{
	int r = plan_cpu_shares(o, c);

	if (r == 0 && c->cpus && *c->cpus)
		r = plan_add(o, "cpuset.cpus", c->cpus);
	if (r == 0 && c->mems && *c->mems)
		r = plan_add(o, "cpuset.mems", c->mems);
	return r;
}

int plan_host_resources(const struct oci_resources *given, uint64_t ram_bytes, struct arena *a,
	struct plan_cgroup *ret, struct err *e)
{
	const struct oci_resources last = plan_with_unified(given), *res = &last;
	const struct plan_out o = { a, &ret->files, e };
	const struct plan_out start = { a, &ret->start_files, e };
	int r = add_memory(&o, &res->memory, ram_bytes);

	if (r == 0)
		r = plan_swap(&o, &given->memory);
	if (r == 0)
		r = add_cpu(&o, &res->cpu);
	if (r == 0)
		r = plan_io_share(&o, res);
	if (r == 0)
		r = plan_host_unified(&o, &res->unified);
	return r < 0 ? r : plan_cpu_quota(&start, &res->cpu);
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
