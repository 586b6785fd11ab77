/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-verbs.c - every state of a container x every verb: what is answered, in runc's words, and
 * what state comes of it.
 *
 * The sandbox is a child that stands for monitor, VMM and guest in one: it listens on vmm.sock,
 * takes CONNECT as the VMM does, answers on the connection as guest init does, and writes down each
 * message of the agent's that it got.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "agent.h"
#include "ctr.h"
#include "ctr/boot.h"
#include "io.h"
#include "log.h"
#include "vmm-ctl.h"

enum kind {
	NONE, /* there is no container */
	CREATING, /* its create is under way */
	INTERRUPTED, /* its create was killed */
	CREATED,
	RUNNING,
	STOPPED, /* it ran, and its monitor is gone */
	NEVER_STARTED, /* created, and its monitor is gone */
	KIND_MAX
};

enum verb { START, KILL, KILL_ALL, KILL_HARD, EXEC, DELETE, DELETE_FORCE, STATE, CREATE, VERB_MAX };

struct fixture {
	char root[64];
	pid_t creator, sandbox; /* 0 = none */
	int heard; /* pipe from the sandbox: the payloads of the agent's messages */
	bool deaf; /* the guest answers with an error */
};

/* ---- the sandbox --------------------------------------------------------------------------- */

/* fork(), of a child that does not outlive the test, also where a case fails before its end. */
static pid_t fork_child(void)
{
	pid_t self = getpid();
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != self))
		_exit(1);
	return pid;
}

/* One conversation with guest init. */
static void answer(int fd, int heard, bool deaf)
{
	cleanup(free) uint8_t *payload = NULL;
	const struct err refusal = { .code = -ENOENT, .msg = "exec: no such file or directory" };
	uint8_t buffer[512];
	struct agent_frame frame;
	struct wire_out w;
	uint8_t type = 0;

	if (agent_recv(fd, 5000, &frame, &payload) < 0)
		return;
	type = (uint8_t)frame.type;
	(void)!write(heard, &type, 1);
	(void)!write(heard, payload, frame.len < 64 ? frame.len : 64);
	wire_out_fixed(&w, buffer, sizeof(buffer));
	if (deaf || type == AGENT_EXEC)
		agent_put_error(&w, &refusal);
	(void)!agent_send(
		fd, deaf || type == AGENT_EXEC ? AGENT_ERROR : AGENT_OK, 0, buffer, w.len);
}

static void serve(int listener, int heard, bool deaf)
{
	for (;;) {
		cleanup(close) int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		cleanup(close) int guest = -EBADF;
		uint8_t buffer[512];
		struct vmm_request m;
		struct wire_out w;
		size_t n = 0;
		ssize_t len = io_recv_fds(conn, buffer, sizeof(buffer), &guest, 1, &n);

		if (len <= 0 || vmm_ctl_get_request(buffer, (size_t)len, &m) < 0 || n != 1)
			continue;
		wire_out_fixed(&w, buffer, sizeof(buffer));
		vmm_ctl_put_reply(&w, m.op == VMM_CTL_CONNECT ? 0 : -EINVAL, NULL);
		(void)!write(conn, buffer, w.len);
		answer(guest, heard, deaf);
	}
}

static void start_sandbox(struct fixture *f, int folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int pipes[2];

	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/vmm.sock", folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
	f->sandbox = fork_child();
	if (f->sandbox == 0)
		serve(listener, pipes[1], f->deaf);
	(void)close(pipes[1]);
	f->heard = pipes[0];
}

static pid_t start_child(void)
{
	pid_t pid = fork_child();

	while (pid == 0)
		pause();
	return pid;
}

static void end_child(pid_t *pid)
{
	if (*pid) {
		(void)kill(*pid, SIGKILL);
		assert_int_equal(waitpid(*pid, NULL, 0), *pid);
	}
	*pid = 0;
}

/* ---- the container ------------------------------------------------------------------------- */

static const char config[] = "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},"
			     "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]}}";

