/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest-plan.c - codec of the guest plan; see guest-plan.h.
 *
 * Each put_x() has its get_x() beside it, field by field in the same order: to change the plan,
 * change both and AGENT_VERSION.
 *
 * Trust: the decoder runs in the guest on what the host sent, and under the fuzzer on anything.
 */
#include <errno.h>
#include <linux/sched.h>
#include <string.h>

#include "guest-plan.h"
#include "vmm-plan.h"

#define MAX_PATH ((size_t)4096)

/* Counted array of structures: room bounded by the input, then each element. */
#define GET_ARRAY(r, a, array, n, min_bytes, get) \
	do { \
		size_t count_ = wire_get_count((r), GPLAN_MAX_LIST, (min_bytes)); \
		(array) = arena_alloc((a), count_ + 1, sizeof(*(array))); \
		if (!(array)) { \
			(r)->error = -ENOMEM; \
			return; \
		} \
		(n) = count_; \
		for (size_t i_ = 0; i_ < count_; i_++) \
			get((r), (a), &(array)[i_]); \
	} while (0)

#define PUT_ARRAY(w, array, n, put) \
	do { \
		wire_put_u32((w), (uint32_t)(n)); \
		for (size_t i_ = 0; i_ < (n); i_++) \
			put((w), &(array)[i_]); \
	} while (0)

static bool get_bool(struct wire_in *r)
{
	uint8_t v = wire_get_u8(r);

	if (v > 1)
		r->error = -EBADMSG;
	return v == 1;
}

static const char *get_absolute(struct wire_in *r, struct arena *a)
{
	const char *s = wire_get_str(r, a, MAX_PATH);

	if (s[0] != '/' && !r->error)
		r->error = -EBADMSG;
	return s;
}

/* The name of a share: one path component, so that it cannot leave the share mount. */
static const char *get_share(struct wire_in *r, struct arena *a)
{
	const char *s = wire_get_str(r, a, MAX_PATH);

	if (!r->error && (!*s || strchr(s, '/') || strcmp(s, ".") == 0 || strcmp(s, "..") == 0))
		r->error = -EBADMSG;
	return s;
}

static void put_rlimit(struct wire_out *w, const struct gplan_rlimit *m)
{
	wire_put_u32(w, m->resource);
	wire_put_u64(w, m->soft);
	wire_put_u64(w, m->hard);
}

static void get_rlimit(struct wire_in *r, struct arena *a, struct gplan_rlimit *m)
{
	(void)a;
	m->resource = wire_get_u32(r);
	m->soft = wire_get_u64(r);
	m->hard = wire_get_u64(r);
}

static void put_group(struct wire_out *w, const uint32_t *g)
{
	wire_put_u32(w, *g);
}

static void get_group(struct wire_in *r, struct arena *a, uint32_t *g)
{
	(void)a;
	*g = wire_get_u32(r);
}

static void put_scheduling(struct wire_out *w, const struct gplan_process *p)
{
	wire_put_u8(w, p->has_scheduler);
	wire_put_u32(w, p->sched_policy);
	wire_put_u32(w, (uint32_t)p->sched_nice);
	wire_put_u32(w, p->sched_priority);
	wire_put_u64(w, p->sched_flags);
	wire_put_u64(w, p->sched_runtime);
	wire_put_u64(w, p->sched_deadline);
	wire_put_u64(w, p->sched_period);
	wire_put_u8(w, p->has_ioprio);
	wire_put_u32(w, p->ioprio);
	wire_put_u8(w, p->has_personality);
	wire_put_u64(w, p->personality);
}

static void get_scheduling(struct wire_in *r, struct gplan_process *p)
{
	p->has_scheduler = get_bool(r);
	p->sched_policy = wire_get_u32(r);
	p->sched_nice = (int32_t)wire_get_u32(r);
	p->sched_priority = wire_get_u32(r);
	p->sched_flags = wire_get_u64(r);
	p->sched_runtime = wire_get_u64(r);
	p->sched_deadline = wire_get_u64(r);
	p->sched_period = wire_get_u64(r);
	p->has_ioprio = get_bool(r);
	p->ioprio = wire_get_u32(r);
	p->has_personality = get_bool(r);
	p->personality = wire_get_u64(r);
}

