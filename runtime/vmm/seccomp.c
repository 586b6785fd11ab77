/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.c - one allow-list per thread role, a reason for each line.
 *
 * A line is a system call, for ioctl with its request number. All vCPU threads are taken to run
 * hostile code: their list is the shortest.
 */
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "allow-calls.h"
#include "seccomp.h"

#define ANY ALLOW_ANY

static const struct allowed_call vcpu_calls[] = {
	{ SYS_ioctl, KVM_RUN }, /* the work itself */
	{ SYS_ioctl, KVM_GET_REGS }, /* where the guest was, for error messages */
	{ SYS_ioctl, KVM_SET_GSI_ROUTING }, /* the I/O APIC was programmed: routes to own LAPICs */
	{ SYS_write, ANY }, /* eventfds: interrupts, kicks, the end */
	{ SYS_futex, ANY }, /* device locks, pause */
	{ SYS_rt_sigreturn, ANY }, /* the pause signal */
	{ SYS_rt_sigprocmask, ANY }, /* thread exit in musl */
	{ SYS_munmap, ANY }, /* thread exit in musl */
	{ SYS_madvise, ANY }, /* thread exit in musl */
	{ SYS_exit, ANY }, /* a vCPU that cannot go on */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct allowed_call io_calls[] = {
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
	{ SYS_clock_gettime, ANY }, /* how long a vsock connection may take to show its key, where
				       the vDSO has no clock */
	{ SYS_ioctl, KVM_SET_USER_MEMORY_REGION }, /* the VM grows; to note what it writes to */
	{ SYS_fstat, ANY }, /* a block image that is attached */
	{ SYS_newfstatat, ANY }, /* fstat of musl */
	{ SYS_ioctl, 0x80081272u }, /* BLKGETSIZE64 of an attached block device */
	{ SYS_pread64, ANY }, /* KVM's statistics */
	{ SYS_tkill, ANY }, /* the pause signal to a vCPU */
	{ SYS_rt_sigprocmask, ANY }, /* around it, in musl */
	{ SYS_tgkill, ANY }, /* same, other musl versions */
	{ SYS_futex, ANY }, /* device locks, pause */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit_group, ANY }, /* the end */
};

/* Beside those of IO: all that KVM knows of a vCPU, and a file to write it to. */
static const struct allowed_call save_calls[] = {
	{ SYS_ioctl, KVM_GET_REGS }, /* general registers */
	{ SYS_ioctl, KVM_GET_SREGS }, /* segments, control registers */
	{ SYS_ioctl, KVM_GET_XCRS }, /* XCR0 */
	{ SYS_ioctl, KVM_GET_DEBUGREGS }, /* DR0…DR7 */
	{ SYS_ioctl, KVM_GET_LAPIC }, /* local APIC */
	{ SYS_ioctl, KVM_GET_VCPU_EVENTS }, /* exceptions and NMIs under way */
	{ SYS_ioctl, KVM_GET_MP_STATE }, /* running, halted */
	{ SYS_ioctl, KVM_GET_XSAVE }, /* FPU and vector registers */
	{ SYS_ioctl, KVM_GET_XSAVE2 }, /* the same where they are larger */
	{ SYS_ioctl, KVM_GET_MSRS }, /* MSRs */
	{ SYS_ioctl, KVM_GET_DEVICE_ATTR }, /* offset of the time stamp counter */
	{ SYS_ioctl, KVM_GET_CLOCK }, /* kvm-clock */
	{ SYS_ioctl, KVM_GET_DIRTY_LOG }, /* which was that */
	{ SYS_ioctl, UFFDIO_REGISTER }, /* to note what it touches */
	{ SYS_ioctl, UFFDIO_UNREGISTER }, /* no longer */
	{ SYS_mremap, ANY }, /* memory that it shall ask for, and back */
	{ SYS_ioctl, KVM_SET_MSRS }, /* which of them can be set */
	{ SYS_ioctl, KVM_SET_REGS }, /* this VM shall not take itself for a clone */
	{ SYS_ioctl, KVM_CHECK_EXTENSION }, /* size of XSAVE state */
	{ SYS_pwrite64, ANY }, /* the file */
	{ SYS_ftruncate, ANY }, /* its size */
	{ SYS_prctl, ANY }, /* the narrower filter of IO */
};

