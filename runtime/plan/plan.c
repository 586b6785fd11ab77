/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - what shall be done for a config.json; see plan.h.
 */
#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <time.h>

#include "json.h"
#include "parts.h"
#include "vmm-plan.h"

#define HUGE_PAGE ((uint64_t)2 << 20)
#define NO_LIMIT ((int64_t)1 << 62) /* cgroup v1 shows "none" as INT64_MAX less a page */

static const struct {
	const char *type;
	uint64_t flag;
} namespaces[] = {
	{ "pid", CLONE_NEWPID },
	{ "network", 0 }, /* the guest's first one; the host's is entered by the monitor */
	{ "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },
	{ "mount", CLONE_NEWNS },
	{ "cgroup", CLONE_NEWCGROUP },
	{ "user", CLONE_NEWUSER },
	{ "time", CLONE_NEWTIME },
};

/* Whether the container is in such a namespace that is not the guest's first one. */
static bool has_namespace(const struct gplan *g, uint64_t flag)
{
	uint64_t all = g->namespaces;

	for (size_t i = 0; i < g->n_joins; i++)
		all |= g->joins[i].namespaces;
	return all & flag;
}

static int plan_namespaces(const struct oci_linux *l, struct plan *p, struct err *e)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];
		size_t k = 0;

		while (k < ARRAY_LEN(namespaces) && strcmp(namespaces[k].type, ns->type) != 0)
			k++;
		if (k == ARRAY_LEN(namespaces))
			return err_set(e, -EINVAL,
				"linux.namespaces[%zu]: namespace \"%.64s\" does not exist", i,
				ns->type);
		if (strcmp(ns->type, "network") == 0) {
			p->host.netns_path = ns->path && *ns->path ? ns->path : NULL;
			p->host.new_netns = !p->host.netns_path;
			continue;
		}
		/* The guest has its own clocks, and they show the host's time. */
		if (ns->path && *ns->path && namespaces[k].flag == CLONE_NEWTIME)
			continue;
		if (ns->path && *ns->path)
			return err_set(e, -ENOTSUP,
				"linux.namespaces[%zu].path: a %s namespace of the host cannot be "
				"joined from inside a VM",
				i, ns->type);
		p->guest.namespaces |= namespaces[k].flag;
	}
	/* Else the guest's first one does, at no cost; but it is not of the new user namespace. */
	if ((p->guest.namespaces & CLONE_NEWUSER) && !p->guest.n_joins &&
		(p->host.new_netns || p->host.netns_path))
		p->guest.namespaces |= CLONE_NEWNET;
	return 0;
}

static int plan_time(const struct oci_linux *l, struct arena *a, struct gplan *g, struct err *e)
{
	g->timens = arena_alloc(a, 2, sizeof(*g->timens));
	if (!g->timens)
		return plan_no_memory(e);
	if (l->has_monotonic)
		g->timens[g->n_timens++] = (struct gplan_timens){ CLOCK_MONOTONIC,
			l->monotonic.secs, l->monotonic.nanosecs };
	if (l->has_boottime)
		g->timens[g->n_timens++] = (struct gplan_timens){ CLOCK_BOOTTIME, l->boottime.secs,
			l->boottime.nanosecs };
	return 0;
}

/* "net.ipv4.ip_forward" is the file net/ipv4/ip_forward. As sysctl(8) has it, the first separator
 * is the one between folders, and the other stands for itself: "net/ipv4/conf/eth0.1/forwarding"
 * and "net.ipv4.conf.eth0/1.forwarding" are the same. */
static void sysctl_path(char *name)
{
	bool dots = name[strcspn(name, "./")] == '.';

	for (char *c = name; *c && dots; c++) {
		if (*c == '.' || *c == '/')
			*c = *c == '.' ? '/' : '.';
	}
}

/* The kernel is the container's own, so that its sysctls are, too. Those of a namespace are not of
 * the kernel: where config.json does not ask for one, the container is to share the host's, which
 * is another kernel's and out of its reach; runc refuses them as well, in these words. */
static const char *foreign_namespace(const char *path, const struct plan *p)
{
	static const char *const ipc[] = { "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni",
		"kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
		"kernel/shm_rmid_forced" };
	bool of_ipc = strncmp(path, "fs/mqueue/", strlen("fs/mqueue/")) == 0;

	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		of_ipc = of_ipc || strcmp(path, ipc[i]) == 0;
	if (of_ipc && !has_namespace(&p->guest, CLONE_NEWIPC))
		return "allowed in the hosts ipc namespace";
	if (strncmp(path, "net/", strlen("net/")) == 0 && !p->host.new_netns && !p->host.netns_path)
		return "allowed in host network namespace";
	if (strcmp(path, "kernel/domainname") == 0 && !has_namespace(&p->guest, CLONE_NEWUTS))
		return "in a separate kernel namespace";
	return NULL;
}

