/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-limits.c - a container's cgroup on the host; see host-limits.h.
 */
#include <fcntl.h>
#include <string.h>

#include "host-cgroup.h"
#include "host-limits.h"
#include "io.h"
#include "log.h"
#include "systemd.h"

#define MAX_COUNTED 1024

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

/* Whether the file comes again, from this place on: the last value counts. */
static bool stands_behind(const struct plan_files *files, size_t from, const char *file)
{
	for (size_t i = from; i < files->n; i++) {
		if (strcmp(files->v[i].key, file) == 0)
			return true;
	}
	return false;
}

int limits_keep(const struct plan_files *files, struct arena *a, struct ctr_state *s, struct err *e)
{
	struct oci_pair *v = arena_alloc(a, s->start_limits.n + files->n + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < s->start_limits.n; i++) {
		if (!stands_behind(files, 0, s->start_limits.v[i].key))
			v[n++] = s->start_limits.v[i];
	}
	for (size_t i = 0; i < files->n; i++) {
		if (!stands_behind(files, i + 1, files->v[i].key))
			v[n++] = (struct oci_pair){ files->v[i].key, files->v[i].value };
	}
	s->start_limits = (struct oci_map){ v, n };
	return 0;
}

/* Of a cgroup that somebody else made: in a frozen one the VM would never boot. runc's words. */
static int look_at_place(struct ctr_state *s, struct err *e)
{
	cleanup(close) int fd = host_cgroup_open(s->cgroup);
	pid_t pids[MAX_COUNTED];
	ssize_t n = 0;

	if (fd < 0)
		return 0;
	n = host_cgroup_pids(fd, pids, MAX_COUNTED);
	s->cgroup_shared = n > 0 || host_cgroup_has_below(fd);
	if (n > 0)
		log_warning("container's cgroup is not empty: %zd process(es) found", n);
	if (host_cgroup_frozen(fd))
		return err_set(e, -EBUSY, "container's cgroup unexpectedly frozen");
	return 0;
}

int limits_plan(const struct plan_cgroup *c, struct arena *a, struct ctr_state *s, struct err *e)
{
	int r = host_cgroup_check(e);

	if (r == 0)
		r = limits_keep(&c->start_files, a, s, e);
	s->unit = c->unit;
	if (r < 0 || s->unit)
		return r;
	r = choose_path(c, a, &s->cgroup, e);
	return r < 0 ? r : look_at_place(s, e);
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
	int r = 0;

	*ret_fd = -EBADF;
	if (s->unit)
		return 0;
	r = host_cgroup_make(s->cgroup, ret_fd, e);
	return r < 0 ? r : write_all(*ret_fd, &c->files, e);
}

/* As systemd takes them; memory of the arena, NULL when there is none. */
static struct systemd_limit *as_limits(const struct plan_files *files, struct arena *a)
{
	struct systemd_limit *v = arena_alloc(a, files->n + 1, sizeof(*v));

	for (size_t i = 0; v && i < files->n; i++)
		v[i] = (struct systemd_limit){ files->v[i].key, files->v[i].value };
	return v;
}

int limits_place(
	const struct plan_cgroup *c, pid_t pid, struct arena *a, struct ctr_state *s, struct err *e)
{
	const struct systemd_limit *limits = as_limits(&c->files, a);
	cleanup(close) int fd = -EBADF;
	char path[PATH_MAX];
	int r = 0;

	if (!limits)
		return err_set(e, -ENOMEM, "out of memory");
	r = systemd_start_scope(c->unit, c->slice, pid, limits, c->files.n, path, e);
	if (r < 0)
		return r;
	s->cgroup = arena_printf(a, "%s", path);
	if (!s->cgroup)
		return err_set(e, -ENOMEM, "out of memory");
	fd = host_cgroup_open(path);
	/* Again, for those that systemd has no property for. */
	return fd < 0 ? err_sys(e, fd, "cgroup %s", path) : write_all(fd, &c->files, e);
}

int limits_write(const struct ctr_state *s, const struct plan_files *files, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const struct systemd_limit *limits = as_limits(files, &a);
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!files->n)
		return 0;
	if (!limits)
		return err_set(e, -ENOMEM, "out of memory");
	if (s->unit)
		r = systemd_set(s->unit, limits, files->n, e);
	if (r < 0)
		return r;
	fd = host_cgroup_open(s->cgroup);
	return fd < 0 ? err_sys(e, fd, "cgroup %s", s->cgroup) : write_all(fd, files, e);
}

void limits_read(const struct ctr_state *s, const char *name, char *buf, size_t size)
{
	cleanup(close) int dir = s->cgroup ? host_cgroup_open(s->cgroup) : -EBADF;
	cleanup(close) int fd = dir < 0 ? -EBADF : openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, buf, size - 1);

	buf[n < 0 ? 0 : n] = '\0';
}

int limits_start(const struct ctr_state *s, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct plan_files files = { .n = s->start_limits.n };

	files.v = arena_alloc(&a, files.n + 1, sizeof(*files.v));
	if (!files.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < files.n; i++)
		files.v[i] =
			(struct gplan_pair){ s->start_limits.v[i].key, s->start_limits.v[i].value };
	return limits_write(s, &files, e);
}
