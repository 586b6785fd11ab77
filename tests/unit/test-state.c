/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-state.c - states of containers: ids, new, open, save, load; what a crash or a foreign hand
 * may leave in the file. Remove, sweep and list are in test-state-sweep.c.
 */
#include <sys/file.h>

#include "state-folder.h"

#include "host-limits.h"

/* ---- ids and folders ----------------------------------------------------------------------- */

static void ids_are_names_of_files(void **state)
{
	static const char *const good[] = { "a", "0", "a.b", "A_b-c+d", "..a", "a..", "-x", "+",
		"_" };
	static const char *const bad[] = { ".", "..", "a/b", "/", "../x", "a b", "a\n", "\xc3\xa4",
		"a:b", "a\\b", "~", "a%", "a@b" };
	char longest[STATE_ID_MAX + 2];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(state_check_id(good[i], &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(state_check_id(bad[i], &e), -EINVAL);
		assert_memory_equal(e.msg, "invalid container ID format: ", 29);
	}
	assert_int_equal(state_check_id("", &e), -EINVAL);
	assert_string_equal(e.msg, "container id cannot be empty");
	memset(longest, 'x', sizeof(longest));
	longest[STATE_ID_MAX] = '\0';
	assert_int_equal(state_check_id(longest, &e), 0);
	longest[STATE_ID_MAX] = 'x';
	longest[STATE_ID_MAX + 1] = '\0';
	assert_int_equal(state_check_id(longest, &e), -EINVAL);
}

static void bad_ids_touch_nothing(void **state)
{
	struct fixture *f = *state;
	int fd = -EBADF, lock = -EBADF;
	struct err e = { 0 };

	assert_int_equal(state_new(f->root, "../x", &fd, &lock, &e), -EINVAL);
	assert_int_equal(state_open(f->root, "../x", &fd, &lock, &e), -EINVAL);
	assert_int_equal(state_open(f->root, ".", &fd, NULL, &e), -EINVAL);
	assert_int_equal(fd, -EBADF);
	assert_int_equal(lock, -EBADF);
}

static void new_makes_folder_and_lock(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	cleanup(close) int other = -EBADF;
	int again = -EBADF, again_lock = -EBADF;
	char deep[PATH_MAX + 16];
	struct err e = { 0 };
	struct stat st;

	(void)snprintf(deep, sizeof(deep), "%s/x/y/z", f->root);
	assert_int_equal(state_new(deep, "c", &fd, &lock, &e), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(state_new(deep, "c", &again, &again_lock, &e), -EEXIST);
	assert_string_equal(e.msg, "container with given ID already exists");
	assert_int_equal(again, -EBADF);
	/* The lock is held, until its fd is closed. */
	other = openat(fd, "lock", O_RDWR | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close_fd(&lock);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
}

static void open_finds_folders_only(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);
	cleanup(close) int fd = -EBADF;
	struct ctr_state s = some_state("c");
	struct err e = { 0 };

	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), -ENOENT);
	assert_string_equal(e.msg, "container does not exist");
	assert_int_equal(state_open("/nowhere/at/all", "c", &fd, NULL, &e), -ENOENT);
	assert_string_equal(e.msg, "container does not exist");
	make(f, &s);
	put_file(root, "file", "x", 1);
	assert_int_equal(symlinkat("c", root, "link"), 0);
	assert_int_equal(state_open(f->root, "file", &fd, NULL, &e), -ENOTDIR);
	assert_true(state_open(f->root, "link", &fd, NULL, &e) < 0);
	assert_int_equal(fd, -EBADF);
	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* ---- the document -------------------------------------------------------------------------- */

static void states_are_read_as_they_were_written(void **state)
{
	static const struct oci_pair annotations[] = { { "a.b", "x\"y\\z\n\t" }, { "", "" },
		{ "\xc3\xa4", "\xe2\x82\xac" } };
	struct fixture *f = *state;
	pid_t child = start_child();
	struct ctr_state s = some_state("c"), t;
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };
	struct stat st;

	s.creator = (struct process_ref){ 7, 8 };
	s.monitor = process_ref_of(child);
	s.vmm = (struct process_ref){ INT64_MAX, UINT64_MAX };
	s.fsd = (struct process_ref){ 1, 2 };
	s.transient = true;
	s.annotations = (struct oci_map){ annotations, ARRAY_LEN(annotations) };
	make(f, &s);
	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), 0);
	assert_int_equal(state_load(fd, &f->a, &t, &e), 0);
	assert_string_equal(t.id, "c");
	assert_string_equal(t.bundle, s.bundle);
	assert_string_equal(t.rootfs, s.rootfs);
	assert_string_equal(t.created, s.created);
	assert_string_equal(t.owner, s.owner);
	assert_int_equal(t.status, CTR_RUNNING);
	assert_true(t.transient);
	assert_false(t.interrupted);
	assert_memory_equal(&t.creator, &s.creator, sizeof(s.creator));
	assert_memory_equal(&t.monitor, &s.monitor, sizeof(s.monitor));
	assert_memory_equal(&t.vmm, &s.vmm, sizeof(s.vmm));
	assert_memory_equal(&t.fsd, &s.fsd, sizeof(s.fsd));
	assert_int_equal(t.annotations.n, ARRAY_LEN(annotations));
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++) {
		assert_string_equal(t.annotations.v[i].key, annotations[i].key);
		assert_string_equal(t.annotations.v[i].value, annotations[i].value);
	}
	assert_int_equal(fstatat(fd, "state.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(faccessat(fd, "state.json.new", F_OK, 0), -1);
	end_child(child);
}

/* A bundle's path may hold any byte; its container must stay reachable. */
static void paths_that_are_no_utf8_do_not_lock_a_container_up(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c"), t;
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };

	s.bundle = "/srv/caf\xe9";
	make(f, &s);
	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), 0);
	assert_int_equal(state_load(fd, &f->a, &t, &e), 0);
	assert_string_equal(t.bundle, "/srv/caf\xef\xbf\xbd");
}

