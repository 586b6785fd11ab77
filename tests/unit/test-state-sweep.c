/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-state-sweep.c - folders of states: remove, the sweep of what nobody comes for, list.
 */
#include "state-folder.h"

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
		bool poststop;
	} cases[] = {
		{ "interrupted", CTR_CREATING, false, gone, gone, false },
		{ "foreground-run-died", CTR_RUNNING, true, gone, gone, false },
		{ "creating", CTR_CREATING, false, alive, gone, true },
		{ "stopped", CTR_RUNNING, false, gone, gone, true },
		{ "created", CTR_CREATED, false, gone, alive, true },
		{ "running", CTR_RUNNING, true, gone, alive, true },
		{ "foreground-run-lives", CTR_RUNNING, true, alive, gone, true },
		/* Its hooks are the business of delete. */
		{ "interrupted-with-hooks", CTR_CREATING, false, gone, gone, true, true },
		{ "run-died-with-hooks", CTR_RUNNING, true, gone, gone, true, true },
	};
	cleanup(close) int root = open(f->root, O_PATH | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ctr_state s = some_state(cases[i].id);
		cleanup(close) int fd = -EBADF;
		struct err e = { 0 };

		assert_int_equal(mkdirat(root, cases[i].id, 0700), 0);
		fd = openat(root, cases[i].id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		s.status = cases[i].status;
		s.transient = cases[i].transient;
		s.hooks = s.poststop = cases[i].poststop;
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

/* Others are not looked at: what a create costs is the same beside a thousand containers. */
static void new_leaves_others_to_the_sweep(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("left");
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	s.status = CTR_CREATING;
	s.creator = dead();
	s.monitor = (struct process_ref){ 0 };
	make(f, &s);
	assert_int_equal(state_new(f->root, "c", &fd, &lock, &e), 0);
	assert_true(exists(f, "left"));
	close_fd(&lock);
	state_sweep(f->root);
	assert_false(exists(f, "left"));
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

/* In another one's VM, which goes on: a start that asked its guest, which says nothing. */
static void delete_does_not_wait_for_who_waits_for_a_guest(void **state)
{
	struct fixture *f = *state;
	pid_t monitor = start_child(), starter = -1;
	struct ctr_state s = some_state("member");
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };
	int ready[2];
	char c = 0;

	s.sandbox = "pod";
	s.monitor = process_ref_of(monitor);
	make(f, &s);
	assert_int_equal(state_open(f->root, "member", &fd, NULL, &e), 0);
	assert_int_equal(state_lock_waiter(fd).pid, 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	starter = fork();
	if (starter == 0) {
		int lock = -EBADF;

		if (state_lock(fd, &lock, &e) < 0)
			_exit(1);
		/* Without a word of it whoever holds the lock is waited for. */
		state_lock_waits(lock, true);
		state_lock_waits(lock, false);
		state_lock_waits(lock, true);
		(void)!write(ready[1], "r", 1);
		for (;;)
			pause();
	}
	close_fd(&ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(state_lock_waiter(fd).pid, starter);
	assert_int_equal(ctr_delete(f->root, "member", true, &e), 0);
	assert_int_equal(waitpid(starter, NULL, WNOHANG), starter);
	assert_int_equal(waitpid(monitor, NULL, WNOHANG), monitor);
	assert_false(exists(f, "member"));
	close_fd(&ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(remove_ends_what_still_lives),
		TEST(remove_keeps_what_is_not_ours),
		TEST(sweep_takes_what_nobody_comes_for),
		TEST(sweep_takes_folders_without_a_state_when_they_are_old),
		TEST(sweep_leaves_what_is_locked),
		TEST(new_takes_the_place_of_an_interrupted_create),
		TEST(new_leaves_others_to_the_sweep),
		TEST(list_is_sorted_and_leaves_out_what_it_cannot_read),
		TEST(delete_does_not_wait_for_who_waits_for_a_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