static void put_caps(struct wire_out *w, const struct gplan_process *p)
{
	wire_put_u8(w, p->has_caps);
	wire_put_u64(w, p->cap_bounding);
	wire_put_u64(w, p->cap_effective);
	wire_put_u64(w, p->cap_inheritable);
	wire_put_u64(w, p->cap_permitted);
	wire_put_u64(w, p->cap_ambient);
}

static void get_caps(struct wire_in *r, struct gplan_process *p)
{
	p->has_caps = get_bool(r);
	p->cap_bounding = wire_get_u64(r);
	p->cap_effective = wire_get_u64(r);
	p->cap_inheritable = wire_get_u64(r);
	p->cap_permitted = wire_get_u64(r);
	p->cap_ambient = wire_get_u64(r);
}

void gplan_put_process(struct wire_out *w, const struct gplan_process *p)
{
	wire_put_strv(w, (const char *const *)p->args, p->n_args);
	wire_put_strv(w, (const char *const *)p->env, p->n_env);
	wire_put_str(w, p->cwd);
	wire_put_str(w, p->cgroup ? p->cgroup : "");
	wire_put_u32(w, p->uid);
	wire_put_u32(w, p->gid);
	wire_put_u8(w, p->has_umask);
	wire_put_u32(w, p->umask);
	PUT_ARRAY(w, p->groups, p->n_groups, put_group);
	put_caps(w, p);
	PUT_ARRAY(w, p->rlimits, p->n_rlimits, put_rlimit);
	wire_put_u8(w, p->no_new_privs);
	wire_put_u8(w, p->has_oom_score_adj);
	wire_put_u32(w, (uint32_t)p->oom_score_adj);
	wire_put_u8(w, p->terminal);
	wire_put_u16(w, p->rows);
	wire_put_u16(w, p->cols);
	wire_put_blob(w, p->seccomp, p->seccomp_len);
	wire_put_u32(w, p->seccomp_flags);
	put_scheduling(w, p);
}

static void get_process(struct wire_in *r, struct arena *a, struct gplan_process *p)
{
	p->args = wire_get_strv(r, a, GPLAN_MAX_LIST, GPLAN_MAX_STR, &p->n_args);
	p->env = wire_get_strv(r, a, GPLAN_MAX_LIST, GPLAN_MAX_STR, &p->n_env);
	p->cwd = get_absolute(r, a);
	p->cgroup = wire_get_str(r, a, MAX_PATH);
	p->uid = wire_get_u32(r);
	p->gid = wire_get_u32(r);
	p->has_umask = get_bool(r);
	p->umask = wire_get_u32(r);
	GET_ARRAY(r, a, p->groups, p->n_groups, 4, get_group);
	get_caps(r, p);
	GET_ARRAY(r, a, p->rlimits, p->n_rlimits, 20, get_rlimit);
	p->no_new_privs = get_bool(r);
	p->has_oom_score_adj = get_bool(r);
	p->oom_score_adj = (int32_t)wire_get_u32(r);
	p->terminal = get_bool(r);
	p->rows = wire_get_u16(r);
	p->cols = wire_get_u16(r);
	p->seccomp = wire_get_blob(r, a, GPLAN_MAX_STR, &p->seccomp_len);
	p->seccomp_flags = wire_get_u32(r);
	get_scheduling(r, p);
	if (!r->error && (p->n_args == 0 || p->seccomp_len % 8))
		r->error = -EBADMSG;
}

static void put_idmap(struct wire_out *w, const struct gplan_idmap *m)
{
	wire_put_u32(w, m->container_id);
	wire_put_u32(w, m->host_id);
	wire_put_u32(w, m->size);
}

static void get_idmap(struct wire_in *r, struct arena *a, struct gplan_idmap *m)
{
	(void)a;
	m->container_id = wire_get_u32(r);
	m->host_id = wire_get_u32(r);
	m->size = wire_get_u32(r);
}

static void put_mount(struct wire_out *w, const struct gplan_mount *m)
{
	wire_put_u32(w, m->kind);
	wire_put_str(w, m->dest);
	wire_put_str(w, m->type);
	wire_put_str(w, m->source);
	wire_put_u64(w, m->flags);
	wire_put_u64(w, m->propagation);
	wire_put_u64(w, m->rec_attr_set);
	wire_put_u64(w, m->rec_attr_clear);
	PUT_ARRAY(w, m->uid_map, m->n_uid_map, put_idmap);
	PUT_ARRAY(w, m->gid_map, m->n_gid_map, put_idmap);
	wire_put_u8(w, m->in_proc);
	wire_put_u8(w, m->tmpcopyup);
	wire_put_str(w, m->data);
}

