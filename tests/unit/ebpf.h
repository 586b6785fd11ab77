/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebpf.h - runs a program of a cgroup's devices: what the kernel would answer for one request.
 *
 * The few instructions that plan-device-rules.c writes; anything else, a jump backwards or one past
 * the end fails the test, as the kernel's verifier would.
 */
#ifndef NESTBOX_UNIT_EBPF_H
#define NESTBOX_UNIT_EBPF_H

#include <linux/bpf.h>
#include <string.h>

#include "unit.h"

static inline uint32_t ebpf_load(const struct bpf_cgroup_dev_ctx *ctx, int at)
{
	uint32_t word = 0;

	assert_in_range(at, 0, sizeof(*ctx) - sizeof(word));
	memcpy(&word, (const char *)ctx + at, sizeof(word));
	return word;
}

static inline bool ebpf_jumps(const struct bpf_insn *i, uint64_t value)
{
	uint64_t with = (uint64_t)(int64_t)i->imm;

	switch (i->code) {
	case BPF_JMP | BPF_JNE | BPF_K:
		return value != with;
	case BPF_JMP | BPF_JSET | BPF_K:
		return value & with;
	case BPF_JMP | BPF_JA:
		return true;
	default:
		fail_msg("unknown jump %#x", i->code);
		return false;
	}
}

static inline void ebpf_compute(const struct bpf_insn *i, uint64_t *r)
{
	uint64_t with = (uint64_t)(int64_t)i->imm;

	switch (i->code) {
	case BPF_ALU64 | BPF_MOV | BPF_K:
		r[i->dst_reg] = with;
		break;
	case BPF_ALU64 | BPF_MOV | BPF_X:
		r[i->dst_reg] = r[i->src_reg];
		break;
	case BPF_ALU64 | BPF_AND | BPF_K:
		r[i->dst_reg] &= with;
		break;
	case BPF_ALU64 | BPF_RSH | BPF_K:
		r[i->dst_reg] >>= with;
		break;
	default:
		fail_msg("unknown instruction %#x", i->code);
	}
}

/* len is in bytes; type is BPF_DEVCG_DEV_*, access of BPF_DEVCG_ACC_*. */
static inline bool ebpf_allows(
	const void *program, size_t len, int type, int access, uint32_t major, uint32_t minor)
{
	const struct bpf_cgroup_dev_ctx ctx = { (uint32_t)(access << 16 | type), major, minor };
	size_t n = len / sizeof(struct bpf_insn);
	uint64_t r[16] = { 0 };

	assert_int_equal(len % sizeof(struct bpf_insn), 0);
	for (size_t at = 0; at < n; at++) {
		struct bpf_insn i;

		memcpy(&i, (const char *)program + at * sizeof(i), sizeof(i));
		if (i.code == (BPF_JMP | BPF_EXIT))
			return r[0];
		if (BPF_CLASS(i.code) == BPF_JMP) {
			assert_true(i.off >= 0);
			at += ebpf_jumps(&i, r[i.dst_reg]) ? (size_t)i.off : 0;
		} else if (i.code == (BPF_LDX | BPF_MEM | BPF_W)) {
			assert_int_equal(i.src_reg, 1);
			r[i.dst_reg] = ebpf_load(&ctx, i.off);
		} else {
			ebpf_compute(&i, r);
		}
	}
	fail_msg("the program runs past its end");
	return false;
}

#endif