/* Stored status x processes: what is true of the container. */
static void processes_decide_over_the_file(void **state)
{
	struct fixture *f = *state;
	const struct process_ref alive = process_ref_of(getpid()), gone = dead(), none = { 0 };
	const struct {
		enum ctr_status stored;
		struct process_ref creator, monitor;
		enum ctr_status now;
		bool interrupted;
	} cases[] = {
		{ CTR_CREATING, alive, none, CTR_CREATING, false },
		{ CTR_CREATING, gone, none, CTR_STOPPED, true },
		{ CTR_CREATING, none, none, CTR_STOPPED, true },
		{ CTR_CREATED, gone, alive, CTR_CREATED, false },
		{ CTR_CREATED, alive, gone, CTR_STOPPED, false },
		{ CTR_CREATED, alive, none, CTR_STOPPED, false },
		{ CTR_RUNNING, gone, alive, CTR_RUNNING, false },
		{ CTR_RUNNING, alive, gone, CTR_STOPPED, false },
		{ CTR_STOPPED, alive, alive, CTR_STOPPED, false },
		{ CTR_STOPPED, gone, gone, CTR_STOPPED, false },
	};
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ctr_state s = some_state("c"), t;

		s.status = cases[i].stored;
		s.creator = cases[i].creator;
		s.monitor = cases[i].monitor;
		assert_int_equal(state_save(fd, &s, &e), 0);
		assert_int_equal(state_load(fd, &f->a, &t, &e), 0);
		assert_int_equal(t.status, cases[i].now);
		assert_int_equal(t.interrupted, cases[i].interrupted);
	}
}

static void status_names_are_the_specifications(void **state)
{
	(void)state;
	assert_string_equal(ctr_status_name(CTR_CREATING), "creating");
	assert_string_equal(ctr_status_name(CTR_CREATED), "created");
	assert_string_equal(ctr_status_name(CTR_RUNNING), "running");
	assert_string_equal(ctr_status_name(CTR_STOPPED), "stopped");
}

static void damaged_states_are_told_and_can_be_removed(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "state.json:1:1: parse error: premature EOF" },
		{ "{}", "state.json is damaged" },
		{ "[]", "state.json:1:1: is an array, not an object" },
		{ "{\"id\":\"c\",\"bundle\":\"/b\",\"created\":\"x\"}", "state.json is damaged" },
		{ "{\"id\":\"c\",\"bundle\":\"/b\",\"created\":\"x\",\"status\":\"frozen\"}",
			"state.json is damaged" },
		{ "{\"id\":\"c\",\"bundle\":\"/b\",\"status\":\"created\"}",
			"state.json is damaged" },
		{ "{\"bundle\":\"/b\",\"created\":\"x\",\"status\":\"created\"}",
			"state.json is damaged" },
		{ "{\"id\":\"c\",\"created\":\"x\",\"status\":\"created\"}",
			"state.json is damaged" },
		{ "{\"id\":1}", "state.json:1:7: id: is a number, not a string" },
		{ "{\"monitor\":{\"pid\":\"1\"}}",
			"state.json:1:19: monitor.pid: is a string, not a number" },
		{ "{\"monitor\":{\"start\":-1}}",
			"state.json:1:21: monitor.start: must be 0 to 18446744073709551615" },
	};
	struct fixture *f = *state;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(close) int fd = -EBADF;
		cleanup(close) int lock = -EBADF;
		struct ctr_state s = { .id = "untouched" };

		assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
		put_file(fd, "state.json", cases[i].text, strlen(cases[i].text));
		assert_true(state_load(fd, &f->a, &s, &e) < 0);
		assert_string_equal(e.msg, cases[i].message);
		assert_string_equal(s.id, "untouched");
		assert_int_equal(state_remove(f->root, "c", fd, &e), 0);
		assert_false(exists(f, "c"));
	}
}