/* Names have fields of their own. */
static bool has_own_field(const struct oci_spec *s, const char *path)
{
	if (strcmp(path, "kernel/hostname") == 0)
		return true;
	return strcmp(path, "kernel/domainname") == 0 && s->domainname && *s->domainname;
}

static int plan_sysctls(const struct oci_spec *s, struct arena *a, struct plan *p, struct err *e)
{
	const struct oci_map *sysctl = &s->linux_.sysctl;
	struct gplan *g = &p->guest;

	g->sysctls = arena_alloc(a, sysctl->n + 1, sizeof(*g->sysctls));
	if (!g->sysctls)
		return plan_no_memory(e);
	for (size_t i = 0; i < sysctl->n; i++) {
		const char *key = sysctl->v[i].key, *foreign;
		char *path = arena_strndup(a, key, strlen(key));

		if (!path)
			return plan_no_memory(e);
		sysctl_path(path);
		foreign = foreign_namespace(path, p);
		if (!*path || *path == '/' || *path == '.' || strstr(path, "..") ||
			strstr(path, "//") || path[strlen(path) - 1] == '/')
			return err_set(e, -EINVAL, "linux.sysctl: not a name: %.64s", key);
		if (has_own_field(s, path))
			return err_set(e, -EINVAL,
				"sysctl \"%s\" is not allowed as it conflicts with the OCI \"%s\" field",
				key, path + strlen("kernel/"));
		if (foreign)
			return err_set(e, -EINVAL, "sysctl \"%.128s\" is not %s", key, foreign);
		g->sysctls[g->n_sysctls++] = (struct gplan_pair){ path, sysctl->v[i].value };
	}
	return 0;
}

static int plan_personality(const struct oci_linux *l, struct gplan_process *p, struct err *e)
{
	if (!l->personality_domain)
		return 0;
	if (strcmp(l->personality_domain, "LINUX") == 0)
		p->personality = PER_LINUX;
	else if (strcmp(l->personality_domain, "LINUX32") == 0)
		p->personality = PER_LINUX32;
	else
		return err_set(e, -EINVAL, "linux.personality.domain: unknown: %.64s",
			l->personality_domain);
	p->has_personality = true;
	return 0;
}

static int plan_linux(const struct oci_spec *s, struct arena *a, struct plan *p, struct err *e)
{
	const struct oci_linux *l = &s->linux_;
	struct gplan *g = &p->guest;
	struct plan_files files = { 0 };
	int r = 0;

	if (l->has_intel_rdt)
		return err_set(e, -ENOTSUP,
			"linux.intelRdt: not supported: the processor's cache is the host's");
	if (l->net_devices && l->net_devices->n)
		return err_set(e, -ENOTSUP,
			"linux.netDevices: not supported: a device of the host cannot be moved into "
			"a VM");
	r = plan_namespaces(l, p, e);
	if (r == 0)
		r = plan_copy_maps(
			l->uid_mappings, l->n_uid_mappings, a, &g->uid_map, &g->n_uid_map, e);
	if (r == 0)
		r = plan_copy_maps(
			l->gid_mappings, l->n_gid_mappings, a, &g->gid_map, &g->n_gid_map, e);
	if (r == 0)
		r = plan_time(l, a, g, e);
	if (r == 0)
		r = plan_devices(l, a, g, e);
	if (r == 0)
		r = plan_sysctls(s, a, p, e);
	if (r == 0)
		r = plan_resources(&l->resources, a, &files, e);
	if (r == 0)
		r = plan_device_rules(&l->resources, a, g, e);
	if (r == 0)
		r = plan_personality(l, &g->process, e);
	if (r == 0 && l->has_seccomp)
		r = plan_seccomp(&l->seccomp, a, &g->process, e);
	if (r < 0)
		return r;
	g->cgroup_files = files.v;
	g->n_cgroup_files = files.n;
	if (l->rootfs_propagation && *l->rootfs_propagation) {
		g->root_propagation = plan_propagation(l->rootfs_propagation);
		if (!g->root_propagation)
			return err_set(e, -EINVAL, "linux.rootfsPropagation=%.64s is not supported",
				l->rootfs_propagation);
	}
	g->masked_paths = (char **)(uintptr_t)l->masked_paths.v;
	g->n_masked = l->masked_paths.n;
	g->readonly_paths = (char **)(uintptr_t)l->readonly_paths.v;
	g->n_readonly = l->readonly_paths.n;
	return 0;
}

