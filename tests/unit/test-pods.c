/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-pods.c - who joins whose VM: by annotations and by namespaces of a monitor; and the guest's
 * table of containers.
 */
#include <sched.h>
#include <sys/socket.h>

#include "state-folder.h"

#include "agent.h"
#include "boxes.h"
#include "join.h"

#define CRI "io.kubernetes.cri."

static struct oci_pair pairs[4];
static struct oci_namespace namespaces[4];

static struct oci_spec spec_of(const char *role, const char *sandbox)
{
	struct oci_spec s = { 0 };

	pairs[0] = (struct oci_pair){ CRI "container-type", role };
	pairs[1] = (struct oci_pair){ CRI "sandbox-id", sandbox };
	s.annotations = (struct oci_map){ pairs, role ? sandbox ? 2 : 1 : 0 };
	s.linux_.namespaces = namespaces;
	return s;
}

/* ---- annotations --------------------------------------------------------------------------- */

static void annotations_tell_the_role(void **state)
{
	struct oci_spec s = spec_of("sandbox", NULL);
	struct plan_pod p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(plan_pod(&s.annotations, &p, &e), 0);
	assert_int_equal(p.role, PLAN_SANDBOX);
	s = spec_of("container", "pod");
	assert_int_equal(plan_pod(&s.annotations, &p, &e), 0);
	assert_int_equal(p.role, PLAN_MEMBER);
	assert_string_equal(p.sandbox_id, "pod");
	s = spec_of("something", "pod");
	assert_int_equal(plan_pod(&s.annotations, &p, &e), 0);
	assert_int_equal(p.role, PLAN_ALONE);
	s = spec_of("container", NULL);
	assert_int_equal(plan_pod(&s.annotations, &p, &e), -EINVAL);
	s = spec_of("sandbox", NULL);
	pairs[0].key = "io.kubernetes.cri-o.ContainerType";
	assert_int_equal(plan_pod(&s.annotations, &p, &e), 0);
	assert_int_equal(p.role, PLAN_SANDBOX);
}

static uint64_t memory_of(const char *text)
{
	struct oci_spec s = spec_of("sandbox", text);
	struct plan_pod p;
	struct err e = { 0 };

	pairs[1].key = CRI "sandbox-memory";
	assert_int_equal(plan_pod(&s.annotations, &p, &e), 0);
	return p.memory;
}

static void a_pods_memory_is_a_number_or_unknown(void **state)
{
	static const char *const none[] = { "", "0", "-1", "x", "12x", " 5", "99999999999999999999",
		"0x10" };

	(void)state;
	assert_int_equal(memory_of("1048576"), 1048576);
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(memory_of(none[i]), 0);
}

static void paths_name_a_pid_or_nothing(void **state)
{
	static const char *const none[] = { "/proc/self/ns/net", "/proc/0/ns/net",
		"/proc/01/ns/net", "/proc/12/ns/ipc", "/proc/12/ns/net/", "/proc/12/ns/../ns/net",
		"/proc/12/root/proc/9/ns/net", "/proc/-1/ns/net", "/proc/9999999999/ns/net",
		"proc/12/ns/net", "/proc//12/ns/net", "/var/run/netns/x", "" };

	(void)state;
	assert_int_equal(join_pid_of_path("/proc/12/ns/net", "network"), 12);
	assert_int_equal(join_pid_of_path("/proc/12/ns/pid", "pid"), 12);
	assert_int_equal(join_pid_of_path("/proc/12/ns/mnt", "mount"), 0);
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(join_pid_of_path(none[i], "network"), 0);
}

/* ---- states -------------------------------------------------------------------------------- */

static void make_container(const struct fixture *f, const char *id, unsigned slots,
	const char *sandbox, const struct process_ref *monitor)
{
	struct ctr_state s = some_state(id);

	s.fs_slots = slots;
	s.sandbox = sandbox;
	if (monitor)
		s.monitor = *monitor;
	make(f, &s);
}

static struct oci_namespace ns_of(const char *type, const char *file, pid_t pid, struct arena *a)
{
	struct oci_namespace ns = { .type = type,
		.path = arena_printf(a, "/proc/%d/ns/%s", (int)pid, file) };

