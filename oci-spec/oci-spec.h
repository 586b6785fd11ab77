/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci-spec.h - config.json (OCI runtime-spec 1.2: Linux and vm objects) as one immutable struct.
 *
 * What is here was checked for type, range and contradictions; what it means is plan/'s business.
 * Names are the specification's. Strings are NULL when absent; "has_" tells presence where 0 is a
 * value. Everything points into the arena given to the parser.
 */
#ifndef NESTBOX_OCI_SPEC_H
#define NESTBOX_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"
#include "err.h"

#define OCI_VERSION "1.2.0"
#define OCI_VERSION_MIN "1.0.0"

struct json;

struct oci_strv {
	const char **v; /* ends with NULL */
	size_t n;
};

struct oci_pair {
	const char *key, *value;
};

struct oci_map {
	const struct oci_pair *v;
	size_t n;
};

struct oci_user {
	uint32_t uid, gid;
	bool has_umask;
	uint32_t umask;
	const uint32_t *additional_gids;
	size_t n_additional_gids;
};

struct oci_rlimit {
	const char *type;
	uint64_t soft, hard;
};

struct oci_capabilities {
	struct oci_strv bounding, effective, inheritable, permitted, ambient;
};

struct oci_scheduler {
	const char *policy;
	int32_t nice;
	int32_t priority;
	struct oci_strv flags;
	uint64_t runtime, deadline, period;
};

struct oci_io_priority {
	const char *class;
	int32_t priority;
};

struct oci_console_size {
	uint32_t height, width;
};

struct oci_process {
	bool terminal;
	bool has_console_size;
	struct oci_console_size console_size;
	struct oci_user user;
	struct oci_strv args, env;
	const char *cwd;
	bool has_capabilities;
	struct oci_capabilities capabilities;
	const struct oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	const char *apparmor_profile, *selinux_label; /* no such modules in the guest: ignored */
	bool has_oom_score_adj;
	int32_t oom_score_adj;
	bool has_scheduler;
	struct oci_scheduler scheduler;
	bool has_io_priority;
	struct oci_io_priority io_priority;
};

struct oci_idmap {
	uint32_t container_id, host_id, size;
};

struct oci_mount {
	const char *destination, *type, *source;
	struct oci_strv options;
	const struct oci_idmap *uid_mappings;
	size_t n_uid_mappings;
	const struct oci_idmap *gid_mappings;
	size_t n_gid_mappings;
};

struct oci_hook {
	const char *path;
	struct oci_strv args, env;
	bool has_env; /* an empty list is an empty environment, none is that of whoever runs it */
	bool has_timeout;
	int32_t timeout; /* seconds */
};

struct oci_hook_list {
	const struct oci_hook *v;
	size_t n;
};

struct oci_hooks {
	struct oci_hook_list prestart, create_runtime, create_container, start_container, poststart,
		poststop;
};

struct oci_namespace {
	const char *type, *path;
};

struct oci_time_offset {
	int64_t secs;
	uint32_t nanosecs;
};

struct oci_device {
	const char *path, *type;
	int64_t major, minor;
	bool has_file_mode;
	uint32_t file_mode, uid, gid;
};

struct oci_memory {
	int64_t limit, reservation, swap; /* bytes; -1 = none */
	bool has_limit, has_reservation, has_swap;
	bool check_before_update; /* update refuses a limit below what is in use */
};

struct oci_cpu {
	uint64_t shares;
	int64_t quota;
	uint64_t burst, period; /* microseconds */
	int64_t idle;
	bool has_shares, has_quota, has_burst, has_period, has_idle;
	const char *cpus, *mems;
};

/* A limit of one block device: weight, or a rate per second. */
struct oci_block_limit {
	int64_t major, minor;
	uint32_t weight;
	uint64_t rate;
};

struct oci_block_limits {
	const struct oci_block_limit *v;
	size_t n;
};

struct oci_hugepage_limit {
	const char *page_size;
	uint64_t limit;
};

