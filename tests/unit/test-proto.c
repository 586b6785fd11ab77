/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-proto.c - codecs of the links: round trips, every truncation, values out of range.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "agent.h"
#include "guest-plan.h"
#include "io.h"
#include "ram-layout.h"
#include "vmm-ctl.h"
#include "vmm-plan.h"
#include "wire.h"

static void wire_reader_stops_at_the_first_error(void **state)
{
	const uint8_t bytes[] = { 5, 0, 0, 0, 'a', 'b' };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct wire_in r;

	(void)state;
	wire_in_init(&r, bytes, sizeof(bytes));
	assert_string_equal(wire_get_str(&r, &a, 100), "");
	assert_int_equal(wire_in_end(&r), -EBADMSG);
	assert_int_equal(wire_get_u8(&r), 0);
}

static void wire_refuses_nul_and_hostile_counts(void **state)
{
	const uint8_t nul[] = { 3, 0, 0, 0, 'a', 0, 'b' };
	const uint8_t count[] = { 0xff, 0xff, 0xff, 0xff };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct wire_in r;
	size_t n = 9;

	(void)state;
	wire_in_init(&r, nul, sizeof(nul));
	(void)wire_get_str(&r, &a, 100);
	assert_int_equal(wire_in_end(&r), -EBADMSG);
	wire_in_init(&r, count, sizeof(count));
	assert_null(wire_get_strv(&r, &a, SIZE_MAX, 10, &n));
	assert_int_equal(n, 0);
	/* The count was bounded by the input: no memory was asked for it. */
	assert_true(a.used < 256);
}

static void wire_writer_keeps_its_bound(void **state)
{
	struct wire_out w;
	uint8_t small[4];

	(void)state;
	wire_out_fixed(&w, small, sizeof(small));
	wire_put_u32(&w, 1);
	wire_put_u8(&w, 1);
	assert_int_equal(w.error, -EMSGSIZE);
	assert_int_equal(w.len, 4);
	wire_out_init(&w, 10);
	wire_put_str(&w, "1234567");
	assert_int_equal(w.error, -EMSGSIZE);
	wire_out_done(&w);
}

static void agent_headers_are_checked(void **state)
{
	uint8_t h[AGENT_HEADER];
	struct agent_frame f;

	(void)state;
	agent_put_header(h, AGENT_DATA, AGENT_STDERR, 77);
	assert_int_equal(agent_get_header(h, &f), 0);
	assert_int_equal(f.len, 77);
	assert_int_equal(f.type, AGENT_DATA);
	assert_int_equal(f.stream, AGENT_STDERR);
	agent_put_header(h, AGENT_DATA, AGENT_STREAM_MAX, 0);
	assert_int_equal(agent_get_header(h, &f), -EBADMSG);
	agent_put_header(h, AGENT_TYPE_MAX, 0, 0);
	assert_int_equal(agent_get_header(h, &f), -EBADMSG);
	agent_put_header(h, 0, 0, 0);
	assert_int_equal(agent_get_header(h, &f), -EBADMSG);
	agent_put_header(h, AGENT_DATA, 0, AGENT_MAX_DATA + 1);
	assert_int_equal(agent_get_header(h, &f), -EMSGSIZE);
	agent_put_header(h, AGENT_CREATE, 0, AGENT_MAX_DATA + 1);
	assert_int_equal(agent_get_header(h, &f), 0);
	agent_put_header(h, AGENT_EXIT, 0, AGENT_MAX_REPLY + 1);
	assert_int_equal(agent_get_header(h, &f), -EMSGSIZE);
}

static void agent_exit_ranges(void **state)
{
	struct agent_exit in = { .code = 137, .signal = 9, .oom = 1 };
	struct agent_exit out = { 0 };
	uint8_t buf[16];
	struct wire_out w;

	(void)state;
	wire_out_fixed(&w, buf, sizeof(buf));
	agent_put_exit(&w, &in);
	assert_int_equal(agent_get_exit(buf, w.len, &out), 0);
	assert_int_equal(out.code, 137);
	assert_int_equal(out.signal, 9);
	assert_int_equal(out.oom, 1);
	assert_int_equal(agent_get_exit(buf, w.len - 1, &out), -EBADMSG);
	assert_int_equal(agent_get_exit(buf, w.len + 1, &out), -EBADMSG);
	buf[1] = 1; /* code 393 */
	assert_int_equal(agent_get_exit(buf, w.len, &out), -EBADMSG);
}

