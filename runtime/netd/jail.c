/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - the network server gives up what it does not need; see jail.h.
 *
 * We were started in fresh mount, pid, IPC, UTS and cgroup namespaces; the network namespace is the
 * container's. CAP_NET_ADMIN stays, and reaches no further than that.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "allow-calls.h"
#include "jail.h"

#define NEW_ROOT "/proc" /* any folder that every system has */

static const struct allowed_call calls[] = {
	{ SYS_epoll_wait, ALLOW_ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ALLOW_ANY }, /* the loop */
	{ SYS_epoll_ctl, ALLOW_ANY }, /* questions come and go */
	{ SYS_timerfd_settime, ALLOW_ANY }, /* until changes have settled */
	{ SYS_poll, ALLOW_ANY }, /* answers of VMM and guest, within their time */
	{ SYS_read, ALLOW_ANY }, /* the guest, signals */
	{ SYS_write, ALLOW_ANY }, /* the report to start, words for the log */
	{ SYS_writev, ALLOW_ANY }, /* stdio of musl */
	{ SYS_pread64, ALLOW_ANY }, /* which sockets the namespace has */
	{ SYS_pwrite64, ALLOW_ANY }, /* the range of its ports */
	{ SYS_sendto, ALLOW_ANY }, /* netlink, the guest, questions */
	{ SYS_recvfrom, ALLOW_ANY }, /* their answers */
	{ SYS_sendmsg, ALLOW_ANY }, /* taps to the VMM */
	{ SYS_recvmsg, ALLOW_ANY }, /* same */
	{ SYS_socketpair, ALLOW_ANY }, /* a connection to the guest */
	{ .nr = SYS_socket, .request = AF_INET, .first = true }, /* the resolver; names of links */
	{ .nr = SYS_socket, .request = AF_UNIX, .first = true }, /* names of links, in musl */
	{ SYS_connect, ALLOW_ANY }, /* the resolver */
	{ SYS_getsockopt, ALLOW_ANY }, /* whether it is connected */
	{ SYS_accept4, ALLOW_ANY }, /* connections to localhost */
	{ SYS_getsockname, ALLOW_ANY }, /* their ports */
	{ SYS_shutdown, ALLOW_ANY }, /* their half-closes */
	{ SYS_fcntl, ALLOW_ANY }, /* O_NONBLOCK */
	{ SYS_close, ALLOW_ANY }, /* all of these */
	{ SYS_ioctl, TUNSETIFF }, /* a tap for an interface that comes later */
	{ SYS_ioctl, TUNSETVNETHDRSZ }, /* same */
	{ SYS_ioctl, SIOCGIFINDEX }, /* same */
	{ SYS_clock_gettime, ALLOW_ANY }, /* deadlines, without a vDSO */
	{ SYS_nanosleep, ALLOW_ANY }, /* until a driver has let go */
	{ SYS_clock_nanosleep, ALLOW_ANY }, /* same, other musl versions */
	{ SYS_brk, ALLOW_ANY }, /* messages */
	{ SYS_mmap, ALLOW_ANY }, /* same */
	{ SYS_munmap, ALLOW_ANY }, /* same */
	{ SYS_madvise, ALLOW_ANY }, /* same */
	{ SYS_mprotect, ALLOW_ANY }, /* memory, when brk is refused */
	{ SYS_mremap, ALLOW_ANY }, /* same */
	{ SYS_rt_sigreturn, ALLOW_ANY }, /* signals */
	{ SYS_rt_sigprocmask, ALLOW_ANY }, /* abort of musl */
	{ SYS_exit_group, ALLOW_ANY }, /* the end */
};

static int empty_root(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("nestbox", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
			"size=0,mode=555") < 0 ||
		chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "jail: empty root");
	return 0;
}

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	for (unsigned long cap = 0; cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(e, -errno, "jail: bounding set");
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	data[0].effective = data[0].permitted = 1u << CAP_NET_ADMIN;
	return syscall(SYS_capset, &head, data) < 0 ? err_sys(e, -errno, "jail: capabilities") : 0;
}

int jail_enter(struct err *e)
{
	const struct rlimit none = { 0, 0 };
	int r = 0;

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = empty_root(e);
	if (r == 0)
		r = drop_capabilities(e);
	if (r == 0) {
		r = allow_calls(calls, ARRAY_LEN(calls));
		if (r < 0)
			r = err_sys(e, r, "jail: seccomp");
	}
	return r;
}
