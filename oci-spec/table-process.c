/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table-process.c - the process object (runtime-spec 1.2, config.md "Process").
 */
#include "tables.h"

#define NICE RANGE(-20, 19)

static const struct decode_field user_table[] = {
	F("uid", U32, oci_user, uid),
	F("gid", U32, oci_user, gid),
	F("umask", U32, oci_user, umask, HAS(oci_user, has_umask), RANGE(0, 0777)),
	F("additionalGids", U32V, oci_user, additional_gids),
	END,
};

static const struct decode_field capabilities_table[] = {
	F("bounding", STRV, oci_capabilities, bounding),
	F("effective", STRV, oci_capabilities, effective),
	F("inheritable", STRV, oci_capabilities, inheritable),
	F("permitted", STRV, oci_capabilities, permitted),
	F("ambient", STRV, oci_capabilities, ambient),
	END,
};

static const struct decode_field rlimit_table[] = {
	F("type", STR, oci_rlimit, type, REQUIRED),
	F("soft", U64, oci_rlimit, soft, REQUIRED),
	F("hard", U64, oci_rlimit, hard, REQUIRED),
	END,
};

static const struct decode_field scheduler_table[] = {
	F("policy", STR, oci_scheduler, policy, REQUIRED),
	F("nice", I32, oci_scheduler, nice, NICE),
	F("priority", I32, oci_scheduler, priority, RANGE(0, 99)),
	F("flags", STRV, oci_scheduler, flags),
	F("runtime", U64, oci_scheduler, runtime),
	F("deadline", U64, oci_scheduler, deadline),
	F("period", U64, oci_scheduler, period),
	END,
};

static const struct decode_field io_priority_table[] = {
	F("class", STR, oci_io_priority, class, REQUIRED),
	F("priority", I32, oci_io_priority, priority, RANGE(0, 7)),
	END,
};

static const struct decode_field console_size_table[] = {
	F("height", U32, oci_console_size, height, RANGE(0, 65535)),
	F("width", U32, oci_console_size, width, RANGE(0, 65535)),
	END,
};

const struct decode_field oci_process_table[] = {
	F("terminal", BOOL, oci_process, terminal),
	F("consoleSize", OBJECT, oci_process, console_size, .table = console_size_table,
		HAS(oci_process, has_console_size)),
	F("user", OBJECT, oci_process, user, .table = user_table),
	F("args", STRV, oci_process, args),
	F("env", STRV, oci_process, env),
	F("cwd", PATH, oci_process, cwd, REQUIRED),
	F("capabilities", OBJECT, oci_process, capabilities, .table = capabilities_table,
		HAS(oci_process, has_capabilities)),
	LIST("rlimits", oci_process, rlimits, oci_rlimit, rlimit_table),
	F("noNewPrivileges", BOOL, oci_process, no_new_privileges),
	F("apparmorProfile", STR, oci_process, apparmor_profile),
	F("selinuxLabel", STR, oci_process, selinux_label),
	F("oomScoreAdj", I32, oci_process, oom_score_adj, HAS(oci_process, has_oom_score_adj),
		RANGE(-1000, 1000)),
	F("scheduler", OBJECT, oci_process, scheduler, .table = scheduler_table,
		HAS(oci_process, has_scheduler)),
	F("ioPriority", OBJECT, oci_process, io_priority, .table = io_priority_table,
		HAS(oci_process, has_io_priority)),
	END,
};
