/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table-linux.c - the linux object (runtime-spec 1.2, config-linux.md).
 */
#include "tables.h"

#define MAJOR_MINOR RANGE(0, (1 << 20) - 1)
#define ANY_NUMBER RANGE(-1, INT32_MAX) /* -1 = all of them */

const struct decode_field oci_idmap_table[] = {
	F("containerID", U32, oci_idmap, container_id, REQUIRED),
	F("hostID", U32, oci_idmap, host_id, REQUIRED),
	F("size", U32, oci_idmap, size, REQUIRED),
	END,
};

static const struct decode_field namespace_table[] = {
	F("type", STR, oci_namespace, type, REQUIRED),
	F("path", OPTIONAL_PATH, oci_namespace, path),
	END,
};

static const struct decode_field time_offset_table[] = {
	F("secs", I64, oci_time_offset, secs),
	F("nanosecs", U32, oci_time_offset, nanosecs, RANGE(0, 999999999)),
	END,
};

/* timeOffsets has a member per clock: they lie in the linux struct itself. */
static const struct decode_field time_offsets_table[] = {
	F("monotonic", OBJECT, oci_linux, monotonic, .table = time_offset_table,
		HAS(oci_linux, has_monotonic)),
	F("boottime", OBJECT, oci_linux, boottime, .table = time_offset_table,
		HAS(oci_linux, has_boottime)),
	END,
};

static const struct decode_field device_table[] = {
	F("type", STR, oci_device, type, REQUIRED),
	F("path", PATH, oci_device, path, REQUIRED),
	F("major", I64, oci_device, major, MAJOR_MINOR),
	F("minor", I64, oci_device, minor, MAJOR_MINOR),
	F("fileMode", U32, oci_device, file_mode, HAS(oci_device, has_file_mode),
		RANGE(0, 0177777)),
	F("uid", U32, oci_device, uid),
	F("gid", U32, oci_device, gid),
	END,
};

static const struct decode_field device_rule_table[] = {
	F("allow", BOOL, oci_device_rule, allow, REQUIRED),
	F("type", STR, oci_device_rule, type),
	F("major", I64, oci_device_rule, major, HAS(oci_device_rule, has_major), ANY_NUMBER),
	F("minor", I64, oci_device_rule, minor, HAS(oci_device_rule, has_minor), ANY_NUMBER),
	F("access", STR, oci_device_rule, access),
	END,
};

static const struct decode_field memory_table[] = {
	F("limit", I64, oci_memory, limit, HAS(oci_memory, has_limit)),
	F("reservation", I64, oci_memory, reservation, HAS(oci_memory, has_reservation)),
	F("swap", I64, oci_memory, swap, HAS(oci_memory, has_swap)),
	F("checkBeforeUpdate", BOOL, oci_memory, check_before_update),
	END,
};

static const struct decode_field cpu_table[] = {
	F("shares", U64, oci_cpu, shares, HAS(oci_cpu, has_shares)),
	F("quota", I64, oci_cpu, quota, HAS(oci_cpu, has_quota)),
	F("burst", U64, oci_cpu, burst, HAS(oci_cpu, has_burst)),
	F("period", U64, oci_cpu, period, HAS(oci_cpu, has_period)),
	F("idle", I64, oci_cpu, idle, HAS(oci_cpu, has_idle), RANGE(0, 1)),
	F("cpus", STR, oci_cpu, cpus),
	F("mems", STR, oci_cpu, mems),
	END,
};

static const struct decode_field pids_table[] = {
	F("limit", I64, oci_resources, pids_limit, HAS(oci_resources, has_pids_limit)),
	END,
};

static const struct decode_field weight_device_table[] = {
	F("major", I64, oci_block_limit, major, MAJOR_MINOR, REQUIRED),
	F("minor", I64, oci_block_limit, minor, MAJOR_MINOR, REQUIRED),
	F("weight", U32, oci_block_limit, weight, RANGE(0, 1000)),
	END,
};

static const struct decode_field throttle_table[] = {
	F("major", I64, oci_block_limit, major, MAJOR_MINOR, REQUIRED),
	F("minor", I64, oci_block_limit, minor, MAJOR_MINOR, REQUIRED),
	F("rate", U64, oci_block_limit, rate, REQUIRED),
	END,
};

