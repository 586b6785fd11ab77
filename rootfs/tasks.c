/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tasks.c - the containers' processes; see tasks.h.
 *
 * Owner:   each task owns its sync socket, its stdio until the session takes it, and the session.
 * Trust:   requests are the host's; the processes are hostile, and all that we read from them are
 *          bytes of streams and, until they exec, our own code's reports.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boxes.h"
#include "cgroups.h"
#include "free-memory.h"
#include "io.h"
#include "marks.h"
#include "net.h"
#include "session.h"
#include "spawn.h"
#include "tasks.h"

#define MAX_TASKS 1024
#define SIGNAL_MAX 64u
#define MAX_REPORTS 8

enum task_state { TASK_FREE, TASK_PREPARING, TASK_READY, TASK_RUNNING, TASK_EXITED };

struct task {
	enum task_state state;
	struct box *box; /* borrowed */
	bool is_init; /* its first process */
	struct spawn spawn; /* owned */
	int sync_src;
	pid_t pid;
	task_answer answer; /* of CREATE, EXEC, later of START; NULL = nobody waits */
	void *arg;
	struct session session; /* owned, when attached */
	bool attached, exit_sent;
	bool gone; /* to be freed when no callback of its session is under way */
	int winch_fd; /* owned; the terminal, for its window size */
	struct agent_exit exit;
};

static struct loop *loop;
static struct task *tasks[MAX_TASKS]; /* owned */
/* ---- table --------------------------------------------------------------------------------- */

static struct task *task_new(void)
{
	for (size_t i = 0; i < MAX_TASKS; i++) {
		if (tasks[i])
			continue;
		tasks[i] = calloc(1, sizeof(*tasks[i]));
		if (tasks[i]) {
			tasks[i]->sync_src = -1;
			tasks[i]->winch_fd = -EBADF;
		}
		return tasks[i];
	}
	return NULL;
}

static void task_free(struct task *t)
{
	if (t->sync_src >= 0)
		loop_del(loop, t->sync_src);
	spawn_done(&t->spawn);
	close_fd(&t->winch_fd);
	session_done(&t->session);
	for (size_t i = 0; i < MAX_TASKS; i++) {
		if (tasks[i] == t)
			tasks[i] = NULL;
	}
	if (t->box && t->box->init == t)
		t->box->init = NULL;
	free(t);
}

/* A pid is used again once its process was reaped, while the last output of that is still under
 * way: the living one is meant, then one that nobody has got yet. */
static struct task *task_of_pid(pid_t pid)
{
	struct task *ended = NULL;

	for (size_t i = 0; i < MAX_TASKS; i++) {
		struct task *t = tasks[i];

		if (!t || t->pid != pid || t->state == TASK_FREE)
			continue;
		if (t->state != TASK_EXITED)
			return t;
		if (!ended || !t->attached)
			ended = t;
	}
	return ended;
}

static void give_answer(struct task *t, const struct err *e)
{
	task_answer answer = t->answer;

	t->answer = NULL;
	if (answer)
		answer(t->arg, e, t->pid);
}

/* ---- session ------------------------------------------------------------------------------- */

/* Nobody is left who could want this VM. */
static void power_off(void)
{
	(void)reboot(RB_AUTOBOOT);
	_exit(1);
}

static void send_exit(struct task *t)
{
	uint8_t payload[16];
	struct wire_out w;

	if (t->exit_sent || t->state != TASK_EXITED || !t->attached ||
		!session_sources_ended(&t->session))
		return;
	wire_out_fixed(&w, payload, sizeof(payload));
	agent_put_exit(&w, &t->exit);
	t->exit_sent = session_send(&t->session, AGENT_EXIT, 0, payload, w.len) == 0;
}

static int on_message(void *arg, const struct agent_frame *f, const uint8_t *payload)
{
	struct task *t = arg;
	struct agent_winsize size;
	struct wire_in r;
	uint32_t signal_number = 0;

	if (f->type == AGENT_WINSIZE && agent_get_winsize(payload, f->len, &size) == 0) {
		struct winsize w = { size.rows, size.cols, size.xpixel, size.ypixel };

		if (t->winch_fd >= 0)
			(void)io_ioctl(t->winch_fd, TIOCSWINSZ, &w);
		return 0;
	}
	if (f->type != AGENT_SIGNAL)
		return -EPROTO;
	wire_in_init(&r, payload, f->len);
	signal_number = wire_get_u32(&r);
	if (wire_in_end(&r) < 0 || signal_number < 1 || signal_number > SIGNAL_MAX)
		return -EPROTO;
	if (t->state != TASK_EXITED)
		(void)kill(t->pid, (int)signal_number);
	return 0;
}

