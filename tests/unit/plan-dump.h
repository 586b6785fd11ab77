/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-dump.h - a plan as readable lines, "key = value"; what is empty or zero is left out.
 *
 * Numbers of the Linux ABI are shown by the names of its headers, with tables of this file and not
 * those of the plan: a wrong number there shows here.
 */
#ifndef NESTBOX_UNIT_PLAN_DUMP_H
#define NESTBOX_UNIT_PLAN_DUMP_H

#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "bpf.h"
#include "ebpf.h"
#include "plan.h"

struct dump_name {
	uint64_t bits;
	const char *name;
};

static const struct dump_name dump_namespaces[] = { { CLONE_NEWCGROUP, "cgroup" },
	{ CLONE_NEWIPC, "ipc" }, { CLONE_NEWNS, "mount" }, { CLONE_NEWNET, "network" },
	{ CLONE_NEWPID, "pid" }, { CLONE_NEWTIME, "time" }, { CLONE_NEWUSER, "user" },
	{ CLONE_NEWUTS, "uts" } };

static const struct dump_name dump_mount_flags[] = { { MS_RDONLY, "rdonly" },
	{ MS_NOSUID, "nosuid" }, { MS_NODEV, "nodev" }, { MS_NOEXEC, "noexec" },
	{ MS_SYNCHRONOUS, "synchronous" }, { MS_REMOUNT, "remount" }, { MS_MANDLOCK, "mandlock" },
	{ MS_DIRSYNC, "dirsync" }, { 256, "nosymfollow" }, { MS_NOATIME, "noatime" },
	{ MS_NODIRATIME, "nodiratime" }, { MS_BIND, "bind" }, { MS_REC, "rec" },
	{ MS_SILENT, "silent" }, { MS_POSIXACL, "posixacl" }, { MS_UNBINDABLE, "unbindable" },
	{ MS_PRIVATE, "private" }, { MS_SLAVE, "slave" }, { MS_SHARED, "shared" },
	{ MS_RELATIME, "relatime" }, { MS_I_VERSION, "i_version" },
	{ MS_STRICTATIME, "strictatime" }, { 1u << 25, "lazytime" } };

/* MOUNT_ATTR__ATIME is a field of three values, not a set of bits. */
static const struct dump_name dump_attrs[] = { { MOUNT_ATTR_RDONLY, "rdonly" },
	{ MOUNT_ATTR_NOSUID, "nosuid" }, { MOUNT_ATTR_NODEV, "nodev" },
	{ MOUNT_ATTR_NOEXEC, "noexec" }, { MOUNT_ATTR__ATIME, "_atime" },
	{ MOUNT_ATTR_NOATIME, "noatime" }, { MOUNT_ATTR_STRICTATIME, "strictatime" },
	{ MOUNT_ATTR_NODIRATIME, "nodiratime" }, { 0x00200000, "nosymfollow" } };

/* " = a b 0x100" and a newline; nothing for 0. */
static inline void dump_bits(
	FILE *f, const char *key, uint64_t bits, const struct dump_name *names, size_t n)
{
	if (!bits)
		return;
	fprintf(f, "%s =", key);
	for (size_t i = 0; i < n; i++) {
		if ((bits & names[i].bits) != names[i].bits)
			continue;
		fprintf(f, " %s", names[i].name);
		bits &= ~names[i].bits;
	}
	if (bits)
		fprintf(f, " %#" PRIx64, bits);
	fprintf(f, "\n");
}

#define DUMP_BITS(f, key, bits, names) dump_bits(f, key, bits, names, ARRAY_LEN(names))

static inline void dump_text(FILE *f, const char *key, const char *value)
{
	if (value && *value)
		fprintf(f, "%s = %s\n", key, value);
}

static inline void dump_strv(FILE *f, const char *key, char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s = %s\n", key, v[i]);
	assert_true(n == 0 || !v[n]);
}

/* ---- process ------------------------------------------------------------------------------- */

static inline void dump_caps(FILE *f, const char *key, uint64_t set)
{
	fprintf(f, "%s =", key);
	for (int i = 0; i < 64; i++) {
		char *name = set & 1ull << i ? cap_to_name((cap_value_t)i) : NULL;

		if (name)
			fprintf(f, " %s", name);
		cap_free(name);
	}
	fprintf(f, "\n");
}

