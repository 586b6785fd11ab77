/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c - starts a container's processes; see spawn.h.
 *
 * What runs between fork and execve is in spawn-child.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "idmaps.h"
#include "io.h"
#include "process.h"
#include "spawn-child.h"
#include "spawn.h"

/* Made for the new process at its birth; the rest it makes by itself, once it is in its cgroup. */
#define AT_BIRTH \
	((uint64_t)(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER | \
		CLONE_NEWNET))

static int make_pipes(
	const struct gplan *g, const struct gplan_process *p, struct spawn *s, int child_fd[3])
{
	for (int i = 0; i < 3; i++)
		child_fd[i] = s->std_fd[i] = -EBADF;
	if (p->terminal)
		return 0;
	for (int i = 0; i < 3; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		child_fd[i] = ends[i == 0 ? 0 : 1];
		s->std_fd[i] = ends[i == 0 ? 1 : 0];
		/* So that /dev/stdout can be opened again by an unprivileged process. */
		if (fchown(child_fd[i], gplan_outer_uid(g, p->uid), gplan_outer_gid(g, p->gid)) <
				0 ||
			io_set_nonblock(s->std_fd[i], true) < 0)
			return -errno;
	}
	return 0;
}

/* A process that was born in a user namespace waits for this. */
static int write_maps(const struct gplan *g, const struct spawn *s)
{
	int r = idmaps_write(s->pid, g->uid_map, g->n_uid_map, g->gid_map, g->n_gid_map);

	if (r == 0)
		r = io_write_full(s->sync_fd, "m", 1);
	return r;
}

static int complete_user_namespace(
	const struct gplan *g, const struct gplan_process *p, const struct spawn *s, struct err *e)
{
	int r = process_raise(s->pid, p, e);

	if (r < 0)
		return r;
	r = write_maps(g, s);
	return r < 0 ? err_sys(e, r, "user namespace maps") : 0;
}

/* The child's side of fork: fds 0-2, the sync socket as 3, init's other fds gone. */
static void arrange_fds(int sync_fd, const int child_fd[3], int keep_fd)
{
	int high[5] = { child_fd[0], child_fd[1], child_fd[2], sync_fd, keep_fd };

	for (int i = 0; i < 5; i++) {
		if (high[i] >= 0)
			high[i] = fcntl(high[i], F_DUPFD_CLOEXEC, 16);
	}
	for (int i = 0; i < 3; i++) {
		if (high[i] >= 0)
			(void)dup2(high[i], i);
	}
	(void)dup3(high[3], SPAWN_SYNC_FD, O_CLOEXEC);
	if (high[4] >= 0)
		(void)dup3(high[4], SPAWN_PIDFD, O_CLOEXEC);
	(void)syscall(SYS_close_range, (unsigned)(high[4] >= 0 ? SPAWN_PIDFD : SPAWN_SYNC_FD) + 1,
		~0u, 0u);
}

