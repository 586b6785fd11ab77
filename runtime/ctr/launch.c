/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - starts the processes of a sandbox: monitor, fs server and VMM; see launch.h.
 *
 * Our child is to become the monitor. Before that it starts the other two, so that they are its
 * children, and tells us their pids. Fds are close-on-exec but for those that a program is given by
 * number.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "host-cgroup.h"
#include "install.h"
#include "io.h"
#include "kvm.h"
#include "launch.h"
#include "process.h"
#include "share.h"
#include "view.h"
#include "vmm-plan.h"

#define CMDLINE \
	"console=hvc0 reboot=t panic=-1 quiet tsc=reliable dummy.numdummies=0 " \
	"rcupdate.rcu_expedited=1"
/* Uids and gids that belong to nobody: one per sandbox, by the pid of its maker. */
#define JAIL_UID_BASE 0x70000000u
#define JAIL_UID_MASK 0x00ffffffu
#define CONTROL_BACKLOG 16
#define REPORT_MS 30000
#define ABORT_MS 5000

/* Everything that is opened for the sandbox; each member owned. */
struct fds {
	int kvm, kernel, initrd, control, log, null;
	int boot[2], link[2], sockets[2], go[2], report[2],
		placed[2]; /* [0] is the CLI's or fs server's end */
	int plan;
	struct socket_key socket_key; /* of this container */
	int monitor_program, vmm_program, fsd_program;
	int vm_monitor, vm_vmm; /* pidfds of those whose VM is joined */
	const struct template *template; /* borrowed; NULL = none */
	int *share; /* one per share */
	size_t n_shares;
};

/* What the child reports: pids, or why it failed. */
struct report {
	pid_t vmm, fsd;
	struct err e;
};

static void fds_init(struct fds *f)
{
	memset(f, 0xff, sizeof(*f)); /* -1 everywhere */
	f->template = NULL;
	f->share = NULL;
	f->n_shares = 0;
}

static void fds_done(struct fds *f)
{
	int *const all[] = { &f->kvm, &f->kernel, &f->initrd, &f->control, &f->log, &f->null,
		&f->boot[0], &f->boot[1], &f->link[0], &f->link[1], &f->sockets[0], &f->sockets[1],
		&f->go[0], &f->go[1], &f->report[0], &f->report[1], &f->placed[0], &f->placed[1],
		&f->plan, &f->monitor_program, &f->vmm_program, &f->fsd_program, &f->vm_monitor,
		&f->vm_vmm };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		close_fd(all[i]);
	for (size_t i = 0; i < f->n_shares; i++)
		close_fd(&f->share[i]);
	free(f->share);
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_file(const char *path, const char *own_name, int *ret_fd, struct err *e)
{
	if (!path)
		return install_open(own_name, ret_fd, e);
	/* Not a FIFO that nobody writes to. */
	*ret_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, -errno, "%s", path) : 0;
}

/* An fd per share, and the caller's soft limit may be small. *ret_before is that. */
static void raise_fd_limit(struct rlimit *ret_before)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, ret_before) < 0)
		return;
	files = *ret_before;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int open_shares(const struct plan *p, struct fds *f, struct err *e)
{
	f->share = calloc(p->host.n_shares + 1, sizeof(*f->share));
	if (!f->share)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < p->host.n_shares; i++) {
		const struct plan_share *s = &p->host.shares[i];
		int r = share_open(
			s->path, s->readonly, s->readonly_below, s->recursive, &f->share[i]);

		if (r < 0)
			return err_sys(e, r,
				i || p->host.image.path ? "mount source %s" : "invalid rootfs %s",
				s->path);
		f->n_shares++;
	}
	return 0;
}

/* The socket lies in the state folder, whose path may be too long for an address. */
static int listen_control(int state_fd, int *ret_fd, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/vmm.sock", state_fd);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, CONTROL_BACKLOG) < 0)
		return err_sys(e, -errno, "control socket");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int make_links(const struct launch_options *o, struct fds *f, struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f->link) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->sockets) <
			0 ||
		pipe2(f->go, O_CLOEXEC) < 0 || pipe2(f->report, O_CLOEXEC) < 0 ||
		pipe2(f->placed, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "links");
	f->log = openat(o->state_fd, "vmm.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return f->log < 0 ? err_sys(e, -errno, "vmm.log") : 0;
}

