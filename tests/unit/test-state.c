/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-state.c - the folders of states: ids, new, open, save, load, remove, sweep; what a crash or
 * a foreign hand may leave there; bundles and pid files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "bundle.h"
#include "ctr.h"
#include "io.h"

struct fixture {
	char root[PATH_MAX];
	struct arena a;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->root, sizeof(f->root), "/tmp/nestbox-state-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	*state = f;
	return 0;
}

/* Everything below, as deep as tests make it. */
static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry = NULL;

	while (d && (entry = readdir(d))) {
		char below[2 * PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		(void)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (unlink(below) < 0)
			remove_tree(below);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	remove_tree(f->root);
	arena_done(&f->a);
	free(f);
	return 0;
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[2 * PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", f->root, name);
	return lstat(path, &st) == 0;
}

static void put_file(int dirfd, const char *name, const char *text, size_t len)
{
	cleanup(close) int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, len), 0);
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0)
		pause();
	return pid;
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A reference to a process that is no more. */
static struct process_ref dead(void)
{
	pid_t pid = start_child();
	struct process_ref p = process_ref_of(pid);

	end_child(pid);
	return p;
}

static struct ctr_state some_state(const char *id)
{
	return (struct ctr_state){ .id = id,
		.bundle = "/b",
		.rootfs = "/b/rootfs",
		.created = "2020-02-29T12:00:00.000000001Z",
		.owner = "root",
		.status = CTR_RUNNING,
		.monitor = process_ref_of(getpid()) };
}

/* A container's folder with this state and no lock. */
static void make(const struct fixture *f, const struct ctr_state *s)
{
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	assert_int_equal(state_new(f->root, s->id, &fd, &lock, &e), 0);
	assert_int_equal(state_save(fd, s, &e), 0);
}

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
		{ "{\"id\":\"c\",\"bundle\":\"/b\",\"created\":\"x\",\"status\":\"paused\"}",
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
	assert_string_equal(e.msg, "state.json: No such file or directory");
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

/* ---- remove, sweep ------------------------------------------------------------------------- */

static void remove_ends_what_still_lives(void **state)
{
	struct fixture *f = *state;
	pid_t children[3];
	struct ctr_state s = some_state("c");
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		children[i] = start_child();
	s.monitor = process_ref_of(children[0]);
	s.vmm = process_ref_of(children[1]);
	s.fsd = process_ref_of(children[2]);
	make(f, &s);
	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), 0);
	put_file(fd, "config.json", "{}", 2);
	put_file(fd, "vmm.log", "x", 1);
	put_file(fd, "vmm.sock", "", 0);
	put_file(fd, "state.json.new", "{", 1);
	assert_int_equal(state_remove(f->root, "c", fd, &e), 0);
	assert_false(exists(f, "c"));
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		int status = 0;

		assert_int_equal(waitpid(children[i], &status, WNOHANG), children[i]);
		assert_int_equal(WTERMSIG(status), SIGKILL);
	}
	/* A second one at the same time finds nothing, which is no error. */
	assert_int_equal(state_remove(f->root, "c", fd, &e), 0);
}

static void remove_keeps_what_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };

	s.monitor = dead();
	make(f, &s);
	assert_int_equal(state_open(f->root, "c", &fd, NULL, &e), 0);
	put_file(fd, "precious", "x", 1);
	assert_int_equal(state_remove(f->root, "c", fd, &e), -ENOTEMPTY);
	assert_memory_equal(e.msg, "removing ", 9);
	assert_true(exists(f, "c/precious"));
}