static void agent_error_text_is_made_harmless(void **state)
{
	struct err in = { .code = -ENOENT, .msg = "exec: \033]0;x\a" };
	struct err out = { 0 };
	struct wire_out w;

	(void)state;
	wire_out_init(&w, AGENT_MAX_REPLY);
	agent_put_error(&w, &in);
	assert_int_equal(agent_get_error(w.data, w.len, &out), 0);
	assert_int_equal(out.code, -ENOENT);
	assert_string_equal(out.msg, "exec: ?]0;x?");
	memset(w.data, 0, 4); /* an error of code 0 is none */
	assert_int_equal(agent_get_error(w.data, w.len, &out), -EBADMSG);
	wire_out_done(&w);
}

static void agent_recv_has_a_deadline(void **state)
{
	cleanup(free) uint8_t *p = NULL;
	struct agent_frame f;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(agent_recv(pair[0], 10, &f, &p), -ETIMEDOUT);
	assert_int_equal(write(pair[1], "abc", 3), 3); /* part of a header, then silence */
	assert_int_equal(agent_recv(pair[0], 10, &f, &p), -ETIMEDOUT);
	(void)close(pair[1]);
	assert_int_equal(agent_recv(pair[0], 10, &f, &p), -ECONNRESET);
	(void)close(pair[0]);
}

static struct vmm_plan good_plan(void)
{
	struct vmm_plan p = { .id = "c1",
		.ram_bytes = (uint64_t)64 << 20,
		.boot_bytes = (uint64_t)64 << 20,
		.vcpus = 2,
		.boot_vcpus = 2,
		.max_vcpus = 2,
		.cmdline = "quiet",
		.kvm_fd = 3,
		.kernel_fd = 4,
		.initrd_fd = -1,
		.boot_fd = 6,
		.control_fd = 7,
		.fs_fd = -1,
		.sockets_fd = -1,
		.template_fd = 9,
		.save_fd = -1,
		.template_key = "key",
		.jail_uid = 70000 };

	return p;
}

static int through_wire(const struct vmm_plan *p, struct vmm_plan *ret)
{
	struct wire_out w;
	int r = 0;

	wire_out_init(&w, VMM_PLAN_MAX_BYTES);
	vmm_plan_put(&w, p);
	assert_int_equal(w.error, 0);
	r = vmm_plan_get(w.data, w.len, ret);
	for (size_t cut = 0; cut < w.len; cut++) {
		struct vmm_plan ignored;

		assert_int_equal(vmm_plan_get(w.data, cut, &ignored), -EBADMSG);
	}
	wire_out_done(&w);
	return r;
}

static void vmm_plan_round_trip_and_ranges(void **state)
{
	struct vmm_plan p = good_plan();
	struct vmm_plan out = { 0 };

	(void)state;
	assert_int_equal(through_wire(&p, &out), 0);
	assert_string_equal(out.cmdline, "quiet");
	assert_int_equal(out.template_fd, 9);
	assert_int_equal(out.save_fd, -1);
	assert_string_equal(out.template_key, "key");
	assert_int_equal(out.initrd_fd, -1);
	p.ram_bytes += 4096;
	assert_int_equal(through_wire(&p, &out), -EBADMSG);
	p = good_plan();
	p.vcpus = 0;
	assert_int_equal(through_wire(&p, &out), -EBADMSG);
	p = good_plan();
	p.kernel_fd = -1;
	assert_int_equal(through_wire(&p, &out), -EBADMSG);
	p = good_plan();
	p.boot_fd = -7;
	assert_int_equal(through_wire(&p, &out), -EBADMSG);
}

static int with_memory(uint64_t boot_mib, uint64_t ram_mib)
{
	struct vmm_plan p = good_plan(), out = { 0 };

	p.boot_bytes = boot_mib << 20;
	p.ram_bytes = ram_mib << 20;
	return through_wire(&p, &out);
}

static void vmm_plan_with_memory_to_come(void **state)
{
	(void)state;
	assert_int_equal(with_memory(64, 64 + 128), 0);
	assert_int_equal(with_memory(3072, 8192), 0);
	assert_int_equal(with_memory(128, 64), -EBADMSG);
	assert_int_equal(with_memory(0, 128), -EBADMSG);
	assert_int_equal(with_memory(64, 128), -EBADMSG);
	assert_int_equal(with_memory(65, 65 + 128), -EBADMSG);
	assert_int_equal(with_memory(4096, 8192), -EBADMSG);
}