static inline void dump_action(FILE *f, uint32_t word)
{
	uint32_t data = word & SECCOMP_RET_DATA;

	switch (word & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_KILL_PROCESS:
		fprintf(f, "kill-process\n");
		break;
	case SECCOMP_RET_KILL_THREAD:
		fprintf(f, "kill-thread\n");
		break;
	case SECCOMP_RET_TRAP:
		fprintf(f, "trap\n");
		break;
	case SECCOMP_RET_ERRNO:
		fprintf(f, "errno %u\n", data);
		break;
	case SECCOMP_RET_TRACE:
		fprintf(f, "trace %u\n", data);
		break;
	case SECCOMP_RET_LOG:
		fprintf(f, "log\n");
		break;
	case SECCOMP_RET_ALLOW:
		fprintf(f, "allow\n");
		break;
	default:
		fprintf(f, "%#x\n", word);
	}
}

/* What the filter answers, not how libseccomp wrote it. */
static inline void dump_seccomp(FILE *f, const struct gplan_process *p)
{
	static const struct {
		const char *name;
		struct seccomp_data data;
	} calls[] = {
		{ "read", { .arch = AUDIT_ARCH_X86_64, .nr = SYS_read } },
		{ "ptrace", { .arch = AUDIT_ARCH_X86_64, .nr = SYS_ptrace } },
		{ "personality 0", { .arch = AUDIT_ARCH_X86_64, .nr = SYS_personality } },
		{ "personality 8",
			{ .arch = AUDIT_ARCH_X86_64, .nr = SYS_personality, .args = { 8 } } },
		{ "personality 0xffffffff",
			{ .arch = AUDIT_ARCH_X86_64,
				.nr = SYS_personality,
				.args = { 0xffffffff } } },
		{ "clone 0x10000000",
			{ .arch = AUDIT_ARCH_X86_64, .nr = SYS_clone, .args = { 0x10000000 } } },
		{ "clone 0x11", { .arch = AUDIT_ARCH_X86_64, .nr = SYS_clone, .args = { 0x11 } } },
		{ "i386 read", { .arch = AUDIT_ARCH_I386, .nr = 3 } },
		{ "x32 read", { .arch = AUDIT_ARCH_X86_64, .nr = 0x40000000 } },
		{ "of tomorrow", { .arch = AUDIT_ARCH_X86_64, .nr = 5000 } },
		{ "i386 of tomorrow", { .arch = AUDIT_ARCH_I386, .nr = 5000 } },
		{ "x32 of tomorrow", { .arch = AUDIT_ARCH_X86_64, .nr = 0x40000000 + 5000 } },
		{ "aarch64 read", { .arch = AUDIT_ARCH_AARCH64, .nr = 63 } },
	};

	if (!p->seccomp_len)
		return;
	fprintf(f, "process.seccomp.flags = %#x\n", p->seccomp_flags);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		fprintf(f, "process.seccomp(%s) = ", calls[i].name);
		dump_action(f, bpf_run(p->seccomp, p->seccomp_len, &calls[i].data));
	}
}

static inline void dump_scheduling(FILE *f, const struct gplan_process *p)
{
	if (p->has_scheduler)
		fprintf(f,
			"process.scheduler = policy %u nice %d priority %u flags %#" PRIx64
			" runtime %" PRIu64 " deadline %" PRIu64 " period %" PRIu64 "\n",
			p->sched_policy, p->sched_nice, p->sched_priority, p->sched_flags,
			p->sched_runtime, p->sched_deadline, p->sched_period);
	if (p->has_ioprio)
		fprintf(f, "process.ioprio = class %u level %u\n", p->ioprio >> 13,
			p->ioprio & 0x1fff);
	if (p->has_personality)
		fprintf(f, "process.personality = %#" PRIx64 "\n", p->personality);
}

static inline void dump_process(FILE *f, const struct gplan_process *p)
{
	dump_strv(f, "process.arg", p->args, p->n_args);
	dump_strv(f, "process.env", p->env, p->n_env);
	fprintf(f, "process.cwd = %s\nprocess.user = %u:%u\n", p->cwd, p->uid, p->gid);
	if (p->has_umask)
		fprintf(f, "process.umask = %04o\n", p->umask);
	for (size_t i = 0; i < p->n_groups; i++)
		fprintf(f, "process.group = %u\n", p->groups[i]);
	if (p->has_caps) {
		dump_caps(f, "process.caps.bounding", p->cap_bounding);
		dump_caps(f, "process.caps.effective", p->cap_effective);
		dump_caps(f, "process.caps.inheritable", p->cap_inheritable);
		dump_caps(f, "process.caps.permitted", p->cap_permitted);
		dump_caps(f, "process.caps.ambient", p->cap_ambient);
	}
	for (size_t i = 0; i < p->n_rlimits; i++)
		fprintf(f, "process.rlimit = %u soft %" PRIu64 " hard %" PRIu64 "\n",
			p->rlimits[i].resource, p->rlimits[i].soft, p->rlimits[i].hard);
	if (p->no_new_privs)
		fprintf(f, "process.no_new_privs = yes\n");
	if (p->has_oom_score_adj)
		fprintf(f, "process.oom_score_adj = %d\n", p->oom_score_adj);
	if (p->terminal)
		fprintf(f, "process.terminal = yes\n");
	if (p->rows || p->cols)
		fprintf(f, "process.window = %u rows %u columns\n", p->rows, p->cols);
	dump_seccomp(f, p);
	dump_scheduling(f, p);
}

