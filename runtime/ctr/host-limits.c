/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-limits.c - a container's cgroup on the host; see host-limits.h.
 */
#include <string.h>

#include "host-cgroup.h"
#include "host-limits.h"

static int choose_path(
	const struct plan_cgroup *c, struct arena *a, const char **ret, struct err *e)
{
	char own[PATH_MAX];
	int r = 0;

	*ret = c->path;
	if (c->path[0] == '/')
		return 0;
	r = host_cgroup_of(0, own);
	if (r < 0)
		return err_sys(e, r, "our own cgroup");
	/* Beside us and not below: a cgroup with processes may hand down no controllers. */
	*strrchr(own, '/') = '\0';
	*ret = arena_printf(a, "%s/%s", own, c->path);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int limits_keep(const struct plan_files *files, struct arena *a, struct ctr_state *s, struct err *e)
{
	struct oci_pair *v = arena_alloc(a, files->n + 1, sizeof(*v));

	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < files->n; i++)
		v[i] = (struct oci_pair){ files->v[i].key, files->v[i].value };
	s->start_limits = (struct oci_map){ v, files->n };
	return 0;
}

int limits_plan(const struct plan_cgroup *c, struct arena *a, struct ctr_state *s, struct err *e)
{
	int r = host_cgroup_check(e);

	if (r == 0)
		r = choose_path(c, a, &s->cgroup, e);
	if (r == 0)
		r = limits_keep(&c->start_files, a, s, e);
	if (r == 0)
		s->cgroup_shared = host_cgroup_in_use(s->cgroup);
	return r;
}

static int write_all(int fd, const struct plan_files *files, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < files->n && r == 0; i++)
		r = host_cgroup_write(fd, files->v[i].key, files->v[i].value, e);
	return r;
}

int limits_make(const struct plan_cgroup *c, const struct ctr_state *s, int *ret_fd, struct err *e)
{
	int r = host_cgroup_make(s->cgroup, ret_fd, e);

	return r < 0 ? r : write_all(*ret_fd, &c->files, e);
}

int limits_write(const char *cgroup, const struct plan_files *files, struct err *e)
{
	cleanup(close) int fd = files->n ? host_cgroup_open(cgroup) : -EBADF;

	if (files->n && fd < 0)
		return err_sys(e, fd, "cgroup %s", cgroup);
	return write_all(fd, files, e);
}

int limits_start(const struct ctr_state *s, struct err *e)
{
	cleanup(close) int fd = s->start_limits.n ? host_cgroup_open(s->cgroup) : -EBADF;
	int r = s->start_limits.n && fd < 0 ? err_sys(e, fd, "cgroup %s", s->cgroup) : 0;

	for (size_t i = 0; i < s->start_limits.n && r == 0; i++)
		r = host_cgroup_write(fd, s->start_limits.v[i].key, s->start_limits.v[i].value, e);
	return r;
}
