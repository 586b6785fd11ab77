/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-mounts.c - mounts: binds become shares of the host's files, everything else is made in the
 * guest.
 *
 * Options are those of mount(8) that runtime-spec 1.2 (config.md, "Linux mount options") lists;
 * what is none of them is handed to the file system as data.
 */
#include <errno.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "mount-options.h"
#include "parts.h"
#include "vmm-plan.h"

/* Not in the headers of Debian 12's C libraries. */
#define ATTR_NOSYMFOLLOW 0x00200000u

static const struct mount_option propagations[] = {
	{ "private", false, MS_PRIVATE },
	{ "rprivate", false, MS_PRIVATE | MS_REC },
	{ "shared", false, MS_SHARED },
	{ "rshared", false, MS_SHARED | MS_REC },
	{ "slave", false, MS_SLAVE },
	{ "rslave", false, MS_SLAVE | MS_REC },
	{ "unbindable", false, MS_UNBINDABLE },
	{ "runbindable", false, MS_UNBINDABLE | MS_REC },
};

/* Whole trees, by mount_setattr(2). Relatime is what is left when the other two are cleared. */
static const struct mount_option recursive_options[] = {
	{ "rro", false, MOUNT_ATTR_RDONLY },
	{ "rrw", true, MOUNT_ATTR_RDONLY },
	{ "rnosuid", false, MOUNT_ATTR_NOSUID },
	{ "rsuid", true, MOUNT_ATTR_NOSUID },
	{ "rnodev", false, MOUNT_ATTR_NODEV },
	{ "rdev", true, MOUNT_ATTR_NODEV },
	{ "rnoexec", false, MOUNT_ATTR_NOEXEC },
	{ "rexec", true, MOUNT_ATTR_NOEXEC },
	{ "rnodiratime", false, MOUNT_ATTR_NODIRATIME },
	{ "rdiratime", true, MOUNT_ATTR_NODIRATIME },
	{ "rnoatime", false, MOUNT_ATTR_NOATIME },
	{ "ratime", true, MOUNT_ATTR__ATIME },
	{ "rstrictatime", false, MOUNT_ATTR_STRICTATIME },
	{ "rnostrictatime", true, MOUNT_ATTR__ATIME },
	{ "rrelatime", true, MOUNT_ATTR__ATIME },
	{ "rnorelatime", true, 0 },
	{ "rnosymfollow", false, ATTR_NOSYMFOLLOW },
	{ "rsymfollow", true, ATTR_NOSYMFOLLOW },
};

uint64_t plan_propagation(const char *name)
{
	const struct mount_option *o =
		mount_option_find(propagations, ARRAY_LEN(propagations), name);

	return o ? o->flag : 0;
}

/* Of two options that contradict each other the last one counts. */
static void apply_recursive(const struct mount_option *o, struct gplan_mount *m)
{
	uint64_t group = o->flag & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : o->flag;

	m->rec_attr_set &= ~group;
	m->rec_attr_clear &= ~group;
	*(o->clear ? &m->rec_attr_clear : &m->rec_attr_set) |= o->flag;
}

static int add_data(struct arena *a, struct gplan_mount *m, const char *option, struct err *e)
{
	m->data = *m->data ? arena_printf(a, "%s,%s", m->data, option) : option;
	return m->data ? 0 : plan_no_memory(e);
}

static int apply_option(const char *option, struct arena *a, struct gplan_mount *m, struct err *e)
{
	const struct mount_option *o = NULL;

	if (mount_option_apply(option, &m->flags))
		return 0;
	if (plan_propagation(option)) {
		m->propagation = plan_propagation(option);
		return 0;
	}
	o = mount_option_find(recursive_options, ARRAY_LEN(recursive_options), option);
	if (o) {
		apply_recursive(o, m);
		return 0;
	}
	if (strcmp(option, "tmpcopyup") == 0) {
		m->tmpcopyup = true;
		return 0;
	}
	/* A share is one mount in the guest: its tree is itself. */
	if (plan_is_idmap(option))
		return 0;
	/* SELinux labels: no such module in the guest. */
	if (strncmp(option, "context=", 8) == 0)
		return 0;
	return add_data(a, m, option, e);
}

