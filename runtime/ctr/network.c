/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.c - gives a container the interfaces of its network namespace; see network.h.
 *
 * The namespace is the one that the monitor stands in: engines put interfaces there at any time
 * between create and start.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call.h"
#include "host-cgroup.h"
#include "install.h"
#include "io.h"
#include "launch.h"
#include "net-config.h"
#include "netlink.h"
#include "network.h"

#define READY_MS 30000
#define END_MS 3000

static int open_own(int *ret, struct err *e)
{
	*ret = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, -errno, "network namespace") : 0;
}

static int open_namespace(const struct ctr_state *s, int *ret, struct err *e)
{
	char path[64];
	cleanup(close) int fd = -EBADF;

	(void)snprintf(path, sizeof(path), "/proc/%lld/ns/net", (long long)s->monitor.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Looked at afterwards: so it is that one's. */
	if (fd < 0 || !process_alive(&s->monitor))
		return err_set(e, -ESRCH, "container not running");
	*ret = take_fd(&fd);
	return 0;
}

static bool same_namespace(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino &&
		one.st_dev == other.st_dev;
}

static void on_link(void *arg, const struct nlmsghdr *h)
{
	bool *found = arg;

	*found = *found || net_link_counts(h);
}

/* A netlink socket in the namespace. */
static int open_netlink(int own, int ns, int *ret, struct err *e)
{
	cleanup(close) int nl = -EBADF;

	if (setns(ns, CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "network namespace");
	nl = nl_open(0);
	if (setns(own, CLONE_NEWNET) < 0)
		return err_sys(e, -errno, "network namespace");
	if (nl < 0)
		return err_sys(e, nl, "network: netlink");
	*ret = take_fd(&nl);
	return 0;
}

/* Whether there is nothing but lo, as in most namespaces that we made. Asked in this way, the
 * answer does not wait until the kernel has taken other namespaces down, which netlink's does. */
static bool is_bare(const struct ctr_state *s)
{
	char path[64], text[4096];
	cleanup(close) int fd = -EBADF;
	ssize_t n = 0;
	int colons = 0;

	(void)snprintf(path, sizeof(path), "/proc/%lld/net/dev", (long long)s->monitor.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read_full(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	/* Two lines of titles, then "name: numbers". */
	for (const char *c = text; *c; c++)
		colons += *c == ':';
	return colons == 1 && strstr(text, " lo:");
}

static int dump_links(int own, int ns, nl_fn fn, void *arg, struct err *e)
{
	const struct ifinfomsg head = { 0 };
	cleanup(close) int nl = -EBADF;
	struct nl_message m;
	int r = open_netlink(own, ns, &nl, e);

	if (r < 0)
		return r;
	nl_begin(&m, RTM_GETLINK, 0, &head, sizeof(head));
	r = nl_dump(nl, &m, fn, arg);
	/* Of a table that changed meanwhile most is right. */
	return r < 0 && r != -EINTR ? err_sys(e, r, "network: interfaces") : 0;
}

/* ---- nestbox-netd -------------------------------------------------------------------------- */

struct netd {
	int program, log, null, control, ns, cgroup; /* owned */
	int report[2]; /* owned */
};

static void netd_done(struct netd *n)
{
	int *const all[] = { &n->program, &n->log, &n->null, &n->control, &n->ns, &n->cgroup,
		&n->report[0], &n->report[1] };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		close_fd(all[i]);
}

static int netd_open(int state_fd, const struct ctr_state *s, struct netd *n, struct err *e)
{
	int r = install_open("nestbox-netd", &n->program, e);

	if (r == 0)
		r = launch_open_null(&n->null, e);
	if (r == 0)
		r = call_vmm(state_fd, &n->control, e);
	if (r < 0)
		return r;
	n->log = openat(state_fd, "vmm.log", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (n->log < 0 || pipe2(n->report, O_CLOEXEC) < 0)
		return err_sys(e, -errno, "network");
	if (!s->cgroup)
		return 0;
	n->cgroup = host_cgroup_open(s->cgroup);
	return n->cgroup < 0 ? err_sys(e, n->cgroup, "network: cgroup") : 0;
}

static _Noreturn void netd_child(const struct netd *n, const char *id)
{
	char name[] = "nestbox-netd", control[16], report[16], own_id[STATE_ID_MAX + 1];
	char *argv[] = { name, control, report, own_id, NULL };
	struct err e = { 0 };

	(void)setsid();
	if (setns(n->ns, CLONE_NEWNET) < 0) {
		(void)err_sys(&e, -errno, "network: cannot start a process");
		(void)!write(n->report[1], &e, sizeof(e));
		_exit(1);
	}
	(void)snprintf(control, sizeof(control), "%d", n->control);
	(void)snprintf(report, sizeof(report), "%d", n->report[1]);
	(void)snprintf(own_id, sizeof(own_id), "%s", id);
	(void)fcntl(n->control, F_SETFD, 0);
	(void)fcntl(n->report[1], F_SETFD, 0);
	launch_exec_quiet(n->program, argv, n->null, n->log);
}

static int netd_wait(struct netd *n, struct err *e)
{
	struct err told = { 0 };
	int ready = 0;

	close_fd(&n->report[1]);
	ready = io_wait_readable(n->report[0], READY_MS);
	if (ready <= 0)
		return err_set(e, -ETIMEDOUT, "network: the interfaces are not ready in %d s",
			READY_MS / 1000);
	if (io_read_full(n->report[0], &told, sizeof(told)) != sizeof(told))
		return err_set(e, -ECHILD, "network: nestbox-netd ended before it was ready");
	told.msg[sizeof(told.msg) - 1] = '\0';
	return told.code < 0 ? err_set(e, told.code, "%s", told.msg) : 0;
}

static int netd_start(int state_fd, struct ctr_state *s, struct netd *n, struct err *e)
{
	const struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = 0;
	int r = netd_open(state_fd, s, n, e);

	if (r < 0)
		return r;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		netd_child(n, s->id);
	if (pid < 0)
		return err_sys(e, -errno, "network: cannot start a process");
	s->netd = process_ref_of(pid);
	/* Before it is waited for: whoever finds us dead knows whom to end. */
	r = state_save(state_fd, s, e);
	if (r == 0)
		r = netd_wait(n, e);
	/* Not before: in a cgroup without devices (podman's pods) it could not open its taps. */
	if (r == 0 && n->cgroup >= 0) {
		r = host_cgroup_join(n->cgroup, pid);
		if (r < 0)
			(void)err_sys(e, r, "network: cannot enter the cgroup");
	}
	if (r < 0) {
		(void)!process_signal(&s->netd, SIGTERM);
		if (process_wait(&s->netd, END_MS) < 0)
			(void)!process_end(&s->netd, END_MS);
	}
	return r;
}

int network_start(int state_fd, struct ctr_state *s, struct err *e)
{
	struct netd n = { .program = -EBADF,
		.null = -EBADF,
		.log = -EBADF,
		.control = -EBADF,
		.ns = -EBADF,
		.cgroup = -EBADF,
		.report = { -EBADF, -EBADF } };
	cleanup(close) int own = -EBADF;
	bool wanted = s->network_given;
	int r = 0;

	if (!s->network)
		return 0;
	r = open_own(&own, e);
	if (r == 0)
		r = open_namespace(s, &n.ns, e);
	/* The host's own, by its path: its interfaces stay the host's. */
	if (r == 0 && same_namespace(own, n.ns))
		wanted = false;
	else if (r == 0 && !wanted && !is_bare(s))
		r = dump_links(own, n.ns, on_link, &wanted, e);
	/* One of a start that came no further has the VM's slots, and goes on. */
	if (r == 0 && wanted && !process_alive(&s->netd))
		r = netd_start(state_fd, s, &n, e);
	netd_done(&n);
	return r;
}

static void on_counted(void *arg, const struct nlmsghdr *h)
{
	const struct rtattr *a[IFLA_STATS64 + 1];
	struct network_counters *all = arg;
	struct network_counter *to = &all->v[all->n];
	struct rtnl_link_stats64 stats = { 0 };

	if (!net_link_counts(h) || all->n == NETWORK_COUNTERS)
		return;
	nl_attributes(h, sizeof(struct ifinfomsg), a, IFLA_STATS64 + 1);
	nl_get(a[IFLA_STATS64], &stats, sizeof(stats));
	nl_get_text(a[IFLA_IFNAME], to->name, sizeof(to->name));
	to->rx_bytes = stats.rx_bytes;
	to->rx_packets = stats.rx_packets;
	to->rx_errors = stats.rx_errors;
	to->rx_dropped = stats.rx_dropped;
	to->tx_bytes = stats.tx_bytes;
	to->tx_packets = stats.tx_packets;
	to->tx_errors = stats.tx_errors;
	to->tx_dropped = stats.tx_dropped;
	all->n++;
}

int network_count(const struct ctr_state *s, struct network_counters *ret, struct err *e)
{
	cleanup(close) int own = -EBADF;
	cleanup(close) int ns = -EBADF;
	int r = 0;

	ret->n = 0;
	if (!s->network)
		return 0;
	r = open_own(&own, e);
	if (r == 0)
		r = open_namespace(s, &ns, e);
	if (r < 0 || same_namespace(own, ns))
		return r;
	return dump_links(own, ns, on_counted, ret, e);
}