static void make_container(struct fixture *f, enum kind kind)
{
	struct ctr_state s = { .id = "c",
		.bundle = "/b",
		.rootfs = "/b/r",
		.created = "2020-01-01T00:00:00Z",
		.owner = "root" };
	cleanup(close) int folder = -EBADF;
	cleanup(close) int lock = -EBADF;
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };

	if (kind == NONE)
		return;
	assert_int_equal(state_new(f->root, s.id, &folder, &lock, &e), 0);
	/* The children shall not hold it. */
	close_fd(&lock);
	f->creator = start_child();
	s.creator = process_ref_of(f->creator);
	start_sandbox(f, folder);
	s.status = kind == CREATING || kind == INTERRUPTED ? CTR_CREATING
		: kind == CREATED || kind == NEVER_STARTED ? CTR_CREATED
							   : CTR_RUNNING;
	if (s.status != CTR_CREATING)
		s.monitor = process_ref_of(f->sandbox);
	assert_int_equal(state_save(folder, &s, &e), 0);
	fd = openat(folder, "config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(io_write_full(fd, config, strlen(config)), 0);
	if (kind != CREATING)
		end_child(&f->creator);
	if (kind == STOPPED || kind == NEVER_STARTED || s.status == CTR_CREATING)
		end_child(&f->sandbox);
}

static void init(struct fixture *f, enum kind kind, bool deaf)
{
	*f = (struct fixture){ .root = "/tmp/nestbox-verbs-XXXXXX", .heard = -EBADF, .deaf = deaf };
	assert_non_null(mkdtemp(f->root));
	make_container(f, kind);
}

static void done(struct fixture *f)
{
	struct err e = { 0 };

	end_child(&f->creator);
	end_child(&f->sandbox);
	close_fd(&f->heard);
	/* What the verb left: a container that has stopped by now, or nothing. */
	assert_int_equal(ctr_delete(f->root, "c", true, &e), 0);
	assert_int_equal(rmdir(f->root), 0);
}

/* ---- the table ----------------------------------------------------------------------------- */

static int try_create(const struct fixture *f, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;

	return state_new(f->root, "c", &fd, &lock, e);
}

static int call(enum verb verb, const struct fixture *f, struct err *e)
{
	static const char *const args[] = { "ps", NULL };
	const struct ctr_exec_options exec = {
		.root = f->root, .id = "c", .args = args, .detach = true
	};
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state s;

	switch (verb) {
	case START:
		return ctr_start(f->root, "c", e);
	case KILL:
		return ctr_kill(f->root, "c", SIGTERM, false, e);
	case KILL_ALL:
		return ctr_kill(f->root, "c", SIGHUP, true, e);
	case KILL_HARD:
		return ctr_kill(f->root, "c", SIGKILL, false, e);
	case EXEC:
		return ctr_exec(&exec, e);
	case DELETE:
		return ctr_delete(f->root, "c", false, e);
	case DELETE_FORCE:
		return ctr_delete(f->root, "c", true, e);
	case STATE:
		return ctr_get(f->root, "c", &a, &s, e);
	case CREATE:
		return try_create(f, e);
	case VERB_MAX:
	default:
		return -EINVAL;
	}
}

/* The status after it; NULL when there is no container. */
static const char *status_of(const struct fixture *f)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state s;
	struct err e;

	return ctr_get(f->root, "c", &a, &s, &e) < 0 ? NULL : ctr_status_name(s.status);
}

struct answer {
	int code;
	const char *message; /* when code is not 0 */
	const char *after; /* status; NULL = gone */
};

#define ANSWER(code_, message_, after_) \
	(struct answer) \
	{ \
		.code = (code_), .message = (message_), .after = (after_) \
	}
#define OK(after) ANSWER(0, "", after)
#define NO_CONTAINER ANSWER(-ENOENT, "container does not exist", NULL)
#define NOT_RUNNING(after) ANSWER(-ESRCH, "container not running", after)
#define EXISTS(after) ANSWER(-EEXIST, "container with given ID already exists", after)
#define NO_PROGRAM(after) \
	ANSWER(-ENOENT, \
		"exec failed: unable to start container process: exec: no such file or directory", \
		after)

