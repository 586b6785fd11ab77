/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-anomaly.c - memory that runs out at every single allocation, in turn, until nothing fails.
 *
 * The Makefile wraps malloc, calloc and realloc for our code (not for yajl's or libseccomp's). Each
 * failure must come back as an error that says so, with nothing leaked (ASan) and no fd left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "plan.h"
#include "state.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned until_failure; /* calls; 0 = never */
static unsigned failures;

static bool fails(void)
{
	if (until_failure == 0 || --until_failure > 0)
		return false;
	failures++;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Calls f with every allocation failing once; ends when one run had no failure. */
static void exhaust(int (*f)(struct err *e), unsigned at_least)
{
	unsigned n = 0;
	int fds = count_fds();

	for (n = 1; n < 10000; n++) {
		struct err e = { 0 };
		int r = 0;

		failures = 0;
		until_failure = n;
		r = f(&e);
		until_failure = 0;
		assert_int_equal(count_fds(), fds);
		if (!failures) {
			assert_int_equal(r, 0);
			break;
		}
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(e.code, -ENOMEM);
		assert_true(strstr(e.msg, "out of memory") || strcasestr(e.msg, strerror(ENOMEM)));
	}
	assert_in_range(n, at_least + 1, 9999);
}

/* ---- config.json to plan ------------------------------------------------------------------- */

/* Something of everything that a plan holds. */
static const char config[] =
	"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"h\","
	"\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"env\":[\"A=1\"],"
	"\"user\":{\"additionalGids\":[1]},\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}],"
	"\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"flags\":[\"SCHED_FLAG_RECLAIM\"]}},"
	"\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"size=1\",\"mode=1\"]},"
	"{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"b\"},"
	"{\"destination\":\"/c\",\"type\":\"bind\",\"source\":\"c\"},"
	"{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"d\"}],"
	"\"annotations\":{\"k\":\"v\"},\"hooks\":{\"poststop\":[{\"path\":\"/h\"}]},"
	"\"vm\":{\"kernel\":{\"parameters\":[\"a\",\"b\"]}},"
	"\"linux\":{\"namespaces\":[{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"time\"}],"
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
	"\"timeOffsets\":{\"monotonic\":{\"secs\":1}},\"sysctl\":{\"a.b\":\"c\"},"
	"\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":1}],"
	"\"resources\":{\"memory\":{\"limit\":9,\"swap\":9},\"cpu\":{\"shares\":9,\"quota\":9},"
	"\"pids\":{\"limit\":9},\"blockIO\":{\"weight\":10},\"unified\":{\"a.b\":\"c\\nd\"},"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]},"
	"\"maskedPaths\":[\"/m\"],\"readonlyPaths\":[\"/r\"],"
	"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],"
	"\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\","
	"\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}}}";

static int plan_in(struct arena *a, struct err *e)
{
	static const struct plan_facts facts = { .id = "c", .bundle = "/bundle", .cpus = 1 };
	struct oci_spec s;
	struct plan p;
	int r = oci_spec_parse(config, strlen(config), "config.json", a, &s, e);

	return r < 0 ? r : plan_build(&s, &facts, a, &p, e);
}

static int plan_with_memory(struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);

	return plan_in(&a, e);
}

static void plan_survives_every_failed_allocation(void **state)
{
	(void)state;
	exhaust(plan_with_memory, 4);
}

/* Arenas take blocks; a limit that grows by the smallest object fails at each object instead. */
static void plan_survives_every_arena_limit(void **state)
{
	size_t limit = 16;

	(void)state;
	for (;; limit += 16) {
		cleanup(arena) struct arena a = ARENA_INIT(limit);
		struct err e = { 0 };
		int r = plan_in(&a, &e);

		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(e.code, -ENOMEM);
		assert_non_null(strstr(e.msg, "out of memory"));
		assert_true(a.used <= limit);
	}
	assert_in_range(limit, 8192, 1u << 20);
}

/* ---- states -------------------------------------------------------------------------------- */

static char root[] = "/tmp/nestbox-anomaly-XXXXXX";
static int folder = -EBADF;

static int save_and_load(struct err *e)
{
	static const struct oci_pair annotations[] = { { "k", "v" } };
	const struct ctr_state s = { .id = "c",
		.bundle = "/b",
		.rootfs = "/b/rootfs",
		.created = "2020-01-01T00:00:00Z",
		.owner = "root",
		.status = CTR_CREATED,
		.annotations = { annotations, 1 } };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state loaded;
	int r = state_save(folder, &s, e);

	return r < 0 ? r : state_load(folder, &a, &loaded, e);
}

/* Whatever fails, the last state that was saved can be read. */
static void states_survive_every_failed_allocation(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state s;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(root));
	folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(folder >= 0);
	assert_int_equal(save_and_load(&e), 0);
	exhaust(save_and_load, 3);
	assert_int_equal(state_load(folder, &a, &s, &e), 0);
	assert_string_equal(s.annotations.v[0].value, "v");
	assert_int_equal(unlinkat(folder, "state.json", 0), 0);
	(void)unlinkat(folder, "state.json.new", 0);
	close_fd(&folder);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_survives_every_failed_allocation),
		cmocka_unit_test(plan_survives_every_arena_limit),
		cmocka_unit_test(states_survive_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
