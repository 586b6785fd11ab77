/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - the parts that plan_build() is put together from.
 */
#ifndef NESTBOX_PLAN_PARTS_H
#define NESTBOX_PLAN_PARTS_H

#include "plan.h"

/* plan-mounts.c: guest mounts and the shares behind binds (after the root's, which is set). */
warn_unused int plan_mounts(const struct oci_spec *s, const struct plan_facts *facts,
	struct arena *a, struct plan *p, struct err *e);

/* Propagation flags by name ("rslave"); 0 when it is none. */
uint64_t plan_propagation(const char *name);

/* plan-idmap.c: maps as the guest plan has them, in the arena. */
warn_unused int plan_copy_maps(const struct oci_idmap *from, size_t n, struct arena *a,
	struct gplan_idmap **ret, size_t *ret_n, struct err *e);

/* plan-idmap.c: whether the option is `idmap` or `ridmap`, with a map of its own or without; and
 * the maps of one mount, a bind or another: none where it asks for none. */
bool plan_is_idmap(const char *option);
warn_unused int plan_idmap(const struct oci_linux *l, const struct oci_mount *from, size_t index,
	bool bind, struct arena *a, struct gplan_mount *m, struct err *e);

/* plan-devices.c: default devices and linux.devices. */
warn_unused int plan_devices(
	const struct oci_linux *l, struct arena *a, struct gplan *g, struct err *e);

/* plan-device-rules.c: linux.resources.devices as eBPF. */
warn_unused int plan_device_rules(
	const struct oci_resources *r, struct arena *a, struct gplan *g, struct err *e);

/* plan-resources.c: how many processors a list as "0-3,7" names; -EINVAL when it is none. */
warn_unused int plan_count_cpus(const char *list, unsigned *ret);

/* plan-resources.c: files of a cgroup, being collected, and what guest and host limit alike. */
struct plan_out {
	struct arena *a;
	struct plan_files *files;
	struct err *e;
};

/* value NULL stands for memory that ran out. */
warn_unused int plan_add(const struct plan_out *o, const char *file, const char *value);
warn_unused int plan_add_number(const struct plan_out *o, const char *file, uint64_t value);
warn_unused int plan_swap(const struct plan_out *o, const struct oci_memory *m);
warn_unused int plan_cpu_shares(const struct plan_out *o, const struct oci_cpu *c);
warn_unused int plan_cpu_quota(const struct plan_out *o, const struct oci_cpu *c);
warn_unused int plan_io_share(const struct plan_out *o, const struct oci_resources *res);

/* plan-unified.c: files of unified that the host's cgroup has as the guest's; and whether one is
 * the host's alone, as it names the host's hardware. */
warn_unused int plan_host_unified(const struct plan_out *o, const struct oci_map *unified);
bool plan_is_of_host(const char *file);

/* plan-pod.c: whether it is the first container of a podman's pod, which no annotation says. */
bool plan_is_podmans_infra(const struct oci_spec *s);

/* plan-cgroup.c: the host's cgroup of the sandbox, when p->vm is known. */
warn_unused int plan_cgroup(const struct oci_spec *s, const struct plan_facts *facts,
	struct arena *a, struct plan *p, struct err *e);

/* plan-seccomp.c: linux.seccomp as BPF. */
warn_unused int plan_seccomp(
	const struct oci_seccomp *s, struct arena *a, struct gplan_process *p, struct err *e);

/* plan-enosys.c: what goes in front of the filter; returns its length in instructions. */
#define PLAN_ENOSYS_MAX 10 /* instructions that ret must have room for */
struct sock_filter;
size_t plan_enosys(const struct oci_seccomp *s, struct sock_filter *ret);

/* Their parts of plan_name(). */
const char *plan_hook_name(size_t i);
const char *plan_capability_name(size_t i);
const char *plan_mount_option_name(size_t i);
const char *plan_seccomp_name(enum plan_names which, size_t i);

static inline int plan_no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

#endif