static const struct answer table[KIND_MAX][VERB_MAX] = {
	[NONE] = {
		[START] = NO_CONTAINER,
		[KILL] = NO_CONTAINER,
		[KILL_ALL] = NO_CONTAINER,
		[KILL_HARD] = NO_CONTAINER,
		[EXEC] = NO_CONTAINER,
		[DELETE] = NO_CONTAINER,
		[DELETE_FORCE] = OK(NULL),
		[STATE] = NO_CONTAINER,
		[CREATE] = OK(NULL),
	},
	[CREATING] = {
		[START] = { -EBUSY, "cannot start a container in the creating state", "creating" },
		[KILL] = NOT_RUNNING("creating"),
		[KILL_ALL] = NOT_RUNNING("creating"),
		[KILL_HARD] = NOT_RUNNING("creating"),
		[EXEC] = { -EBUSY, "container not running", "creating" },
		[DELETE] = { -EBUSY, "cannot delete container c that is not stopped: creating",
			"creating" },
		[DELETE_FORCE] = OK(NULL),
		[STATE] = OK("creating"),
		[CREATE] = EXISTS("creating"),
	},
	[INTERRUPTED] = {
		[START] = { -ESRCH, "cannot start a container that has stopped", "stopped" },
		[KILL] = NOT_RUNNING("stopped"),
		[KILL_ALL] = OK("stopped"),
		[KILL_HARD] = NOT_RUNNING("stopped"),
		[EXEC] = { -ESRCH, "cannot exec in a stopped container", "stopped" },
		[DELETE] = OK(NULL),
		[DELETE_FORCE] = OK(NULL),
		[STATE] = OK("stopped"),
		/* The new one has no state yet. */
		[CREATE] = OK(NULL),
	},
	[CREATED] = {
		[START] = OK("running"),
		[KILL] = OK("created"),
		[KILL_ALL] = OK("created"),
		[KILL_HARD] = OK("created"),
		[EXEC] = NO_PROGRAM("created"),
		[DELETE] = OK(NULL),
		[DELETE_FORCE] = OK(NULL),
		[STATE] = OK("created"),
		[CREATE] = EXISTS("created"),
	},
	[RUNNING] = {
		[START] = { -EBUSY, "cannot start an already running container", "running" },
		[KILL] = OK("running"),
		[KILL_ALL] = OK("running"),
		[KILL_HARD] = OK("running"),
		[EXEC] = NO_PROGRAM("running"),
		[DELETE] = { -EBUSY, "cannot delete container c that is not stopped: running",
			"running" },
		[DELETE_FORCE] = OK(NULL),
		[STATE] = OK("running"),
		[CREATE] = EXISTS("running"),
	},
	[STOPPED] = {
		[START] = { -ESRCH, "cannot start a container that has stopped", "stopped" },
		[KILL] = NOT_RUNNING("stopped"),
		[KILL_ALL] = OK("stopped"),
		[KILL_HARD] = NOT_RUNNING("stopped"),
		[EXEC] = { -ESRCH, "cannot exec in a stopped container", "stopped" },
		[DELETE] = OK(NULL),
		[DELETE_FORCE] = OK(NULL),
		[STATE] = OK("stopped"),
		[CREATE] = EXISTS("stopped"),
	},
	[NEVER_STARTED] = {
		[START] = { -ESRCH, "cannot start a container that has stopped", "stopped" },
		[KILL] = NOT_RUNNING("stopped"),
		[KILL_ALL] = OK("stopped"),
		[KILL_HARD] = NOT_RUNNING("stopped"),
		[EXEC] = { -ESRCH, "cannot exec in a stopped container", "stopped" },
		[DELETE] = OK(NULL),
		[DELETE_FORCE] = OK(NULL),
		[STATE] = OK("stopped"),
		[CREATE] = EXISTS("stopped"),
	},
};

