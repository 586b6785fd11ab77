/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-enosys.c - ENOSYS for system calls that are newer than a seccomp profile.
 *
 * A profile that denies by default answers EPERM to calls that its author could not know of, and
 * C libraries take that for a refusal where ENOSYS would have them try the older call. So, as runc
 * does, calls with numbers above the highest one that the profile names get ENOSYS, by a few
 * instructions that are put in front of the filter.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>

#include "parts.h"

#define X32_BIT 0x40000000u
#define NEVER UINT32_MAX /* no number is above it */

static bool is_filtered(const struct oci_seccomp *s, uint32_t arch, const char *name)
{
	if (arch == SCMP_ARCH_X86_64)
		return true;
	for (size_t i = 0; i < s->architectures.n; i++) {
		if (strcmp(s->architectures.v[i], name) == 0)
			return true;
	}
	return false;
}

static uint32_t highest(const struct oci_seccomp *s, uint32_t arch, const char *name)
{
	int highest = 0;

	if (!is_filtered(s, arch, name))
		return NEVER;
	for (size_t i = 0; i < s->n_syscalls; i++) {
		for (size_t j = 0; j < s->syscalls[i].names.n; j++) {
			int number =
				seccomp_syscall_resolve_name_arch(arch, s->syscalls[i].names.v[j]);

			/* Negative: unknown, or not of this architecture. */
			if (number > highest)
				highest = number;
		}
	}
	return highest ? (uint32_t)highest : NEVER;
}

/* A tracer can see to new calls by itself. */
static bool lets_through(const char *action)
{
	return strcmp(action, "SCMP_ACT_ALLOW") == 0 || strcmp(action, "SCMP_ACT_LOG") == 0 ||
		strcmp(action, "SCMP_ACT_TRACE") == 0;
}

size_t plan_enosys(const struct oci_seccomp *s, struct sock_filter *ret)
{
	const uint32_t of_x86_64 = highest(s, SCMP_ARCH_X86_64, "SCMP_ARCH_X86_64");
	const uint32_t of_x32 = highest(s, SCMP_ARCH_X32, "SCMP_ARCH_X32");
	const uint32_t of_i386 = highest(s, SCMP_ARCH_X86, "SCMP_ARCH_X86");
	const uint32_t arch = offsetof(struct seccomp_data, arch);
	const uint32_t number = offsetof(struct seccomp_data, nr);
	/* The filter itself begins behind the last one: jumps to there are to "10". */
	const struct sock_filter stub[PLAN_ENOSYS_MAX] = {
		/* 0 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch),
		/* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
		/* 2 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 1, 0),
		/* 4 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, of_x86_64, 4, 5),
		/* 5 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, of_x32, 3, 4),
		/* 6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 3),
		/* 7 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
		/* 8 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, of_i386, 0, 1),
		/* 9 */ BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};

	if (lets_through(s->default_action))
		return 0;
	memcpy(ret, stub, sizeof(stub));
	return PLAN_ENOSYS_MAX;
}