static int add_share(const struct oci_mount *from, size_t index, const struct plan_facts *facts,
	struct arena *a, struct plan *p, struct gplan_mount *m, struct err *e)
{
	struct plan_share *share = NULL;
	struct plan_share *grown =
		arena_grow(a, (void *)(uintptr_t)p->host.shares, p->host.n_shares, sizeof(*grown));

	if (!grown)
		return plan_no_memory(e);
	if (!from->source || !*from->source)
		return err_set(e, -EINVAL, "mounts[%zu].source: a bind mount needs one", index);
	p->host.shares = grown;
	share = &grown[p->host.n_shares++];
	*share = (struct plan_share){
		.name = arena_printf(a, "m%zu", index),
		.path = from->source[0] == '/'
			? from->source
			: arena_printf(a, "%s/%s", facts->bundle, from->source),
		.readonly = (m->flags & MS_RDONLY) || (m->rec_attr_set & MOUNT_ATTR_RDONLY),
		.readonly_below = m->rec_attr_set & MOUNT_ATTR_RDONLY,
		.recursive = m->flags & MS_REC,
	};
	if (!share->name || !share->path)
		return plan_no_memory(e);
	m->kind = GPLAN_MOUNT_SHARE;
	m->source = share->name;
	m->type = "";
	m->flags &= ~(uint64_t)(MS_BIND | MS_REC);
	return 0;
}

/* ---- destinations -------------------------------------------------------------------------- */

/* Absolute, as runc makes it: an old habit of callers. */
static int plan_destination(const struct oci_mount *from, size_t index, struct arena *a,
	struct gplan_mount *m, struct err *e)
{
	const char *dest = from->destination;

	if (!*dest)
		return err_set(e, -EINVAL, "mounts[%zu].destination: is empty", index);
	if (strlen(dest) >= PATH_MAX - 1)
		return err_set(
			e, -ENAMETOOLONG, "mounts[%zu].destination: path is too long", index);
	m->dest = *dest == '/' ? dest : arena_printf(a, "/%s", dest);
	return m->dest ? 0 : plan_no_memory(e);
}

/* Without empty components, "." and ".."; ret has room for the path. */
static void clean_path(const char *path, char *ret)
{
	size_t len = 0;

	while (*path) {
		size_t n = 0;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && strncmp(path, "..", 2) == 0) {
			while (len && ret[--len] != '/')
				;
		} else if (n && !(n == 1 && *path == '.')) {
			ret[len++] = '/';
			memcpy(ret + len, path, n);
			len += n;
		}
		path += n;
	}
	ret[len] = '\0';
}

/* runc's rule: a proc file system is covered by nothing but itself, except for the files that lxcfs
 * brings. The guest sees to links. */
static int check_proc(
	size_t index, const struct oci_mount *from, bool bind, struct gplan_mount *m, struct err *e)
{
	static const char *const files[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",
		"/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg", "/proc/slabinfo",
		"/proc/net/dev", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled" };
	char dest[PATH_MAX];
	bool is_proc = !bind && strcmp(m->type, "proc") == 0;

	clean_path(m->dest, dest);
	/* What is there already is changed, nothing is covered. */
	m->in_proc = m->flags & MS_REMOUNT;
	if (m->in_proc || strncmp(dest, "/proc", 5) != 0 || (dest[5] && dest[5] != '/'))
		return 0;
	m->in_proc = true;
	if (!dest[5] && (is_proc || (bind && from->source && strcmp(from->source, "/proc") == 0)))
		return 0;
	if (!dest[5])
		return err_set(e, -EINVAL,
			"mounts[%zu]: \"%s\" cannot be mounted because it is not of type proc",
			index, dest);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (strcmp(dest, files[i]) == 0)
			return 0;
	}
	return err_set(e, -EINVAL,
		"mounts[%zu]: \"%.256s\" cannot be mounted because it is inside /proc", index,
		dest);
}

/* Engines bind a tmpfs of the host into all containers of a pod for POSIX shared memory. By way of
 * a file server they would not meet in memory: so it is one of the guest's, for all that share the
 * IPC namespace of the pod's first container. Not the host's own, whose contents matter. */
