/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - start, and run: create, start, wait and delete in one.
 */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "call.h"
#include "create.h"
#include "hooks.h"
#include "host-limits.h"
#include "network.h"
#include "remove.h"
#include "signals.h"
#include "trace.h"

#define END_MS 10000

static int check_startable(const struct ctr_state *s, struct err *e)
{
	switch (s->status) {
	case CTR_CREATED:
		return 0;
	case CTR_RUNNING:
		return err_set(e, -EBUSY, "cannot start an already running container");
	case CTR_STOPPED:
		return err_set(e, -ESRCH, "cannot start a container that has stopped");
	case CTR_CREATING:
	case CTR_PAUSED:
	case CTR_STATUS_MAX:
	default:
		return err_set(e, -EBUSY, "cannot start a container in the %s state",
			ctr_status_name(s->status));
	}
}

/* A container whose hook has failed does not go on (runtime-spec 1.2, "Lifecycle"). */
static void stop(int fd, const struct ctr_state *s)
{
	struct err ignored;

	/* In the guest first: so its last output and its status arrive. */
	(void)!call_kill(fd, s->id, SIGKILL, false, &ignored);
	if (process_wait(&s->monitor, END_MS) < 0)
		(void)!process_end(&s->monitor, END_MS);
}

/* The lock is let go of once the container runs: its hooks may want to do something with it. */
static int start(int fd, int *lock, struct ctr_state *s, struct arena *a, struct err *e)
{
	struct plan_hooks hooks;
	bool with_hooks = false;
	int r = check_startable(s, e);

	if (r == 0)
		r = hooks_kept(fd, s, a, &hooks, e);
	if (r == 0)
		r = limits_start(s, e);
	if (r < 0)
		return r;
	r = network_start(fd, s, e);
	if (r < 0)
		return r;
	/* Noted before the hooks run, as they take their time: whatever becomes of this command,
	 * the container goes on or ends. */
	with_hooks = hooks.start_container.n > 0;
	s->status = CTR_RUNNING;
	if (with_hooks)
		r = state_save(fd, s, e);
	state_lock_waits(*lock, true);
	if (r == 0)
		r = call_start(fd, s->id, hooks_wait_ms(CALL_MS, &hooks.start_container), e);
	if (r == 0 && !with_hooks)
		r = state_save(fd, s, e);
	if (r == 0) {
		state_lock_waits(*lock, false);
		close_fd(lock);
		r = hooks_started(&hooks, s, e);
		with_hooks = true;
	}
	if (r < 0 && with_hooks)
		stop(fd, s);
	state_lock_waits(*lock, false);
	return r;
}

int ctr_start(const char *root, const char *id, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct ctr_state s;
	int r = state_get(root, id, &a, &fd, &lock, &s, e);

	if (r < 0)
		return r;
	trace_begin_if_asked(&s.annotations);
	trace_step("state");
	r = start(fd, &lock, &s, &a, e);
	if (r == 0)
		trace_keep(fd, "trace-start.json");
	return r;
}

/* Hands signals on to the monitor until it ends; its exit status. */
static int wait_monitor(pid_t monitor, const sigset_t *signals)
{
	for (;;) {
		siginfo_t info;
		int status = 0;
		pid_t pid = waitpid(monitor, &status, WNOHANG);

		if (pid == monitor)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (pid < 0)
			return 255;
		if (sigwaitinfo(signals, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD && info.si_signo != SIGPIPE)
			(void)kill(monitor, info.si_signo);
	}
}

/* Silent as long as all is well: a program that was killed leaves no word there. */
static bool log_has_words(int state_fd)
{
	struct stat st;

	return fstatat(state_fd, "vmm.log", &st, 0) == 0 && st.st_size > 0;
}

/* Unless somebody else deletes it just now, hooks and all. */
static void remove_own(const struct ctr_create_options *o, struct created *c, struct err *e)
{
	struct err warning = { 0 };

	if (c->lock < 0 && state_lock(c->fd, &c->lock, &warning) < 0)
		return;
	(void)!container_remove(o->root, o->id, &c->fd, &c->lock, &warning);
	err_add(e, warning.msg);
}

int ctr_run(const struct ctr_create_options *o, int *ret_status, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct created c;
	sigset_t all;
	int r = create_container(o, &a, &c, e);

	if (r < 0)
		return r;
	/* From here on signals are the container's. */
	signals_all(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	r = start(c.fd, &c.lock, &c.state, &a, e);
	if (r == 0 && o->trace_fd >= 0)
		trace_write(o->trace_fd);
	if (r == 0)
		trace_keep(c.fd, "trace.json");
	*ret_status = 0;
	if (r == 0 && !o->detach)
		*ret_status = wait_monitor(c.launch.monitor, &all);
	if (*ret_status == AGENT_STATUS_DIED && log_has_words(c.fd))
		(void)boot_last_words(c.fd, 0, "the VM has died", e);
	if (r < 0 || (!o->detach && !o->keep))
		remove_own(o, &c, e);
	close_fd(&c.fd);
	return r;
}