/* A rule of resources.devices. */
struct oci_device_rule {
	bool allow;
	const char *type, *access;
	bool has_major, has_minor; /* absent or -1 = any */
	int64_t major, minor;
};

struct oci_resources {
	const struct oci_device_rule *devices;
	size_t n_devices;
	struct oci_memory memory;
	struct oci_cpu cpu;
	bool has_pids_limit;
	int64_t pids_limit;
	bool has_blkio_weight;
	uint32_t blkio_weight;
	struct oci_block_limits weight_device, read_bps, write_bps, read_iops, write_iops;
	const struct oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct oci_map unified;
};

struct oci_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	const char *op;
};

struct oci_seccomp_syscall {
	struct oci_strv names;
	const char *action;
	bool has_errno_ret;
	uint32_t errno_ret;
	const struct oci_seccomp_arg *args;
	size_t n_args;
};

struct oci_seccomp {
	const char *default_action;
	bool has_default_errno_ret;
	uint32_t default_errno_ret;
	struct oci_strv architectures, flags;
	const char *listener_path;
	const struct oci_seccomp_syscall *syscalls;
	size_t n_syscalls;
};

struct oci_linux {
	const struct oci_namespace *namespaces;
	size_t n_namespaces;
	const struct oci_idmap *uid_mappings;
	size_t n_uid_mappings;
	const struct oci_idmap *gid_mappings;
	size_t n_gid_mappings;
	bool has_monotonic, has_boottime;
	struct oci_time_offset monotonic, boottime;
	const struct oci_device *devices;
	size_t n_devices;
	const char *cgroups_path;
	struct oci_resources resources;
	struct oci_map sysctl;
	bool has_seccomp;
	struct oci_seccomp seccomp;
	const char *rootfs_propagation;
	struct oci_strv masked_paths, readonly_paths;
	const char *mount_label; /* no SELinux in the guest: ignored */
	bool has_intel_rdt;
	const struct json *net_devices; /* 1.3; refused by the plan when it names one */
	const char *personality_domain; /* NULL = none */
};

struct oci_vm {
	const char *hypervisor_path; /* nestbox is the hypervisor: refused by the plan */
	const char *kernel_path, *initrd_path;
	struct oci_strv kernel_parameters;
	const char *image_path, *image_format;
	const struct json *dtdevs, *iomems, *irqs; /* hardware of the host: refused likewise */
	bool has_vcpus, has_memory;
	uint32_t vcpus;
	uint64_t memory; /* bytes */
};

struct oci_spec {
	const char *version;
	bool has_root;
	const char *root_path;
	bool root_readonly;
	bool has_process;
	struct oci_process process;
	const char *hostname, *domainname;
	const struct oci_mount *mounts;
	size_t n_mounts;
	struct oci_hooks hooks;
	struct oci_map annotations;
	bool has_linux;
	struct oci_linux linux_;
	bool has_vm;
	struct oci_vm vm;
};

/* Parses config.json. name stands for the file in messages. */
warn_unused int oci_spec_parse(const char *data, size_t len, const char *name, struct arena *a,
	struct oci_spec *ret, struct err *e);

/* Parses a process object alone (exec --process FILE). */
warn_unused int oci_spec_parse_process(const char *data, size_t len, const char *name,
	struct arena *a, struct oci_process *ret, struct err *e);

/* Parses a linux.resources object alone (update --resources FILE). */
warn_unused int oci_spec_parse_resources(const char *data, size_t len, const char *name,
	struct arena *a, struct oci_resources *ret, struct err *e);

/* What `nestbox spec` writes: a config.json that runs a shell. */
extern const char oci_spec_default[];

/* The same for a user without rights, as runc has it: uid and gid are the user's on the host.
 * -ENOSPC when the buffer is too small; OCI_SPEC_ROOTLESS_MAX never is. */
#define OCI_SPEC_ROOTLESS_MAX 8192
warn_unused int oci_spec_rootless(char *buf, size_t size, uint32_t uid, uint32_t gid);

#endif