/* The host let go: what ran for it ends, as with a terminal that is closed. */
static void on_closed(void *arg, int error)
{
	struct task *t = arg;

	(void)error;
	if (t->is_init && t->box->first)
		power_off();
	if (t->state != TASK_EXITED)
		(void)kill(t->pid, SIGKILL);
	else
		t->gone = true;
	t->attached = false;
	if (t->is_init)
		box_end(t->box);
}

static void on_source_end(void *arg, unsigned stream)
{
	(void)stream;
	send_exit(arg);
}

static const struct session_ops ops = {
	.message = on_message, .closed = on_closed, .source_end = on_source_end
};

static int attach_terminal(struct task *t)
{
	int in = fcntl(t->spawn.console_fd, F_DUPFD_CLOEXEC, 3);
	int out = take_fd(&t->spawn.console_fd);
	int r = 0;

	if (in < 0)
		return -errno;
	t->winch_fd = fcntl(out, F_DUPFD_CLOEXEC, 3);
	r = io_set_nonblock(out, true);
	if (r == 0)
		r = session_sink(&t->session, AGENT_STDIN, in, false);
	if (r == 0)
		r = session_source(&t->session, AGENT_STDOUT, out);
	return r;
}

static int attach_pipes(struct task *t)
{
	int r = session_sink(&t->session, AGENT_STDIN, take_fd(&t->spawn.std_fd[0]), false);

	if (r == 0)
		r = session_source(&t->session, AGENT_STDOUT, take_fd(&t->spawn.std_fd[1]));
	if (r == 0)
		r = session_source(&t->session, AGENT_STDERR, take_fd(&t->spawn.std_fd[2]));
	return r;
}

void tasks_attach(pid_t pid, int fd)
{
	struct task *t = task_of_pid(pid);
	int r = 0;

	/* It has ended meanwhile, and that was seen to. */
	if (!t || t->attached) {
		close_fd(&fd);
		return;
	}
	r = session_init(&t->session, loop, fd, &ops, t);
	t->attached = r == 0;
	if (r == 0)
		r = t->spawn.console_fd >= 0 ? attach_terminal(t) : attach_pipes(t);
	/* Without a session nobody would ever end it. */
	if (r < 0) {
		session_done(&t->session);
		on_closed(t, r);
		return;
	}
	if (t->state == TASK_EXITED) {
		session_finish_sources(&t->session);
		send_exit(t);
	}
}

/* ---- what the new process tells ------------------------------------------------------------ */

static void on_ready(struct task *t)
{
	struct err e = { 0 };

	if (t->state != TASK_PREPARING)
		return;
	t->state = TASK_READY;
	if (t->is_init) {
		mark("container");
		give_answer(t, NULL);
	} else if (spawn_go(&t->spawn) < 0) {
		(void)err_set(&e, -EPIPE, "process ended before it ran");
		give_answer(t, &e);
	}
}

/* -ESRCH would be a container's that is gone: of the first process the caller shall read this. */
static void tell_untimely_end(struct task *t, struct err *e)
{
	oom_look(&t->box->oom);
	if (t->is_init && oom_struck(&t->box->oom))
		(void)err_set(e, -ECHILD, "container init was OOM-killed (memory limit too low?)");
	else
		(void)err_set(e, t->is_init ? -ECHILD : -ESRCH,
			"process ended while it was being prepared");
}

/* The socket's end: the program runs, or the process died on the way there. */
static void on_gone(struct task *t)
{
	struct err e = { 0 };

	loop_del(loop, t->sync_src);
	t->sync_src = -1;
	close_fd(&t->spawn.sync_fd);
	if (t->state == TASK_READY) {
		t->state = TASK_RUNNING;
		if (t->is_init) {
			mark("execve");
			free_memory_later();
		}
		give_answer(t, NULL);
		return;
	}
	if (t->state == TASK_PREPARING) {
		tell_untimely_end(t, &e);
		give_answer(t, &e);
	}
}

static void on_sync(void *arg, uint32_t events)
{
	struct task *t = arg;
	struct err e = { 0 };
	enum spawn_event event = spawn_read(&t->spawn, &e);

	(void)events;
	switch (event) {
	case SPAWN_READY:
		on_ready(t);
		break;
	case SPAWN_FAILED:
		give_answer(t, &e);
		break;
	case SPAWN_GONE:
		on_gone(t);
		break;
	case SPAWN_NOTHING:
	case SPAWN_CONSOLE:
		break;
	}
}