static const struct allowed_call file_calls[] = {
	{ SYS_epoll_wait, ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ANY }, /* the loop */
	{ SYS_epoll_ctl, ANY }, /* links to fs servers come and go */
	{ SYS_read, ANY }, /* kicks */
	{ SYS_write, ANY }, /* interrupts */
	{ SYS_preadv, ANY }, /* READ, block reads */
	{ SYS_preadv2, ANY }, /* the same without waiting */
	{ SYS_pwritev, ANY }, /* WRITE, block writes */
	{ SYS_fdatasync, ANY }, /* FSYNC, block flush */
	{ SYS_fsync, ANY }, /* FSYNC */
	{ SYS_fgetxattr, ANY }, /* whether a file has capabilities */
	{ SYS_lseek, ANY }, /* SEEK_DATA, SEEK_HOLE */
	{ SYS_fallocate, ANY }, /* FALLOCATE */
	{ SYS_copy_file_range, ANY }, /* COPY_FILE_RANGE */
	{ SYS_sendmsg, ANY }, /* requests to the fs server */
	{ SYS_recvmsg, ANY }, /* its replies, with fds */
	{ SYS_close, ANY }, /* RELEASE */
	{ SYS_futex, ANY }, /* device locks */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit, ANY }, /* thread exit */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct allowed_call worker_calls[] = {
	{ SYS_preadv, ANY }, /* READ, block reads */
	{ SYS_pwritev, ANY }, /* WRITE, block writes */
	{ SYS_fdatasync, ANY }, /* FSYNC, block flush */
	{ SYS_fsync, ANY }, /* FSYNC */
	{ SYS_fallocate, ANY }, /* FALLOCATE */
	{ SYS_copy_file_range, ANY }, /* COPY_FILE_RANGE */
	{ SYS_close, ANY }, /* a file that was released meanwhile */
	{ SYS_write, ANY }, /* interrupts */
	{ SYS_futex, ANY }, /* the next request, device locks */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct allowed_call net_calls[] = {
	{ SYS_clock_gettime, ANY }, /* when frames are told, where the vDSO has no clock */
	{ SYS_epoll_wait, ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ANY }, /* the loop */
	{ SYS_epoll_ctl, ANY }, /* taps come, go and are quiet while the guest has no buffers */
	{ SYS_read, ANY }, /* kicks */
	{ SYS_write, ANY }, /* interrupts */
	{ SYS_readv, ANY }, /* frames of a tap into guest memory */
	{ SYS_writev, ANY }, /* frames of the guest to a tap */
	{ SYS_ioctl, TUNSETOFFLOAD }, /* what the guest's driver can take */
	{ SYS_ioctl, TUNSETQUEUE }, /* how many queues it uses */
	{ SYS_futex, ANY }, /* device locks */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit, ANY }, /* thread exit */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct allowed_call balloon_calls[] = {
	{ SYS_epoll_wait, ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ANY }, /* the loop */
	{ SYS_read, ANY }, /* kicks */
	{ SYS_write, ANY }, /* interrupts */
	{ SYS_madvise, ANY }, /* guest memory back to the host */
	{ SYS_futex, ANY }, /* device locks */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit, ANY }, /* thread exit */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct allowed_call pages_calls[] = {
	{ SYS_epoll_wait, ANY }, /* the loop (older musl) */
	{ SYS_epoll_pwait, ANY }, /* the loop */
	{ SYS_read, ANY }, /* which page is asked for */
	{ SYS_ioctl, UFFDIO_COPY }, /* the page */
	{ SYS_futex, ANY }, /* locks */
	{ SYS_rt_sigreturn, ANY }, /* signals */
	{ SYS_exit, ANY }, /* thread exit */
	{ SYS_exit_group, ANY }, /* abort path of musl */
};

static const struct {
	const struct allowed_call *line;
	size_t n;
} roles[SECCOMP_ROLE_MAX] = {
	[SECCOMP_ROLE_IO] = { io_calls, ARRAY_LEN(io_calls) },
	[SECCOMP_ROLE_VCPU] = { vcpu_calls, ARRAY_LEN(vcpu_calls) },
	[SECCOMP_ROLE_NET] = { net_calls, ARRAY_LEN(net_calls) },
	[SECCOMP_ROLE_BALLOON] = { balloon_calls, ARRAY_LEN(balloon_calls) },
	[SECCOMP_ROLE_PAGES] = { pages_calls, ARRAY_LEN(pages_calls) },
	[SECCOMP_ROLE_WORKER] = { worker_calls, ARRAY_LEN(worker_calls) },
	[SECCOMP_ROLE_FILE] = { file_calls, ARRAY_LEN(file_calls) },
};

static int enter_save(void)
{
	struct allowed_call all[ARRAY_LEN(io_calls) + ARRAY_LEN(save_calls)];

	memcpy(all, io_calls, sizeof(io_calls));
	memcpy(all + ARRAY_LEN(io_calls), save_calls, sizeof(save_calls));
	return allow_calls(all, ARRAY_LEN(all));
}

int seccomp_enter(enum seccomp_role role)
{
	if (role == SECCOMP_ROLE_SAVE)
		return enter_save();
	return allow_calls(roles[role].line, roles[role].n);
}