/* ---- guest --------------------------------------------------------------------------------- */

static inline void dump_maps(FILE *f, const char *key, const struct gplan_idmap *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s = container %u host %u size %u\n", key, m[i].container_id,
			m[i].host_id, m[i].size);
}

static inline void dump_mount(FILE *f, const struct gplan_mount *m)
{
	static const char *const kinds[GPLAN_MOUNT_KIND_MAX] = { "fs", "share", "cgroup", "shm" };

	assert_in_range(m->kind, 0, GPLAN_MOUNT_KIND_MAX - 1);
	fprintf(f, "mount = %s %s\n", kinds[m->kind], m->dest);
	dump_text(f, "  type", m->type);
	dump_text(f, "  source", m->source);
	DUMP_BITS(f, "  flags", m->flags, dump_mount_flags);
	DUMP_BITS(f, "  propagation", m->propagation, dump_mount_flags);
	DUMP_BITS(f, "  tree.set", m->rec_attr_set, dump_attrs);
	DUMP_BITS(f, "  tree.clear", m->rec_attr_clear, dump_attrs);
	dump_maps(f, "  uid", m->uid_map, m->n_uid_map);
	dump_maps(f, "  gid", m->gid_map, m->n_gid_map);
	if (m->in_proc)
		fprintf(f, "  in_proc = yes\n");
	if (m->tmpcopyup)
		fprintf(f, "  tmpcopyup = yes\n");
	dump_text(f, "  data", m->data);
}

static inline void dump_device(FILE *f, const struct gplan_device *d)
{
	uint32_t type = d->mode & S_IFMT;

	fprintf(f, "device = %s %c %u:%u mode %04o owner %u:%u\n", d->path,
		type == S_IFCHR           ? 'c'
			: type == S_IFBLK ? 'b'
			: type == S_IFIFO ? 'p'
					  : '?',
		d->major, d->minor, d->mode & ~(uint32_t)S_IFMT, d->uid, d->gid);
}

static inline void dump_pairs(FILE *f, const char *key, const struct gplan_pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s %s = %s\n", key, p[i].key, p[i].value);
}

/* Empty lists leave no line. */
static inline void dump_hooks(FILE *f, const char *key, const struct hook_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct hook *h = &l->v[i];

		fprintf(f, "%s = %s", key, h->path);
		if (h->timeout_s)
			fprintf(f, " timeout %u s", h->timeout_s);
		fprintf(f, "%s\n", h->has_env ? " own environment" : "");
		dump_strv(f, "  arg", h->args, h->n_args);
		dump_strv(f, "  env", h->env, h->n_env);
	}
}

