/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - the fs server's allow-list, a reason for each line, compiled to BPF here.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "seccomp.h"

static const unsigned calls[] = {
	SYS_recvmsg, /* requests */
	SYS_sendmsg, /* replies, with fds */
	SYS_close, /* fds */
	SYS_openat2, /* names, beneath a folder */
	SYS_openat, /* new files, O_TMPFILE */
	SYS_open, /* files by /proc/self/fd; openat of musl */
	SYS_statx, /* attributes */
	SYS_fstat, /* folder's mode, for its group */
	SYS_newfstatat, /* the same, other musl versions */
	SYS_fstatfs, /* STATFS */
	SYS_mknodat, /* MKNOD */
	SYS_mkdirat, /* MKDIR */
	SYS_symlinkat, /* SYMLINK */
	SYS_linkat, /* LINK */
	SYS_unlinkat, /* UNLINK, RMDIR */
	SYS_renameat2, /* RENAME */
	SYS_readlinkat, /* READLINK */
	SYS_fchownat, /* owners */
	SYS_fchmodat, /* modes */
	SYS_fchmod, /* modes of unnamed files */
	SYS_ftruncate, /* sizes */
	SYS_utimensat, /* times */
	SYS_lseek, /* positions in folders */
	SYS_getdents64, /* entries */
	SYS_fsync, /* FSYNCDIR */
	SYS_getxattr, /* attributes by name, four ways */
	SYS_setxattr, SYS_listxattr, SYS_removexattr,
	SYS_fcntl, /* O_CLOEXEC where musl sets it again */
	SYS_brk, /* memory for inodes, four ways */
	SYS_mmap, SYS_munmap, SYS_madvise, SYS_mremap, /* growing tables */
	SYS_writev, /* last words on stderr */
	SYS_write, /* the same */
	SYS_rt_sigreturn, /* signals */
	SYS_rt_sigprocmask, /* abort of musl */
	SYS_exit_group, /* the end */
};

#define STATEMENT(code, k) (struct sock_filter) BPF_STMT(code, k)
#define JUMP(code, k, yes, no) (struct sock_filter) BPF_JUMP(code, k, yes, no)

int seccomp_enter(void)
{
	struct sock_filter code[4 + 2 * ARRAY_LEN(calls) + 1];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;

	code[n++] = STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	code[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		code[n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
		code[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	program.len = n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}
