/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - what shall be done for a config.json: in the guest, by the VMM, on the host.
 *
 * Pure: a spec and facts about the host go in, a plan comes out; nothing is opened or asked of the
 * system. The semantics of the runtime are here and nowhere else. All memory is the arena's; the
 * plan also points into the spec, which must outlive it.
 */
#ifndef NESTBOX_PLAN_H
#define NESTBOX_PLAN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"
#include "err.h"
#include "guest-plan.h"
#include "hook.h"
#include "oci-spec.h"

#define PLAN_DEFAULT_RAM ((uint64_t)512 << 20)
#define PLAN_MIN_RAM ((uint64_t)128 << 20)
/* What kernel and init need beside the container's own limit. */
#define PLAN_RAM_OVERHEAD ((uint64_t)64 << 20)

/* VMs that are as large as a limit makes them are rounded up to this, so that few templates serve
 * them all: memory is added to a clone in blocks of twice as much. */
#define PLAN_RAM_STEP ((uint64_t)64 << 20)

/* What VMM, fs server and monitor may hold on the host beside the guest's memory: page tables,
 * names of files; and a sixteenth of the guest's memory more. */
#define PLAN_HOST_OVERHEAD ((uint64_t)64 << 20)

/* The root filesystem is a file: */
#define PLAN_IMAGE_ANNOTATION "dev.nestbox.rootfs.image"
#define PLAN_IMAGE_TYPE_ANNOTATION "dev.nestbox.rootfs.type"
#define PLAN_IMAGE_DEVICE "/dev/vda" /* in the guest: the first block slot */

/* Of a pod whose memory is not known: its containers share it. */
#define PLAN_SANDBOX_RAM ((uint64_t)1 << 30)

#define PLAN_MAX_SHARES 1024 /* FS_LINK_MAX_SHARES: the root and the binds */

struct plan_facts {
	const char *id; /* of the container */
	const char *bundle; /* absolute path */
	const char *hostname; /* of the host; NULL = unknown */
	unsigned cpus; /* of the host, at least 1 */
	uint64_t ram_bytes; /* of the host; 0 = unknown */
	const struct gplan_join
		*joins; /* namespaces of others: it runs in another container's VM */
	size_t n_joins; /* 0 = in a VM of its own */
	bool pod_shm; /* … and shares the IPC namespace that a pod is made with */
	bool systemd_cgroup; /* linux.cgroupsPath is "slice:prefix:name" */
};

struct plan_share {
	const char *name; /* "rootfs", "m0" …: also the mount's source in the guest plan */
	const char *path; /* absolute, on the host */
	bool readonly; /* the mount itself */
	bool readonly_below; /* what is mounted below it */
	bool recursive; /* with what is mounted below it */
};

/* A file with the root filesystem, in place of a folder. */
struct plan_image {
	const char *path; /* absolute, on the host; NULL = the root is a share */
	const char *fstype; /* as config.json has it; "" = whatever it is */
	const char *field; /* of config.json that names it, for messages */
};

/* Files of the container's cgroup v2 in the guest and what is to be written, in this order. */
struct plan_files {
	struct gplan_pair *v;
	size_t n;
};

/* The host's cgroup (v2) of the sandbox. */
struct plan_cgroup {
	const char *path; /* absolute; or relative to the parent of the caller's own cgroup. NULL
			   * when systemd makes it: */
	const char *slice; /* "" = systemd's default */
	const char *unit; /* "runc-ID.scope" */
	struct plan_files files; /* written when it is made */
	struct plan_files start_files; /* at start: the boot is not on the container's account */
};

/* The middle two run in the guest, the others on the host. */
struct plan_hooks {
	struct hook_list prestart, create_runtime, create_container, start_container, poststart,
		poststop;
};

struct plan {
	struct gplan guest;
	struct {
		uint64_t ram_bytes; /* multiple of 2 MiB */
		int64_t memory_limit; /* of the container, which another one's VM must hold */
		uint32_t vcpus;
		const char *kernel_path, *initrd_path; /* NULL = nestbox's own */
		const char *parameters; /* more kernel parameters, "" = none */
		unsigned fs_slots; /* how many other containers may join at a time */
	} vm;
	struct {
		struct plan_image image;
		const struct plan_share *shares; /* the root is the first, unless it is an image */
		size_t n_shares;
		bool new_netns;
		const char *netns_path; /* NULL = none */
		struct plan_cgroup cgroup;
	} host;
	struct plan_hooks hooks; /* the guest has its part of them too */
};

/* A container's place in its pod, by CRI's annotations. */
enum plan_role { PLAN_ALONE, PLAN_SANDBOX, PLAN_MEMBER };

struct plan_pod {
	enum plan_role role;
	const char *sandbox_id; /* of a member */
	/* All containers of a pod together, where the engine says so; 0 = unknown */
	uint64_t memory, cpu_quota, cpu_period;
};

/* -EINVAL when they contradict themselves. */
warn_unused int plan_pod(const struct oci_map *annotations, struct plan_pod *ret, struct err *e);

/* Makes the plan of a container. Errors name the field of config.json. */
warn_unused int plan_build(const struct oci_spec *s, const struct plan_facts *facts,
	struct arena *a, struct plan *ret, struct err *e);

/* How much memory a VM must have for a container with that limit, on a host with so much (0 =
 * unknown); 0 = the limit is none. */
uint64_t plan_ram(int64_t limit, uint64_t host_bytes);

/* What such a VM may have on the host, with the processes that carry it. */
uint64_t plan_host_memory(uint64_t ram_bytes);

/* The host's side of linux.resources alone, as `update` has it; ram_bytes is the VM's. */
warn_unused int plan_host_resources(const struct oci_resources *given, uint64_t ram_bytes,
	struct arena *a, struct plan_cgroup *ret, struct err *e);

/* Makes the plan of one process: the container's, or one of exec. */
warn_unused int plan_process(
	const struct oci_process *p, struct arena *a, struct gplan_process *ret, struct err *e);

/* The same for a process of exec, which is under the container's seccomp filter and personality. */
warn_unused int plan_exec(const struct oci_spec *s, const struct oci_process *p, struct arena *a,
	struct gplan_process *ret, struct err *e);

/* The same with what its `unified` says of memory, quota and processors in their fields. */
struct oci_resources plan_with_unified(const struct oci_resources *given);

/* linux.resources as such files: of config.json, or what `update` was given. What is not set is not
 * among them. */
warn_unused int plan_resources(
	const struct oci_resources *r, struct arena *a, struct plan_files *ret, struct err *e);

/* The hooks alone, for the verbs after create. */
warn_unused int plan_hooks(
	const struct oci_hooks *h, struct arena *a, struct plan_hooks *ret, struct err *e);

/* The names that a plan understands, for `features`; NULL after the last. */
enum plan_names {
	PLAN_NAMES_HOOKS,
	PLAN_NAMES_NAMESPACES,
	PLAN_NAMES_CAPABILITIES, /* without "CAP_" */
	PLAN_NAMES_MOUNT_OPTIONS,
	PLAN_NAMES_SECCOMP_ARCHES,
	PLAN_NAMES_SECCOMP_OPERATORS,
	PLAN_NAMES_SECCOMP_ACTIONS,
	PLAN_NAMES_SECCOMP_FLAGS,
};
const char *plan_name(enum plan_names which, size_t i);

/* Capability number by name ("CAP_SYS_ADMIN"), -1 when there is none. */
int plan_capability(const char *name);

#endif
