/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - one more process in a running container.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "call.h"
#include "console.h"
#include "ctr.h"
#include "host-cgroup.h"
#include "io.h"
#include "launch.h"
#include "log.h"
#include "plan.h"
#include "send-fd.h"

#define EXEC_MS 30000

/* ---- the process --------------------------------------------------------------------------- */

static int append(struct oci_strv *to, const char *const *more, struct arena *a, struct err *e)
{
	const char **v = NULL;
	size_t n = 0;

	while (more && more[n])
		n++;
	if (n == 0)
		return 0;
	/* One more, zeroed, ends the list. */
	v = arena_alloc(a, to->n + n + 1, sizeof(*v));
	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	if (to->n)
		memcpy(v, to->v, to->n * sizeof(*v));
	memcpy(v + to->n, more, n * sizeof(*v));
	to->v = v;
	to->n += n;
	return 0;
}

static int add_caps(struct oci_process *p, const char *const *caps, struct arena *a, struct err *e)
{
	struct oci_strv *const sets[] = { &p->capabilities.bounding, &p->capabilities.effective,
		&p->capabilities.permitted };

	if (caps && *caps)
		p->has_capabilities = true;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		int r = append(sets[i], caps, a, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* "uid" or "uid:gid", in numbers: names are the image's, which we do not read. */
static int parse_user(const char *text, struct oci_user *user, struct err *e)
{
	unsigned long id[2] = { user->uid, user->gid };
	const char *at = text;
	bool good = true, more = true;

	for (int i = 0; i < 2 && good && more; i++) {
		char *end = NULL;

		errno = 0;
		id[i] = strtoul(at, &end, 10);
		good = *at >= '0' && *at <= '9' && !errno && id[i] < UINT32_MAX;
		more = *end == ':';
		at = end + more;
	}
	if (!good || more || *at)
		return err_set(e, -EINVAL, "user %.64s: not UID[:GID] in numbers", text);
	user->uid = (uint32_t)id[0];
	user->gid = (uint32_t)id[1];
	return 0;
}

static int add_gids(
	struct oci_user *user, const struct ctr_exec_options *o, struct arena *a, struct err *e)
{
	size_t n = user->n_additional_gids;
	uint32_t *gids = arena_alloc(a, n + o->n_additional_gids + 1, sizeof(*gids));

	if (!gids)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		gids[i] = user->additional_gids[i];
	for (size_t i = 0; i < o->n_additional_gids; i++)
		gids[n + i] = o->additional_gids[i];
	user->additional_gids = gids;
	user->n_additional_gids = n + o->n_additional_gids;
	return 0;
}

static int process_of_file(const struct ctr_exec_options *o, const struct oci_process *model,
	struct arena *a, struct oci_process *ret, struct err *e)
{
	const char *text = NULL;
	size_t len = 0;
	int r = bundle_read_file(AT_FDCWD, o->process_file, a, &text, &len, e);

	if (r < 0)
		return r;
	r = oci_spec_parse_process(text, len, o->process_file, a, ret, e);
	/* What it does not say is the container's, as runc has it. */
	if (r == 0 && !ret->has_capabilities) {
		ret->has_capabilities = model->has_capabilities;
		ret->capabilities = model->capabilities;
	}
	if (r == 0 && !ret->n_rlimits) {
		ret->rlimits = model->rlimits;
		ret->n_rlimits = model->n_rlimits;
	}
	return r;
}

/* The container's own process is the model; what was asked for replaces or adds. */
static int process_of_options(const struct ctr_exec_options *o, const struct oci_process *model,
	struct arena *a, struct oci_process *ret, struct err *e)
{
	int r = 0;

	*ret = *model;
	ret->args = (struct oci_strv){ 0 };
	ret->terminal = o->tty;
	ret->no_new_privileges = model->no_new_privileges || o->no_new_privs;
	if (o->cwd)
		ret->cwd = o->cwd;
	if (ret->cwd[0] != '/')
		return err_set(e, -EINVAL, "cwd %.256s: not an absolute path", ret->cwd);
	r = append(&ret->args, o->args, a, e);
	if (r == 0)
		r = append(&ret->env, o->env, a, e);
	if (r == 0)
		r = add_caps(ret, o->caps, a, e);
	if (r == 0 && o->user)
		r = parse_user(o->user, &ret->user, e);
	if (r == 0)
		r = add_gids(&ret->user, o, a, e);
	return r;
}

/* --cgroup: a path below the container's own cgroup, which the guest carries out. */
static int check_cgroup(const char *path, struct err *e)
{
	if (strchr(path, ':'))
		return err_set(
			e, -EINVAL, "--cgroup %.256s: cgroup v2 has no controllers to name", path);
	for (const char *at = path; *at; at += strspn(at, "/")) {
		size_t len = strcspn(at, "/");

		if (len == 2 && at[0] == '.' && at[1] == '.')
			return err_set(e, -EINVAL, "%.256s is not a sub cgroup path", path);
		at += len;
	}
	return 0;
}

static int make_process(int state_fd, const struct ctr_exec_options *o, struct arena *a,
	struct gplan_process *ret, struct err *e)
{
	struct oci_spec spec = { 0 };
	struct oci_process process = { 0 };
	int r = bundle_read_kept(state_fd, a, &spec, e);

	if (r == 0)
		r = o->process_file ? process_of_file(o, &spec.process, a, &process, e)
				    : process_of_options(o, &spec.process, a, &process, e);
	if (r == 0)
		r = plan_exec(&spec, &process, a, ret, e);
	if (r == 0 && o->cgroup) {
		r = check_cgroup(o->cgroup, e);
		ret->cgroup = *o->cgroup ? o->cgroup : "/";
	}
	return r;
}

/* ---- the guest's side ---------------------------------------------------------------------- */

static int start_in_guest(int state_fd, const struct ctr_exec_options *o, bool paused,
	const struct gplan_process *p, int *ret_session, struct err *e)
{
	/* In a paused container it starts with the resume, whenever that is, as with runc. */
	const int timeout_ms = paused ? INT_MAX : EXEC_MS;
	cleanup(close) int fd = -EBADF;
	struct wire_out w;
	int r = call_connect(state_fd, &fd, e);

	if (r < 0)
		return r;
	log_debug("nsexec container setup: guest init adds a process to %s", o->id);
	wire_out_init(&w, AGENT_MAX_PAYLOAD);
	wire_put_str(&w, o->id);
	gplan_put_process(&w, p);
	r = w.error ? err_set(e, w.error, "arguments and environment are too large")
		    : agent_call(fd, AGENT_EXEC, w.data, w.len, AGENT_STARTED, timeout_ms, NULL,
			      NULL, e);
	wire_out_done(&w);
	/* -ESRCH: there is no container any more. */
	if (r < 0 && r != -ESRCH)
		return err_wrap(e, "exec failed: unable to start container process");
	if (r < 0)
		return r;
	log_debug("child process in init()");
	log_debug("setns_init: about to exec, done by guest init");
	*ret_session = take_fd(&fd);
	return 0;
}

/* ---- the host's side ----------------------------------------------------------------------- */

/* A process of exec that has been made in the guest, and what its monitor needs. */
struct executed {
	const char *cgroup; /* of the container, on the host; NULL = none */
	struct process_ref first; /* the container's monitor */
	enum launch_stdio stdio;
	int session, slave; /* owned; slave: of the terminal, for LAUNCH_CONSOLE */
};

static void cleanup_executed(struct executed *x)
{
	close_fd(&x->session);
	close_fd(&x->slave);
}

/* Replaced by the monitor; only a failure comes back. */
static int become_monitor(const struct executed *x, struct err *e)
{
	cleanup(close) int cgroup = x->cgroup ? host_cgroup_open(x->cgroup) : -EBADF;
	int r = x->cgroup && cgroup < 0 ? cgroup : 0;

	if (r == 0 && x->cgroup)
		r = host_cgroup_join(cgroup, 0);
	if (r < 0)
		return err_sys(e, r, "cannot enter the cgroup %s", x->cgroup);
	return launch_exec_monitor(&x->first, x->session, x->stdio, x->slave, e);
}

/* Tells the caller by which pid the process is known. */
static int announce(const struct ctr_exec_options *o, pid_t pid, struct err *e)
{
	int r = o->pidfd_socket ? send_pidfd(o->pidfd_socket, "setns", pid, e) : 0;

	return r < 0 ? r : bundle_write_pid(o->pid_file, pid, e);
}

static int fork_monitor(const struct ctr_exec_options *o, const struct executed *x, struct err *e)
{
	int report[2];
	pid_t pid = -1;
	ssize_t n = 0;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "pipe");
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		(void)become_monitor(x, e);
		(void)!write(report[1], e, sizeof(*e));
		_exit(1);
	}
	close_fd(&report[1]);
	if (pid > 0)
		n = io_read_full(report[0], e, sizeof(*e));
	close_fd(&report[0]);
	if (pid < 0)
		return err_set(e, -EAGAIN, "cannot start a process");
	if (n != 0) {
		(void)waitpid(pid, NULL, 0);
		return e->code < 0 ? e->code : err_set(e, -EIO, "nestbox-monitor");
	}
	n = announce(o, pid, e);
	if (n < 0) {
		/* Nobody knows of it: its process ends with it. */
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return (int)n;
}

static int check_running(const struct ctr_state *s, bool ignore_paused, struct err *e)
{
	if (s->status == CTR_STOPPED)
		return err_set(e, -ESRCH, "cannot exec in a stopped container");
	if (s->status == CTR_CREATING)
		return err_set(e, -EBUSY, "container not running");
	if (s->status == CTR_PAUSED && !ignore_paused)
		return err_set(e, -EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

int ctr_exec(const struct ctr_exec_options *o, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(executed) struct executed x = { .session = -EBADF, .slave = -EBADF };
	struct gplan_process p = { 0 };
	struct ctr_state s;
	int r = state_get(o->root, o->id, &a, &fd, NULL, &s, e);

	if (r == 0)
		r = check_running(&s, o->ignore_paused, e);
	if (r == 0)
		r = make_process(fd, o, &a, &p, e);
	if (r == 0)
		r = bundle_check_console(p.terminal, o->detach, o->console_socket, e);
	if (r == 0 && p.terminal && !o->console_socket)
		r = console_check_own(e);
	if (r < 0)
		return r;
	x.cgroup = s.cgroup;
	x.first = s.monitor;
	x.stdio = p.terminal ? LAUNCH_RAW_TTY : LAUNCH_INHERIT;
	if (o->console_socket) {
		x.stdio = LAUNCH_CONSOLE;
		r = console_open(o->console_socket, p.rows, p.cols, &x.slave, e);
	}
	if (r == 0)
		r = start_in_guest(fd, o, s.status == CTR_PAUSED, &p, &x.session, e);
	if (r == 0 && o->detach)
		return fork_monitor(o, &x, e);
	if (r == 0)
		r = announce(o, getpid(), e);
	return r < 0 ? r : become_monitor(&x, e);
}
