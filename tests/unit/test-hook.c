/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-hook.c - hooks: what they get, what is said of them when they fail, their time limit, and
 * that neither their output nor what they leave behind holds anybody up.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "hook.h"
#include "io.h"

#define STATE "{\"id\":\"c\"}\n"

struct fixture {
	char dir[PATH_MAX];
	int state_fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/nestbox-hook-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->state_fd = io_memfd_sealed("state", STATE, strlen(STATE));
	assert_true(f->state_fd >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX + 8];

	(void)snprintf(path, sizeof(path), "%s/out", f->dir);
	(void)unlink(path);
	(void)rmdir(f->dir);
	close_fd(&f->state_fd);
	free(f);
	return 0;
}

static char *default_env[] = { (char *)(uintptr_t) "PATH=/bin:/usr/bin", NULL };

/* A shell command as a hook. */
static int run_limited(struct fixture *f, const char *command, uint32_t timeout_s, struct err *e)
{
	char *args[] = { (char *)(uintptr_t) "hook-sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t)command, NULL };
	const struct hook h = {
		.path = "/bin/sh", .args = args, .n_args = 3, .timeout_s = timeout_s
	};
	const struct hook_place place = { .dir = f->dir, .root_fd = -EBADF, .env = default_env };

	e->msg[0] = '\0';
	return hook_run(&h, "prestart", 2, f->state_fd, &place, e);
}

static int run(struct fixture *f, const char *command, struct err *e)
{
	return run_limited(f, command, 0, e);
}

/* What a hook wrote to "out" in its folder; malloc'ed. */
static char *read_out(const struct fixture *f)
{
	char path[PATH_MAX + 8];
	char *text = NULL;
	size_t len = 0;
	cleanup(close) int fd = -EBADF;

	(void)snprintf(path, sizeof(path), "%s/out", f->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(io_read_file(fd, 1u << 20, &text, &len), 0);
	return text;
}

static void assert_out(struct fixture *f, const char *command, const char *wanted)
{
	cleanup(free) char *out = NULL;
	struct err e;

	if (run(f, command, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(e.msg, "");
	out = read_out(f);
	assert_string_equal(out, wanted);
}

static void assert_fails(struct fixture *f, const char *command, const char *wanted)
{
	struct err e;

	assert_int_equal(run(f, command, &e), -ECHILD);
	assert_int_equal(e.code, -ECHILD);
	assert_string_equal(e.msg, wanted);
}

/* ---- what a hook gets ---------------------------------------------------------------------- */

static void it_gets_name_state_folder_and_environment(void **state)
{
	struct fixture *f = *state;
	char wanted[PATH_MAX + 64];

	(void)snprintf(wanted, sizeof(wanted), "hook-sh\n%s%s\n/bin:/usr/bin\n", STATE, f->dir);
	assert_out(f,
		"{ tr '\\0' '\\n' </proc/$$/cmdline | head -n 1; cat; pwd; echo \"$PATH\"; } >out",
		wanted);
}

static void its_own_environment_is_all_there_is(void **state)
{
	struct fixture *f = *state;
	char *env[] = { (char *)(uintptr_t) "ONLY=this", NULL };
	char *none[] = { NULL };
	char *args[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t) "tr '\\0' '\\n' </proc/$$/environ >out", NULL };
	struct hook h = { .path = "/bin/sh",
		.args = args,
		.n_args = 3,
		.has_env = true,
		.env = env,
		.n_env = 1 };
	const struct hook_place place = { .dir = f->dir, .root_fd = -EBADF, .env = default_env };
	cleanup(free) char *first = NULL, *second = NULL;
	struct err e;

	assert_int_equal(hook_run(&h, "x", 0, f->state_fd, &place, &e), 0);
	first = read_out(f);
	assert_string_equal(first, "ONLY=this\n");
	h.env = none;
	h.n_env = 0;
	assert_int_equal(hook_run(&h, "x", 0, f->state_fd, &place, &e), 0);
	second = read_out(f);
	assert_string_equal(second, "");
}

static void it_gets_no_fds_and_no_signals_of_ours(void **state)
{
	struct fixture *f = *state;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	(void)signal(SIGPIPE, SIG_IGN);
	/* As main() does with what a caller left open. */
	assert_int_equal(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC), 0);
	/* The fourth is what ls reads. */
	assert_out(f, "ls /proc/self/fd >out", "0\n1\n2\n3\n");
	/* Signals 1 to 28: glibc keeps some of those past 31 for itself, and make ignores them. */
	assert_out(f, "grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -o '.......$' >out",
		"0000000\n0000000\n");
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}

static void without_arguments_it_has_its_path(void **state)
{
	struct fixture *f = *state;
	const struct hook_place place = { .dir = f->dir, .root_fd = -EBADF, .env = default_env };
	const struct hook fine = { .path = "/bin/true" }, bad = { .path = "/bin/false" };
	struct err e;

	assert_int_equal(hook_run(&fine, "x", 0, f->state_fd, &place, &e), 0);
	assert_int_equal(hook_run(&bad, "poststop", 3, f->state_fd, &place, &e), -ECHILD);
	assert_string_equal(e.msg,
		"error running poststop hook #3: error running hook: exit status 1, stdout: , stderr: ");
}

static void its_folder_may_be_gone(void **state)
{
	struct fixture *f = *state;
	const struct hook_place place = {
		.dir = "/nowhere", .root_fd = -EBADF, .env = default_env
	};
	char *args[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t) "pwd; exit 1", NULL };
	const struct hook h = { .path = "/bin/sh", .args = args, .n_args = 3 };
	struct err e;

	assert_int_equal(hook_run(&h, "x", 0, f->state_fd, &place, &e), -ECHILD);
	assert_non_null(strstr(e.msg, "stdout: /, stderr"));
}

/* ---- failures ------------------------------------------------------------------------------ */

static void failures_are_told_in_runcs_words(void **state)
{
	struct fixture *f = *state;
	const struct hook_place place = { .dir = f->dir, .root_fd = -EBADF, .env = default_env };
	const struct hook missing = { .path = "/nonexistent" }, folder = { .path = "/tmp" };
	struct err e;

	assert_fails(f, "echo one; echo two; echo three >&2; exit 3",
		"error running prestart hook #2: error running hook: exit status 3, stdout: one|two, stderr: three");
	assert_fails(f, "kill -KILL $$",
		"error running prestart hook #2: error running hook: signal: killed, stdout: , stderr: ");
	assert_int_equal(hook_run(&missing, "prestart", 0, f->state_fd, &place, &e), -ECHILD);
	assert_string_equal(e.msg,
		"error running prestart hook #0: fork/exec /nonexistent: no such file or directory");
	assert_int_equal(hook_run(&folder, "prestart", 0, f->state_fd, &place, &e), -ECHILD);
	assert_string_equal(
		e.msg, "error running prestart hook #0: fork/exec /tmp: permission denied");
}

static void output_is_bounded_and_made_harmless(void **state)
{
	struct fixture *f = *state;
	struct err e;

	assert_int_equal(
		run(f, "yes aaaaaaaaaaaaaaaaaaaaaaaaa | head -c 2000000; printf 'end\\033[2J'; exit 1",
			&e),
		-ECHILD);
	assert_non_null(strstr(e.msg, "exit status 1, stdout: "));
	assert_non_null(strstr(e.msg, "aaend?[2J, stderr: "));
	assert_true(strlen(e.msg) < 600);
	/* Both streams full: neither pushes the other out. */
	assert_int_equal(
		run(f, "yes o | head -c 5000; yes e | head -c 5000 >&2; exit 1", &e), -ECHILD);
	assert_non_null(strstr(e.msg, "o|o, stderr: "));
	assert_string_equal(e.msg + strlen(e.msg) - 3, "e|e");
}

/* ---- time ---------------------------------------------------------------------------------- */

static unsigned seconds_since(unsigned long long start)
{
	return (unsigned)((io_now_ns() - start) / 1000000000ULL);
}

static void a_time_limit_ends_the_whole_group(void **state)
{
	struct fixture *f = *state;
	unsigned long long start = io_now_ns();
	cleanup(free) char *out = NULL;
	struct err e;
	pid_t left = 0;

	assert_int_equal(run_limited(f, "sleep 100 & echo $! >out; wait", 1, &e), -ECHILD);
	assert_string_equal(
		e.msg, "error running prestart hook #2: hook ran past specified timeout of 1.0s");
	assert_in_range(seconds_since(start), 1, 60);
	out = read_out(f);
	left = (pid_t)strtol(out, NULL, 10);
	for (int i = 0; i < 500 && kill(left, 0) == 0; i++)
		(void)usleep(20000);
	assert_int_equal(kill(left, 0), -1);
	/* In time is in time. */
	assert_int_equal(run_limited(f, "sleep 0.1", 100, &e), 0);
}

static void nobody_waits_for_what_it_left_behind(void **state)
{
	struct fixture *f = *state;
	unsigned long long start = io_now_ns();
	cleanup(free) char *out = NULL;
	struct err e;

	assert_int_equal(run(f, "sleep 100 & echo $! >out", &e), 0);
	assert_in_range(seconds_since(start), 0, 60);
	out = read_out(f);
	assert_int_equal(kill((pid_t)strtol(out, NULL, 10), SIGKILL), 0);
}

static void it_dies_with_its_caller(void **state)
{
	struct fixture *f = *state;
	cleanup(free) char *out = NULL;
	char path[PATH_MAX + 8];
	struct stat st = { 0 };
	struct err e;
	pid_t hook = 0;
	pid_t caller = fork();

	if (caller == 0) {
		(void)!run(f, "echo $$ >out; exec sleep 100", &e);
		_exit(0);
	}
	(void)snprintf(path, sizeof(path), "%s/out", f->dir);
	for (int i = 0; i < 500 && st.st_size == 0; i++) {
		(void)usleep(20000);
		(void)stat(path, &st);
	}
	out = read_out(f);
	hook = (pid_t)strtol(out, NULL, 10);
	assert_true(hook > 1);
	assert_int_equal(kill(caller, SIGKILL), 0);
	assert_int_equal(waitpid(caller, NULL, 0), caller);
	for (int i = 0; i < 500 && kill(hook, 0) == 0; i++)
		(void)usleep(20000);
	assert_int_equal(kill(hook, 0), -1);
}

/* ---- lists --------------------------------------------------------------------------------- */

static void a_list_runs_in_order_up_to_a_failure(void **state)
{
	struct fixture *f = *state;
	static const char *const commands[] = { "cat >>out", "cat >>out; echo 1 >>out", "exit 1",
		"echo 3 >>out" };
	const struct hook_place place = { .dir = f->dir, .root_fd = -EBADF, .env = default_env };
	char *args[4][4];
	struct hook hooks[4];
	struct hook_list l = { .v = hooks, .n = 2 };
	cleanup(free) char *first = NULL, *second = NULL;
	struct err e;

	for (int i = 0; i < 4; i++) {
		args[i][0] = (char *)(uintptr_t) "sh";
		args[i][1] = (char *)(uintptr_t) "-c";
		args[i][2] = (char *)(uintptr_t)commands[i];
		args[i][3] = NULL;
		hooks[i] = (struct hook){ .path = "/bin/sh", .args = args[i], .n_args = 3 };
	}
	/* Each reads the document from its beginning. */
	assert_int_equal(hook_run_all(&l, "poststart", f->state_fd, &place, &e), 0);
	first = read_out(f);
	assert_string_equal(first, STATE STATE "1\n");
	l.n = 4;
	assert_int_equal(hook_run_all(&l, "poststart", f->state_fd, &place, &e), -ECHILD);
	assert_string_equal(e.msg,
		"error running poststart hook #2: error running hook: exit status 1, stdout: , stderr: ");
	second = read_out(f);
	assert_string_equal(second, STATE STATE "1\n" STATE STATE "1\n");
	l.n = 0;
	assert_int_equal(hook_run_all(&l, "poststart", -EBADF, &place, &e), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_gets_name_state_folder_and_environment),
		TEST(its_own_environment_is_all_there_is),
		TEST(it_gets_no_fds_and_no_signals_of_ours),
		TEST(without_arguments_it_has_its_path),
		TEST(its_folder_may_be_gone),
		TEST(failures_are_told_in_runcs_words),
		TEST(output_is_bounded_and_made_harmless),
		TEST(a_time_limit_ends_the_whole_group),
		TEST(nobody_waits_for_what_it_left_behind),
		TEST(it_dies_with_its_caller),
		TEST(a_list_runs_in_order_up_to_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