static int with_vcpus(uint32_t boot, uint32_t n, uint32_t max)
{
	struct vmm_plan p = good_plan(), out = { 0 };

	p.boot_vcpus = boot;
	p.vcpus = n;
	p.max_vcpus = max;
	return through_wire(&p, &out);
}

static void vmm_plan_with_vcpus_to_come(void **state)
{
	(void)state;
	assert_int_equal(with_vcpus(1, 1, 1), 0);
	assert_int_equal(with_vcpus(1, 2, 8), 0);
	assert_int_equal(with_vcpus(32, 32, 32), 0);
	assert_int_equal(with_vcpus(0, 2, 8), -EBADMSG);
	assert_int_equal(with_vcpus(2, 2, 8), -EBADMSG);
	assert_int_equal(with_vcpus(2, 4, 4), -EBADMSG);
	assert_int_equal(with_vcpus(1, 9, 8), -EBADMSG);
	assert_int_equal(with_vcpus(1, 1, 33), -EBADMSG);
}

static void expect_layout(uint64_t boot_mib, uint64_t ram_mib, const char *expected)
{
	struct ram_piece p[RAM_MAX_PIECES];
	unsigned n = ram_layout(boot_mib << 20, ram_mib << 20, p);
	char text[128] = "";

	for (unsigned i = 0; i < n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%llu+%llu ",
			(unsigned long long)p[i].gpa >> 20, (unsigned long long)p[i].len >> 20);
	assert_string_equal(text, expected);
	/* The blocks are what comes behind the memory of the boot, one after another. */
	for (uint64_t i = 0; i < ((ram_mib - boot_mib) << 20) / RAM_BLOCK; i++) {
		uint64_t at = ram_block(boot_mib << 20, i);
		bool inside = false;

		for (unsigned k = 0; k < n; k++)
			inside =
				inside || (at >= p[k].gpa && at + RAM_BLOCK <= p[k].gpa + p[k].len);
		assert_true(inside && at >= boot_mib << 20 && at % RAM_BLOCK == 0);
		assert_true(i == 0 || at > ram_block(boot_mib << 20, i - 1));
	}
}

static void expect_added(
	uint64_t boot_mib, uint64_t from_mib, uint64_t ram_mib, const char *expected)
{
	struct ram_piece p[RAM_MAX_ADDED];
	unsigned n = ram_added(boot_mib << 20, from_mib << 20, ram_mib << 20, p);
	char text[128] = "";

	for (unsigned i = 0; i < n; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%llu+%llu ",
			(unsigned long long)p[i].gpa >> 20, (unsigned long long)p[i].len >> 20);
	assert_string_equal(text, expected);
}

/* It is where ram_layout() would have put it from the beginning. */
static void memory_that_comes_later_lies_behind(void **state)
{
	(void)state;
	expect_added(512, 512, 640, "512+128 ");
	expect_added(320, 320, 576, "384+256 ");
	expect_added(192, 320, 448, "384+128 ");
	expect_added(576, 576 + 2432, 576 + 2432 + 256, "4096+256 ");
	expect_added(576, 576 + 2304, 576 + 2304 + 256, "2944+128 4096+128 ");
	expect_added(512, 4096, 4224, "5120+128 ");
	expect_added(4096, 4096, 4224, "5120+128 ");
	expect_added(3136, 3136, 3264, "4224+128 ");
}

static void memory_lies_around_the_gap(void **state)
{
	(void)state;
	expect_layout(512, 512, "0+512 ");
	expect_layout(3072, 3072, "0+3072 ");
	expect_layout(4096, 4096, "0+3072 4096+1024 ");
	expect_layout(3074, 3074, "0+3072 4096+2 ");
	/* What follows on is one piece: a buffer may lie across. */
	expect_layout(512, 1024, "0+1024 ");
	expect_layout(512, 4096, "0+3072 4096+1024 ");
	expect_layout(192, 320, "0+192 256+128 ");
	expect_layout(576, 1088, "0+576 640+512 ");
	expect_layout(576, 576 + 2432, "0+576 640+2432 ");
	expect_layout(576, 576 + 2432 + 128, "0+576 640+2432 4096+128 ");
	expect_layout(576, 8192 + 64, "0+576 640+2432 4096+5248 ");
	expect_layout(3072, 3200, "0+3072 4096+128 ");
}

