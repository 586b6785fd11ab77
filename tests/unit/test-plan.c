/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-plan.c - the plan's tables of names, both ways; processes of exec; choices of RAM and vCPUs
 * at their bounds. What whole configurations become is in test-plan-golden.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>

#include "unit.h"

#include "plan.h"
#include "vmm-plan.h"

struct built {
	struct arena a;
	struct oci_spec s;
	struct plan p;
	struct err e;
};

static void cleanup_built(struct built *b)
{
	arena_done(&b->a);
}

static struct plan_facts facts = { .id = "c", .bundle = "/b", .cpus = 4 };

/* Builds a plan for a config.json with more members of the root object. */
static int build(struct built *b, const char *members)
{
	static char text[131072];
	int r = snprintf(text, sizeof(text),
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]}%s%s}",
		*members ? "," : "", members);

	assert_in_range(r, 1, sizeof(text) - 1);
	r = oci_spec_parse(text, (size_t)r, "config.json", &b->a, &b->s, &b->e);
	if (r == 0)
		r = plan_build(&b->s, &facts, &b->a, &b->p, &b->e);
	return r;
}

/* ---- names --------------------------------------------------------------------------------- */

static void capabilities_are_the_kernels(void **state)
{
	size_t n = 0;

	(void)state;
	for (const char *name = NULL; (name = plan_name(PLAN_NAMES_CAPABILITIES, n)); n++) {
		char *known = cap_to_name((cap_value_t)n);
		char full[64];

		(void)snprintf(full, sizeof(full), "CAP_%s", name);
		assert_int_equal(strcasecmp(full, known), 0);
		assert_int_equal(plan_capability(full), n);
		assert_int_equal(plan_capability(name), -1);
		cap_free(known);
	}
	assert_int_equal(n, CAP_LAST_CAP + 1);
	assert_int_equal(plan_capability("CAP_"), -1);
	assert_int_equal(plan_capability("cap_chown"), -1);
	assert_int_equal(plan_capability("CAP_OF_TOMORROW"), -1);
}