static pid_t fork_into(uint64_t namespaces, int cgroup_fd)
{
	const struct clone_args args = {
		.flags = (cgroup_fd >= 0 ? (uint64_t)CLONE_INTO_CGROUP : 0) | namespaces,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (unsigned)cgroup_fd : 0u,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int start(const struct gplan *g, struct gplan_process *p, int cgroup_fd, int init_pidfd,
	struct spawn *ret, struct err *e)
{
	struct spawn s = { .sync_fd = -EBADF, .console_fd = -EBADF, .slave_fd = -EBADF };
	uint64_t namespaces = init_pidfd >= 0 ? 0 : (g->namespaces | CLONE_NEWNS) & AT_BIRTH;
	int sync[2] = { -EBADF, -EBADF };
	int child_fd[3];
	int r = make_pipes(g, p, &s, child_fd);

	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		r = -errno;
	if (r == 0) {
		s.pid = fork_into(namespaces, cgroup_fd);
		r = s.pid < 0 ? -errno : 0;
	}
	if (r == 0 && s.pid == 0) {
		arrange_fds(sync[1], child_fd, init_pidfd);
		spawn_child(g, p, init_pidfd >= 0);
	}
	s.sync_fd = sync[0];
	close_fd(&sync[1]);
	for (int i = 0; i < 3; i++)
		close_fd(&child_fd[i]);
	if (r == 0)
		r = io_set_nonblock(s.sync_fd, true);
	if (r < 0)
		(void)err_sys(e, r, "cannot start a process");
	if (r == 0 && (namespaces & CLONE_NEWUSER))
		r = complete_user_namespace(g, p, &s, e);
	if (r < 0) {
		if (s.pid > 0)
			(void)kill(s.pid, SIGKILL);
		spawn_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

/* ---- other containers' namespaces ---------------------------------------------------------- */

static const struct {
	uint64_t flag;
	const char *path;
} joinable[] = {
	{ CLONE_NEWNET, "/proc/self/ns/net" },
	{ CLONE_NEWIPC, "/proc/self/ns/ipc" },
	{ CLONE_NEWUTS, "/proc/self/ns/uts" },
	{ CLONE_NEWPID, "/proc/self/ns/pid" },
};

/* Back to where we were: fds of what was left, negative for the rest. */
static void leave_others(int own[ARRAY_LEN(joinable)])
{
	for (size_t i = 0; i < ARRAY_LEN(joinable); i++) {
		/* There is no going on elsewhere. */
		if (own[i] >= 0 && setns(own[i], (int)joinable[i].flag) < 0)
			abort();
		close_fd(&own[i]);
	}
}

/* Init itself goes there, so that a child is born there: of a pid namespace that is the only way,
 * and a child in a user namespace of its own could not go anywhere. */
static int enter_others(const struct spawn_join *joins, size_t n, int own[ARRAY_LEN(joinable)])
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all |= joins[i].namespaces;
	for (size_t i = 0; i < ARRAY_LEN(joinable); i++) {
		own[i] = all & joinable[i].flag ? open(joinable[i].path, O_RDONLY | O_CLOEXEC)
						: -EBADF;
		if ((all & joinable[i].flag) && own[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++) {
		if (setns(joins[i].pidfd, (int)joins[i].namespaces) < 0)
			return -errno;
	}
	return 0;
}

int spawn_init(const struct gplan *g, const struct spawn_join *joins, size_t n_joins, int cgroup_fd,
	struct spawn *ret, struct err *e)
{
	/* process_prepare() adds to the environment, in the child's copy. */
	struct gplan_process p = g->process;

	int own[ARRAY_LEN(joinable)] = { -EBADF, -EBADF, -EBADF, -EBADF };
	int r = idmaps_mount(g, e);

	if (r == 0) {
		r = enter_others(joins, n_joins, own);
		r = r < 0 ? err_sys(e, r, "namespaces of another container")
			  : start(g, &p, cgroup_fd, -EBADF, ret, e);
		leave_others(own);
	}
	idmaps_unmount(g);
	return r;
}

int spawn_exec(const struct gplan *g, struct gplan_process *p, int init_pidfd, int cgroup_fd,
	struct spawn *ret, struct err *e)
{
	cleanup(close) int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	int r = 0;

	/* A process cannot enter a pid namespace itself, only its children can be born there. */
	if (own < 0 || setns(init_pidfd, CLONE_NEWPID) < 0)
		return err_set(e, -ESRCH, "container not running");
	r = start(g, p, cgroup_fd, init_pidfd, ret, e);
	if (setns(own, CLONE_NEWPID) < 0 && r == 0)
		r = err_sys(e, -errno, "leave the pid namespace");
	return r;
}

enum spawn_event spawn_read(struct spawn *s, struct err *e)
{
	struct spawn_message m;
	int fds[2] = { -EBADF, -EBADF };
	size_t n_fds = 0;
	ssize_t n = io_recv_fds(s->sync_fd, &m, sizeof(m), fds, 2, &n_fds);

	if (n == -EAGAIN)
		return SPAWN_NOTHING;
	if (n == sizeof(m) && m.kind == SPAWN_CONSOLE && n_fds == 2) {
		close_fd(&s->console_fd);
		close_fd(&s->slave_fd);
		s->console_fd = fds[0];
		s->slave_fd = fds[1];
		return SPAWN_CONSOLE;
	}
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	if (n == sizeof(m) && m.kind == SPAWN_FAILED) {
		*e = m.e;
		e->msg[sizeof(e->msg) - 1] = '\0';
		return SPAWN_FAILED;
	}
	return n == sizeof(m) && m.kind == SPAWN_READY ? SPAWN_READY : SPAWN_GONE;
}

int spawn_go(struct spawn *s)
{
	return io_write_full(s->sync_fd, "g", 1);
}

void spawn_done(struct spawn *s)
{
	close_fd(&s->sync_fd);
	close_fd(&s->console_fd);
	close_fd(&s->slave_fd);
	for (int i = 0; i < 3; i++)
		close_fd(&s->std_fd[i]);
}
