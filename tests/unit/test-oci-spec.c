/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-oci-spec.c - config.json into struct oci_spec: each group of fields. What is refused is in
 * test-oci-refused.c.
 */
#include <errno.h>

#include "spec-text.h"

/* ---- what is read -------------------------------------------------------------------------- */

static void root_object(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };

	(void)state;
	parse(&p,
		SPEC("\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"h\","
		     "\"domainname\":\"d\",\"annotations\":{\"a.b\":\"c\",\"e\":\"\"}"));
	assert_string_equal(p.s.version, "1.2.0");
	assert_true(p.s.has_root);
	assert_string_equal(p.s.root_path, "rootfs");
	assert_true(p.s.root_readonly);
	assert_string_equal(p.s.hostname, "h");
	assert_string_equal(p.s.domainname, "d");
	assert_int_equal(p.s.annotations.n, 2);
	assert_string_equal(p.s.annotations.v[0].key, "a.b");
	assert_string_equal(p.s.annotations.v[0].value, "c");
	assert_string_equal(p.s.annotations.v[1].value, "");
	assert_false(p.s.has_process);
	assert_false(p.s.has_linux);
	assert_false(p.s.has_vm);
}

static void process_object(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_process *q = &p.s.process;

	(void)state;
	parse(&p,
		PROCESS("\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},"
			"\"user\":{\"uid\":4294967294,\"gid\":5,\"umask\":18,"
			"\"additionalGids\":[7,0]},"
			"\"env\":[\"A=1\",\"B=\"],\"noNewPrivileges\":true,"
			"\"apparmorProfile\":\"p\",\"selinuxLabel\":\"l\",\"oomScoreAdj\":-1000"));
	assert_true(p.s.has_process && q->terminal && q->has_console_size);
	assert_int_equal(q->console_size.height, 25);
	assert_int_equal(q->console_size.width, 80);
	assert_int_equal(q->user.uid, 4294967294u);
	assert_int_equal(q->user.gid, 5);
	assert_true(q->user.has_umask);
	assert_int_equal(q->user.umask, 022);
	assert_int_equal(q->user.n_additional_gids, 2);
	assert_int_equal(q->user.additional_gids[0], 7);
	assert_int_equal(q->user.additional_gids[1], 0);
	assert_string_equal(q->env.v[1], "B=");
	assert_null(q->env.v[2]);
	assert_int_equal(q->env.n, 2);
	assert_string_equal(q->cwd, "/");
	assert_true(q->no_new_privileges);
	assert_string_equal(q->apparmor_profile, "p");
	assert_string_equal(q->selinux_label, "l");
	assert_true(q->has_oom_score_adj);
	assert_int_equal(q->oom_score_adj, -1000);
	assert_false(q->has_capabilities || q->has_scheduler || q->has_io_priority);
}

static void process_limits_and_scheduling(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_process *q = &p.s.process;

	(void)state;
	parse(&p,
		PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,"
			"\"hard\":18446744073709551615}],"
			"\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"nice\":-20,"
			"\"priority\":99,\"flags\":[\"F\"],\"runtime\":1,\"deadline\":2,"
			"\"period\":3},"
			"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\",\"priority\":7}"));
	assert_int_equal(q->n_rlimits, 1);
	assert_string_equal(q->rlimits[0].type, "RLIMIT_NOFILE");
	assert_int_equal(q->rlimits[0].soft, 1);
	assert_true(q->rlimits[0].hard == UINT64_MAX);
	assert_true(q->has_scheduler);
	assert_string_equal(q->scheduler.policy, "SCHED_DEADLINE");
	assert_int_equal(q->scheduler.nice, -20);
	assert_int_equal(q->scheduler.priority, 99);
	assert_string_equal(q->scheduler.flags.v[0], "F");
	assert_int_equal(q->scheduler.runtime, 1);
	assert_int_equal(q->scheduler.deadline, 2);
	assert_int_equal(q->scheduler.period, 3);
	assert_true(q->has_io_priority);
	assert_string_equal(q->io_priority.class, "IOPRIO_CLASS_RT");
	assert_int_equal(q->io_priority.priority, 7);
}

static void process_capabilities(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_capabilities *c = &p.s.process.capabilities;

	(void)state;
	parse(&p,
		PROCESS("\"capabilities\":{\"bounding\":[\"B\"],\"effective\":[\"E\"],"
			"\"inheritable\":[\"I\"],\"permitted\":[\"P\"],\"ambient\":[]}"));
	assert_true(p.s.process.has_capabilities);
	assert_string_equal(c->bounding.v[0], "B");
	assert_string_equal(c->effective.v[0], "E");
	assert_string_equal(c->inheritable.v[0], "I");
	assert_string_equal(c->permitted.v[0], "P");
	assert_int_equal(c->ambient.n, 0);
}