static void every_verb_in_state(enum kind kind)
{
	for (enum verb verb = 0; verb < VERB_MAX; verb++) {
		const struct answer *wanted = &table[kind][verb];
		const char *after = NULL;
		struct err e = { 0 };
		struct fixture f;
		int r = 0;

		init(&f, kind, false);
		r = call(verb, &f, &e);
		after = status_of(&f);
		if (r != wanted->code || (r < 0 && strcmp(e.msg, wanted->message) != 0) ||
			!after != !wanted->after || (after && strcmp(after, wanted->after) != 0))
			fail_msg("state %d, verb %d: %d \"%s\", then %s", kind, verb, r, e.msg,
				after ? after : "gone");
		done(&f);
	}
}

static void verbs_without_a_container(void **state)
{
	(void)state;
	every_verb_in_state(NONE);
}

static void verbs_while_it_is_created(void **state)
{
	(void)state;
	every_verb_in_state(CREATING);
}

static void verbs_after_an_interrupted_create(void **state)
{
	(void)state;
	every_verb_in_state(INTERRUPTED);
}

static void verbs_when_it_is_created(void **state)
{
	(void)state;
	every_verb_in_state(CREATED);
}

static void verbs_when_it_runs(void **state)
{
	(void)state;
	every_verb_in_state(RUNNING);
}

static void verbs_when_it_has_stopped(void **state)
{
	(void)state;
	every_verb_in_state(STOPPED);
}

static void verbs_when_it_ended_before_its_start(void **state)
{
	(void)state;
	every_verb_in_state(NEVER_STARTED);
}

/* ---- what reaches the guest ---------------------------------------------------------------- */

static void assert_heard(const struct fixture *f, const uint8_t *wanted, size_t len)
{
	uint8_t heard[128];

	assert_int_equal(io_wait_readable(f->heard, 5000), 1);
	assert_int_equal(read(f->heard, heard, sizeof(heard)), len);
	assert_memory_equal(heard, wanted, len);
}

static void start_and_kill_reach_the_guest(void **state)
{
	/* Type, then a string: length and bytes; signal; whether to all. */
	static const uint8_t start[] = { AGENT_START, 1, 0, 0, 0, 'c' };
	static const uint8_t term[] = { AGENT_KILL, 1, 0, 0, 0, 'c', SIGTERM, 0, 0, 0, 0 };
	static const uint8_t all[] = { AGENT_KILL, 1, 0, 0, 0, 'c', 64, 0, 0, 0, 1 };
	struct err e = { 0 };
	struct fixture f;

	(void)state;
	init(&f, CREATED, false);
	assert_int_equal(ctr_start(f.root, "c", &e), 0);
	assert_heard(&f, start, sizeof(start));
	assert_int_equal(ctr_kill(f.root, "c", SIGTERM, false, &e), 0);
	assert_heard(&f, term, sizeof(term));
	assert_int_equal(ctr_kill(f.root, "c", 64, true, &e), 0);
	assert_heard(&f, all, sizeof(all));
	done(&f);
}

/* A guest that says no: the text is handed on, and the state stays. SIGKILL needs no guest. */
static void a_guest_that_refuses_loses_its_vm_by_sigkill_only(void **state)
{
	struct err e = { 0 };
	struct fixture f;

	(void)state;
	init(&f, CREATED, true);
	assert_int_equal(ctr_start(f.root, "c", &e), -ENOENT);
	assert_string_equal(e.msg, "exec: no such file or directory");
	assert_string_equal(status_of(&f), "created");
	assert_int_equal(ctr_kill(f.root, "c", SIGTERM, false, &e), -ENOENT);
	assert_string_equal(status_of(&f), "created");
	assert_int_equal(ctr_kill(f.root, "c", SIGKILL, false, &e), 0);
	assert_int_equal(waitpid(f.sandbox, NULL, 0), f.sandbox);
	f.sandbox = 0;
	assert_string_equal(status_of(&f), "stopped");
	done(&f);
}

