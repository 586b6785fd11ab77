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
#include "host-limits.h"
#include "signals.h"

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

static int start(int fd, struct ctr_state *s, struct err *e)
{
	int r = check_startable(s, e);

	if (r == 0)
		r = limits_start(s, e);
	if (r == 0)
		r = call_start(fd, s->id, e);
	if (r < 0)
		return r;
	s->status = CTR_RUNNING;
	return state_save(fd, s, e);
}

int ctr_start(const char *root, const char *id, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct ctr_state s;
	int r = state_open(root, id, &fd, &lock, e);

	if (r == 0)
		r = state_load(fd, &a, &s, e);
	return r < 0 ? r : start(fd, &s, e);
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

int ctr_run(const struct ctr_create_options *o, int *ret_status, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct err ignored;
	struct created c;
	sigset_t all;
	int r = create_container(o, &a, &c, e);

	if (r < 0)
		return r;
	/* From here on signals are the container's. */
	signals_all(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	r = start(c.fd, &c.state, e);
	close_fd(&c.lock);
	*ret_status = 0;
	if (r == 0 && !o->detach)
		*ret_status = wait_monitor(c.launch.monitor, &all);
	if (*ret_status == AGENT_STATUS_DIED && log_has_words(c.fd))
		(void)boot_last_words(c.fd, 0, "the VM has died", e);
	if (r < 0 || (!o->detach && !o->keep))
		(void)!state_remove(o->root, o->id, c.fd, r < 0 ? &ignored : e);
	close_fd(&c.fd);
	return r;
}