	return ns;
}

static int find(struct fixture *f, struct oci_spec *s, struct join *j, struct err *e)
{
	*j = JOIN_NONE;
	*e = (struct err){ 0 };
	return join_find(f->root, "new", s, &f->a, j, e);
}

static void a_member_finds_its_sandbox_and_what_it_shares(void **state)
{
	struct fixture *f = *state;
	struct oci_spec s = spec_of("container", "pod");
	pid_t other = start_child();
	const struct process_ref ref = process_ref_of(other);
	struct join j;
	struct err e;

	make_container(f, "pod", 8, NULL, NULL);
	make_container(f, "member", 0, "pod", &ref);
	namespaces[0] = ns_of("network", "net", getpid(), &f->a);
	namespaces[1] = ns_of("ipc", "ipc", getpid(), &f->a);
	namespaces[2] = ns_of("pid", "pid", other, &f->a);
	namespaces[3] = (struct oci_namespace){ .type = "uts" };
	s.linux_.n_namespaces = 4;
	assert_int_equal(find(f, &s, &j, &e), 0);
	assert_true(j.fd >= 0);
	assert_string_equal(j.owner.id, "pod");
	assert_int_equal(j.n_joins, 2);
	assert_string_equal(j.joins[0].id, "pod");
	assert_int_equal(j.joins[0].namespaces, CLONE_NEWNET | CLONE_NEWIPC);
	assert_string_equal(j.joins[1].id, "member");
	assert_int_equal(j.joins[1].namespaces, CLONE_NEWPID);
	assert_true(j.pod_shm);
	/* The network stays named, and what is its own. */
	assert_int_equal(s.linux_.n_namespaces, 2);
	assert_string_equal(s.linux_.namespaces[0].type, "network");
	assert_string_equal(s.linux_.namespaces[1].type, "uts");
	cleanup_join(&j);
	/* The same without annotations, by a member's path. */
	s = spec_of(NULL, NULL);
	namespaces[0] = ns_of("network", "net", other, &f->a);
	s.linux_.n_namespaces = 1;
	assert_int_equal(find(f, &s, &j, &e), 0);
	assert_string_equal(j.owner.id, "pod");
	assert_int_equal(j.n_joins, 1);
	cleanup_join(&j);
	end_child(other);
}

/* Whose /dev/shm is it? That of the IPC namespace, by whatever way it is named. */
static void shared_memory_follows_the_ipc_namespace(void **state)
{
	struct fixture *f = *state;
	pid_t with = start_child(), without = start_child();
	const struct process_ref has_it = process_ref_of(with), has_own = process_ref_of(without);
	struct ctr_state s = some_state("with");
	const pid_t of[] = { getpid(), with, without };
	struct join j;
	struct err e;

	make_container(f, "pod", 8, NULL, NULL);
	s.sandbox = "pod";
	s.pod_shm = true;
	s.monitor = has_it;
	make(f, &s);
	make_container(f, "without", 0, "pod", &has_own);
	for (size_t i = 0; i < ARRAY_LEN(of); i++) {
		struct oci_spec spec = spec_of("container", "pod");

		namespaces[0] = ns_of("network", "net", getpid(), &f->a);
		namespaces[1] = ns_of("ipc", "ipc", of[i], &f->a);
		spec.linux_.n_namespaces = 2;
		assert_int_equal(find(f, &spec, &j, &e), 0);
		assert_int_equal(j.pod_shm, of[i] != without);
		cleanup_join(&j);
	}
	end_child(with);
	end_child(without);
}

static void who_is_no_sandbox_is_not_joined(void **state)
{
	static const char *const bad[] = { "nobody", "../pod", "", "new", "alone", "member",
		"dead" };
	struct fixture *f = *state;
	struct process_ref gone = dead();
	struct join j;
	struct err e;

	make_container(f, "pod", 8, NULL, NULL);
	make_container(f, "alone", 0, NULL, NULL);
	make_container(f, "member", 8, "pod", NULL);
	make_container(f, "dead", 8, NULL, &gone);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct oci_spec s = spec_of("container", bad[i]);

		assert_true(find(f, &s, &j, &e) < 0);
		assert_true(*e.msg);
		assert_int_equal(j.fd, -EBADF);
	}
}

