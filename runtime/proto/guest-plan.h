/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest-plan.h - what guest init shall build and run: the flat, decided form of config.json.
 *
 * The host decides (plan/), the guest carries out (rootfs/). So the plan holds numbers of the Linux
 * ABI (clone flags, mount flags, capability masks, cgroup v2 files with their text, BPF), never
 * names that would need a table in the guest. Strings are UTF-8 without NUL. All memory of a
 * decoded plan is in the arena given to the decoder.
 */
#ifndef NESTBOX_GUEST_PLAN_H
#define NESTBOX_GUEST_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"
#include "hook.h"
#include "socket-key.h"
#include "wire.h"

#define GPLAN_MAX_STR ((size_t)1 << 20) /* one argument or variable; Linux takes 128 KiB */
#define GPLAN_MAX_LIST ((size_t)65536)

struct gplan_rlimit {
	uint32_t resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

/* One process of a container: its first one, or one of exec. */
struct gplan_process {
	char **args; /* at least one */
	size_t n_args;
	char **env; /* KEY=VALUE */
	size_t n_env;
	const char *cwd; /* absolute, in the container */
	/* Below the container's cgroup, "" = itself or, for exec, the first process's when the
	 * kernel takes no process there any more; "/" = itself in any case. */
	const char *cgroup;
	uint32_t uid, gid; /* in the container's user namespace */
	bool has_umask;
	uint32_t umask;
	uint32_t *groups; /* supplementary */
	size_t n_groups;
	/* Capability sets as bit masks (1 << CAP_x). When !has_caps the process keeps what its uid
	 * would have: everything for 0. */
	bool has_caps;
	uint64_t cap_bounding, cap_effective, cap_inheritable, cap_permitted, cap_ambient;
	struct gplan_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privs;
	bool has_oom_score_adj;
	int32_t oom_score_adj;
	bool terminal;
	uint16_t rows, cols; /* window size at start; 0 = unknown */
	/* seccomp: struct sock_filter[] as bytes (8 each); empty = none. */
	const void *seccomp;
	size_t seccomp_len; /* bytes, a multiple of 8 */
	uint32_t seccomp_flags; /* SECCOMP_FILTER_FLAG_* */
	bool has_scheduler;
	uint32_t sched_policy; /* SCHED_* */
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_flags, sched_runtime, sched_deadline, sched_period;
	bool has_ioprio;
	uint32_t ioprio; /* as ioprio_set takes it: class << 13 | level */
	bool has_personality;
	uint64_t personality;
};

enum gplan_mount_kind {
	GPLAN_MOUNT_FS, /* mount(source, dest, type, flags, data) made in the guest: proc, tmpfs… */
	GPLAN_MOUNT_SHARE, /* bind of a share: source is its folder (or file) in the share mount */
	GPLAN_MOUNT_CGROUP, /* the container's own view of cgroup v2 at dest */
	GPLAN_MOUNT_SHM, /* bind of the memory (a tmpfs) that the containers of a pod share */
	GPLAN_MOUNT_KIND_MAX
};

struct gplan_idmap {
	uint32_t container_id, host_id, size;
};

struct gplan_mount {
	uint32_t kind; /* enum gplan_mount_kind */
	const char *dest; /* absolute, in the container; symlinks are resolved beneath its root */
	const char *type; /* file system type for GPLAN_MOUNT_FS */
	const char *source; /* FS: mount source; SHARE: name of the share ("m0") */
	uint64_t flags; /* MS_* for the mount itself (and for the remount of a bind) */
	uint64_t propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, with MS_REC or not;
				 0 */
	uint64_t rec_attr_set; /* MOUNT_ATTR_* set on the whole tree by mount_setattr ("rro" …) */
	uint64_t rec_attr_clear;
	/* SHARE only: ids of its files as the mount shows them; both or none */
	struct gplan_idmap *uid_map;
	size_t n_uid_map;
	struct gplan_idmap *gid_map;
	size_t n_gid_map;
	bool in_proc; /* may cover what is in a proc file system */
	bool tmpcopyup; /* copy what is at dest in the image into the new tmpfs */
	const char *data; /* options for the file system */
};

struct gplan_device {
	const char *path; /* absolute, in the container */
	uint32_t mode; /* S_IFCHR | S_IFBLK | S_IFIFO and permissions */
	uint32_t major, minor;
	uint32_t uid, gid;
};

struct gplan_pair {
	const char *key, *value;
};

/* Namespaces that a container shares with another one of its VM. */
struct gplan_join {
	const char *id; /* of the other container */
	uint64_t namespaces; /* CLONE_NEW* of GPLAN_JOINABLE, at least one */
};

#define GPLAN_JOINABLE ((uint64_t)(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID))
#define GPLAN_MAX_JOINS 4

/* A namespace's clock offset (time namespaces). */
struct gplan_timens {
	uint32_t clock; /* CLOCK_MONOTONIC or CLOCK_BOOTTIME */
	int64_t secs;
	uint32_t nanosecs;
};

/* Hooks of one kind that run in the guest, by the container's first process. */
struct gplan_hooks {
	struct hook_list list;
	/* Their stdin: the state document with its process's pid, in decimal, between the two. */
	const char *state_head, *state_tail;
};

enum gplan_root_kind { GPLAN_ROOT_SHARE, GPLAN_ROOT_BLOCK, GPLAN_ROOT_KIND_MAX };

/* What the VM has, and what it had at boot, where that is less; all 0 = it has what it had. */
struct gplan_size {
	uint64_t boot_bytes, ram_bytes; /* ram-layout.h */
	uint32_t boot_vcpus, vcpus;
};

#define GPLAN_ENTROPY 64u /* bytes */

struct gplan {
	uint8_t entropy[GPLAN_ENTROPY]; /* for the guest kernel's generator */
	uint64_t now_ns; /* time of day on the host, since 1970 */
	struct gplan_size size; /* of the VM; for its first container */
	const char *id;
	const char *hostname; /* "" = keep */
	const char *domainname;
	uint32_t root_kind; /* enum gplan_root_kind */
	const char
		*root_source; /* SHARE: name of the share ("rootfs"); BLOCK: device, "/dev/vda" */
	const char *root_fstype; /* BLOCK only: "erofs", "ext4" */
	bool root_readonly;
	uint64_t root_propagation; /* MS_*; 0 = MS_SLAVE | MS_REC as runc does */
	uint64_t namespaces; /* CLONE_NEW* that the container gets anew; mount is always new */
	struct gplan_join *joins; /* none of these is made anew, or named twice */
	size_t n_joins;
	/* 0: the shares are those of the VM's own file system device; else of this one of the slots
	 * for further containers (vmm-ctl.h, ATTACH_FS), counted from 1. */
	uint32_t fs_slot;
	struct socket_key socket_key;
	struct gplan_idmap *uid_map; /* when CLONE_NEWUSER */
	size_t n_uid_map;
	struct gplan_idmap *gid_map;
	size_t n_gid_map;
	struct gplan_timens *timens;
	size_t n_timens;
	struct gplan_mount *mounts; /* in order */
	size_t n_mounts;
	struct gplan_device *devices; /* all of them: the defaults of the spec are included */
	size_t n_devices;
	char **masked_paths;
	size_t n_masked;
	char **readonly_paths;
	size_t n_readonly;
	struct gplan_pair *sysctls; /* "net.ipv4.ip_forward" */
	size_t n_sysctls;
	const char *cgroup; /* below the guest's cgroup root, relative: "nestbox/ID" */
	struct gplan_pair *cgroup_files; /* "memory.max" = "1048576", in order of writing */
	size_t n_cgroup_files;
	/* The cgroup's device rules: struct bpf_insn[] as bytes (8 each); empty = all is allowed.
	 */
	const void *device_filter;
	size_t device_filter_len; /* bytes, a multiple of 8 */
	struct gplan_process process;
	struct gplan_hooks
		create_container; /* root: the container's, complete; before it is entered */
	struct gplan_hooks start_container; /* as the process, just before its program */
};

/* The guest's own id for one of the container's: another where the plan has a user namespace; -1,
 * which chown(2) leaves alone, when it has none. */
uint32_t gplan_outer_uid(const struct gplan *g, uint32_t uid);
uint32_t gplan_outer_gid(const struct gplan *g, uint32_t gid);

/* Encoders never fail by themselves: see the writer's sticky error. */
void gplan_put_process(struct wire_out *w, const struct gplan_process *p);
void gplan_put(struct wire_out *w, const struct gplan *g);

/* Decoders: 0, -EBADMSG (malformed, out of range, trailing bytes), -ENOMEM. Every count is bounded
 * by the input's length; args has at least one entry; enums are in range; paths named absolute are.
 */
warn_unused int gplan_get_process(
	const void *p, size_t len, struct arena *a, struct gplan_process *ret);
warn_unused int gplan_get(const void *p, size_t len, struct arena *a, struct gplan *ret);

#endif