/* What exec is asked for is checked before the guest hears of it. */
static void exec_is_refused_before_the_guest_hears(void **state)
{
	static const char *const args[] = { "ps", NULL };
	static const char *const no_value[] = { "A", NULL }, *const no_name[] = { "=1", NULL };
	static const struct {
		struct ctr_exec_options o;
		const char *message;
	} cases[] = {
		{ { .user = "" }, "user : not UID[:GID] in numbers" },
		{ { .user = "root" }, "user root: not UID[:GID] in numbers" },
		{ { .user = "1:" }, "user 1:: not UID[:GID] in numbers" },
		{ { .user = "1:x" }, "user 1:x: not UID[:GID] in numbers" },
		{ { .user = "-1" }, "user -1: not UID[:GID] in numbers" },
		{ { .user = "4294967295" }, "user 4294967295: not UID[:GID] in numbers" },
		{ { .user = "1:2:3" }, "user 1:2:3: not UID[:GID] in numbers" },
		{ { .cwd = "" }, "cwd : not an absolute path" },
		{ { .cwd = "tmp" }, "cwd tmp: not an absolute path" },
		{ { .env = no_value }, "process.env[0]: not KEY=VALUE" },
		{ { .env = no_name }, "process.env[0]: not KEY=VALUE" },
		{ { .cgroup = "../x" }, "../x is not a sub cgroup path" },
		{ { .cgroup = "a/../b" }, "a/../b is not a sub cgroup path" },
		{ { .cgroup = "cpu:/x" }, "--cgroup cpu:/x: cgroup v2 has no controllers to name" },
		{ { .process_file = "/nowhere/at/all" },
			"/nowhere/at/all: no such file or directory" },
		{ { .tty = true, .detach = true },
			"cannot allocate tty if runc will detach without setting console socket "
			"(use --console-socket)" },
		{ { .detach = true, .console_socket = "/nowhere/s" },
			"cannot use console socket if runc will not detach or allocate tty" },
		{ { .tty = true, .console_socket = "/nowhere/s" },
			"cannot use console socket if runc will not detach or allocate tty" },
		{ { .tty = true, .detach = true, .console_socket = "/nowhere/s" },
			"console socket /nowhere/s: no such file or directory" },
	};
	struct fixture f;

	(void)state;
	init(&f, RUNNING, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ctr_exec_options o = cases[i].o;
		struct err e = { 0 };

		o.root = f.root;
		o.id = "c";
		o.args = args;
		if (ctr_exec(&o, &e) >= 0 || strcmp(e.msg, cases[i].message) != 0)
			fail_msg("case %zu: \"%s\"", i, e.msg);
	}
	assert_int_equal(io_wait_readable(f.heard, 0), 0);
	done(&f);
}

/* exec --process: what the file may not say. */
static void process_files_are_checked(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", ":1:1: " },
		{ "{", ":1:" },
		{ "7", ":1:1: is a number, not an object" },
		{ "[]", ":1:1: is an array, not an object" },
		{ "{}", ":1:1: cwd: is missing" },
		{ "{\"cwd\":\"/\"}", ": args must not be empty" },
		{ "{\"cwd\":\"/\",\"args\":\"sh\"}", ":1:19: args: is a string, not an array" },
		{ "{\"cwd\":\"x\",\"args\":[\"sh\"]}", ":1:8: cwd: not an absolute path" },
		{ "{\"cwd\":\"/\",\"args\":[\"sh\"],\"user\":{\"uid\":-1}}",
			": user.uid: must be 0 to 4294967295" },
		{ "{\"cwd\":\"/\",\"args\":[\"sh\"],\"env\":[\"A\"]}",
			"process.env[0]: not KEY=VALUE" },
		{ "{\"cwd\":\"/\",\"args\":[\"sh\"],\"rlimits\":[{\"type\":\"RLIMIT_MOOD\","
		  "\"soft\":1,\"hard\":1}]}",
			"process.rlimits[0].type: wrong rlimit value: RLIMIT_MOOD" },
		{ "{\"cwd\":\"/\",\"args\":[\"sh\"],\"scheduler\":{\"policy\":\"SCHED_ISO\"}}",
			"process.scheduler.policy: unknown: SCHED_ISO" },
		{ "{\"cwd\":\"/\",\"args\":[\"sh\\u0000\"]}", ":1:" },
	};
	char path[128];
	struct fixture f;

	(void)state;
	init(&f, RUNNING, false);
	(void)snprintf(path, sizeof(path), "%s/c/p.json", f.root);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct ctr_exec_options o = {
			.root = f.root, .id = "c", .process_file = path
		};
		cleanup(close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		struct err e = { 0 };

		assert_int_equal(io_write_full(fd, cases[i].text, strlen(cases[i].text)), 0);
		if (ctr_exec(&o, &e) >= 0 || !strstr(e.msg, cases[i].message))
			fail_msg("%s: \"%s\"", cases[i].text, e.msg);
	}
	assert_int_equal(io_wait_readable(f.heard, 0), 0);
	assert_int_equal(unlink(path), 0);
	done(&f);
}

