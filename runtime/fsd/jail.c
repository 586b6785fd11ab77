/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - the fs server's view of the system: its shares, and nothing else; see jail.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"
#include "seccomp.h"

#define SECBITS (unsigned long)(SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED)
#define NEW_ROOT "/proc" /* any folder that every system has */

/* What root in the guest expects of files. */
static const unsigned kept[] = {
	CAP_CHOWN, /* owners of new files, chown */
	CAP_DAC_OVERRIDE, /* the guest's kernel has checked permissions */
	CAP_DAC_READ_SEARCH, /* the same, for folders */
	CAP_FOWNER, /* chmod, utimes and sticky folders of any owner */
	CAP_FSETID, /* set-id bits stay where root sets them */
	CAP_MKNOD, /* device nodes and overlay whiteouts */
	CAP_SETFCAP, /* security.capability */
	CAP_SETGID, /* a socket's client appears as who it is, see sockets.c */
	CAP_SETUID, /* the same */
};

static int put_share(struct share *s, struct err *e)
{
	struct stat st;
	int made = -EBADF;

	if (fstat(s->fd, &st) < 0)
		return err_sys(e, -errno, "share %s", s->name);
	s->is_socket = S_ISSOCK(st.st_mode);
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(s->name, 0755) < 0)
			return err_sys(e, -errno, "share %s", s->name);
	} else {
		made = open(s->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (made < 0)
			return err_sys(e, -errno, "share %s", s->name);
		close_fd(&made);
	}
	if (syscall(SYS_move_mount, s->fd, "", AT_FDCWD, s->name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, -errno, "share %s", s->name);
	return 0;
}

int jail_enter(struct share *shares, size_t n, struct err *e)
{
	/* A mount of that folder alone: from the folder itself ".." would lead through the host's
	 * /proc to its root. */
	cleanup(close) int fds = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc/self/fd",
		(unsigned)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));

	if (fds < 0)
		return err_sys(e, -errno, "/proc/self/fd");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, -errno, "mount namespace");
	if (mount("shares", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") < 0 ||
		chdir(NEW_ROOT) < 0)
		return err_sys(e, -errno, "new root");
	for (size_t i = 0; i < n; i++) {
		int r = put_share(&shares[i], e);

		close_fd(&shares[i].fd);
		if (r < 0)
			return r;
	}
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "pivot_root");
	if (mount(NULL, "/", NULL,
		    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_sys(e, -errno, "read-only root");
	if (fchdir(fds) < 0)
		return err_sys(e, -errno, "/proc/self/fd");
	return 0;
}

static int keep_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	struct __user_cap_data_struct had[2];
	uint32_t mask = 0;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		mask |= 1u << kept[i];
	for (unsigned long cap = 0; cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(e, -errno, "bounding set");
	}
	if (syscall(SYS_capget, &head, had) < 0)
		return err_sys(e, -errno, "capabilities");
	data[0].effective = data[0].permitted = had[0].permitted & mask;
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, -errno, "capabilities");
	return 0;
}

int jail_seal(struct err *e)
{
	const struct rlimit none = { 0, 0 };
	int r = 0;

	(void)setrlimit(RLIMIT_CORE, &none);
	/* Servers of the host see the groups of who connects to them: not the caller's. */
	if (setgroups(0, NULL) < 0)
		return err_sys(e, -errno, "groups");
	/* For the moment of a connect the uid changes; what the process may do does not. */
	if (prctl(PR_SET_SECUREBITS, SECBITS, 0, 0, 0) < 0)
		return err_sys(e, -errno, "secure bits");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "no_new_privs");
	r = keep_capabilities(e);
	if (r < 0)
		return r;
	r = seccomp_enter();
	return r < 0 ? err_sys(e, r, "seccomp") : 0;
}