int plan_exec(const struct oci_spec *s, const struct oci_process *p, struct arena *a,
	struct gplan_process *ret, struct err *e)
{
	const struct oci_linux *l = &s->linux_;
	int r = plan_process(p, a, ret, e);

	if (r == 0)
		r = plan_personality(l, ret, e);
	if (r == 0 && l->has_seccomp)
		r = plan_seccomp(&l->seccomp, a, ret, e);
	return r;
}

/* ---- the virtual machine ------------------------------------------------------------------- */

static uint64_t round_up(uint64_t n, uint64_t step)
{
	return (n + step - 1) / step * step;
}

static uint64_t most_ram(uint64_t host_bytes)
{
	uint64_t most = host_bytes && host_bytes < VMM_MAX_RAM ? host_bytes : VMM_MAX_RAM;

	return most / PLAN_RAM_STEP * PLAN_RAM_STEP;
}

/* The container's own limit is the guest's cgroup's; the VM must hold it and the kernel. A limit
 * past the host's memory is no limit. */
uint64_t plan_ram(int64_t limit, uint64_t host_bytes)
{
	uint64_t most = most_ram(host_bytes), bytes = 0;

	if (limit <= 0 || limit >= NO_LIMIT)
		return 0;
	bytes = round_up((uint64_t)limit + PLAN_RAM_OVERHEAD, PLAN_RAM_STEP);
	return bytes < most ? bytes : most;
}

static uint64_t choose_ram(
	const struct oci_spec *s, const struct plan_facts *facts, const struct plan_pod *pod)
{
	const struct oci_resources res = plan_with_unified(&s->linux_.resources);
	const struct oci_memory *m = &res.memory;
	uint64_t most = most_ram(facts->ram_bytes);
	uint64_t bytes = pod->role == PLAN_SANDBOX ? PLAN_SANDBOX_RAM : PLAN_DEFAULT_RAM;
	int64_t limit = pod->memory < NO_LIMIT ? (int64_t)pod->memory : 0;
	uint64_t wanted = plan_ram(limit || !m->has_limit ? limit : m->limit, facts->ram_bytes);

	if (s->vm.has_memory)
		bytes = s->vm.memory;
	else if (wanted)
		bytes = wanted;
	else if (bytes > most)
		bytes = most;
	if (bytes < PLAN_MIN_RAM)
		bytes = PLAN_MIN_RAM;
	return round_up(bytes, HUGE_PAGE);
}

static uint32_t choose_vcpus(
	const struct oci_spec *s, const struct plan_facts *facts, const struct plan_pod *pod)
{
	const struct oci_resources res = plan_with_unified(&s->linux_.resources);
	const struct oci_cpu *c = &res.cpu;
	uint64_t period = c->has_period && c->period ? c->period : 100000;
	uint64_t quota = c->has_quota && c->quota > 0 ? (uint64_t)c->quota : 0;
	uint64_t n = 1;
	unsigned listed = 0;

	/* The list's numbers are the host's and mean nothing inside; how many they are does. */
	if (c->cpus && plan_count_cpus(c->cpus, &listed) == 0 && listed)
		n = listed;
	if (pod->cpu_quota) {
		quota = pod->cpu_quota;
		period = pod->cpu_period ? pod->cpu_period : 100000;
	}
	if (quota) {
		uint64_t shared = quota / period + (quota % period != 0);

		n = listed && listed < shared ? listed : shared;
	}
	if (n > facts->cpus)
		n = facts->cpus;
	if (s->vm.has_vcpus)
		n = s->vm.vcpus;
	if (n > VMM_MAX_VCPUS)
		n = VMM_MAX_VCPUS;
	return n ? (uint32_t)n : 1;
}

/* How many others may join its VM. */
static unsigned choose_slots(const struct plan_pod *pod, const struct plan *p)
{
	if (pod->role == PLAN_SANDBOX)
		return VMM_MAX_FS;
	/* Docker's --network container:X may name any one. */
	return p->host.new_netns || p->host.netns_path ? VMM_SOME_FS : 0;
}