/* The VMM's socket is gone, its monitor lives still. */
static void a_vmm_that_is_gone_is_not_running(void **state)
{
	struct err e = { 0 };
	struct fixture f;
	char path[128];

	(void)state;
	init(&f, RUNNING, false);
	(void)snprintf(path, sizeof(path), "%s/c/vmm.sock", f.root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ctr_kill(f.root, "c", SIGTERM, false, &e), -ESRCH);
	assert_string_equal(e.msg, "container not running");
	done(&f);
}

static void delete_ends_monitor_and_creator(void **state)
{
	struct err e = { 0 };
	struct fixture f;

	(void)state;
	init(&f, RUNNING, false);
	assert_int_equal(ctr_delete(f.root, "c", true, &e), 0);
	assert_int_equal(waitpid(f.sandbox, NULL, WNOHANG), f.sandbox);
	f.sandbox = 0;
	done(&f);
	init(&f, CREATING, false);
	assert_int_equal(ctr_delete(f.root, "c", true, &e), 0);
	assert_int_equal(waitpid(f.creator, NULL, WNOHANG), f.creator);
	f.creator = 0;
	done(&f);
}

/* ---- $NESTBOX_BOOT_TIMEOUT ----------------------------------------------------------------- */

static char warned[128];

static void keep_warning(const char *level, const char *text)
{
	if (strcmp(level, "warning") == 0)
		(void)snprintf(warned, sizeof(warned), "%s", text);
}

/* A guest that is gone before its first word; what was said of the setting is in warned. */
static void boot_with(const char *setting)
{
	cleanup(close) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };
	bool clone = false;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	(void)close(pair[1]);
	warned[0] = '\0';
	assert_int_equal(setenv("NESTBOX_BOOT_TIMEOUT", setting, 1), 0);
	assert_int_equal(boot_hello(pair[0], root, &clone, &e), -ECONNRESET);
	assert_int_equal(unsetenv("NESTBOX_BOOT_TIMEOUT"), 0);
	(void)close(pair[0]);
}

static void bad_boot_timeouts_are_told(void **state)
{
	static const char *const good[] = { "", "1", "30", "86399" };
	static const char *const bad[] = { "0", "-1", "86400", "99999999999999999999", "5s", "x" };

	(void)state;
	log_to(keep_warning, false);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		boot_with(good[i]);
		assert_string_equal(warned, "");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		boot_with(bad[i]);
		assert_non_null(
			strstr(warned, ": no number of seconds from 1 to 86399; 30 is taken"));
	}
	boot_with("1\n2");
	assert_string_equal(warned,
		"NESTBOX_BOOT_TIMEOUT=1|2: no number of seconds from 1 to 86399; 30 is taken");
	log_to(NULL, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_without_a_container),
		cmocka_unit_test(verbs_while_it_is_created),
		cmocka_unit_test(verbs_after_an_interrupted_create),
		cmocka_unit_test(verbs_when_it_is_created),
		cmocka_unit_test(verbs_when_it_runs),
		cmocka_unit_test(verbs_when_it_has_stopped),
		cmocka_unit_test(verbs_when_it_ended_before_its_start),
		cmocka_unit_test(start_and_kill_reach_the_guest),
		cmocka_unit_test(a_guest_that_refuses_loses_its_vm_by_sigkill_only),
		cmocka_unit_test(exec_is_refused_before_the_guest_hears),
		cmocka_unit_test(process_files_are_checked),
		cmocka_unit_test(a_vmm_that_is_gone_is_not_running),
		cmocka_unit_test(delete_ends_monitor_and_creator),
		cmocka_unit_test(bad_boot_timeouts_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