static void vmm_plan_with_places_for_others(void **state)
{
	struct vmm_plan p = good_plan();
	struct vmm_plan out = { 0 };

	(void)state;
	p.n_net = VMM_MAX_NET;
	p.n_fs = VMM_MAX_FS;
	assert_int_equal(through_wire(&p, &out), 0);
	assert_int_equal(out.n_fs, VMM_MAX_FS);
	p.n_fs++;
	assert_int_equal(through_wire(&p, &out), -EBADMSG);
	/* The guest knows them by their place, which is behind all network devices. */
	p.n_fs = 1;
	p.n_net--;
	assert_int_equal(through_wire(&p, &out), -EBADMSG);
}

static void vmm_requests_are_checked(void **state)
{
	struct vmm_request in = { .op = VMM_CTL_ATTACH_FS, .slot = 3 };
	struct vmm_request out = { 0 };
	uint8_t buf[64];
	struct wire_out w;

	(void)state;
	wire_out_fixed(&w, buf, sizeof(buf));
	vmm_ctl_put_request(&w, &in);
	assert_int_equal(vmm_ctl_get_request(buf, w.len, &out), 0);
	assert_int_equal(out.op, VMM_CTL_ATTACH_FS);
	assert_int_equal(out.slot, 3);
	assert_int_equal(vmm_ctl_get_request(buf, w.len - 1, &out), -EBADMSG);
	buf[0] = VMM_CTL_OP_MAX;
	assert_int_equal(vmm_ctl_get_request(buf, w.len, &out), -EBADMSG);
}

static void vmm_replies_carry_the_console(void **state)
{
	struct vmm_info in = { .exits = 7,
		.rip = 0xffffffff81000000ull,
		.console_len = 5,
		.phase_ns = { 0, 1, 2, 3, 4, 0 },
		.n_counters = 2,
		.counter = { { "exits", 7 }, { "io_exits", 3 } } };
	struct vmm_info out = { 0 };
	struct wire_out w;

	(void)state;
	memcpy(in.console, "panic", 5);
	wire_out_init(&w, VMM_CTL_MAX);
	vmm_ctl_put_reply(&w, 0, &in);
	assert_int_equal(vmm_ctl_get_reply(w.data, w.len, &out), 0);
	assert_int_equal(out.exits, 7);
	assert_true(out.rip == in.rip);
	assert_int_equal(out.console_len, 5);
	assert_memory_equal(out.console, "panic", 5);
	assert_memory_equal(out.phase_ns, in.phase_ns, sizeof(in.phase_ns));
	assert_int_equal(out.n_counters, 2);
	assert_string_equal(out.counter[1].name, "io_exits");
	assert_int_equal(out.counter[1].value, 3);
	wire_out_done(&w);
	wire_out_init(&w, VMM_CTL_MAX);
	vmm_ctl_put_reply(&w, -EBUSY, NULL);
	assert_int_equal(vmm_ctl_get_reply(w.data, w.len, &out), -EBUSY);
	wire_out_done(&w);
}

static void answer(int fd, int status)
{
	uint8_t buf[64];
	struct wire_out w;

	wire_out_fixed(&w, buf, sizeof(buf));
	vmm_ctl_put_reply(&w, status, NULL);
	assert_int_equal(send(fd, buf, w.len, 0), w.len);
}