static void get_mount(struct wire_in *r, struct arena *a, struct gplan_mount *m)
{
	m->kind = wire_get_u32(r);
	if (m->kind >= GPLAN_MOUNT_KIND_MAX)
		r->error = -EBADMSG;
	m->dest = get_absolute(r, a);
	m->type = wire_get_str(r, a, MAX_PATH);
	m->source = m->kind == GPLAN_MOUNT_SHARE ? get_share(r, a) : wire_get_str(r, a, MAX_PATH);
	m->flags = wire_get_u64(r);
	m->propagation = wire_get_u64(r);
	m->rec_attr_set = wire_get_u64(r);
	m->rec_attr_clear = wire_get_u64(r);
	GET_ARRAY(r, a, m->uid_map, m->n_uid_map, 12, get_idmap);
	GET_ARRAY(r, a, m->gid_map, m->n_gid_map, 12, get_idmap);
	if (!r->error &&
		(!m->n_uid_map != !m->n_gid_map || (m->n_uid_map && m->kind != GPLAN_MOUNT_SHARE)))
		r->error = -EBADMSG;
	m->in_proc = get_bool(r);
	m->tmpcopyup = get_bool(r);
	m->data = wire_get_str(r, a, GPLAN_MAX_STR);
}

static void put_device(struct wire_out *w, const struct gplan_device *d)
{
	wire_put_str(w, d->path);
	wire_put_u32(w, d->mode);
	wire_put_u32(w, d->major);
	wire_put_u32(w, d->minor);
	wire_put_u32(w, d->uid);
	wire_put_u32(w, d->gid);
}

static void get_device(struct wire_in *r, struct arena *a, struct gplan_device *d)
{
	d->path = get_absolute(r, a);
	d->mode = wire_get_u32(r);
	d->major = wire_get_u32(r);
	d->minor = wire_get_u32(r);
	d->uid = wire_get_u32(r);
	d->gid = wire_get_u32(r);
}

static void put_pair(struct wire_out *w, const struct gplan_pair *p)
{
	wire_put_str(w, p->key);
	wire_put_str(w, p->value);
}

static void get_pair(struct wire_in *r, struct arena *a, struct gplan_pair *p)
{
	p->key = wire_get_str(r, a, MAX_PATH);
	p->value = wire_get_str(r, a, GPLAN_MAX_STR);
}

static void put_timens(struct wire_out *w, const struct gplan_timens *t)
{
	wire_put_u32(w, t->clock);
	wire_put_u64(w, (uint64_t)t->secs);
	wire_put_u32(w, t->nanosecs);
}

static void get_timens(struct wire_in *r, struct arena *a, struct gplan_timens *t)
{
	(void)a;
	t->clock = wire_get_u32(r);
	t->secs = (int64_t)wire_get_u64(r);
	t->nanosecs = wire_get_u32(r);
}

static void put_join(struct wire_out *w, const struct gplan_join *j)
{
	wire_put_str(w, j->id);
	wire_put_u64(w, j->namespaces);
}

static void get_join(struct wire_in *r, struct arena *a, struct gplan_join *j)
{
	j->id = wire_get_str(r, a, MAX_PATH);
	j->namespaces = wire_get_u64(r);
	if (!r->error && (!j->namespaces || (j->namespaces & ~GPLAN_JOINABLE)))
		r->error = -EBADMSG;
}

static void get_joins(struct wire_in *r, struct arena *a, struct gplan *g)
{
	uint64_t taken = g->namespaces;

	GET_ARRAY(r, a, g->joins, g->n_joins, 12, get_join);
	if (!r->error && g->n_joins > GPLAN_MAX_JOINS)
		r->error = -EBADMSG;
	for (size_t i = 0; i < g->n_joins && !r->error; i++) {
		if (g->joins[i].namespaces & taken)
			r->error = -EBADMSG;
		taken |= g->joins[i].namespaces;
	}
	g->fs_slot = wire_get_u32(r);
	wire_get_bytes(r, g->socket_key.byte, SOCKET_KEY);
	if (!r->error && g->fs_slot > VMM_MAX_FS)
		r->error = -EBADMSG;
}