static bool is_shared_memory(const struct oci_mount *from, const struct plan_facts *facts,
	const struct gplan_mount *m, const struct plan *p)
{
	char dest[PATH_MAX];
	bool shared = facts->pod_shm || p->vm.fs_slots == VMM_MAX_FS;
	size_t len = from->source ? strlen(from->source) : 0;

	clean_path(m->dest, dest);
	return shared && strcmp(dest, "/dev/shm") == 0 && len > 4 &&
		strcmp(from->source + len - 4, "/shm") == 0 &&
		strcmp(from->source, "/dev/shm") != 0;
}

static int plan_mount(const struct oci_spec *s, size_t index, const struct plan_facts *facts,
	struct arena *a, struct plan *p, struct gplan_mount *m, struct err *e)
{
	const struct oci_mount *from = &s->mounts[index];
	bool bind = from->type && strcmp(from->type, "bind") == 0;
	int r = 0;

	*m = (struct gplan_mount){
		.kind = GPLAN_MOUNT_FS,
		.type = from->type ? from->type : "",
		.source = from->source ? from->source : "",
		.data = "",
	};
	r = plan_destination(from, index, a, m, e);
	for (size_t i = 0; i < from->options.n && r == 0; i++)
		r = apply_option(from->options.v[i], a, m, e);
	bind = bind || (m->flags & MS_BIND);
	if (r == 0)
		r = check_proc(index, from, bind, m, e);
	if (r == 0)
		r = plan_idmap(&s->linux_, from, index, bind, a, m, e);
	if (r < 0)
		return r;
	if (m->tmpcopyup && (bind || strcmp(m->type, "tmpfs") != 0))
		return err_set(e, -EINVAL, "mounts[%zu].options: tmpcopyup is for tmpfs", index);
	if (m->flags & MS_REMOUNT) {
		m->flags = (m->flags & ~(uint64_t)MS_REC) | (bind ? MS_BIND : 0);
		return 0;
	}
	if (bind && is_shared_memory(from, facts, m, p)) {
		if (m->n_uid_map)
			return err_set(e, -ENOTSUP,
				"mounts[%zu]: an id-mapped mount of a pod's shared memory", index);
		m->kind = GPLAN_MOUNT_SHM;
		m->source = "shm";
		m->type = "";
		m->flags &= ~(uint64_t)(MS_BIND | MS_REC);
		return 0;
	}
	if (bind)
		return add_share(from, index, facts, a, p, m, e);
	if (!*m->type)
		return err_set(e, -EINVAL, "mounts[%zu].type: is missing", index);
	/* Its folders are named in the options, and mean the caller's. */
	if (strcmp(m->type, "overlay") == 0)
		return err_set(e, -ENOTSUP,
			"mounts[%zu]: an overlay of the host's folders, which the guest does not have: "
			"mount it on the host and bind it",
			index);
	if (strcmp(m->type, "cgroup") == 0 || strcmp(m->type, "cgroup2") == 0)
		m->kind = GPLAN_MOUNT_CGROUP;
	return 0;
}

int plan_mounts(const struct oci_spec *s, const struct plan_facts *facts, struct arena *a,
	struct plan *p, struct err *e)
{
	struct gplan *g = &p->guest;
	int r = 0;

	g->mounts = arena_alloc(a, s->n_mounts + 1, sizeof(*g->mounts));
	if (!g->mounts)
		return plan_no_memory(e);
	for (size_t i = 0; i < s->n_mounts && r == 0; i++)
		r = plan_mount(s, i, facts, a, p, &g->mounts[i], e);
	g->n_mounts = s->n_mounts;
	return r;
}

const char *plan_mount_option_name(size_t i)
{
	static const char *const others[] = { "tmpcopyup", "idmap", "ridmap" };
	const struct {
		const struct mount_option *table;
		size_t n;
	} tables[] = { { mount_flag_options, n_mount_flag_options },
		{ propagations, ARRAY_LEN(propagations) },
		{ recursive_options, ARRAY_LEN(recursive_options) } };

	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		if (i < tables[t].n)
			return tables[t].table[i].name;
		i -= tables[t].n;
	}
	return i < ARRAY_LEN(others) ? others[i] : NULL;
}