/* The state is a JSON object: a file that stood twice in it could not be read again. */
static void limits_for_start_stand_once(void **state)
{
	static struct gplan_pair first[] = { { "cpu.max.burst", "0" }, { "cpu.max", "5 100" },
		{ "cpu.max.burst", "7" } };
	static struct gplan_pair then[] = { { "cpu.max", "6 100" } };
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	struct err e = { 0 };

	assert_int_equal(limits_keep(&(struct plan_files){ first, 3 }, &f->a, &s, &e), 0);
	assert_int_equal(s.start_limits.n, 2);
	assert_string_equal(s.start_limits.v[0].value, "5 100");
	assert_string_equal(s.start_limits.v[1].value, "7");
	assert_int_equal(limits_keep(&(struct plan_files){ then, 1 }, &f->a, &s, &e), 0);
	assert_int_equal(s.start_limits.n, 2);
	assert_string_equal(s.start_limits.v[0].key, "cpu.max.burst");
	assert_string_equal(s.start_limits.v[1].value, "6 100");
}

/* Processes that are named in a state too large to read must not be lost sight of. */
static void states_too_large_to_read_are_not_written(void **state)
{
	static char large[4 << 20];
	static const struct oci_pair pairs[] = { { "a", large }, { "b", large }, { "c", large },
		{ "d", large }, { "e", large } };
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	cleanup(close) int file = -EBADF;
	struct err e = { 0 };

	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
	s.annotations = (struct oci_map){ pairs, ARRAY_LEN(pairs) };
	assert_int_equal(state_save(fd, &s, &e), -E2BIG);
	assert_string_equal(e.msg, "config.json: annotations are too large");
	file = openat(fd, "state.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(file, 17 << 20), 0);
	assert_int_equal(state_remove(f->root, "c", fd, &e), -EFBIG);
	assert_true(exists(f, "c"));
}

static void truncated_states_are_refused(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c"), t;
	cleanup(close) int fd = -EBADF;
	cleanup(close) int file = -EBADF;
	cleanup(free) char *text = NULL;
	size_t len = 0;
	struct err e = { 0 };

	make(f, &s);
	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), 0);
	file = openat(fd, "state.json", O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_file(file, 1u << 16, &text, &len), 0);
	/* The last byte is the newline behind the document. */
	for (size_t n = 0; n < len - 1; n++) {
		put_file(fd, "state.json", text, n);
		assert_int_equal(state_load(fd, &f->a, &t, &e), -EINVAL);
	}
	put_file(fd, "state.json", text, len - 1);
	assert_int_equal(state_load(fd, &f->a, &t, &e), 0);
}

static void states_that_are_no_files_are_refused(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct ctr_state s;
	struct err e = { 0 };

	assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
	assert_int_equal(state_load(fd, &f->a, &s, &e), -ENOENT);
	assert_string_equal(e.msg, "container does not exist");
	assert_int_equal(symlinkat("/dev/zero", fd, "state.json"), 0);
	assert_int_equal(state_load(fd, &f->a, &s, &e), -ELOOP);
	assert_int_equal(unlinkat(fd, "state.json", 0), 0);
	assert_int_equal(mkdirat(fd, "state.json", 0700), 0);
	assert_int_equal(state_load(fd, &f->a, &s, &e), -EISDIR);
	/* Nor does a save that fails leave half a state behind. */
	s = some_state("c");
	assert_true(state_save(fd, &s, &e) < 0);
	assert_memory_equal(e.msg, "writing the state: ", 19);
	assert_int_equal(unlinkat(fd, "state.json", AT_REMOVEDIR), 0);
	assert_int_equal(state_save(fd, &s, &e), 0);
	assert_int_equal(state_load(fd, &f->a, &s, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_are_names_of_files),
		TEST(bad_ids_touch_nothing),
		TEST(new_makes_folder_and_lock),
		TEST(open_finds_folders_only),
		TEST(states_are_read_as_they_were_written),
		TEST(paths_that_are_no_utf8_do_not_lock_a_container_up),
		TEST(processes_decide_over_the_file),
		TEST(status_names_are_the_specifications),
		TEST(damaged_states_are_told_and_can_be_removed),
		TEST(truncated_states_are_refused),
		TEST(limits_for_start_stand_once),
		TEST(states_too_large_to_read_are_not_written),
		TEST(states_that_are_no_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
