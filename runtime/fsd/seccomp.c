/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - the fs server's allow-list, a reason for each line.
 */
#include <sys/socket.h>
#include <sys/syscall.h>

#include "allow-calls.h"
#include "seccomp.h"

static const struct allowed_call calls[] = {
	{ SYS_recvmsg, ALLOW_ANY }, /* requests */
	{ SYS_sendmsg, ALLOW_ANY }, /* replies, with fds */
	{ SYS_close, ALLOW_ANY }, /* fds */
	{ SYS_openat2, ALLOW_ANY }, /* names, beneath a folder */
	{ SYS_openat, ALLOW_ANY }, /* new files, O_TMPFILE */
	{ SYS_open, ALLOW_ANY }, /* files by /proc/self/fd; openat of musl */
	{ SYS_statx, ALLOW_ANY }, /* attributes */
	{ SYS_fstat, ALLOW_ANY }, /* folder's mode, for its group */
	{ SYS_newfstatat, ALLOW_ANY }, /* the same, other musl versions */
	{ SYS_fstatfs, ALLOW_ANY }, /* STATFS */
	{ SYS_mknodat, ALLOW_ANY }, /* MKNOD */
	{ SYS_mkdirat, ALLOW_ANY }, /* MKDIR */
	{ SYS_symlinkat, ALLOW_ANY }, /* SYMLINK */
	{ SYS_linkat, ALLOW_ANY }, /* LINK */
	{ SYS_unlinkat, ALLOW_ANY }, /* UNLINK, RMDIR */
	{ SYS_renameat2, ALLOW_ANY }, /* RENAME */
	{ SYS_readlinkat, ALLOW_ANY }, /* READLINK */
	{ SYS_fchownat, ALLOW_ANY }, /* owners */
	{ SYS_fchmodat, ALLOW_ANY }, /* modes */
	{ SYS_ftruncate, ALLOW_ANY }, /* sizes */
	{ SYS_utimensat, ALLOW_ANY }, /* times */
	{ SYS_lseek, ALLOW_ANY }, /* positions in folders */
	{ SYS_getdents64, ALLOW_ANY }, /* entries */
	{ SYS_fsync, ALLOW_ANY }, /* FSYNCDIR */
	{ SYS_getxattr, ALLOW_ANY }, /* attributes by name, four ways */
	{ SYS_setxattr, ALLOW_ANY }, { SYS_listxattr, ALLOW_ANY }, { SYS_removexattr, ALLOW_ANY },
	{ SYS_fcntl, ALLOW_ANY }, /* O_CLOEXEC where musl sets it again */
	{ SYS_socket, AF_UNIX, true }, /* to a bound socket; for a socket that the guest binds */
	{ SYS_connect, ALLOW_ANY }, /* the first, by /proc/self/fd */
	{ SYS_fchmod, ALLOW_ANY }, /* the second's mode, before it has a name */
	{ SYS_bind, ALLOW_ANY }, /* the second, beneath a folder */
	{ SYS_listen, ALLOW_ANY }, /* the same */
	{ SYS_accept4, ALLOW_ANY }, /* its clients */
	{ SYS_getsockopt, ALLOW_ANY }, /* who they are */
	{ SYS_setresuid, ALLOW_ANY }, /* the guest's client as who it is */
	{ SYS_setresgid, ALLOW_ANY }, /* the same */
	{ SYS_getuid, ALLOW_ANY }, /* and back */
	{ SYS_getgid, ALLOW_ANY }, /* the same */
	{ SYS_poll, ALLOW_ANY }, /* two links and the listeners */
	{ SYS_clock_gettime, ALLOW_ANY }, /* how long a server may have no room */
	{ SYS_brk, ALLOW_ANY }, /* memory for inodes, four ways */
	{ SYS_mmap, ALLOW_ANY }, { SYS_munmap, ALLOW_ANY }, { SYS_madvise, ALLOW_ANY },
	{ SYS_mremap, ALLOW_ANY }, /* growing tables */
	{ SYS_writev, ALLOW_ANY }, /* last words on stderr */
	{ SYS_write, ALLOW_ANY }, /* the same */
	{ SYS_mprotect, ALLOW_ANY }, /* memory, when brk is refused */
	{ SYS_rt_sigreturn, ALLOW_ANY }, /* signals */
	{ SYS_rt_sigprocmask, ALLOW_ANY }, /* abort of musl */
	{ SYS_exit_group, ALLOW_ANY }, /* the end */
};

int seccomp_enter(void)
{
	return allow_calls(calls, ARRAY_LEN(calls));
}
