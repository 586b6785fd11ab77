/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features.c - what this runtime can do, as JSON (runtime-spec 1.2, features.md): the names come
 * from the tables that carry them out.
 */
#include "ctr.h"
#include "plan.h"

static void put_names(
	struct json_out *o, const char *key, const char *prefix, enum plan_names which)
{
	const char *name = NULL;
	char text[64];

	json_out_open(o, key, '[');
	for (size_t i = 0; (name = plan_name(which, i)); i++) {
		(void)snprintf(text, sizeof(text), "%s%s", prefix, name);
		json_out_string(o, NULL, text);
	}
	json_out_close(o, ']');
}

static void put_enabled(struct json_out *o, const char *key, bool enabled)
{
	json_out_open(o, key, '{');
	json_out_bool(o, "enabled", enabled);
	json_out_close(o, '}');
}

static void put_linux(struct json_out *o)
{
	json_out_open(o, "linux", '{');
	put_names(o, "namespaces", "", PLAN_NAMES_NAMESPACES);
	put_names(o, "capabilities", "CAP_", PLAN_NAMES_CAPABILITIES);
	json_out_open(o, "cgroup", '{');
	json_out_bool(o, "v1", false);
	json_out_bool(o, "v2", true);
	json_out_bool(o, "systemd", true);
	json_out_bool(o, "systemdUser", false);
	json_out_bool(o, "rdma", false);
	json_out_close(o, '}');
	json_out_open(o, "seccomp", '{');
	json_out_bool(o, "enabled", true);
	put_names(o, "actions", "", PLAN_NAMES_SECCOMP_ACTIONS);
	put_names(o, "operators", "", PLAN_NAMES_SECCOMP_OPERATORS);
	put_names(o, "archs", "", PLAN_NAMES_SECCOMP_ARCHES);
	put_names(o, "knownFlags", "", PLAN_NAMES_SECCOMP_FLAGS);
	put_names(o, "supportedFlags", "", PLAN_NAMES_SECCOMP_FLAGS);
	json_out_close(o, '}');
	put_enabled(o, "apparmor", false);
	put_enabled(o, "selinux", false);
	put_enabled(o, "intelRdt", false);
	json_out_open(o, "mountExtensions", '{');
	put_enabled(o, "idmap", true);
	json_out_close(o, '}');
	json_out_close(o, '}');
}

void ctr_features(struct json_out *o)
{
	json_out_open(o, NULL, '{');
	json_out_string(o, "ociVersionMin", OCI_VERSION_MIN);
	json_out_string(o, "ociVersionMax", OCI_VERSION);
	put_names(o, "hooks", "", PLAN_NAMES_HOOKS);
	put_names(o, "mountOptions", "", PLAN_NAMES_MOUNT_OPTIONS);
	put_linux(o);
	json_out_open(o, "annotations", '{');
	json_out_string(o, "org.nestbox.version", NESTBOX_VERSION);
	json_out_close(o, '}');
	json_out_open(o, "potentiallyUnsafeConfigAnnotations", '[');
	json_out_string(o, NULL, "dev.nestbox.");
	json_out_string(o, NULL, "io.kubernetes.cri.");
	json_out_string(o, NULL, "io.kubernetes.cri-o.");
	json_out_close(o, ']');
	json_out_close(o, '}');
}