/* A state whose time of change lies long ago. */
static void age(const struct fixture *f, const char *name)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char path[2 * PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", f->root, name);
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static void sweep_takes_what_nobody_comes_for(void **state)
{
	struct fixture *f = *state;
	const struct process_ref gone = dead(), alive = process_ref_of(getpid());
	const struct {
		const char *id;
		enum ctr_status status;
		bool transient;
		struct process_ref creator, monitor;
		bool stays;
	} cases[] = {
		{ "interrupted", CTR_CREATING, false, gone, gone, false },
		{ "foreground-run-died", CTR_RUNNING, true, gone, gone, false },
		{ "creating", CTR_CREATING, false, alive, gone, true },
		{ "stopped", CTR_RUNNING, false, gone, gone, true },
		{ "created", CTR_CREATED, false, gone, alive, true },
		{ "running", CTR_RUNNING, true, gone, alive, true },
		{ "foreground-run-lives", CTR_RUNNING, true, alive, gone, true },
	};
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);

	/* Saved all at once at the end: each state_new() sweeps. */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ctr_state s = some_state(cases[i].id);
		cleanup(close) int fd = -EBADF;
		struct err e = { 0 };

		assert_int_equal(mkdirat(root, cases[i].id, 0700), 0);
		fd = openat(root, cases[i].id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		s.status = cases[i].status;
		s.transient = cases[i].transient;
		s.creator = cases[i].creator;
		s.monitor = cases[i].monitor;
		assert_int_equal(state_save(fd, &s, &e), 0);
	}
	state_sweep(f->root);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (exists(f, cases[i].id) != cases[i].stays)
			fail_msg("%s", cases[i].id);
	}
}

static void sweep_takes_folders_without_a_state_when_they_are_old(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);
	cleanup(close) int damaged = -EBADF;

	assert_int_equal(mkdirat(root, "old", 0700), 0);
	assert_int_equal(mkdirat(root, "young", 0700), 0);
	assert_int_equal(mkdirat(root, "damaged", 0700), 0);
	damaged = openat(root, "damaged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(damaged, "state.json", "{", 1);
	put_file(root, "a-file", "x", 1);
	age(f, "old");
	age(f, "damaged");
	age(f, "a-file");
	state_sweep(f->root);
	assert_false(exists(f, "old"));
	assert_true(exists(f, "young"));
	assert_true(exists(f, "damaged"));
	assert_true(exists(f, "a-file"));
	state_sweep("/nowhere/at/all");
}

static void sweep_leaves_what_is_locked(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	s.status = CTR_CREATING;
	s.creator = dead();
	s.monitor = (struct process_ref){ 0 };
	assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
	assert_int_equal(state_save(fd, &s, &e), 0);
	state_sweep(f->root);
	assert_true(exists(f, "c"));
	close_fd(&lock);
	state_sweep(f->root);
	assert_false(exists(f, "c"));
}

/* The id of an interrupted create is free for the next one. */
static void new_takes_the_place_of_an_interrupted_create(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	s.status = CTR_CREATING;
	s.creator = dead();
	s.monitor = (struct process_ref){ 0 };
	make(f, &s);
	assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
	assert_int_equal(state_load(fd, &f->a, &s, &e), -ENOENT);
}

/* ---- list ---------------------------------------------------------------------------------- */

static void list_is_sorted_and_leaves_out_what_it_cannot_read(void **state)
{
	static const char *const ids[] = { "b", "c1", "a", "c" };
	struct fixture *f = *state;
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);
	struct ctr_state *list = NULL;
	size_t n = 9;
	struct err e = { 0 };

	assert_int_equal(ctr_list("/nowhere/at/all", &f->a, &list, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(ctr_list(f->root, &f->a, &list, &n, &e), 0);
	assert_int_equal(n, 0);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct ctr_state s = some_state(ids[i]);

		make(f, &s);
	}
	put_file(root, "file", "x", 1);
	assert_int_equal(mkdirat(root, "empty", 0700), 0);
	assert_int_equal(ctr_list(f->root, &f->a, &list, &n, &e), 0);
	assert_int_equal(n, 4);
	assert_string_equal(list[0].id, "a");
	assert_string_equal(list[1].id, "b");
	assert_string_equal(list[2].id, "c");
	assert_string_equal(list[3].id, "c1");
}

/* ---- bundles ------------------------------------------------------------------------------- */

static void bundles_are_read(void **state)
{
	static const char config[] = "{\"ociVersion\":\"1.0.0\"}";
	struct fixture *f = *state;
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);
	char resolved[PATH_MAX], dotted[PATH_MAX + 8];
	struct bundle b;
	struct err e = { 0 };

	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -ENOENT);
	assert_string_equal(e.msg, "JSON specification file config.json not found");
	assert_int_equal(bundle_read("/nowhere/at/all", &f->a, &b, &e), -ENOENT);
	assert_string_equal(e.msg, "bundle /nowhere/at/all: No such file or directory");
	/* What would hang or never end. */
	assert_int_equal(mkfifoat(root, "config.json", 0600), 0);
	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -EINVAL);
	assert_int_equal(unlinkat(root, "config.json", 0), 0);
	assert_int_equal(symlinkat("/dev/zero", root, "config.json"), 0);
	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -EFBIG);
	assert_string_equal(e.msg, "config.json: larger than 16 MiB");
	assert_int_equal(unlinkat(root, "config.json", 0), 0);
	assert_int_equal(mkdirat(root, "config.json", 0700), 0);
	assert_int_equal(bundle_read(f->root, &f->a, &b, &e), -EISDIR);
	assert_int_equal(unlinkat(root, "config.json", AT_REMOVEDIR), 0);
	put_file(root, "config.json", config, strlen(config));
	(void)snprintf(dotted, sizeof(dotted), "%s/./.", f->root);
	assert_int_equal(bundle_read(dotted, &f->a, &b, &e), 0);
	assert_non_null(realpath(f->root, resolved));
	assert_string_equal(b.path, resolved);
	assert_string_equal(b.text, config);
	assert_string_equal(b.spec.version, "1.0.0");
}