static bool is_listed(enum plan_names which, const char *wanted)
{
	const char *name = NULL;

	for (size_t i = 0; (name = plan_name(which, i)); i++) {
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

static void names_stand_once(void **state)
{
	(void)state;
	for (enum plan_names which = 0; which <= PLAN_NAMES_SECCOMP_FLAGS; which++) {
		const char *name = NULL;
		size_t n = 0;

		for (; (name = plan_name(which, n)); n++) {
			for (size_t i = 0; i < n; i++)
				assert_string_not_equal(name, plan_name(which, i));
		}
		assert_in_range(n, 2, 200);
		assert_null(plan_name(which, n + 1));
		assert_null(plan_name(which, SIZE_MAX));
	}
}

/* runtime-spec 1.2, config.md, "Linux mount options". */
static void mount_options_of_the_specification_are_known(void **state)
{
	static const char *const options[] = { "async", "atime", "bind", "defaults", "dev",
		"diratime", "dirsync", "exec", "idmap", "iversion", "lazytime", "loud", "mand",
		"noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand",
		"norelatime", "nostrictatime", "nosuid", "nosymfollow", "private", "ratime",
		"rbind", "rdev", "remount", "rdiratime", "relatime", "rexec", "ridmap", "rnoatime",
		"rnodev", "rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid",
		"rnosymfollow", "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave",
		"rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared", "silent",
		"slave", "strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (!is_listed(PLAN_NAMES_MOUNT_OPTIONS, options[i]))
			fail_msg("%s", options[i]);
	}
}

#define MAPPING "{\"containerID\":0,\"hostID\":1,\"size\":1}"

/* What is listed is carried out, and not handed to the file system as a word that it must know. */
static void listed_mount_options_are_not_data(void **state)
{
	const char *name = NULL;

	(void)state;
	for (size_t i = 0; (name = plan_name(PLAN_NAMES_MOUNT_OPTIONS, i)); i++) {
		cleanup(built) struct built b = { 0 };
		char members[512];
		int r = 0;

		(void)snprintf(members, sizeof(members),
			"\"mounts\":[{\"destination\":\"/a\",\"type\":\"%s\",\"source\":\"s\","
			"\"options\":[\"%s\"]}],\"linux\":{\"namespaces\":[{\"type\":\"user\"}],"
			"\"uidMappings\":[" MAPPING "],\"gidMappings\":[" MAPPING "]}",
			strstr(name, "idmap") ? "bind" : "tmpfs", name);
		r = build(&b, members);
		assert_int_equal(r, 0);
		assert_string_equal(b.p.guest.mounts[0].data, "");
	}
}

static void namespaces_are_the_specifications(void **state)
{
	static const char *const types[] = { "pid", "network", "mount", "ipc", "uts", "user",
		"cgroup", "time" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_true(is_listed(PLAN_NAMES_NAMESPACES, types[i]));
	assert_null(plan_name(PLAN_NAMES_NAMESPACES, ARRAY_LEN(types)));
}

static void namespaces_of_the_host_are_refused(void **state)
{
	static const char *const types[] = { "pid", "mount", "ipc", "uts", "user", "cgroup" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		cleanup(built) struct built b = { 0 };
		char members[256], message[128];

		(void)snprintf(members, sizeof(members),
			"\"linux\":{\"namespaces\":[{\"type\":\"%s\",\"path\":\"/proc/1/ns/x\"}],"
			"\"uidMappings\":[%s],\"gidMappings\":[%s]}",
			types[i], strcmp(types[i], "user") == 0 ? MAPPING : "",
			strcmp(types[i], "user") == 0 ? MAPPING : "");
		(void)snprintf(message, sizeof(message),
			"linux.namespaces[0].path: a %s namespace of the host cannot be joined "
			"from inside a VM",
			types[i]);
		assert_int_equal(build(&b, members), -ENOTSUP);
		assert_string_equal(b.e.msg, message);
	}
}

/* Each action and operator that is listed makes a filter. */
static void listed_seccomp_names_make_filters(void **state)
{
	const char *action = NULL, *op = NULL;

	(void)state;
	for (size_t i = 0; (action = plan_name(PLAN_NAMES_SECCOMP_ACTIONS, i)); i++) {
		for (size_t j = 0; (op = plan_name(PLAN_NAMES_SECCOMP_OPERATORS, j)); j++) {
			cleanup(built) struct built b = { 0 };
			char members[512];

			(void)snprintf(members, sizeof(members),
				"\"linux\":{\"seccomp\":{\"defaultAction\":\"%s\",\"syscalls\":[{"
				"\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{"
				"\"index\":1,\"value\":3,\"valueTwo\":1,\"op\":\"%s\"}]}]}}",
				action, op);
			assert_int_equal(build(&b, members), 0);
			assert_in_range(b.p.guest.process.seccomp_len, 8, 1024);
		}
	}
}

/* ---- device rules -------------------------------------------------------------------------- */

static void device_rules_are_bounded(void **state)
{
	char members[16384 - 256] = "\"linux\":{\"resources\":{\"devices\":[";
	size_t len = strlen(members);

	(void)state;
	for (size_t n = 1; n <= 257; n++) {
		cleanup(built) struct built b = { 0 };
		int r = 0;

		len += (size_t)snprintf(members + len, sizeof(members) - len, "%s",
			n == 1 ? "{\"allow\":true,\"type\":\"c\",\"access\":\"r\"}"
			       : ",{\"allow\":true,\"type\":\"c\",\"access\":\"r\"}");
		assert_true(len < sizeof(members) - 4);
		if (n < 256)
			continue;
		memcpy(members + len, "]}}", 4);
		r = build(&b, members);
		assert_int_equal(r, n <= 256 ? 0 : -E2BIG);
		if (n > 256)
			assert_string_equal(
				b.e.msg, "linux.resources.devices: more than 256 rules");
	}
}

/* ---- exec ---------------------------------------------------------------------------------- */

static void exec_is_under_the_containers_filter(void **state)
{
	cleanup(built) struct built b = { 0 };
	const char *args[] = { "ps", NULL };
	const struct oci_process process = { .cwd = "/", .args = { args, 1 } };
	struct gplan_process p;

	(void)state;
	assert_int_equal(build(&b,
				 "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\","
				 "\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]},"
				 "\"personality\":{\"domain\":\"LINUX32\"}}"),
		0);
	assert_int_equal(plan_exec(&b.s, &process, &b.a, &p, &b.e), 0);
	assert_string_equal(p.args[0], "ps");
	assert_null(p.args[1]);
	assert_int_equal(p.seccomp_len, b.p.guest.process.seccomp_len);
	assert_true(p.seccomp_len > 0);
	assert_memory_equal(p.seccomp, b.p.guest.process.seccomp, p.seccomp_len);
	assert_int_equal(p.seccomp_flags, b.p.guest.process.seccomp_flags);
	assert_true(p.has_personality);
	assert_int_equal(p.personality, 8);
	/* Alone it has neither. */
	assert_int_equal(plan_process(&process, &b.a, &p, &b.e), 0);
	assert_int_equal(p.seccomp_len, 0);
	assert_false(p.has_personality);
}

/* ---- the virtual machine ------------------------------------------------------------------- */

static uint64_t ram_for(const char *members)
{
	cleanup(built) struct built b = { 0 };

	assert_int_equal(build(&b, members), 0);
	/* What the VMM's codec demands. */
	assert_int_equal(b.p.vm.ram_bytes % (2u << 20), 0);
	assert_true(b.p.vm.ram_bytes >= VMM_MIN_RAM && b.p.vm.ram_bytes <= VMM_MAX_RAM);
	return b.p.vm.ram_bytes;
}

static void ram_holds_the_limit(void **state)
{
	static const uint64_t mib = 1u << 20;

	(void)state;
	assert_int_equal(ram_for(""), PLAN_DEFAULT_RAM);
	assert_int_equal(
		ram_for("\"linux\":{\"resources\":{\"memory\":{\"limit\":1}}}"), PLAN_MIN_RAM);
	assert_int_equal(
		ram_for("\"linux\":{\"resources\":{\"memory\":{\"limit\":104857600}}}"), 192 * mib);
	assert_int_equal(
		ram_for("\"linux\":{\"resources\":{\"memory\":{\"limit\":134217728}}}"), 192 * mib);
	assert_int_equal(
		ram_for("\"linux\":{\"resources\":{\"memory\":{\"limit\":134217729}}}"), 256 * mib);
	/* v1's way to say "none". */
	assert_int_equal(ram_for("\"linux\":{\"resources\":{\"memory\":{"
				 "\"limit\":9223372036854771712}}}"),
		PLAN_DEFAULT_RAM);
	assert_int_equal(ram_for("\"vm\":{\"hwConfig\":{\"memory\":1}}"), PLAN_MIN_RAM);
	assert_int_equal(ram_for("\"vm\":{\"hwConfig\":{\"memory\":314572801}}"), 302 * mib);
	assert_int_equal(ram_for("\"vm\":{\"hwConfig\":{\"memory\":1099511627776}}"), VMM_MAX_RAM);
}

static void ram_ends_with_the_hosts(void **state)
{
	static const uint64_t mib = 1u << 20;
	cleanup(built) struct built b = { 0 };

	(void)state;
	facts.ram_bytes = 4096 * mib + 4096;
	assert_int_equal(ram_for("\"linux\":{\"resources\":{\"memory\":{\"limit\":8589934592}}}"),
		4096 * mib);
	assert_int_equal(ram_for("\"linux\":{\"resources\":{\"memory\":{\"limit\":1073741824}}}"),
		1024 * mib + PLAN_RAM_OVERHEAD);
	assert_int_equal(build(&b, "\"vm\":{\"hwConfig\":{\"memory\":8589934592}}"), -ENOMEM);
	assert_string_equal(b.e.msg,
		"vm.hwConfig.memory: 8192 MiB is more than this machine's memory (4096 MiB)");
	facts.ram_bytes = 0;
}

static uint32_t vcpus_for(const char *members)
{
	cleanup(built) struct built b = { 0 };

	assert_int_equal(build(&b, members), 0);
	assert_in_range(b.p.vm.vcpus, 1, VMM_MAX_VCPUS);
	return b.p.vm.vcpus;
}

#define CPU(members) "\"linux\":{\"resources\":{\"cpu\":{" members "}}}"

static void vcpus_hold_the_quota(void **state)
{
	(void)state;
	assert_int_equal(vcpus_for(""), 1);
	assert_int_equal(vcpus_for(CPU("\"quota\":1")), 1);
	assert_int_equal(vcpus_for(CPU("\"quota\":100000")), 1);
	assert_int_equal(vcpus_for(CPU("\"quota\":100001")), 2);
	assert_int_equal(vcpus_for(CPU("\"quota\":100000,\"period\":50000")), 2);
	assert_int_equal(vcpus_for(CPU("\"quota\":-1")), 1);
	/* Not more than the host has. */
	assert_int_equal(vcpus_for(CPU("\"quota\":9223372036854775807")), 4);
	assert_int_equal(vcpus_for(CPU("\"quota\":9223372036854775807,"
				       "\"period\":18446744073709551615")),
		1);
	/* But as many as asked for by name. */
	assert_int_equal(vcpus_for("\"vm\":{\"hwConfig\":{\"vcpus\":32}}"), 32);
}

static void shares_are_named_after_their_mount(void **state)
{
	cleanup(built) struct built b = { 0 };
	char members[6000] = "\"mounts\":[";
	size_t len = strlen(members);

	(void)state;
	/* Every second one is a bind. */
	for (unsigned i = 0; i < 50; i++)
		len += (size_t)snprintf(members + len, sizeof(members) - len,
			"%s{\"destination\":\"/m%u\",\"type\":\"%s\",\"source\":\"/s%u\"}",
			i ? "," : "", i, i % 2 ? "bind" : "tmpfs", i);
	(void)snprintf(members + len, sizeof(members) - len, "]");
	assert_int_equal(build(&b, members), 0);
	assert_int_equal(b.p.host.n_shares, 26);
	assert_string_equal(b.p.host.shares[0].name, "rootfs");
	for (unsigned i = 1; i < 50; i += 2) {
		const struct plan_share *s = &b.p.host.shares[1 + i / 2];
		char name[8], path[8];

		(void)snprintf(name, sizeof(name), "m%u", i);
		(void)snprintf(path, sizeof(path), "/s%u", i);
		assert_string_equal(s->name, name);
		assert_string_equal(s->path, path);
		assert_string_equal(b.p.guest.mounts[i].source, name);
		assert_int_equal(b.p.guest.mounts[i].kind, GPLAN_MOUNT_SHARE);
		assert_int_equal(b.p.guest.mounts[i - 1].kind, GPLAN_MOUNT_FS);
	}
}

/* As many as the fs server has places for. */
static void binds_are_bounded(void **state)
{
	static char members[100000];

	(void)state;
	for (unsigned n = PLAN_MAX_SHARES - 1; n <= PLAN_MAX_SHARES; n++) {
		cleanup(built) struct built b = { 0 };
		size_t len = (size_t)snprintf(members, sizeof(members), "\"mounts\":[");

		for (unsigned i = 0; i < n; i++)
			len += (size_t)snprintf(members + len, sizeof(members) - len,
				"%s{\"destination\":\"/m%u\",\"source\":\"/s\",\"options\":[\"bind\"]}",
				i ? "," : "", i);
		(void)snprintf(members + len, sizeof(members) - len, "]");
		assert_int_equal(build(&b, members), n < PLAN_MAX_SHARES ? 0 : -E2BIG);
		if (n == PLAN_MAX_SHARES)
			assert_string_equal(b.e.msg, "mounts: more than 1023 bind mounts");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_the_kernels),
		cmocka_unit_test(names_stand_once),
		cmocka_unit_test(mount_options_of_the_specification_are_known),
		cmocka_unit_test(listed_mount_options_are_not_data),
		cmocka_unit_test(namespaces_are_the_specifications),
		cmocka_unit_test(namespaces_of_the_host_are_refused),
		cmocka_unit_test(listed_seccomp_names_make_filters),
		cmocka_unit_test(device_rules_are_bounded),
		cmocka_unit_test(exec_is_under_the_containers_filter),
		cmocka_unit_test(ram_holds_the_limit),
		cmocka_unit_test(ram_ends_with_the_hosts),
		cmocka_unit_test(vcpus_hold_the_quota),
		cmocka_unit_test(shares_are_named_after_their_mount),
		cmocka_unit_test(binds_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