static void mounts_and_hooks(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_hooks *h = &p.s.hooks;
	const struct oci_hook_list *const all[] = { &h->prestart, &h->create_runtime,
		&h->create_container, &h->start_container, &h->poststart, &h->poststop };

	(void)state;
	parse(&p,
		SPEC("\"mounts\":[{\"destination\":\"/a\",\"type\":\"t\",\"source\":\"s\","
		     "\"options\":[\"o\"],\"uidMappings\":[{\"containerID\":1,\"hostID\":2,"
		     "\"size\":3}],\"gidMappings\":[{\"containerID\":4,\"hostID\":5,\"size\":6}]},"
		     "{\"destination\":\"/b\"}],"
		     "\"hooks\":{\"prestart\":[{\"path\":\"/h0\",\"args\":[\"x\"],\"env\":[\"E=1\"],"
		     "\"timeout\":30}],\"createRuntime\":[{\"path\":\"/h1\"}],"
		     "\"createContainer\":[{\"path\":\"/h2\"}],"
		     "\"startContainer\":[{\"path\":\"/h3\"}],"
		     "\"poststart\":[{\"path\":\"/h4\"}],\"poststop\":[{\"path\":\"/h5\"}]}"));
	assert_int_equal(p.s.n_mounts, 2);
	assert_string_equal(p.s.mounts[0].destination, "/a");
	assert_string_equal(p.s.mounts[0].type, "t");
	assert_string_equal(p.s.mounts[0].source, "s");
	assert_string_equal(p.s.mounts[0].options.v[0], "o");
	assert_int_equal(p.s.mounts[0].uid_mappings[0].host_id, 2);
	assert_int_equal(p.s.mounts[0].gid_mappings[0].size, 6);
	assert_null(p.s.mounts[1].type);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char path[8];

		(void)snprintf(path, sizeof(path), "/h%zu", i);
		assert_int_equal(all[i]->n, 1);
		assert_string_equal(all[i]->v[0].path, path);
	}
	assert_string_equal(h->prestart.v[0].args.v[0], "x");
	assert_string_equal(h->prestart.v[0].env.v[0], "E=1");
	assert_true(h->prestart.v[0].has_timeout);
	assert_int_equal(h->prestart.v[0].timeout, 30);
	assert_false(h->poststop.v[0].has_timeout);
}

static void linux_namespaces_and_devices(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_linux *l = &p.s.linux_;

	(void)state;
	parse(&p,
		LINUX("\"namespaces\":[{\"type\":\"user\"},{\"type\":\"network\",\"path\":\"/n\"},"
		      "{\"type\":\"time\"}],"
		      "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
		      "\"gidMappings\":[{\"containerID\":0,\"hostID\":2000,\"size\":1}],"
		      "\"timeOffsets\":{\"monotonic\":{\"secs\":-5,\"nanosecs\":999999999},"
		      "\"boottime\":{\"secs\":9223372036854775807}},"
		      "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":10,\"minor\":229,"
		      "\"fileMode\":438,\"uid\":1,\"gid\":2},{\"path\":\"/p\",\"type\":\"p\"}]"));
	assert_int_equal(l->n_namespaces, 3);
	assert_null(l->namespaces[0].path);
	assert_string_equal(l->namespaces[1].path, "/n");
	assert_int_equal(l->uid_mappings[0].host_id, 1000);
	assert_int_equal(l->gid_mappings[0].host_id, 2000);
	assert_true(l->has_monotonic && l->has_boottime);
	assert_int_equal(l->monotonic.secs, -5);
	assert_int_equal(l->monotonic.nanosecs, 999999999);
	assert_true(l->boottime.secs == INT64_MAX);
	assert_int_equal(l->n_devices, 2);
	assert_string_equal(l->devices[0].path, "/dev/x");
	assert_int_equal(l->devices[0].major, 10);
	assert_int_equal(l->devices[0].minor, 229);
	assert_true(l->devices[0].has_file_mode);
	assert_int_equal(l->devices[0].file_mode, 0666);
	assert_int_equal(l->devices[0].gid, 2);
	assert_false(l->devices[1].has_file_mode);
}