static void pid_files_hold_digits_only(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = -EBADF;
	cleanup(free) char *text = NULL;
	char path[PATH_MAX + 8];
	struct dirent **entries = NULL;
	size_t len = 0;
	struct err e = { 0 };

	assert_int_equal(bundle_write_pid(NULL, 1, &e), 0);
	(void)snprintf(path, sizeof(path), "%s/pid", f->root);
	assert_int_equal(bundle_write_pid(path, 1, &e), 0);
	/* An old one is replaced. */
	assert_int_equal(bundle_write_pid(path, 4194304, &e), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_file(fd, 100, &text, &len), 0);
	assert_string_equal(text, "4194304");
	/* ".", ".." and the file: nothing else was left. */
	assert_int_equal(scandir(f->root, &entries, NULL, NULL), 3);
	for (int i = 0; i < 3; i++)
		free(entries[i]);
	free(entries);
	(void)snprintf(path, sizeof(path), "%s/no/pid", f->root);
	assert_int_equal(bundle_write_pid(path, 1, &e), -ENOENT);
	assert_memory_equal(e.msg, "pid file ", 9);
}

/* Terminal x detach x console socket, in runc's words. */
static void consoles_and_options_must_agree(void **state)
{
	static const char without[] =
		"cannot allocate tty if runc will detach without setting console socket";
	static const char useless[] =
		"cannot use console socket if runc will not detach or allocate tty";
	static const struct {
		bool terminal, detach;
		const char *socket, *message;
	} cases[] = {
		{ false, false, NULL, NULL },
		{ true, false, NULL, NULL },
		{ false, true, NULL, NULL },
		{ true, true, NULL, without },
		{ false, false, "/s", useless },
		{ true, false, "/s", useless },
		{ false, true, "/s", useless },
		{ true, true, "/s", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		int r = bundle_check_console(
			cases[i].terminal, cases[i].detach, cases[i].socket, &e);

		assert_int_equal(r, cases[i].message ? -EINVAL : 0);
		assert_string_equal(e.msg, cases[i].message ? cases[i].message : "");
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_names_of_files),
		TEST(bad_ids_touch_nothing),
		TEST(new_makes_folder_and_lock),
		TEST(open_finds_folders_only),
		TEST(states_are_read_as_they_were_written),
		TEST(paths_that_are_no_utf8_do_not_lock_a_container_up),
		TEST(processes_decide_over_the_file),
		cmocka_unit_test(status_names_are_the_specifications),
		TEST(damaged_states_are_told_and_can_be_removed),
		TEST(truncated_states_are_refused),
		TEST(states_that_are_no_files_are_refused),
		TEST(remove_ends_what_still_lives),
		TEST(remove_keeps_what_is_not_ours),
		TEST(sweep_takes_what_nobody_comes_for),
		TEST(sweep_takes_folders_without_a_state_when_they_are_old),
		TEST(sweep_leaves_what_is_locked),
		TEST(new_takes_the_place_of_an_interrupted_create),
		TEST(list_is_sorted_and_leaves_out_what_it_cannot_read),
		TEST(bundles_are_read),
		TEST(pid_files_hold_digits_only),
		cmocka_unit_test(consoles_and_options_must_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