static void put_root(struct wire_out *w, const struct gplan *g)
{
	wire_put_u32(w, g->root_kind);
	wire_put_str(w, g->root_source);
	wire_put_str(w, g->root_fstype);
	wire_put_u8(w, g->root_readonly);
	wire_put_u64(w, g->root_propagation);
}

static void get_root(struct wire_in *r, struct arena *a, struct gplan *g)
{
	g->root_kind = wire_get_u32(r);
	if (g->root_kind >= GPLAN_ROOT_KIND_MAX)
		r->error = -EBADMSG;
	g->root_source = g->root_kind == GPLAN_ROOT_SHARE ? get_share(r, a) : get_absolute(r, a);
	g->root_fstype = wire_get_str(r, a, MAX_PATH);
	g->root_readonly = get_bool(r);
	g->root_propagation = wire_get_u64(r);
}

static void put_hook(struct wire_out *w, const struct hook *h)
{
	wire_put_str(w, h->path);
	wire_put_strv(w, (const char *const *)h->args, h->n_args);
	wire_put_u8(w, h->has_env);
	wire_put_strv(w, (const char *const *)h->env, h->n_env);
	wire_put_u32(w, h->timeout_s);
}

static void get_hook(struct wire_in *r, struct arena *a, struct hook *h)
{
	h->path = get_absolute(r, a);
	h->args = wire_get_strv(r, a, GPLAN_MAX_LIST, GPLAN_MAX_STR, &h->n_args);
	h->has_env = get_bool(r);
	h->env = wire_get_strv(r, a, GPLAN_MAX_LIST, GPLAN_MAX_STR, &h->n_env);
	h->timeout_s = wire_get_u32(r);
	/* Nothing in a guest runs without a limit: its host waits for it. */
	if (!r->error && (h->timeout_s == 0 || h->timeout_s > INT32_MAX))
		r->error = -EBADMSG;
}

static void put_hooks(struct wire_out *w, const struct gplan_hooks *h)
{
	PUT_ARRAY(w, h->list.v, h->list.n, put_hook);
	wire_put_str(w, h->state_head);
	wire_put_str(w, h->state_tail);
}

static void get_hooks(struct wire_in *r, struct arena *a, struct gplan_hooks *h)
{
	GET_ARRAY(r, a, h->list.v, h->list.n, 17, get_hook);
	h->state_head = wire_get_str(r, a, GPLAN_MAX_STR);
	h->state_tail = wire_get_str(r, a, GPLAN_MAX_STR);
}

void gplan_put(struct wire_out *w, const struct gplan *g)
{
	wire_put_bytes(w, g->entropy, sizeof(g->entropy));
	wire_put_u64(w, g->now_ns);
	wire_put_u64(w, g->size.boot_bytes);
	wire_put_u64(w, g->size.ram_bytes);
	wire_put_u32(w, g->size.boot_vcpus);
	wire_put_u32(w, g->size.vcpus);
	wire_put_str(w, g->id);
	wire_put_str(w, g->hostname);
	wire_put_str(w, g->domainname);
	put_root(w, g);
	wire_put_u64(w, g->namespaces);
	PUT_ARRAY(w, g->joins, g->n_joins, put_join);
	wire_put_u32(w, g->fs_slot);
	wire_put_bytes(w, g->socket_key.byte, SOCKET_KEY);
	PUT_ARRAY(w, g->uid_map, g->n_uid_map, put_idmap);
	PUT_ARRAY(w, g->gid_map, g->n_gid_map, put_idmap);
	PUT_ARRAY(w, g->timens, g->n_timens, put_timens);
	PUT_ARRAY(w, g->mounts, g->n_mounts, put_mount);
	PUT_ARRAY(w, g->devices, g->n_devices, put_device);
	wire_put_strv(w, (const char *const *)g->masked_paths, g->n_masked);
	wire_put_strv(w, (const char *const *)g->readonly_paths, g->n_readonly);
	PUT_ARRAY(w, g->sysctls, g->n_sysctls, put_pair);
	wire_put_str(w, g->cgroup);
	PUT_ARRAY(w, g->cgroup_files, g->n_cgroup_files, put_pair);
	wire_put_blob(w, g->device_filter, g->device_filter_len);
	gplan_put_process(w, &g->process);
	put_hooks(w, &g->create_container);
	put_hooks(w, &g->start_container);
}