/* What the filter allows, of a few requests. */
static inline void dump_device_rules(FILE *f, const struct gplan *g)
{
	static const struct {
		char type;
		uint32_t major, minor;
	} nodes[] = { { 'c', 1, 3 }, { 'c', 5, 1 }, { 'c', 10, 200 }, { 'c', 10, 229 },
		{ 'c', 136, 7 }, { 'b', 8, 0 }, { 'b', 8, 1 } };

	fprintf(f, "devices.allowed =");
	if (!g->device_filter_len)
		fprintf(f, " all");
	for (size_t i = 0; i < ARRAY_LEN(nodes) && g->device_filter_len; i++) {
		fprintf(f, " %c%u:%u", nodes[i].type, nodes[i].major, nodes[i].minor);
		for (int access = 1; access < 8; access++) {
			if (ebpf_allows(g->device_filter, g->device_filter_len,
				    nodes[i].type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK,
				    access, nodes[i].major, nodes[i].minor))
				fprintf(f, "/%s%s%s", access & BPF_DEVCG_ACC_READ ? "r" : "",
					access & BPF_DEVCG_ACC_WRITE ? "w" : "",
					access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
		}
	}
	fprintf(f, "\n");
}

static inline void dump_guest(FILE *f, const struct gplan *g)
{
	fprintf(f, "id = %s\n", g->id);
	dump_text(f, "hostname", g->hostname);
	dump_text(f, "domainname", g->domainname);
	fprintf(f, "root = %s %s%s\n", g->root_kind == GPLAN_ROOT_SHARE ? "share" : "block",
		g->root_source, g->root_readonly ? " readonly" : "");
	dump_text(f, "root.fstype", g->root_fstype);
	DUMP_BITS(f, "root.propagation", g->root_propagation, dump_mount_flags);
	DUMP_BITS(f, "namespaces", g->namespaces, dump_namespaces);
	dump_maps(f, "uid_map", g->uid_map, g->n_uid_map);
	dump_maps(f, "gid_map", g->gid_map, g->n_gid_map);
	for (size_t i = 0; i < g->n_timens; i++)
		fprintf(f, "clock = %s %" PRId64 " s %u ns\n",
			g->timens[i].clock == CLOCK_MONOTONIC          ? "monotonic"
				: g->timens[i].clock == CLOCK_BOOTTIME ? "boottime"
								       : "?",
			g->timens[i].secs, g->timens[i].nanosecs);
	for (size_t i = 0; i < g->n_mounts; i++)
		dump_mount(f, &g->mounts[i]);
	for (size_t i = 0; i < g->n_devices; i++)
		dump_device(f, &g->devices[i]);
	dump_strv(f, "masked", g->masked_paths, g->n_masked);
	dump_strv(f, "readonly", g->readonly_paths, g->n_readonly);
	dump_pairs(f, "sysctl", g->sysctls, g->n_sysctls);
	fprintf(f, "cgroup = %s\n", g->cgroup);
	dump_pairs(f, "cgroup.file", g->cgroup_files, g->n_cgroup_files);
	dump_device_rules(f, g);
	dump_process(f, &g->process);
	dump_hooks(f, "hook.createContainer", &g->create_container.list);
	dump_hooks(f, "hook.startContainer", &g->start_container.list);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static inline void dump_plan(FILE *f, const struct plan *p)
{
	fprintf(f, "vm.ram = %" PRIu64 " MiB", p->vm.ram_bytes >> 20);
	fprintf(f, "%s\n", p->vm.ram_bytes % (2u << 20) ? " and a bit" : "");
	fprintf(f, "vm.vcpus = %u\n", p->vm.vcpus);
	dump_text(f, "vm.kernel", p->vm.kernel_path);
	dump_text(f, "vm.initrd", p->vm.initrd_path);
	dump_text(f, "vm.parameters", p->vm.parameters);
	dump_text(f, "host.image", p->host.image.path);
	dump_text(f, "host.image.fstype", p->host.image.fstype);
	for (size_t i = 0; i < p->host.n_shares; i++)
		fprintf(f, "host.share = %s %s%s%s%s\n", p->host.shares[i].name,
			p->host.shares[i].path, p->host.shares[i].readonly ? " readonly" : "",
			p->host.shares[i].readonly_below ? " readonly-below" : "",
			p->host.shares[i].recursive ? " recursive" : "");
	if (p->host.new_netns)
		fprintf(f, "host.netns = new\n");
	dump_text(f, "host.netns", p->host.netns_path);
	/* The container's name is where it is when nothing is asked for. */
	if (p->host.cgroup.path && strcmp(p->host.cgroup.path, p->guest.id) != 0)
		dump_text(f, "host.cgroup", p->host.cgroup.path);
	dump_text(f, "host.cgroup.slice", p->host.cgroup.slice);
	dump_text(f, "host.cgroup.unit", p->host.cgroup.unit);
	dump_pairs(f, "host.cgroup.file", p->host.cgroup.files.v, p->host.cgroup.files.n);
	dump_pairs(
		f, "host.cgroup.start", p->host.cgroup.start_files.v, p->host.cgroup.start_files.n);
	dump_hooks(f, "host.hook.prestart", &p->hooks.prestart);
	dump_hooks(f, "host.hook.createRuntime", &p->hooks.create_runtime);
	dump_hooks(f, "host.hook.poststart", &p->hooks.poststart);
	dump_hooks(f, "host.hook.poststop", &p->hooks.poststop);
	dump_guest(f, &p->guest);
}

#endif