static unsigned count_requests(int fd)
{
	uint8_t buf[64];
	unsigned n = 0;

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static void a_late_answer_of_the_vmm_is_nobody_elses(void **state)
{
	const struct vmm_request m = { .op = VMM_CTL_DETACH_NET };
	unsigned late = 0;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(vmm_ctl_call_again(sv[0], &late, &m, NULL, 0, 1, NULL), -ETIMEDOUT);
	assert_int_equal(count_requests(sv[1]), 1);
	/* Nothing is asked while that is so. */
	assert_int_equal(vmm_ctl_call_again(sv[0], &late, &m, NULL, 0, 1, NULL), -ETIMEDOUT);
	assert_int_equal(count_requests(sv[1]), 0);
	answer(sv[1], -EBUSY);
	answer(sv[1], 0);
	assert_int_equal(vmm_ctl_call_again(sv[0], &late, &m, NULL, 0, 1, NULL), 0);
	assert_int_equal(count_requests(sv[1]), 1);
	answer(sv[1], -EBUSY);
	assert_int_equal(vmm_ctl_call_again(sv[0], &late, &m, NULL, 0, 1, NULL), -EBUSY);
	assert_int_equal(late, 0);
	(void)close(sv[1]);
	assert_int_equal(vmm_ctl_call_again(sv[0], &late, &m, NULL, 0, 1, NULL), -ECONNRESET);
	(void)close(sv[0]);
}

static char *no_args[] = { NULL };
static char *some_args[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", NULL };

static struct gplan good_gplan(void)
{
	static struct gplan_mount mount = { .kind = GPLAN_MOUNT_SHARE,
		.dest = "/data",
		.type = "",
		.source = "m0",
		.data = "",
		.flags = 4096,
		.rec_attr_set = 1 };
	static struct gplan_pair file = { .key = "memory.max", .value = "1048576" };
	static uint32_t groups[] = { 4, 5 };
	struct gplan g = { .id = "c1",
		.hostname = "box",
		.domainname = "",
		.root_kind = GPLAN_ROOT_SHARE,
		.root_source = "rootfs",
		.root_fstype = "",
		.mounts = &mount,
		.n_mounts = 1,
		.cgroup = "nestbox/c1",
		.cgroup_files = &file,
		.n_cgroup_files = 1 };

	g.process.args = some_args;
	g.process.n_args = 2;
	g.process.env = no_args;
	g.process.cwd = "/";
	g.process.groups = groups;
	g.process.n_groups = 2;
	g.process.oom_score_adj = -500;
	return g;
}

static int gplan_through_wire(const struct gplan *g, struct arena *a, struct gplan *ret)
{
	struct wire_out w;
	int r = 0;

	wire_out_init(&w, AGENT_MAX_PAYLOAD);
	gplan_put(&w, g);
	assert_int_equal(w.error, 0);
	r = gplan_get(w.data, w.len, a, ret);
	for (size_t cut = 0; cut < w.len; cut++) {
		struct gplan ignored;

		assert_int_equal(gplan_get(w.data, cut, a, &ignored), -EBADMSG);
	}
	wire_out_done(&w);
	return r;
}

static void gplan_round_trip(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct gplan g = good_gplan();
	struct gplan out = { 0 };

	(void)state;
	assert_int_equal(gplan_through_wire(&g, &a, &out), 0);
	assert_string_equal(out.mounts[0].source, "m0");
	assert_int_equal(out.mounts[0].flags, 4096);
	assert_string_equal(out.cgroup_files[0].value, "1048576");
	assert_string_equal(out.process.args[1], "-c");
	assert_null(out.process.args[2]);
	assert_int_equal(out.process.groups[1], 5);
	assert_int_equal(out.process.oom_score_adj, -500);
}

static void gplan_hooks_round_trip_and_have_limits(void **state)
{
	static char *env[] = { (char *)(uintptr_t) "A=b", NULL };
	static struct hook hooks[] = {
		{ .path = "/a", .args = some_args, .n_args = 2, .timeout_s = 7 },
		{ .path = "/b", .has_env = true, .env = env, .n_env = 1, .timeout_s = INT32_MAX },
	};
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct gplan g = good_gplan();
	struct gplan out = { 0 };

	(void)state;
	g.create_container.list = (struct hook_list){ hooks, 1 };
	g.start_container = (struct gplan_hooks){
		.list = { hooks, 2 }, .state_head = "{\"pid\":", .state_tail = "}"
	};
	assert_int_equal(gplan_through_wire(&g, &a, &out), 0);
	assert_int_equal(out.create_container.list.n, 1);
	assert_string_equal(out.create_container.state_head, "");
	assert_string_equal(out.create_container.list.v[0].args[1], "-c");
	assert_int_equal(out.create_container.list.v[0].timeout_s, 7);
	assert_int_equal(out.start_container.list.n, 2);
	assert_string_equal(out.start_container.state_head, "{\"pid\":");
	assert_string_equal(out.start_container.state_tail, "}");
	assert_false(out.start_container.list.v[0].has_env);
	assert_true(out.start_container.list.v[1].has_env);
	assert_string_equal(out.start_container.list.v[1].env[0], "A=b");
	assert_null(out.start_container.list.v[1].env[1]);
	hooks[1].timeout_s = 0;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	hooks[1].timeout_s = (uint32_t)INT32_MAX + 1;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	hooks[1].timeout_s = 1;
	hooks[0].path = "relative";
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
}

static void gplan_joins_are_disjoint(void **state)
{
	struct gplan_join joins[] = { { "a", CLONE_NEWNET | CLONE_NEWIPC }, { "b", CLONE_NEWPID },
		{ "c", CLONE_NEWUTS }, { "d", CLONE_NEWPID }, { "e", CLONE_NEWPID } };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct gplan g = good_gplan();
	struct gplan out = { 0 };

	(void)state;
	g.namespaces = CLONE_NEWUTS | CLONE_NEWCGROUP;
	g.joins = joins;
	g.n_joins = 2;
	g.fs_slot = VMM_MAX_FS;
	memset(&g.socket_key, 7, sizeof(g.socket_key));
	assert_int_equal(gplan_through_wire(&g, &a, &out), 0);
	assert_int_equal(out.n_joins, 2);
	assert_string_equal(out.joins[1].id, "b");
	assert_int_equal(out.joins[0].namespaces, CLONE_NEWNET | CLONE_NEWIPC);
	assert_int_equal(out.fs_slot, VMM_MAX_FS);
	assert_memory_equal(&out.socket_key, &g.socket_key, sizeof(g.socket_key));
	/* One that is made anew, or named twice; none; one that cannot be shared; too many; no such
	 * slot. */
	g.n_joins = 3;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	g.namespaces = 0;
	assert_int_equal(gplan_through_wire(&g, &a, &out), 0);
	g.n_joins = 4;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	g.n_joins = 1;
	joins[0].namespaces = 0;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	joins[0].namespaces = CLONE_NEWUSER;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	joins[0].namespaces = CLONE_NEWIPC;
	g.fs_slot++;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
}

static void gplan_refuses_what_could_escape(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../etc", "a/b", "/" };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct gplan g = good_gplan();
	struct gplan out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		g.root_source = bad[i];
		assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	}
	g = good_gplan();
	g.process.cwd = "relative";
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	g = good_gplan();
	g.process.args = no_args;
	g.process.n_args = 0;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
	g = good_gplan();
	g.process.seccomp = "1234567";
	g.process.seccomp_len = 7;
	assert_int_equal(gplan_through_wire(&g, &a, &out), -EBADMSG);
}

static int marks_through_wire(const struct agent_mark *v, size_t n, uint64_t now, struct arena *a,
	struct agent_mark **ret)
{
	uint8_t buf[512];
	struct wire_out w;
	struct wire_in r;
	uint64_t got = 0;
	size_t got_n = 0;
	int result = 0;

	wire_out_fixed(&w, buf, sizeof(buf));
	agent_put_marks(&w, now, v, n);
	wire_in_init(&r, buf, w.len);
	result = agent_get_marks(&r, a, &got, ret, &got_n);
	if (result == 0)
		assert_true(got == now && got_n == n);
	return result;
}

static void marks_are_in_order_and_past(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct agent_mark v[] = { { "kernel", 10 }, { "a\033\nb", 20 } };
	struct agent_mark *out = NULL;

	(void)state;
	assert_int_equal(marks_through_wire(v, 2, 30, &a, &out), 0);
	assert_string_equal(out[0].name, "kernel");
	assert_int_equal(out[1].ns, 20);
	assert_null(strpbrk(out[1].name, "\033\n"));
	assert_int_equal(marks_through_wire(v, 0, 30, &a, &out), 0);
	assert_int_equal(marks_through_wire(v, 2, 19, &a, &out), -EBADMSG);
	v[0].ns = 21;
	assert_int_equal(marks_through_wire(v, 2, 30, &a, &out), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_reader_stops_at_the_first_error),
		cmocka_unit_test(wire_refuses_nul_and_hostile_counts),
		cmocka_unit_test(wire_writer_keeps_its_bound),
		cmocka_unit_test(agent_headers_are_checked),
		cmocka_unit_test(agent_exit_ranges),
		cmocka_unit_test(agent_error_text_is_made_harmless),
		cmocka_unit_test(agent_recv_has_a_deadline),
		cmocka_unit_test(vmm_plan_round_trip_and_ranges),
		cmocka_unit_test(vmm_plan_with_memory_to_come),
		cmocka_unit_test(vmm_plan_with_vcpus_to_come),
		cmocka_unit_test(memory_lies_around_the_gap),
		cmocka_unit_test(memory_that_comes_later_lies_behind),
		cmocka_unit_test(vmm_plan_with_places_for_others),
		cmocka_unit_test(vmm_requests_are_checked),
		cmocka_unit_test(vmm_replies_carry_the_console),
		cmocka_unit_test(a_late_answer_of_the_vmm_is_nobody_elses),
		cmocka_unit_test(marks_are_in_order_and_past),
		cmocka_unit_test(gplan_round_trip),
		cmocka_unit_test(gplan_hooks_round_trip_and_have_limits),
		cmocka_unit_test(gplan_joins_are_disjoint),
		cmocka_unit_test(gplan_refuses_what_could_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