static void linux_resources(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_resources *r = &p.s.linux_.resources;

	(void)state;
	parse(&p,
		LINUX("\"cgroupsPath\":\"/c\",\"resources\":{\"memory\":{\"limit\":-1,"
		      "\"reservation\":5,\"swap\":6,\"kernel\":7,\"swappiness\":60},"
		      "\"cpu\":{\"shares\":1024,\"quota\":-1,\"burst\":1,\"period\":2,\"idle\":1,"
		      "\"cpus\":\"0-1\",\"mems\":\"0\"},\"pids\":{\"limit\":-1},"
		      "\"blockIO\":{\"weight\":1000},"
		      "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":18446744073709551615}],"
		      "\"unified\":{\"memory.high\":\"1\"},"
		      "\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}"));
	assert_string_equal(p.s.linux_.cgroups_path, "/c");
	assert_true(r->memory.has_limit && r->memory.has_reservation && r->memory.has_swap);
	assert_int_equal(r->memory.limit, -1);
	assert_int_equal(r->memory.reservation, 5);
	assert_int_equal(r->memory.swap, 6);
	assert_true(r->cpu.has_shares && r->cpu.has_quota && r->cpu.has_burst);
	assert_true(r->cpu.has_period && r->cpu.has_idle);
	assert_int_equal(r->cpu.shares, 1024);
	assert_int_equal(r->cpu.quota, -1);
	assert_int_equal(r->cpu.burst, 1);
	assert_int_equal(r->cpu.period, 2);
	assert_int_equal(r->cpu.idle, 1);
	assert_string_equal(r->cpu.cpus, "0-1");
	assert_string_equal(r->cpu.mems, "0");
	assert_true(r->has_pids_limit && r->pids_limit == -1);
	assert_true(r->has_blkio_weight && r->blkio_weight == 1000);
	assert_string_equal(r->hugepage_limits[0].page_size, "2MB");
	assert_true(r->hugepage_limits[0].limit == UINT64_MAX);
	assert_string_equal(r->unified.v[0].key, "memory.high");
}

static void linux_seccomp_and_the_rest(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	const struct oci_linux *l = &p.s.linux_;
	const struct oci_seccomp *s = &l->seccomp;

	(void)state;
	parse(&p,
		LINUX("\"seccomp\":{\"defaultAction\":\"D\",\"defaultErrnoRet\":38,"
		      "\"architectures\":[\"A\"],\"flags\":[\"F\"],\"listenerPath\":\"L\","
		      "\"syscalls\":[{\"names\":[\"n\"],\"action\":\"X\",\"errnoRet\":0,"
		      "\"args\":[{\"index\":5,\"value\":18446744073709551615,\"valueTwo\":2,"
		      "\"op\":\"O\"}]}]},"
		      "\"sysctl\":{\"a.b\":\"1\"},\"rootfsPropagation\":\"slave\","
		      "\"maskedPaths\":[\"/m\"],\"readonlyPaths\":[\"/r\",\"/s\"],"
		      "\"mountLabel\":\"l\",\"intelRdt\":{\"closID\":\"c\"},"
		      "\"personality\":{\"domain\":\"LINUX32\"}"));
	assert_true(l->has_seccomp);
	assert_string_equal(s->default_action, "D");
	assert_true(s->has_default_errno_ret && s->default_errno_ret == 38);
	assert_string_equal(s->architectures.v[0], "A");
	assert_string_equal(s->flags.v[0], "F");
	assert_string_equal(s->listener_path, "L");
	assert_string_equal(s->syscalls[0].names.v[0], "n");
	assert_string_equal(s->syscalls[0].action, "X");
	assert_true(s->syscalls[0].has_errno_ret && s->syscalls[0].errno_ret == 0);
	assert_int_equal(s->syscalls[0].args[0].index, 5);
	assert_true(s->syscalls[0].args[0].value == UINT64_MAX);
	assert_int_equal(s->syscalls[0].args[0].value_two, 2);
	assert_string_equal(s->syscalls[0].args[0].op, "O");
	assert_string_equal(l->sysctl.v[0].key, "a.b");
	assert_string_equal(l->rootfs_propagation, "slave");
	assert_string_equal(l->masked_paths.v[0], "/m");
	assert_int_equal(l->readonly_paths.n, 2);
	assert_string_equal(l->mount_label, "l");
	assert_true(l->has_intel_rdt);
	assert_string_equal(l->personality_domain, "LINUX32");
}