static void foreign_processes_are_nobody(void **state)
{
	struct fixture *f = *state;
	struct oci_spec s = spec_of(NULL, NULL);
	pid_t other = start_child();
	struct process_ref stale = process_ref_of(other);
	struct join j;
	struct err e;

	/* A monitor that had this pid once, a container of its own VM, and none at all. */
	stale.start++;
	make_container(f, "pod", 8, NULL, &stale);
	make_container(f, "alone", 0, NULL, NULL);
	namespaces[0] = ns_of("ipc", "ipc", other, &f->a);
	namespaces[1] = ns_of("network", "net", getpid(), &f->a);
	namespaces[2] = ns_of("pid", "pid", 1, &f->a);
	s.linux_.n_namespaces = 3;
	assert_int_equal(find(f, &s, &j, &e), 0);
	assert_int_equal(j.fd, -EBADF);
	assert_int_equal(s.linux_.n_namespaces, 3);
	end_child(other);
}

static void a_member_has_no_network_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct oci_spec s = spec_of("container", "pod");
	struct join j;
	struct err e;

	make_container(f, "pod", 8, NULL, NULL);
	namespaces[0] = (struct oci_namespace){ .type = "network" };
	s.linux_.n_namespaces = 1;
	assert_int_equal(find(f, &s, &j, &e), -ENOTSUP);
	namespaces[0].path = "/proc/self/ns/ipc";
	assert_int_equal(find(f, &s, &j, &e), -ENOTSUP);
	namespaces[0].path = "/proc/self/ns/net"; /* the same one, by whatever name */
	assert_int_equal(find(f, &s, &j, &e), 0);
	cleanup_join(&j);
}

/* ---- /dev/shm ------------------------------------------------------------------------------ */

static const struct gplan_join with_ipc = { "pod", CLONE_NEWNET | CLONE_NEWIPC },
			       without_ipc = { "pod", CLONE_NEWNET };

static uint32_t kind_of_shm(const char *role, const char *source, const struct gplan_join *join)
{
	const struct plan_facts facts = { .id = "c",
		.bundle = "/b",
		.cpus = 1,
		.joins = join,
		.n_joins = join ? 1 : 0,
		.pod_shm = join && (join->namespaces & CLONE_NEWIPC) };
	static struct oci_mount shm;
	static const char *words[] = { "sh", NULL };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct oci_spec s = spec_of(role, NULL);
	struct err e = { 0 };
	struct plan p;

	shm = (struct oci_mount){ .destination = "/dev//shm/", .type = "bind", .source = source };
	s.has_root = s.has_process = true;
	s.root_path = "rootfs";
	s.process.args = (struct oci_strv){ words, 1 };
	s.process.cwd = "/";
	s.mounts = &shm;
	s.n_mounts = 1;
	assert_int_equal(plan_build(&s, &facts, &a, &p, &e), 0);
	assert_int_equal(p.host.n_shares, p.guest.mounts[0].kind == GPLAN_MOUNT_SHARE ? 2 : 1);
	return p.guest.mounts[0].kind;
}

static void shared_memory_is_the_guests_in_a_pod(void **state)
{
	(void)state;
	assert_int_equal(kind_of_shm("sandbox", "/run/s/shm", NULL), GPLAN_MOUNT_SHM);
	assert_int_equal(kind_of_shm(NULL, "/run/s/shm", NULL), GPLAN_MOUNT_SHARE);
	assert_int_equal(kind_of_shm(NULL, "/run/s/shm", &with_ipc), GPLAN_MOUNT_SHM);
	assert_int_equal(kind_of_shm(NULL, "/run/s/shm", &without_ipc), GPLAN_MOUNT_SHARE);
	assert_int_equal(kind_of_shm("sandbox", "/dev/shm", NULL), GPLAN_MOUNT_SHARE);
	assert_int_equal(kind_of_shm("sandbox", "/data", NULL), GPLAN_MOUNT_SHARE);
}

