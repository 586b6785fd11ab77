/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - the monitor gives up what it does not need; see jail.h.
 *
 * It stays root by uid, as callers expect of a runtime's process, but without root's capabilities;
 * once its streams are attached it can open nothing and run nothing.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "allow-calls.h"
#include "jail.h"

static const struct allowed_call calls[] = {
	{ SYS_epoll_wait, ALLOW_ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ALLOW_ANY }, /* the loop */
	{ SYS_epoll_ctl, ALLOW_ANY }, /* streams come and go */
	{ SYS_read, ALLOW_ANY }, /* the connection, streams, signals */
	{ SYS_write, ALLOW_ANY }, /* the connection, streams */
	{ SYS_poll, ALLOW_ANY }, /* whether a stream can be read or written */
	{ SYS_close, ALLOW_ANY }, /* streams */
	{ SYS_ioctl, TIOCGWINSZ }, /* the terminal's size */
	{ SYS_ioctl, TCSETS }, /* the terminal's mode, at the end */
	{ SYS_wait4, ALLOW_ANY }, /* VMM and fs server */
	{ SYS_kill, ALLOW_ANY }, /* the same, when they do not end */
	{ SYS_nanosleep, ALLOW_ANY }, /* between looks at them */
	{ SYS_clock_nanosleep, ALLOW_ANY }, /* same, other musl versions */
	{ SYS_brk, ALLOW_ANY }, /* what a slow reader has not taken yet */
	{ SYS_mmap, ALLOW_ANY }, /* same */
	{ SYS_munmap, ALLOW_ANY }, /* same */
	{ SYS_madvise, ALLOW_ANY }, /* same */
	{ SYS_mprotect, ALLOW_ANY }, /* memory, when brk is refused */
	{ SYS_clock_gettime, ALLOW_ANY }, /* how long is waited, where the vDSO has no clock */
	{ SYS_rt_sigreturn, ALLOW_ANY }, /* signals */
	{ SYS_rt_sigprocmask, ALLOW_ANY }, /* abort of musl */
	{ SYS_exit_group, ALLOW_ANY }, /* the end */
	{ SYS_fork, ALLOW_ANY }, /* oom.c; the last, as not everybody needs it */
};

int jail_monitor(void)
{
	const struct rlimit none = { 0, 0 };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	struct __user_cap_data_struct had[2];

	(void)setrlimit(RLIMIT_CORE, &none);
	/* No debugger of the same user. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_capget, &head, had) < 0)
		return -errno;
	data[0].effective = data[0].permitted = had[0].permitted & (1u << CAP_KILL);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int jail_seal(bool may_fork)
{
	/* The folder of our fds has done its work. */
	if (chdir("/") < 0)
		return -errno;
	return allow_calls(calls, ARRAY_LEN(calls) - !may_fork);
}
