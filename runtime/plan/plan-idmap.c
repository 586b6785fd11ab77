/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-idmap.c - ids of a bind mount's files, mapped for that mount alone (runtime-spec 1.2,
 * config.md, "idmap").
 *
 * The map comes from uidMappings and gidMappings, from the container's user namespace where the
 * options only say `idmap`, or, as podman hands it over and crun reads it, from the option itself:
 * `idmap=uids=0-1-10#20-30-5;gids=…`. Each triple is an id in the files, the id that it stands for,
 * and a count; `@` before one means that the second is an id of the container.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "parts.h"

#define MAX_RANGES 340 /* the kernel's limit per map, user_namespaces(7) */

struct maps {
	struct gplan_idmap *v;
	size_t n;
};

bool plan_is_idmap(const char *option)
{
	option += *option == 'r';
	return strcmp(option, "idmap") == 0 || strncmp(option, "idmap=", 6) == 0;
}

int plan_copy_maps(const struct oci_idmap *from, size_t n, struct arena *a,
	struct gplan_idmap **ret, size_t *ret_n, struct err *e)
{
	struct gplan_idmap *to = arena_alloc(a, n + 1, sizeof(*to));

	if (!to)
		return plan_no_memory(e);
	for (size_t i = 0; i < n; i++)
		to[i] = (struct gplan_idmap){ from[i].container_id, from[i].host_id, from[i].size };
	*ret = to;
	*ret_n = n;
	return 0;
}

/* ---- the option's own maps ----------------------------------------------------------------- */

static bool read_id(const char **s, char end, uint32_t *ret)
{
	char *rest = NULL;
	unsigned long long v = 0;

	if (**s == '+')
		(*s)++;
	if (**s < '0' || **s > '9')
		return false;
	errno = 0;
	v = strtoull(*s, &rest, 10);
	if (errno || v > UINT32_MAX || (end && *rest != end))
		return false;
	*s = rest + (end != '\0');
	*ret = (uint32_t)v;
	return true;
}

/* The host's id for one of the container's. */
static bool through(const struct oci_idmap *map, size_t n, uint32_t *id)
{
	for (size_t i = 0; i < n; i++) {
		if (*id >= map[i].container_id && *id - map[i].container_id < map[i].size) {
			*id = map[i].host_id + (*id - map[i].container_id);
			return true;
		}
	}
	return false;
}

/* One list of triples, up to the end or ';'. */
static bool read_list(const char **s, const struct oci_idmap *own, size_t n_own, struct arena *a,
	struct maps *ret)
{
	do {
		struct gplan_idmap *grown = NULL;
		struct gplan_idmap m;
		bool relative = **s == '@';

		*s += relative;
		if (ret->n == MAX_RANGES || !read_id(s, '-', &m.container_id) ||
			!read_id(s, '-', &m.host_id) || !read_id(s, '\0', &m.size) ||
			(relative && !through(own, n_own, &m.host_id)))
			return false;
		grown = arena_grow(a, ret->v, ret->n, sizeof(*grown));
		if (!grown)
			return false;
		ret->v = grown;
		ret->v[ret->n++] = m;
	} while (*(*s) == '#' && (*s)++);
	return **s == '\0' || **s == ';';
}

static bool read_option(const char *s, const struct oci_linux *l, struct arena *a,
	struct maps *uids, struct maps *gids)
{
	while (*s) {
		bool uid = strncmp(s, "uids=", 5) == 0;

		if (!uid && strncmp(s, "gids=", 5) != 0)
			return false;
		s += 5;
		if (!read_list(&s, uid ? l->uid_mappings : l->gid_mappings,
			    uid ? l->n_uid_mappings : l->n_gid_mappings, a, uid ? uids : gids))
			return false;
		s += *s == ';';
	}
	return true;
}

/* ---- which map it is ----------------------------------------------------------------------- */

/* NULL when none of the options asks for one. */
static const char *asked(const struct oci_mount *from)
{
	const char *ret = NULL;

	for (size_t i = 0; i < from->options.n; i++) {
		if (plan_is_idmap(from->options.v[i]))
			ret = from->options.v[i];
	}
	return ret;
}

static int choose(const struct oci_linux *l, const struct oci_mount *from, size_t index,
	const char *option, struct arena *a, struct maps *uids, struct maps *gids, struct err *e)
{
	const char *own = option ? strchr(option, '=') : NULL;
	bool given = from->n_uid_mappings || from->n_gid_mappings;
	int r = 0;

	if (given && own)
		return err_set(e, -EINVAL,
			"mounts[%zu].options: %.64s: beside uidMappings and gidMappings", index,
			option);
	if (own && !read_option(own + 1, l, a, uids, gids))
		return err_set(e, -EINVAL,
			"mounts[%zu].options: %.64s: not uids=ID-ID-COUNT#…;gids=…", index, option);
	if (own)
		return 0;
	r = plan_copy_maps(given ? from->uid_mappings : l->uid_mappings,
		given ? from->n_uid_mappings : l->n_uid_mappings, a, &uids->v, &uids->n, e);
	if (r == 0)
		r = plan_copy_maps(given ? from->gid_mappings : l->gid_mappings,
			given ? from->n_gid_mappings : l->n_gid_mappings, a, &gids->v, &gids->n, e);
	return r;
}

int plan_idmap(const struct oci_linux *l, const struct oci_mount *from, size_t index, bool bind,
	struct arena *a, struct gplan_mount *m, struct err *e)
{
	const char *option = asked(from);
	struct maps uids = { 0 }, gids = { 0 };
	int r = 0;

	if (!option && !from->n_uid_mappings && !from->n_gid_mappings)
		return 0;
	if (!bind || (m->flags & MS_REMOUNT))
		return err_set(e, -EINVAL,
			"mounts[%zu]: id-mapped mounts are only supported for bind-mounts", index);
	r = choose(l, from, index, option, a, &uids, &gids, e);
	if (r < 0)
		return r;
	if (!uids.n || !gids.n)
		return err_set(e, -EINVAL,
			"mounts[%zu]: id-mapped mounts must have both uid and gid mappings specified",
			index);
	if (uids.n > MAX_RANGES || gids.n > MAX_RANGES)
		return err_set(e, -E2BIG, "mounts[%zu]: more than %d mappings", index, MAX_RANGES);
	m->uid_map = uids.v;
	m->n_uid_map = uids.n;
	m->gid_map = gids.v;
	m->n_gid_map = gids.n;
	return 0;
}