static int plan_vm(const struct oci_spec *s, const struct plan_facts *facts,
	const struct plan_pod *pod, struct arena *a, struct plan *p, struct err *e)
{
	if (s->vm.hypervisor_path)
		return err_set(e, -ENOTSUP, "vm.hypervisor: nestbox is the hypervisor");
	if ((s->vm.iomems && s->vm.iomems->n) || (s->vm.irqs && s->vm.irqs->n) ||
		(s->vm.dtdevs && s->vm.dtdevs->n))
		return err_set(e, -ENOTSUP,
			"vm.hwConfig.%s: not supported: hardware of the host is not handed through",
			s->vm.iomems && s->vm.iomems->n       ? "iomems"
				: s->vm.irqs && s->vm.irqs->n ? "irqs"
							      : "dtdevs");
	if (s->vm.has_vcpus && (s->vm.vcpus < 1 || s->vm.vcpus > VMM_MAX_VCPUS))
		return err_set(e, -ERANGE, "vm.hwConfig.vcpus: must be 1 to %d", VMM_MAX_VCPUS);
	if (s->vm.has_memory && (s->vm.memory < 1 || s->vm.memory > VMM_MAX_RAM))
		return err_set(e, -ERANGE, "vm.hwConfig.memory: must be 1 to %llu bytes",
			(unsigned long long)VMM_MAX_RAM);
	if (s->vm.has_memory && facts->ram_bytes && s->vm.memory > facts->ram_bytes)
		return err_set(e, -ENOMEM,
			"vm.hwConfig.memory: %llu MiB is more than this machine's memory (%llu MiB)",
			(unsigned long long)(s->vm.memory >> 20),
			(unsigned long long)(facts->ram_bytes >> 20));
	p->vm.ram_bytes = choose_ram(s, facts, pod);
	p->vm.memory_limit = plan_with_unified(&s->linux_.resources).memory.limit;
	p->vm.vcpus = choose_vcpus(s, facts, pod);
	p->vm.kernel_path = s->vm.kernel_path;
	p->vm.initrd_path = s->vm.initrd_path;
	p->vm.parameters = "";
	for (size_t i = 0; i < s->vm.kernel_parameters.n; i++) {
		p->vm.parameters =
			arena_printf(a, "%s %s", p->vm.parameters, s->vm.kernel_parameters.v[i]);
		if (!p->vm.parameters)
			return plan_no_memory(e);
	}
	if (strlen(p->vm.parameters) > VMM_CMDLINE_MAX / 2)
		return err_set(e, -E2BIG, "vm.kernel.parameters: too long");
	return 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static const char *annotation(const struct oci_spec *s, const char *key)
{
	for (size_t i = 0; i < s->annotations.n; i++) {
		if (strcmp(s->annotations.v[i].key, key) == 0)
			return s->annotations.v[i].value;
	}
	return NULL;
}

/* The image that config.json names, if it does: by the specification's field or by ours. */
static int plan_image(const struct oci_spec *s, const struct plan_facts *facts, struct arena *a,
	struct plan_image *ret, struct err *e)
{
	const char *path = annotation(s, PLAN_IMAGE_ANNOTATION);
	const char *type = annotation(s, PLAN_IMAGE_TYPE_ANNOTATION);
	const char *format = s->vm.image_format;

	/* podman (before 4.6) copies its container images' annotations here, CRI-O those and the
	 * labels of pods: their authors are not to name files of the host. */
	if (path && annotation(s, "io.container.manager"))
		return err_set(e, -EPERM,
			"annotations: " PLAN_IMAGE_ANNOTATION
			": not taken from %.32s, which passes on what images and pods ask for",
			annotation(s, "io.container.manager"));
	if (path && s->vm.image_path)
		return err_set(e, -EINVAL,
			"vm.image: there is an annotation " PLAN_IMAGE_ANNOTATION " as well");
	if (path && !*path)
		return err_set(e, -EINVAL, "annotations: " PLAN_IMAGE_ANNOTATION ": is empty");
	if (type && !path && !s->vm.image_path)
		return err_set(e, -EINVAL,
			"annotations: " PLAN_IMAGE_TYPE_ANNOTATION ": there is no image");
	if (type && strcmp(type, "erofs") != 0 && strcmp(type, "ext4") != 0)
		return err_set(e, -EINVAL,
			"annotations: " PLAN_IMAGE_TYPE_ANNOTATION
			": neither erofs nor ext4: %.32s",
			type);
	if (s->vm.image_path && format && strcmp(format, "raw") != 0)
		return err_set(
			e, -ENOTSUP, "vm.image.format: only raw is supported, not %.32s", format);
	*ret = (struct plan_image){
		.path = path ? path : s->vm.image_path,
		.fstype = type ? type : "",
		.field = path ? "annotations: " PLAN_IMAGE_ANNOTATION : "vm.image.path",
	};
	if (ret->path && ret->path[0] != '/')
		ret->path = arena_printf(a, "%s/%s", facts->bundle, ret->path);
	return !ret->path && (path || s->vm.image_path) ? plan_no_memory(e) : 0;
}

static int plan_root(const struct oci_spec *s, const struct plan_facts *facts, struct arena *a,
	struct plan *p, struct err *e)
{
	struct plan_share *root = NULL;
	int r = plan_image(s, facts, a, &p->host.image, e);

	if (r < 0)
		return r;
	p->guest.root_readonly = s->root_readonly;
	p->guest.root_fstype = "";
	if (p->host.image.path) {
		p->guest.root_kind = GPLAN_ROOT_BLOCK;
		p->guest.root_source = PLAN_IMAGE_DEVICE;
		return 0;
	}
	if (!s->has_root)
		return err_set(e, -EINVAL, "root: is missing");
	root = arena_grow(a, NULL, 0, sizeof(*root));
	if (!root)
		return plan_no_memory(e);
	*root = (struct plan_share){
		.name = "rootfs",
		.path = s->root_path[0] == '/'
			? s->root_path
			: arena_printf(a, "%s/%s", facts->bundle, s->root_path),
		.recursive = true,
	};
	if (!root->path)
		return plan_no_memory(e);
	p->host.shares = root;
	p->host.n_shares = 1;
	p->guest.root_kind = GPLAN_ROOT_SHARE;
	p->guest.root_source = root->name;
	return 0;
}

int plan_build(const struct oci_spec *s, const struct plan_facts *facts, struct arena *a,
	struct plan *ret, struct err *e)
{
	struct plan p = { .guest = { .id = facts->id,
				  .hostname = s->hostname ? s->hostname : "",
				  .domainname = s->domainname ? s->domainname : "",
				  .cgroup = "nestbox",
				  .joins = (struct gplan_join *)(uintptr_t)facts->joins,
				  .n_joins = facts->n_joins } };
	struct plan_pod pod;
	int r = 0;

	if (!s->has_process)
		return err_set(e, -EINVAL, "process: is missing");
	r = plan_pod(&s->annotations, &pod, e);
	if (r == 0 && pod.role == PLAN_ALONE && plan_is_podmans_infra(s))
		pod.role = PLAN_SANDBOX;
	if (r == 0)
		r = plan_root(s, facts, a, &p, e);
	if (r == 0)
		r = plan_process(&s->process, a, &p.guest.process, e);
	if (r == 0)
		r = plan_linux(s, a, &p, e);
	/* Without a namespace for it the name is the host's, as everywhere; or another one's. */
	if (has_namespace(&p.guest, CLONE_NEWUTS) && !(p.guest.namespaces & CLONE_NEWUTS))
		p.guest.hostname = p.guest.domainname = "";
	else if (!*p.guest.hostname && !(p.guest.namespaces & CLONE_NEWUTS) && facts->hostname)
		p.guest.hostname = facts->hostname;
	p.vm.fs_slots = choose_slots(&pod, &p);
	if (r == 0)
		r = plan_mounts(s, facts, a, &p, e);
	if (r == 0 && p.host.n_shares > PLAN_MAX_SHARES)
		r = err_set(e, -E2BIG, "mounts: more than %d bind mounts", PLAN_MAX_SHARES - 1);
	if (r == 0)
		r = plan_vm(s, facts, &pod, a, &p, e);
	if (r == 0)
		r = plan_cgroup(s, facts, a, &p, e);
	if (r == 0)
		r = plan_hooks(&s->hooks, a, &p.hooks, e);
	p.guest.create_container.list = p.hooks.create_container;
	p.guest.start_container.list = p.hooks.start_container;
	if (r == 0)
		*ret = p;
	return r;
}

const char *plan_name(enum plan_names which, size_t i)
{
	switch (which) {
	case PLAN_NAMES_HOOKS:
		return plan_hook_name(i);
	case PLAN_NAMES_NAMESPACES:
		return i < ARRAY_LEN(namespaces) ? namespaces[i].type : NULL;
	case PLAN_NAMES_CAPABILITIES:
		return plan_capability_name(i);
	case PLAN_NAMES_MOUNT_OPTIONS:
		return plan_mount_option_name(i);
	case PLAN_NAMES_SECCOMP_ARCHES:
	case PLAN_NAMES_SECCOMP_OPERATORS:
	case PLAN_NAMES_SECCOMP_ACTIONS:
	case PLAN_NAMES_SECCOMP_FLAGS:
	default:
		return plan_seccomp_name(which, i);
	}
}