/* Watches a process that was spawned. */
static int task_watch(struct task *t, task_answer answer, void *arg, struct err *e)
{
	t->state = TASK_PREPARING;
	t->pid = t->spawn.pid;
	t->answer = answer;
	t->arg = arg;
	t->sync_src = loop_add(loop, t->spawn.sync_fd, EPOLLIN, on_sync, t);
	if (t->sync_src >= 0)
		return 0;
	(void)kill(t->pid, SIGKILL);
	task_free(t);
	return err_set(e, -ENOSPC, "too many processes");
}

/* ---- requests ------------------------------------------------------------------------------ */

void tasks_init(struct loop *l)
{
	loop = l;
}

static struct task *task_of_box(struct box *b)
{
	struct task *t = task_new();

	if (!t)
		return NULL;
	t->box = b;
	t->spawn = (struct spawn){ .sync_fd = -EBADF,
		.console_fd = -EBADF,
		.slave_fd = -EBADF,
		.std_fd = { -EBADF, -EBADF, -EBADF } };
	return t;
}

static int build(struct box *b, task_answer answer, void *arg, struct err *e)
{
	struct spawn_join joins[GPLAN_MAX_JOINS];
	struct task *t = NULL;
	size_t n_joins = 0;
	int r = box_prepare(b, loop, e);

	if (r == 0)
		r = box_joins(b, joins, &n_joins, e);
	if (r < 0)
		return r;
	t = task_of_box(b);
	if (!t)
		return err_set(e, -ENOMEM, "too many processes");
	t->is_init = true;
	r = spawn_init(&b->plan, joins, n_joins, b->cgroup_fd, &t->spawn, e);
	if (r < 0) {
		task_free(t);
		return r;
	}
	mark("first process");
	b->pidfd = (int)syscall(SYS_pidfd_open, t->spawn.pid, 0u);
	b->init = t;
	return task_watch(t, answer, arg, e);
}

int tasks_create(
	const void *plan, size_t len, bool joined, task_answer answer, void *arg, struct err *e)
{
	struct box *b = NULL;
	int r = box_new(plan, len, joined, &b, e);

	if (r < 0)
		return r;
	r = build(b, answer, arg, e);
	if (r < 0)
		box_end(b);
	return r;
}

int tasks_start(const char *id, task_answer answer, void *arg, struct err *e)
{
	struct box *b = box_find(id, e);
	struct task *t = b ? b->init : NULL;
	int r = 0;

	if (!b)
		return -ENOENT;
	if (!t || t->state == TASK_EXITED)
		return err_set(e, -EINVAL, "cannot start a container that has stopped");
	if (t->state != TASK_READY || t->answer)
		return err_set(e, -EINVAL, "cannot start an already running container");
	r = net_check_sysctls(&b->plan, e);
	if (r < 0)
		return r;
	t->answer = answer;
	t->arg = arg;
	r = spawn_go(&t->spawn);
	if (r < 0) {
		t->answer = NULL;
		return err_sys(e, r, "start");
	}
	return 0;
}

/* Where the container has given its cgroup controllers to those below, no process may be in it any
 * more: then one goes where the first process is, if nobody asked for a place. */
static int spawn_in_cgroup(
	const struct box *b, struct gplan_process *p, struct spawn *ret, struct err *e)
{
	cleanup(close) int sub = -EBADF;
	int r = 0;

	if (*p->cgroup) {
		sub = cgroup_sub(b->cgroup_fd, p->cgroup, e);
		if (sub < 0)
			return sub;
		r = spawn_exec(&b->plan, p, b->pidfd, sub, ret, e);
		if (r == -EBUSY)
			return err_set(e, r,
				"adding pid of exec to cgroups: %s/cgroup.procs: device or resource busy",
				p->cgroup);
		return r;
	}
	r = spawn_exec(&b->plan, p, b->pidfd, b->cgroup_fd, ret, e);
	if (r != -EBUSY)
		return r;
	sub = cgroup_of(b->init->pid);
	return sub < 0 ? r : spawn_exec(&b->plan, p, b->pidfd, sub, ret, e);
}

int tasks_exec(const char *id, const void *process, size_t len, task_answer answer, void *arg,
	struct err *e)
{
	cleanup(arena) struct arena arena = ARENA_INIT(0);
	struct box *b = box_find(id, e);
	struct gplan_process p;
	struct task *t = NULL;
	int r = 0;

