/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn-child.c - what a container's process does between fork and execve; see spawn-child.h.
 *
 * The first process makes the container around itself: namespaces, names, sysctls, mounts. One that
 * joins enters what is there. Both then take on their identity and wait for the word to go.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "boot.h"
#include "hooks.h"
#include "io.h"
#include "mounts.h"
#include "net.h"
#include "process.h"
#include "signals.h"
#include "spawn-child.h"
#include "spawn.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static void report(uint32_t kind, const struct err *e, const int *fds, size_t n)
{
	struct spawn_message m = { .kind = kind };

	if (e)
		m.e = *e;
	(void)!io_send_fds(SPAWN_SYNC_FD, &m, sizeof(m), fds, n);
}

static int wait_byte(void)
{
	char c = 0;

	return io_read_full(SPAWN_SYNC_FD, &c, 1) == 1 ? 0 : -ECONNRESET;
}

static int set_time_offsets(const struct gplan *g, struct err *e)
{
	if (!(g->namespaces & CLONE_NEWTIME))
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, -errno, "time namespace");
	/* The files of a process that may not be dumped are root's, not those of its namespace's
	 * root: and after a change of ids it may not. Nobody else is in the container yet. */
	if (g->n_timens)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	for (size_t i = 0; i < g->n_timens; i++) {
		char text[64];
		int r = 0;

		(void)snprintf(text, sizeof(text), "%u %lld %u", g->timens[i].clock,
			(long long)g->timens[i].secs, g->timens[i].nanosecs);
		r = io_write_at(AT_FDCWD, "/proc/self/timens_offsets", text);
		if (r < 0)
			return err_sys(e, r, "time namespace offsets");
	}
	return 0;
}

static int set_names(const struct gplan *g, struct err *e)
{
	if (*g->hostname && sethostname(g->hostname, strlen(g->hostname)) < 0)
		return err_sys(e, -errno, "sethostname");
	if (*g->domainname && setdomainname(g->domainname, strlen(g->domainname)) < 0)
		return err_sys(e, -errno, "setdomainname");
	return 0;
}

static int set_sysctls(const struct gplan *g, struct err *e)
{
	for (size_t i = 0; i < g->n_sysctls; i++) {
		char path[512];
		int r = 0;

		if (snprintf(path, sizeof(path), "/proc/sys/%s", g->sysctls[i].key) >=
				(int)sizeof(path) ||
			strstr(path, ".."))
			return err_set(e, -EINVAL, "sysctl %s: bad name", g->sysctls[i].key);
		/* One of an interface: it comes at start, and gets it then. */
		if (net_is_late_sysctl(g->sysctls[i].key) && access(path, F_OK) < 0)
			continue;
		r = io_write_at(AT_FDCWD, path, g->sysctls[i].value);
		if (r < 0)
			return err_sys(e, r, "sysctl %s", g->sysctls[i].key);
	}
	return 0;
}

/* Root in the new user namespace, once our parent has written the maps. */
static int become_root(const struct gplan *g, struct err *e)
{
	if (!(g->namespaces & CLONE_NEWUSER))
		return 0;
	if (wait_byte() < 0)
		return err_set(e, -EPERM, "user namespace maps");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(e, -errno, "root of the user namespace");
	return 0;
}

static int take_terminal(int console, int slave, struct err *e)
{
	const int fds[2] = { console, slave };

	if (io_ioctl(slave, TIOCSCTTY, NULL) < 0)
		return err_sys(e, -errno, "controlling terminal");
	for (int i = 0; i < 3; i++) {
		if (dup2(slave, i) < 0)
			return err_sys(e, -errno, "terminal");
	}
	report(SPAWN_CONSOLE, NULL, fds, 2);
	(void)close(console);
	(void)close(slave);
	return 0;
}

static int make_container(const struct gplan *g, struct err *e)
{
	int console = -EBADF, slave = -EBADF;
	int r = become_root(g, e);

	if (r == 0 && (g->namespaces & CLONE_NEWNET))
		r = boot_loopback(e);
	/* Its root is the cgroup that we are in: so not at birth. */
	if (r == 0 && (g->namespaces & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		r = err_sys(e, -errno, "cgroup namespace");
	if (r == 0)
		r = set_time_offsets(g, e);
	if (r == 0)
		r = set_names(g, e);
	if (r == 0)
		r = set_sysctls(g, e);
	if (r == 0)
		r = mounts_build(g, &console, &slave, e);
	if (r == 0 && g->process.terminal)
		r = take_terminal(console, slave, e);
	return r;
}

static int join_container(const struct gplan *g, const struct gplan_process *p, struct err *e)
{
	const uint64_t all = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
		CLONE_NEWUSER | CLONE_NEWTIME | CLONE_NEWNET;
	uint64_t namespaces = g->namespaces | CLONE_NEWNS;
	int console = -EBADF, slave = -EBADF;
	int r = 0;

	for (size_t i = 0; i < g->n_joins; i++)
		namespaces |= g->joins[i].namespaces;
	if (setns(SPAWN_PIDFD, (int)(namespaces & all)) < 0)
		return err_set(e, -ESRCH, "container not running");
	(void)close(SPAWN_PIDFD);
	if ((g->namespaces & CLONE_NEWUSER) && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return err_sys(e, -errno, "root of the user namespace");
	if (p->terminal) {
		r = mounts_open_terminal(p, &console, &slave, e);
		if (r == 0)
			r = take_terminal(console, slave, e);
	}
	return r;
}

/* As a shell says it: 126 found but not to be run, 127 not found; 1 as runc when a hook failed. */
static int exit_status(int error)
{
	if (error == -ENOENT)
		return 127;
	return error == -ECHILD ? 1 : 126;
}

_Noreturn void spawn_child(const struct gplan *g, struct gplan_process *p, bool join)
{
	struct err e = { 0 };
	char *program = NULL;
	int hook_fd = -EBADF;
	int r = 0;

	signals_reset();
	(void)setsid();
	/* Until execve the container's processes must not trace what is not under its filter yet.
	 */
	if (join)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (join || !(g->namespaces & CLONE_NEWUSER))
		r = process_raise(0, p, &e);
	if (r == 0)
		r = join ? join_container(g, p, &e) : make_container(g, &e);
	if (r == 0 && !join)
		r = hooks_open_start(g, &hook_fd, &e);
	/* Until execve it has init's memory, with what other containers must not see: when it has
	 * no more capabilities than they, one in its pid namespace could look. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (r == 0)
		r = process_prepare(p, &program, &e);
	if (r == 0) {
		report(SPAWN_READY, NULL, NULL, 0);
		/* Without a word our parent is gone, and the VM with it. */
		if (wait_byte() < 0)
			_exit(1);
		r = process_confine(p, &e);
		/* Under the filter, whatever it is, as with runc. */
		if (r == 0 && !join)
			r = hooks_start_container(g, p, hook_fd, &e);
		if (r == 0)
			r = process_exec(p, program, &e);
	}
	report(SPAWN_FAILED, &e, NULL, 0);
	_exit(exit_status(r));
}
