/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf.h - runs a seccomp program: what the kernel would answer for one system call.
 *
 * Classic BPF as seccomp(2) takes it: loads of words of struct seccomp_data, jumps, and returns.
 * Anything else fails the test: then libseccomp has learned something new.
 */
#ifndef NESTBOX_UNIT_BPF_H
#define NESTBOX_UNIT_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "unit.h"

static inline uint32_t bpf_load(const struct seccomp_data *data, uint32_t at)
{
	uint32_t word = 0;

	assert_in_range(at, 0, sizeof(*data) - sizeof(word));
	memcpy(&word, (const char *)data + at, sizeof(word));
	return word;
}

static inline uint32_t bpf_jump(const struct sock_filter *i, uint32_t accumulator)
{
	bool yes = false;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return i->k;
	case BPF_JEQ:
		yes = accumulator == i->k;
		break;
	case BPF_JGT:
		yes = accumulator > i->k;
		break;
	case BPF_JGE:
		yes = accumulator >= i->k;
		break;
	case BPF_JSET:
		yes = accumulator & i->k;
		break;
	default:
		fail_msg("unknown jump %#x", i->code);
	}
	return yes ? i->jt : i->jf;
}

/* The SECCOMP_RET_* word for the call. len is in bytes. */
static inline uint32_t bpf_run(const void *program, size_t len, const struct seccomp_data *data)
{
	size_t n = len / sizeof(struct sock_filter);
	uint32_t accumulator = 0;

	assert_int_equal(len % sizeof(struct sock_filter), 0);
	for (size_t at = 0; at < n; at++) {
		struct sock_filter i;

		memcpy(&i, (const char *)program + at * sizeof(i), sizeof(i));
		if (i.code == (BPF_LD | BPF_W | BPF_ABS))
			accumulator = bpf_load(data, i.k);
		else if (i.code == (BPF_ALU | BPF_AND | BPF_K))
			accumulator &= i.k;
		else if (BPF_CLASS(i.code) == BPF_JMP)
			at += bpf_jump(&i, accumulator);
		else if (i.code == (BPF_RET | BPF_K))
			return i.k;
		else
			fail_msg("unknown instruction %#x", i.code);
	}
	fail_msg("the program runs past its end");
	return 0;
}

#endif