#define THROTTLE(key, member) LIST(key, oci_resources, member, oci_block_limit, throttle_table)
static const struct decode_field block_io_table[] = {
	F("weight", U32, oci_resources, blkio_weight, HAS(oci_resources, has_blkio_weight),
		RANGE(0, 1000)),
	LIST("weightDevice", oci_resources, weight_device, oci_block_limit, weight_device_table),
	THROTTLE("throttleReadBpsDevice", read_bps),
	THROTTLE("throttleWriteBpsDevice", write_bps),
	THROTTLE("throttleReadIOPSDevice", read_iops),
	THROTTLE("throttleWriteIOPSDevice", write_iops),
	END,
};

static const struct decode_field hugepage_table[] = {
	F("pageSize", STR, oci_hugepage_limit, page_size, REQUIRED),
	F("limit", U64, oci_hugepage_limit, limit, REQUIRED),
	END,
};

/* offset 0: the members lie in the struct of the object around them. */
const struct decode_field oci_resources_table[] = {
	LIST("devices", oci_resources, devices, oci_device_rule, device_rule_table),
	F("memory", OBJECT, oci_resources, memory, .table = memory_table),
	F("cpu", OBJECT, oci_resources, cpu, .table = cpu_table),
	{ .key = "pids", .type = DECODE_OBJECT, .table = pids_table },
	{ .key = "blockIO", .type = DECODE_OBJECT, .table = block_io_table },
	LIST("hugepageLimits", oci_resources, hugepage_limits, oci_hugepage_limit, hugepage_table),
	F("unified", MAP, oci_resources, unified),
	END,
};

static const struct decode_field seccomp_arg_table[] = {
	F("index", U32, oci_seccomp_arg, index, RANGE(0, 5)),
	F("value", U64, oci_seccomp_arg, value),
	F("valueTwo", U64, oci_seccomp_arg, value_two),
	F("op", STR, oci_seccomp_arg, op, REQUIRED),
	END,
};

static const struct decode_field seccomp_syscall_table[] = {
	F("names", STRV, oci_seccomp_syscall, names, REQUIRED),
	F("action", STR, oci_seccomp_syscall, action, REQUIRED),
	F("errnoRet", U32, oci_seccomp_syscall, errno_ret, HAS(oci_seccomp_syscall, has_errno_ret)),
	LIST("args", oci_seccomp_syscall, args, oci_seccomp_arg, seccomp_arg_table),
	END,
};

static const struct decode_field seccomp_table[] = {
	F("defaultAction", STR, oci_seccomp, default_action, REQUIRED),
	F("defaultErrnoRet", U32, oci_seccomp, default_errno_ret,
		HAS(oci_seccomp, has_default_errno_ret)),
	F("architectures", STRV, oci_seccomp, architectures),
	F("flags", STRV, oci_seccomp, flags),
	F("listenerPath", STR, oci_seccomp, listener_path),
	LIST("syscalls", oci_seccomp, syscalls, oci_seccomp_syscall, seccomp_syscall_table),
	END,
};

static const struct decode_field personality_table[] = {
	F("domain", STR, oci_linux, personality_domain, REQUIRED),
	END,
};

static const struct decode_field intel_rdt_table[] = { END };

const struct decode_field oci_linux_table[] = {
	LIST("namespaces", oci_linux, namespaces, oci_namespace, namespace_table),
	LIST("uidMappings", oci_linux, uid_mappings, oci_idmap, oci_idmap_table),
	LIST("gidMappings", oci_linux, gid_mappings, oci_idmap, oci_idmap_table),
	{ .key = "timeOffsets", .type = DECODE_OBJECT, .table = time_offsets_table },
	LIST("devices", oci_linux, devices, oci_device, device_table),
	F("cgroupsPath", STR, oci_linux, cgroups_path),
	F("resources", OBJECT, oci_linux, resources, .table = oci_resources_table),
	F("sysctl", MAP, oci_linux, sysctl),
	F("seccomp", OBJECT, oci_linux, seccomp, .table = seccomp_table,
		HAS(oci_linux, has_seccomp)),
	F("rootfsPropagation", STR, oci_linux, rootfs_propagation),
	F("maskedPaths", STRV, oci_linux, masked_paths),
	F("readonlyPaths", STRV, oci_linux, readonly_paths),
	F("mountLabel", STR, oci_linux, mount_label),
	{ .key = "intelRdt",
		.type = DECODE_OBJECT,
		.table = intel_rdt_table,
		HAS(oci_linux, has_intel_rdt) },
	F("netDevices", JSON, oci_linux, net_devices),
	{ .key = "personality", .type = DECODE_OBJECT, .table = personality_table },
	END,
};
