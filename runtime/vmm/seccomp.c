/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - one allow-list per thread role, a reason for each line, compiled to BPF here.
 *
 * A line is a system call, for ioctl with its request number. All vCPU threads are taken to run
 * hostile code: their list is the shortest.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "seccomp.h"

#define MAX_LINES 48
#define ANY 0u

struct allowed {
	uint32_t nr;
	uint32_t request; /* second argument of ioctl; ANY = not looked at */
};

static const struct allowed vcpu_calls[] = {
	{ SYS_ioctl, KVM_RUN }, /* the work itself */
	{ SYS_ioctl, KVM_GET_REGS }, /* where the guest was, for error messages */
	{ SYS_write, ANY }, /* eventfds: interrupts, kicks, the end */
	{ SYS_futex, ANY }, /* device locks, pause */
	{ SYS_rt_sigreturn, ANY }, /* the pause signal */
	{ SYS_rt_sigprocmask, ANY }, /* thread exit in musl */
	{ SYS_munmap, ANY }, /* thread exit in musl */
	{ SYS_madvise, ANY }, /* thread exit in musl */
	{ SYS_exit, ANY }, /* a vCPU that cannot go on */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct allowed io_calls[] = {
	{ SYS_epoll_wait, ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ANY }, /* the loop */
	{ SYS_epoll_ctl, ANY }, /* connections come and go */
	{ SYS_read, ANY }, /* kicks, vsock streams */
	{ SYS_readv, ANY }, /* vsock streams into guest memory */
	{ SYS_write, ANY }, /* interrupts, last words */
	{ SYS_writev, ANY }, /* vsock streams, stdio of musl */
	{ SYS_sendto, ANY }, /* control replies, streams without SIGPIPE */
	{ SYS_sendmsg, ANY }, /* streams without SIGPIPE */
	{ SYS_recvmsg, ANY }, /* control requests with fds */
	{ SYS_accept4, ANY }, /* control clients */
	{ SYS_shutdown, ANY }, /* half-closed streams */
	{ SYS_close, ANY }, /* streams, clients */
	{ SYS_fcntl, ANY }, /* O_NONBLOCK on a passed stream */
	{ SYS_getrandom, ANY }, /* the rng device */
	{ SYS_fstat, ANY }, /* a block image that is attached */
	{ SYS_newfstatat, ANY }, /* fstat of musl */
	{ SYS_ioctl, 0x80081272u }, /* BLKGETSIZE64 of an attached block device */
	{ SYS_pread64, ANY }, /* KVM's statistics */
	{ SYS_tkill, ANY }, /* the pause signal to a vCPU */
	{ SYS_tgkill, ANY }, /* same, other musl versions */
	{ SYS_futex, ANY }, /* device locks, pause */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit_group, ANY }, /* the end */
};

static const struct allowed file_calls[] = {
	{ SYS_epoll_wait, ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ANY }, /* the loop */
	{ SYS_read, ANY }, /* kicks */
	{ SYS_write, ANY }, /* interrupts */
	{ SYS_preadv, ANY }, /* READ, block reads */
	{ SYS_pwritev, ANY }, /* WRITE, block writes */
	{ SYS_pwritev2, ANY }, /* WRITE to a file opened for append */
	{ SYS_fdatasync, ANY }, /* FSYNC, block flush */
	{ SYS_fsync, ANY }, /* FSYNC */
	{ SYS_lseek, ANY }, /* SEEK_DATA, SEEK_HOLE */
	{ SYS_fallocate, ANY }, /* FALLOCATE */
	{ SYS_ftruncate, ANY }, /* SETATTR of a size on an open file */
	{ SYS_copy_file_range, ANY }, /* COPY_FILE_RANGE */
	{ SYS_sendmsg, ANY }, /* requests to the fs server */
	{ SYS_recvmsg, ANY }, /* its replies, with fds */
	{ SYS_close, ANY }, /* RELEASE */
	{ SYS_futex, ANY }, /* device locks */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit, ANY }, /* thread exit */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct {
	const struct allowed *line;
	size_t n;
} roles[SECCOMP_ROLE_MAX] = {
	[SECCOMP_ROLE_IO] = { io_calls, ARRAY_LEN(io_calls) },
	[SECCOMP_ROLE_VCPU] = { vcpu_calls, ARRAY_LEN(vcpu_calls) },
	[SECCOMP_ROLE_FILE] = { file_calls, ARRAY_LEN(file_calls) },
};

#define LOAD(field) \
	(struct sock_filter) \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, n) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)

int seccomp_enter(enum seccomp_role role)
{
	struct sock_filter code[4 + MAX_LINES * 6];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;

	if (roles[role].n > MAX_LINES)
		return -E2BIG;
	code[n++] = LOAD(arch);
	code[n++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	code[n++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < roles[role].n; i++) {
		const struct allowed *a = &roles[role].line[i];

		code[n++] = LOAD(nr);
		if (a->request == ANY) {
			code[n++] = SKIP_UNLESS(a->nr, 1);
		} else {
			code[n++] = SKIP_UNLESS(a->nr, 3);
			code[n++] = LOAD(args[1]);
			code[n++] = SKIP_UNLESS(a->request, 1);
		}
		code[n++] = RETURN(SECCOMP_RET_ALLOW);
	}
	code[n++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}