/* ---- the guest's table --------------------------------------------------------------------- */

static char *args[] = { (char *)(uintptr_t) "sh", NULL };

static int come(
	const char *id, uint32_t slot, bool joined, const struct gplan_join *join, struct box **ret)
{
	struct gplan g = { .id = id,
		.hostname = "",
		.domainname = "",
		.root_source = "rootfs",
		.root_fstype = "",
		.cgroup = "nestbox",
		.fs_slot = slot,
		.joins = (struct gplan_join *)(uintptr_t)join,
		.n_joins = join ? 1 : 0 };
	struct err e = { 0 };
	struct wire_out w;
	int r = 0;

	g.process.args = args;
	g.process.n_args = 1;
	g.process.cwd = "/";
	wire_out_init(&w, AGENT_MAX_PAYLOAD);
	gplan_put(&w, &g);
	assert_int_equal(w.error, 0);
	r = box_new(w.data, w.len, joined, ret, &e);
	wire_out_done(&w);
	return r;
}

static void containers_come_in_their_own_way(void **state)
{
	struct box *first = NULL, *second = NULL, *none = NULL;
	struct err e = { 0 };

	(void)state;
	/* Before there is a first one nobody can join, and the first one has no slot. */
	assert_int_equal(come("a", 1, true, NULL, &none), -EINVAL);
	assert_int_equal(come("a", 1, false, NULL, &none), -EINVAL);
	assert_int_equal(come("a", 0, false, NULL, &first), 0);
	assert_int_equal(come("b", 0, true, NULL, &none), -EEXIST);
	assert_int_equal(come("b", 2, false, NULL, &none), -EINVAL);
	assert_int_equal(come("a", 2, true, NULL, &none), -EEXIST);
	assert_int_equal(come("b", 2, true, NULL, &second), 0);
	assert_int_equal(come("c", 2, true, NULL, &none), -EEXIST);
	assert_ptr_equal(box_find("a", &e), first);
	assert_ptr_equal(box_find("b", &e), second);
	assert_null(box_find("c", &e));
	assert_int_equal(e.code, -ENOENT);
	box_free(second);
	assert_null(box_find("b", &e));
	box_free(first);
}

static void what_is_shared_must_be_there(void **state)
{
	const struct gplan_join with_a = { "a", CLONE_NEWIPC }, with_nobody = { "x", CLONE_NEWIPC };
	struct spawn_join joins[GPLAN_MAX_JOINS];
	struct box *first = NULL, *second = NULL;
	struct err e = { 0 };
	size_t n = 0;

	(void)state;
	assert_int_equal(come("a", 0, false, NULL, &first), 0);
	assert_int_equal(come("b", 1, true, &with_a, &second), 0);
	/* It has no process yet, or no more. */
	assert_int_equal(box_joins(second, joins, &n, &e), -ESRCH);
	first->init = (struct task *)first;
	first->pidfd = 77;
	assert_int_equal(box_joins(second, joins, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(joins[0].pidfd, 77);
	assert_int_equal(joins[0].namespaces, CLONE_NEWIPC);
	first->pidfd = -EBADF;
	box_free(second);
	assert_int_equal(come("b", 1, true, &with_nobody, &second), 0);
	assert_int_equal(box_joins(second, joins, &n, &e), -ESRCH);
	box_free(second);
	box_free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(annotations_tell_the_role),
		cmocka_unit_test(a_pods_memory_is_a_number_or_unknown),
		cmocka_unit_test(paths_name_a_pid_or_nothing),
		TEST(a_member_finds_its_sandbox_and_what_it_shares),
		TEST(shared_memory_follows_the_ipc_namespace),
		TEST(who_is_no_sandbox_is_not_joined),
		TEST(foreign_processes_are_nobody),
		TEST(a_member_has_no_network_of_its_own),
		cmocka_unit_test(shared_memory_is_the_guests_in_a_pod),
		cmocka_unit_test(containers_come_in_their_own_way),
		cmocka_unit_test(what_is_shared_must_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