static void get_size(struct wire_in *r, struct gplan_size *s)
{
	s->boot_bytes = wire_get_u64(r);
	s->ram_bytes = wire_get_u64(r);
	s->boot_vcpus = wire_get_u32(r);
	s->vcpus = wire_get_u32(r);
	if (s->ram_bytes > VMM_MAX_RAM || s->boot_bytes > s->ram_bytes ||
		(s->ram_bytes && s->boot_bytes < VMM_MIN_RAM) || s->vcpus > VMM_MAX_VCPUS ||
		s->boot_vcpus > s->vcpus)
		r->error = -EBADMSG;
}

static void get_plan(struct wire_in *r, struct arena *a, struct gplan *g)
{
	wire_get_bytes(r, g->entropy, sizeof(g->entropy));
	g->now_ns = wire_get_u64(r);
	get_size(r, &g->size);
	g->id = wire_get_str(r, a, MAX_PATH);
	g->hostname = wire_get_str(r, a, MAX_PATH);
	g->domainname = wire_get_str(r, a, MAX_PATH);
	get_root(r, a, g);
	g->namespaces = wire_get_u64(r);
	get_joins(r, a, g);
	GET_ARRAY(r, a, g->uid_map, g->n_uid_map, 12, get_idmap);
	GET_ARRAY(r, a, g->gid_map, g->n_gid_map, 12, get_idmap);
	GET_ARRAY(r, a, g->timens, g->n_timens, 16, get_timens);
	GET_ARRAY(r, a, g->mounts, g->n_mounts, 62, get_mount);
	GET_ARRAY(r, a, g->devices, g->n_devices, 24, get_device);
	g->masked_paths = wire_get_strv(r, a, GPLAN_MAX_LIST, MAX_PATH, &g->n_masked);
	g->readonly_paths = wire_get_strv(r, a, GPLAN_MAX_LIST, MAX_PATH, &g->n_readonly);
	GET_ARRAY(r, a, g->sysctls, g->n_sysctls, 8, get_pair);
	g->cgroup = wire_get_str(r, a, MAX_PATH);
	GET_ARRAY(r, a, g->cgroup_files, g->n_cgroup_files, 8, get_pair);
	g->device_filter = wire_get_blob(r, a, GPLAN_MAX_STR, &g->device_filter_len);
	if (!r->error && g->device_filter_len % 8)
		r->error = -EBADMSG;
	get_process(r, a, &g->process);
	get_hooks(r, a, &g->create_container);
	get_hooks(r, a, &g->start_container);
}

int gplan_get_process(const void *p, size_t len, struct arena *a, struct gplan_process *ret)
{
	struct gplan_process m = { 0 };
	struct wire_in r;
	int end = 0;

	wire_in_init(&r, p, len);
	get_process(&r, a, &m);
	end = wire_in_end(&r);
	if (end < 0)
		return end;
	*ret = m;
	return 0;
}

int gplan_get(const void *p, size_t len, struct arena *a, struct gplan *ret)
{
	struct gplan m = { 0 };
	struct wire_in r;
	int end = 0;

	wire_in_init(&r, p, len);
	get_plan(&r, a, &m);
	end = wire_in_end(&r);
	if (end < 0)
		return end;
	*ret = m;
	return 0;
}

static uint32_t outer_id(
	const struct gplan *g, const struct gplan_idmap *map, size_t n, uint32_t id)
{
	if (!(g->namespaces & CLONE_NEWUSER))
		return id;
	for (size_t i = 0; i < n; i++) {
		if (id >= map[i].container_id && id - map[i].container_id < map[i].size)
			return map[i].host_id + (id - map[i].container_id);
	}
	return UINT32_MAX;
}

uint32_t gplan_outer_uid(const struct gplan *g, uint32_t uid)
{
	return outer_id(g, g->uid_map, g->n_uid_map, uid);
}

uint32_t gplan_outer_gid(const struct gplan *g, uint32_t gid)
{
	return outer_id(g, g->gid_map, g->n_gid_map, gid);
}
