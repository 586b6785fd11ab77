/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allow-calls.c - a seccomp allow-list as BPF; see allow-calls.h.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "allow-calls.h"

#define LOAD(field) \
	(struct sock_filter) \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, n) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)

int allow_calls(const struct allowed_call *lines, size_t n)
{
	struct sock_filter code[7 + ALLOW_CALLS_MAX * 5];
	struct sock_fprog program = { .filter = code };
	unsigned short at = 0;

	if (n > ALLOW_CALLS_MAX)
		return -E2BIG;
	code[at++] = LOAD(arch);
	code[at++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	code[at++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	/* What the kernel makes of a call with a time limit that SIGSTOP, a freezer or a debugger
	 * interrupted: it goes on with that call. */
	code[at++] = LOAD(nr);
	code[at++] = SKIP_UNLESS(SYS_restart_syscall, 1);
	code[at++] = RETURN(SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < n; i++) {
		code[at++] = LOAD(nr);
		if (lines[i].request == ALLOW_ANY) {
			code[at++] = SKIP_UNLESS(lines[i].nr, 1);
		} else {
			code[at++] = SKIP_UNLESS(lines[i].nr, 3);
			code[at] = LOAD(args[1]);
			if (lines[i].first)
				code[at] = LOAD(args[0]);
			at++;
			code[at++] = SKIP_UNLESS(lines[i].request, 1);
		}
		code[at++] = RETURN(SECCOMP_RET_ALLOW);
	}
	code[at++] = RETURN(SECCOMP_RET_KILL_PROCESS);
	program.len = at;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}