	if (!b)
		return -ENOENT;
	if (!b->init || (b->init->state != TASK_RUNNING && b->init->state != TASK_READY))
		return err_set(e, -ESRCH, "container not running");
	r = gplan_get_process(process, len, &arena, &p);
	if (r < 0)
		return err_sys(e, r, "process plan");
	t = task_of_box(b);
	if (!t)
		return err_set(e, -EAGAIN, "too many processes");
	r = spawn_in_cgroup(b, &p, &t->spawn, e);
	if (r < 0) {
		task_free(t);
		return r;
	}
	return task_watch(t, answer, arg, e);
}

void tasks_forget(void *arg)
{
	for (size_t i = 0; i < MAX_TASKS; i++) {
		struct task *t = tasks[i];

		if (!t || !t->answer || t->arg != arg)
			continue;
		t->answer = NULL;
		if (!t->is_init)
			(void)kill(t->pid, SIGKILL);
		else if (t->state == TASK_PREPARING)
			box_end(t->box);
	}
}

int tasks_kill(const char *id, int signal_number, bool all, struct err *e)
{
	const struct box *b = box_find(id, e);

	if (!b)
		return -ENOENT;
	if (all) {
		cgroup_signal(b->cgroup_fd, signal_number);
		return 0;
	}
	if (!b->init || b->init->state == TASK_EXITED)
		return err_set(e, -ESRCH, "container not running");
	return kill(b->init->pid, signal_number) < 0 ? err_sys(e, -errno, "kill") : 0;
}

int tasks_cgroup(const char *id, struct err *e)
{
	const struct box *b = box_find(id, e);

	return b ? b->cgroup_fd : -ENOENT;
}

int tasks_watch_oom(const char *id, int fd, struct err *e)
{
	const struct box *b = box_find(id, e);
	int r = b ? oom_watch(&b->oom, fd) : -ENOENT;

	return r == -ENOSPC ? err_set(e, r, "too many watchers") : r;
}

/* Of the container's first process. */
int tasks_net_namespace(const char *id, struct err *e)
{
	const struct box *b = box_find(id, e);
	char path[64];
	int fd = -EBADF;

	if (!b)
		return -ENOENT;
	if (!b->init || b->init->state == TASK_EXITED)
		return err_set(e, -ESRCH, "container not running");
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)b->init->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "network namespace") : fd;
}

int tasks_net(const char *id, const struct net_config *c, struct err *e)
{
	cleanup(close) int ns = tasks_net_namespace(id, e);

	return ns < 0 ? ns : net_configure(&box_find(id, e)->plan, ns, c, e);
}

int tasks_net_gone(const char *id, uint32_t slot, struct err *e)
{
	return box_find(id, e) ? net_remove(slot, e) : -ENOENT;
}

/* ---- exits --------------------------------------------------------------------------------- */

static void task_exited(struct task *t, const siginfo_t *info)
{
	t->exit.code = info->si_code == CLD_EXITED ? (uint32_t)info->si_status & 0xff : 0;
	t->exit.signal = info->si_code == CLD_EXITED ? 0 : (uint32_t)info->si_status;
	/* Whoever waits for it hears of it before the VM is gone. */
	oom_look(&t->box->oom);
	t->exit.oom = oom_struck(&t->box->oom);
	/* Its last reports may still be in the socket, and then its end. */
	for (int i = 0; i < MAX_REPORTS && t->sync_src >= 0; i++)
		on_sync(t, 0);
	t->state = TASK_EXITED;
	if (t->attached) {
		session_finish_sources(&t->session);
		send_exit(t);
	} else if (!t->is_init || !t->box->first) {
		t->gone = true;
		/* It never came to be. */
		if (t->is_init)
			box_end(t->box);
	}
}

void tasks_reap(void)
{
	for (;;) {
		siginfo_t info = { 0 };
		struct task *t = NULL;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		t = task_of_pid(info.si_pid);
		if (t && t->state != TASK_EXITED)
			task_exited(t, &info);
	}
}

static bool has_tasks(const struct box *b)
{
	for (size_t i = 0; i < MAX_TASKS; i++) {
		if (tasks[i] && tasks[i]->box == b)
			return true;
	}
	return false;
}

void tasks_sweep(void)
{
	for (size_t i = 0; i < MAX_TASKS; i++) {
		if (tasks[i] && tasks[i]->gone)
			task_free(tasks[i]);
	}
	for (size_t i = 0; i < BOX_MAX; i++) {
		struct box *b = box_at(i);

		if (b && b->ended && !b->rest && !has_tasks(b))
			box_free(b);
	}
}