static int make_plan(
	const struct plan *p, const struct launch_options *o, struct fds *f, struct err *e)
{
	struct vmm_plan v = {
		.ram_bytes = p->vm.ram_bytes,
		.boot_bytes = p->vm.ram_bytes,
		.vcpus = p->vm.vcpus,
		.boot_vcpus = p->vm.vcpus,
		.max_vcpus = p->vm.vcpus,
		.kvm_fd = f->kvm,
		.kernel_fd = f->kernel,
		.initrd_fd = f->initrd,
		.boot_fd = f->boot[1],
		.control_fd = f->control,
		.fs_fd = f->link[1],
		.sockets_fd = f->sockets[1],
		.template_fd = -1,
		.save_fd = -1,
		.n_net =
			p->vm.fs_slots || p->host.new_netns || p->host.netns_path ? VMM_MAX_NET : 0,
		.n_fs = p->vm.fs_slots,
		.socket_key = f->socket_key,
		.jail_uid = JAIL_UID_BASE | ((uint32_t)getpid() & JAIL_UID_MASK),
	};
	struct wire_out w;
	int r = 0;

	(void)snprintf(v.id, sizeof(v.id), "%s", p->guest.id);
	if (snprintf(v.cmdline, sizeof(v.cmdline), CMDLINE "%s", p->vm.parameters) >=
		(int)sizeof(v.cmdline))
		return err_set(e, -E2BIG, "kernel parameters are too long");
	if (o->template)
		template_choose(o->template, &v, f->vmm_program);
	f->template = o->template;
	wire_out_init(&w, VMM_PLAN_MAX_BYTES);
	vmm_plan_put(&w, &v);
	r = w.error ? w.error : io_memfd_sealed("nestbox-plan", w.data, w.len);
	wire_out_done(&w);
	if (r < 0)
		return err_sys(e, r, "VMM plan");
	f->plan = r;
	return 0;
}

static int open_vm(
	const struct plan *p, const struct launch_options *o, struct fds *f, struct err *e)
{
	int r = kvm_open(&f->kvm, e);

	if (r == 0)
		r = open_file(p->vm.kernel_path, "vmlinux", &f->kernel, e);
	if (r == 0)
		r = open_file(p->vm.initrd_path, "initrd.cpio", &f->initrd, e);
	if (r == 0)
		r = install_open("nestbox-vmm", &f->vmm_program, e);
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->boot) < 0)
		r = err_sys(e, -errno, "links");
	if (r == 0)
		r = listen_control(o->state_fd, &f->control, e);
	return r == 0 ? make_plan(p, o, f, e) : r;
}

/* The VM's control socket gets a second name, in our own folder: so whatever is asked of this
 * container reaches that VM, and never one that comes to the same id later. */
static int open_joined(const struct launch_options *o, struct fds *f, struct err *e)
{
	const struct join *j = o->join;

	if (linkat(j->fd, "vmm.sock", o->state_fd, "vmm.sock", 0) < 0)
		return err_sys(e, -errno, "control socket of %s", j->owner.id);
	f->vm_monitor = process_open(&j->owner.monitor);
	f->vm_vmm = process_open(&j->owner.vmm);
	if (f->vm_monitor < 0 || f->vm_vmm < 0)
		return err_set(e, -ESRCH, "container %s is not running", j->owner.id);
	return call_connect(o->state_fd, &f->boot[0], e);
}

static int open_all(
	const struct plan *p, const struct launch_options *o, struct fds *f, struct err *e)
{
	int r = launch_open_null(&f->null, e);

	if (r == 0)
		r = install_open("nestbox-monitor", &f->monitor_program, e);
	if (r == 0)
		r = install_open("nestbox-fsd", &f->fsd_program, e);
	if (r == 0)
		r = open_shares(p, f, e);
	if (r == 0)
		r = make_links(o, f, e);
	if (r == 0)
		r = o->join ? open_joined(o, f, e) : open_vm(p, o, f, e);
	return r;
}

/* ---- in the child -------------------------------------------------------------------------- */

static void pass(int fd)
{
	(void)fcntl(fd, F_SETFD, 0);
}

int launch_open_null(int *ret_fd, struct err *e)
{
	*ret_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, -errno, "/dev/null") : 0;
}