static void vm_object(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	cleanup(parsed) struct parsed q = { 0 };
	const struct oci_vm *v = &p.s.vm;

	(void)state;
	parse(&p,
		SPEC("\"vm\":{\"hypervisor\":{\"path\":\"/h\",\"parameters\":[\"x\"]},"
		     "\"kernel\":{\"path\":\"/k\",\"parameters\":[\"a\",\"b\"],\"initrd\":\"/i\"},"
		     "\"image\":{\"path\":\"/img\",\"format\":\"raw\"},"
		     "\"hwConfig\":{\"vcpus\":2,\"memory\":268435456,\"irqs\":[1]}}"));
	assert_true(p.s.has_vm);
	assert_string_equal(v->hypervisor_path, "/h");
	assert_string_equal(v->kernel_path, "/k");
	assert_string_equal(v->initrd_path, "/i");
	assert_int_equal(v->kernel_parameters.n, 2);
	assert_string_equal(v->kernel_parameters.v[1], "b");
	assert_string_equal(v->image_path, "/img");
	assert_string_equal(v->image_format, "raw");
	assert_true(v->has_vcpus && v->vcpus == 2);
	/* runtime-spec 1.3, config-vm.md: bytes. */
	assert_true(v->has_memory && v->memory == 268435456);
	parse(&q, SPEC("\"vm\":{\"kernel\":{\"parameters\":[\"a\"]},\"hwConfig\":{}}"));
	assert_null(q.s.vm.kernel_path);
	assert_false(q.s.vm.has_vcpus || q.s.vm.has_memory);
}

static void null_is_absent_and_unknown_keys_are_ignored(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };

	(void)state;
	parse(&p,
		SPEC("\"process\":null,\"root\":null,\"mounts\":null,\"hooks\":null,"
		     "\"annotations\":null,\"vm\":null,\"solaris\":{\"limitpriv\":1},"
		     "\"x\":[[[]]],\"linux\":{\"seccomp\":null,\"resources\":{\"memory\":null,"
		     "\"later\":{}},\"namespaces\":null,\"later\":1}"));
	assert_false(p.s.has_process || p.s.has_root || p.s.has_vm);
	assert_int_equal(p.s.n_mounts, 0);
	assert_true(p.s.has_linux);
	assert_false(p.s.linux_.has_seccomp);
	assert_false(p.s.linux_.resources.memory.has_limit);
}

static void process_alone(void **state)
{
	static const char good[] = "{\"cwd\":\"/\",\"args\":[\"a\",\"b\"],\"terminal\":true}";
	static const char none[] = "{\"cwd\":\"/\",\"args\":[]}";
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct oci_process q = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(oci_spec_parse_process(good, strlen(good), "p.json", &a, &q, &e), 0);
	assert_int_equal(q.args.n, 2);
	assert_null(q.args.v[2]);
	assert_true(q.terminal);
	assert_int_equal(oci_spec_parse_process(none, strlen(none), "p.json", &a, &q, &e), -EINVAL);
	assert_string_equal(e.msg, "p.json: args must not be empty");
	assert_int_equal(oci_spec_parse_process("{}", 2, "p.json", &a, &q, &e), -EINVAL);
	assert_string_equal(e.msg, "p.json:1:1: cwd: is missing");
}

static void default_spec_is_one(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };

	(void)state;
	parse(&p, oci_spec_default);
	assert_string_equal(p.s.version, OCI_VERSION);
	assert_true(p.s.has_process && p.s.has_root && p.s.has_linux);
}

/* As runc writes it: a user namespace instead of a network one, and nothing that needs rights. */
static void rootless_spec_is_one(void **state)
{
	cleanup(parsed) struct parsed p = { 0 };
	char text[OCI_SPEC_ROOTLESS_MAX];
	const struct oci_linux *l = &p.s.linux_;
	bool user = false;

	(void)state;
	assert_int_equal(oci_spec_rootless(text, sizeof(text), 4294967294u, 1001), 0);
	parse(&p, text);
	assert_int_equal(l->n_uid_mappings, 1);
	assert_int_equal(l->uid_mappings[0].host_id, 4294967294u);
	assert_int_equal(l->n_gid_mappings, 1);
	assert_int_equal(l->gid_mappings[0].host_id, 1001);
	assert_int_equal(l->gid_mappings[0].size, 1);
	for (size_t i = 0; i < l->n_namespaces; i++) {
		assert_string_not_equal(l->namespaces[i].type, "network");
		user = user || strcmp(l->namespaces[i].type, "user") == 0;
	}
	assert_true(user);
	assert_null(strstr(text, "gid=5"));
	assert_null(strstr(text, "resources"));
	assert_int_equal(oci_spec_rootless(text, 100, 1, 1), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_object),
		cmocka_unit_test(process_object),
		cmocka_unit_test(process_limits_and_scheduling),
		cmocka_unit_test(process_capabilities),
		cmocka_unit_test(mounts_and_hooks),
		cmocka_unit_test(linux_namespaces_and_devices),
		cmocka_unit_test(linux_resources),
		cmocka_unit_test(linux_seccomp_and_the_rest),
		cmocka_unit_test(vm_object),
		cmocka_unit_test(null_is_absent_and_unknown_keys_are_ignored),
		cmocka_unit_test(process_alone),
		cmocka_unit_test(default_spec_is_one),
		cmocka_unit_test(rootless_spec_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