/* A program without our stdio: its last words go to the log. */
_Noreturn void launch_exec_quiet(int program, char *const argv[], int null, int log)
{
	static char *const no_env[] = { NULL };

	if (dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(log, 2) == 2)
		(void)fexecve(program, argv, no_env);
	(void)dprintf(log, "%s: cannot be started: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* A child in new namespaces, the first process of its pid namespace. */
static pid_t fork_isolated(uint64_t namespaces)
{
	const struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | namespaces,
		.exit_signal = SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* In the VMM's network namespace, as another one of its own would be slow to make: abstract sockets
 * of the host are out of reach. */
static pid_t start_fsd(const struct plan *p, const struct fds *f, pid_t vmm)
{
	cleanup(close) int vmm_fd =
		vmm ? (int)syscall(SYS_pidfd_open, vmm, 0u) : fcntl(f->vm_vmm, F_DUPFD_CLOEXEC, 3);
	pid_t pid = vmm_fd < 0 ? -1 : fork_isolated(CLONE_NEWIPC);
	char **argv = NULL;

	if (pid != 0)
		return pid;
	argv = calloc(f->n_shares + 4, sizeof(*argv));
	if (!argv || setns(vmm_fd, CLONE_NEWNET) < 0 || asprintf(&argv[1], "%d", f->link[0]) < 0 ||
		asprintf(&argv[2], "%d", f->sockets[0]) < 0)
		_exit(127);
	argv[0] = strdup("nestbox-fsd");
	pass(f->link[0]);
	pass(f->sockets[0]);
	for (size_t i = 0; i < f->n_shares; i++) {
		pass(f->share[i]);
		if (asprintf(&argv[i + 3], "%s=%d", p->host.shares[i].name, f->share[i]) < 0)
			_exit(127);
	}
	launch_exec_quiet(f->fsd_program, argv, f->null, f->log);
}

static pid_t start_vmm(const struct fds *f)
{
	const int passed[] = { f->kvm, f->kernel, f->initrd, f->control, f->boot[1], f->link[1],
		f->sockets[1], f->plan };
	pid_t pid = fork_isolated(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
	char name[] = "nestbox-vmm";
	char plan[16];
	char *argv[] = { name, plan, NULL };

	if (pid != 0)
		return pid;
	for (size_t i = 0; i < ARRAY_LEN(passed); i++)
		pass(passed[i]);
	if (f->template && f->template->fd >= 0)
		pass(f->template->fd);
	if (f->template && f->template->save >= 0)
		pass(f->template->save);
	(void)snprintf(plan, sizeof(plan), "%d", f->plan);
	launch_exec_quiet(f->vmm_program, argv, f->null, f->log);
}

static int enter_netns(const struct plan *p, const struct fds *f, struct err *e)
{
	cleanup(close) int fd = -EBADF;

	if (f->vm_monitor >= 0)
		return setns(f->vm_monitor, CLONE_NEWNET) < 0
			? err_sys(e, -errno, "network namespace")
			: 0;

	if (p->host.new_netns && unshare(CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "network namespace");
	if (!p->host.netns_path)
		return 0;
	fd = open(p->host.netns_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "network namespace %s", p->host.netns_path);
	return 0;
}

static int take_stdio(enum launch_stdio stdio, int stdio_fd)
{
	if (stdio != LAUNCH_CONSOLE)
		return 0;
	/* Its window size comes to us by SIGWINCH. */
	if (ioctl(stdio_fd, TIOCSCTTY, 0) < 0)
		return -errno;
	for (int i = 0; i < 3; i++) {
		if (dup2(stdio_fd, i) < 0)
			return -errno;
	}
	return 0;
}

struct monitor {
	int program, session, null;
	int go, log; /* -1 = none */
	pid_t vmm, fsd; /* 0 = none */
	int score, limit; /* see monitor/oom.h; -1 = none */
	enum launch_stdio stdio;
};

static int exec_monitor(const struct monitor *m)
{
	static const char *const modes[] = {
		[LAUNCH_INHERIT] = "pipes", [LAUNCH_RAW_TTY] = "raw", [LAUNCH_CONSOLE] = "tty"
	};
	static char *const no_env[] = { NULL };
	const int numbers[] = { m->session, m->go, m->log, m->null, (int)m->vmm, (int)m->fsd,
		m->score, m->limit };
	char text[ARRAY_LEN(numbers)][16], mode[8], name[] = "nestbox-monitor";
	char *argv[ARRAY_LEN(numbers) + 3] = { name };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		(void)snprintf(text[i], sizeof(text[i]), "%d", numbers[i]);
		argv[i + 1] = text[i];
	}
	(void)snprintf(mode, sizeof(mode), "%s", modes[m->stdio]);
	argv[ARRAY_LEN(numbers) + 1] = mode;
	pass(m->session);
	pass(m->null);
	if (m->go >= 0)
		pass(m->go);
	if (m->log >= 0)
		pass(m->log);
	if (m->score >= 0)
		pass(m->score);
	if (m->limit >= 0)
		pass(m->limit);
	(void)fexecve(m->program, argv, no_env);
	return -errno;
}

static void set_oom_score(const struct gplan_process *p)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", p->has_oom_score_adj ? p->oom_score_adj : 0);
	(void)!io_write_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
}

static int enter_cgroup(const struct launch_options *o, const struct fds *f)
{
	char byte = 0;

	if (o->cgroup_fd >= 0)
		return host_cgroup_join(o->cgroup_fd, 0);
	/* Without the byte it failed, or our parent did. */
	if (io_read_full(f->placed[0], &byte, 1) != 1)
		_exit(1);
	return 0;
}

/* Where the cgroup has a limit, an OOM kill in the guest shall show there. */
static void prepare_oom(const struct plan *p, struct monitor *m)
{
	const struct plan_files *files = &p->host.cgroup.files;
	cleanup(close) int cgroup = -EBADF;
	bool limited = false;
	char path[PATH_MAX];

	for (size_t i = 0; i < files->n && !limited; i++)
		limited = strcmp(files->v[i].key, "memory.max") == 0 &&
			strcmp(files->v[i].value, "max") != 0;
	if (!limited || host_cgroup_of(0, path) < 0)
		return;
	cgroup = host_cgroup_open(path);
	if (cgroup < 0)
		return;
	m->limit = openat(cgroup, "memory.max", O_RDONLY | O_CLOEXEC);
	m->score = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
}

static _Noreturn void child(const struct plan *p, const struct launch_options *o, struct fds *f)
{
	struct monitor monitor = { .program = f->monitor_program,
		.session = f->boot[0],
		.null = f->null,
		.go = f->go[0],
		.log = f->log,
		.score = -EBADF,
		.limit = -EBADF,
		.stdio = o->stdio };
	struct report report = { 0 };
	int r = 0;

	if (o->die_with_us)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* A session of its own: signals of the caller's terminal reach it through us only. */
	(void)setsid();
	close_fd(&f->go[1]);
	close_fd(&f->report[0]);
	close_fd(&f->placed[1]);
	r = enter_cgroup(o, f);
	/* Callers protect themselves from the OOM killer; the container's memory must not be. */
	set_oom_score(&p->guest.process);
	prepare_oom(p, &monitor);
	if (r < 0) {
		(void)err_sys(&report.e, r, "cannot enter the cgroup");
	} else {
		report.vmm = o->join ? 0 : start_vmm(f);
		report.fsd = report.vmm < 0 ? -1 : start_fsd(p, f, report.vmm);
		if (report.fsd < 0 || report.vmm < 0)
			r = err_sys(&report.e, -errno, "cannot start a process");
	}
	if (r == 0)
		r = enter_netns(p, f, &report.e);
	if (r == 0) {
		r = take_stdio(o->stdio, o->stdio_fd);
		if (r < 0)
			(void)err_sys(&report.e, r, "terminal");
	}
	/* Those that the fs server has. */
	for (size_t i = 0; i < f->n_shares; i++)
		close_fd(&f->share[i]);
	if (r == 0)
		r = view_enter(p, &report.e);
	monitor.vmm = report.vmm;
	monitor.fsd = report.fsd;
	(void)!write(f->report[1], &report, sizeof(report));
	if (r == 0)
		(void)!exec_monitor(&monitor);
	if (report.vmm > 0)
		(void)kill(report.vmm, SIGKILL);
	if (report.fsd > 0)
		(void)kill(report.fsd, SIGKILL);
	_exit(1);
}

/* ---- public -------------------------------------------------------------------------------- */

/* What the child waits for in enter_cgroup(). */
static int place(const struct launch_options *o, struct fds *f, pid_t pid, struct err *e)
{
	int r = o->cgroup_fd < 0 ? o->place(o->place_arg, pid, e) : 0;

	if (r == 0)
		(void)!io_write_full(f->placed[1], "p", 1);
	close_fd(&f->placed[1]);
	return r;
}

static int attach(
	const struct launch_options *o, const struct fds *f, struct launch *l, struct err *e)
{
	const int ends[2] = { f->link[1], f->sockets[1] };
	unsigned slot = 0;
	int r = call_attach_fs(
		o->state_fd, ends, &f->socket_key, (unsigned)o->join->owner.fs_slots, &slot, e);

	l->fs_slot = slot + 1;
	return r;
}

int launch_sandbox(
	const struct plan *p, const struct launch_options *o, struct launch *ret, struct err *e)
{
	struct launch l = { .boot_fd = -EBADF, .go_fd = -EBADF };
	struct report report = { 0 };
	struct rlimit before = { 0 };
	struct fds f;
	int r = 0;

	fds_init(&f);
	raise_fd_limit(&before);
	if (getrandom(&f.socket_key, sizeof(f.socket_key), 0) != (ssize_t)sizeof(f.socket_key))
		r = err_sys(e, -errno, "getrandom");
	l.socket_key = f.socket_key;
	if (r == 0)
		r = open_all(p, o, &f, e);
	if (r == 0) {
		l.monitor = fork();
		if (l.monitor == 0)
			child(p, o, &f);
		if (l.monitor < 0)
			r = err_sys(e, -errno, "cannot start a process");
	}
	if (r == 0)
		r = place(o, &f, l.monitor, e);
	if (r == 0) {
		close_fd(&f.report[1]);
		if (io_wait_readable(f.report[0], REPORT_MS) == 0)
			r = err_set(e, -ETIMEDOUT, "the monitor did not begin within %d s",
				REPORT_MS / 1000);
		else if (io_read_full(f.report[0], &report, sizeof(report)) != sizeof(report))
			r = err_set(e, -ECHILD, "the monitor ended before it began");
		else if (report.e.code < 0)
			r = err_set(e, report.e.code, "%s", report.e.msg);
	}
	if (r == 0 && o->join)
		r = attach(o, &f, &l, e);
	if (l.monitor > 0) {
		l.vmm = report.vmm;
		l.fsd = report.fsd;
		l.boot_fd = take_fd(&f.boot[0]);
		l.go_fd = take_fd(&f.go[1]);
	}
	fds_done(&f);
	/* Hooks get the caller's: some programs close all that there may be, one by one. */
	if (before.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &before);
	if (r < 0 && l.monitor > 0)
		launch_abort(&l);
	if (r == 0)
		*ret = l;
	return r;
}

int launch_go(struct launch *l)
{
	int r = io_write_full(l->go_fd, "g", 1);

	close_fd(&l->go_fd);
	close_fd(&l->boot_fd);
	return r;
}

void launch_abort(struct launch *l)
{
	const struct process_ref monitor = process_ref_of(l->monitor);

	/* The monitor sees the end of its pipe, ends its children, and goes. One that was told to
	 * go is killed; its VM goes with it. */
	if (l->go_fd < 0 && l->monitor > 0)
		(void)kill(l->monitor, SIGKILL);
	close_fd(&l->go_fd);
	close_fd(&l->boot_fd);
	if (l->monitor > 0 && process_wait(&monitor, ABORT_MS) < 0) {
		/* It cannot, as in a cgroup that somebody froze. Its children are still its own. */
		if (l->vmm > 0)
			(void)kill(l->vmm, SIGKILL);
		if (l->fsd > 0)
			(void)kill(l->fsd, SIGKILL);
		(void)kill(l->monitor, SIGKILL);
	}
	while (l->monitor > 0 && waitpid(l->monitor, NULL, 0) < 0 && errno == EINTR)
		;
	l->monitor = 0;
}

int launch_exec_monitor(const struct process_ref *first, int session_fd, enum launch_stdio stdio,
	int stdio_fd, struct err *e)
{
	cleanup(close) int program = -EBADF;
	cleanup(close) int null = -EBADF;
	int r = install_open("nestbox-monitor", &program, e);

	if (r == 0)
		r = launch_open_null(&null, e);
	if (r == 0)
		r = view_join(first, e);
	if (r < 0)
		return r;
	r = take_stdio(stdio, stdio_fd);
	if (r == 0)
		r = exec_monitor(&(struct monitor){ .program = program,
			.session = session_fd,
			.null = null,
			.go = -1,
			.log = -1,
			.score = -1,
			.limit = -1,
			.stdio = stdio });
	return err_sys(e, r, "nestbox-monitor");
}
