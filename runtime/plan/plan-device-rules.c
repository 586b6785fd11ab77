/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-device-rules.c - linux.resources.devices as eBPF for the container's cgroup in the guest.
 *
 * A request has a type, numbers, and kinds of access. For each kind the last rule that covers it
 * decides (config-linux.md: "entries in the listed order"); what no rule covers is denied, until a
 * rule for all devices says otherwise. So the program asks the rules from the last to the first: a
 * rule that allows takes its kinds off those that are still asked for, and the request is granted
 * when none is left; a rule that denies one of them ends it.
 *
 * The program has no loops, and its length is bounded by the number of rules. Each rule loads what
 * it compares anew: so the kernel's verifier carries no knowledge of numbers from rule to rule, and
 * its work grows with the number of rules and not with its square.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>

#include "parts.h"

#define MAX_RULES 256
#define PER_RULE 11 /* instructions, at most */
#define AROUND 4 /* instructions before and after the rules */
#define ANY (-1)

struct rule {
	int32_t type; /* BPF_DEVCG_DEV_* */
	int32_t access; /* BPF_DEVCG_ACC_* */
	bool allow;
	int64_t major, minor; /* ANY */
};

#define RWM (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD)

/* What runc adds behind the rules of every container: any node may be made, and those of a usual
 * /dev may be used. */
static const struct rule defaults[] = {
	{ BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_MKNOD, true, ANY, ANY },
	{ BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_ACC_MKNOD, true, ANY, ANY },
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 1, 3 }, /* null */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 1, 5 }, /* zero */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 1, 7 }, /* full */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 1, 8 }, /* random */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 1, 9 }, /* urandom */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 5, 0 }, /* tty */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 5, 1 }, /* console */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 5, 2 }, /* ptmx */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 136, ANY }, /* pts */
	{ BPF_DEVCG_DEV_CHAR, RWM, true, 10, 200 }, /* net/tun */
};

struct rules {
	struct rule v[MAX_RULES + ARRAY_LEN(defaults)];
	size_t n;
	bool allow; /* what no rule covers */
};

/* ---- rules --------------------------------------------------------------------------------- */

/* Other letters are kinds of access that do not exist; runc and crun pass over them, too. */
static int parse_access(const char *text, size_t index, int32_t *ret, struct err *e)
{
	if (!text || !*text)
		return err_set(e, -EINVAL, "device access at %zu field cannot be empty", index);
	*ret = 0;
	for (; *text; text++) {
		if (*text == 'r')
			*ret |= BPF_DEVCG_ACC_READ;
		else if (*text == 'w')
			*ret |= BPF_DEVCG_ACC_WRITE;
		else if (*text == 'm')
			*ret |= BPF_DEVCG_ACC_MKNOD;
	}
	return 0;
}

static int add_rule(
	struct rules *rules, const struct oci_device_rule *d, size_t index, struct err *e)
{
	struct rule r = {
		.allow = d->allow,
		.major = d->has_major ? d->major : ANY,
		.minor = d->has_minor ? d->minor : ANY,
	};
	const char *type = d->type && *d->type ? d->type : "a";
	int ret = parse_access(d->access, index, &r.access, e);

	if (ret < 0)
		return ret;
	/* For all devices: it makes what stands before it meaningless, as it does in runc. */
	if (strcmp(type, "a") == 0) {
		rules->n = 0;
		rules->allow = d->allow;
		return 0;
	}
	if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		r.type = BPF_DEVCG_DEV_CHAR;
	else if (strcmp(type, "b") == 0)
		r.type = BPF_DEVCG_DEV_BLOCK;
	else
		return err_set(e, -EINVAL,
			"linux.resources.devices[%zu].type: must be one of a, b, c, u", index);
	if (rules->n == MAX_RULES)
		return err_set(e, -E2BIG, "linux.resources.devices: more than %d rules", MAX_RULES);
	rules->v[rules->n++] = r;
	return 0;
}

static bool all_is_allowed(const struct rules *rules)
{
	bool all = rules->allow;

	for (size_t i = 0; i < rules->n; i++)
		all = all && rules->v[i].allow;
	return all;
}

/* ---- program ------------------------------------------------------------------------------- */

enum { VALUE = BPF_REG_2, ACCESS = BPF_REG_3 };

struct program {
	struct bpf_insn *v;
	size_t n;
};

static void emit(struct program *p, int code, unsigned dst, unsigned src, int off, int32_t imm)
{
	p->v[p->n++] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = dst & 15,
		.src_reg = src & 15,
		.off = (int16_t)off,
		.imm = imm,
	};
}

static void emit_answer(struct program *p, bool allow)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_load(struct program *p, unsigned dst, size_t offset)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, (int)offset, 0);
}

/* Leaves the rule unless the word of the request is the rule's; left is the number of instructions
 * of the rule behind the two of this. */
static void emit_compare(struct program *p, size_t offset, int32_t wanted, int left)
{
	emit_load(p, VALUE, offset);
	emit(p, BPF_JMP | BPF_JNE | BPF_K, VALUE, 0, left, wanted);
}

static void emit_rule(struct program *p, const struct rule *r)
{
	int left = 4 + 2 * ((r->major != ANY) + (r->minor != ANY));

	emit_load(p, VALUE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, VALUE, 0, 0, 0xffff);
	emit(p, BPF_JMP | BPF_JNE | BPF_K, VALUE, 0, left, r->type);
	if (r->major != ANY)
		emit_compare(p, offsetof(struct bpf_cgroup_dev_ctx, major), (int32_t)r->major,
			left -= 2);
	if (r->minor != ANY)
		emit_compare(
			p, offsetof(struct bpf_cgroup_dev_ctx, minor), (int32_t)r->minor, left - 2);
	if (r->allow) {
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, ACCESS, 0, 0, ~r->access);
		emit(p, BPF_JMP | BPF_JNE | BPF_K, ACCESS, 0, 2, 0);
	} else {
		emit(p, BPF_JMP | BPF_JSET | BPF_K, ACCESS, 0, 1, r->access);
		emit(p, BPF_JMP | BPF_JA, 0, 0, 2, 0);
	}
	emit_answer(p, r->allow);
}

int plan_device_rules(
	const struct oci_resources *res, struct arena *a, struct gplan *g, struct err *e)
{
	struct rules rules = { .allow = false };
	struct program p = { 0 };

	for (size_t i = 0; i < res->n_devices; i++) {
		int r = add_rule(&rules, &res->devices[i], i, e);

		if (r < 0)
			return r;
	}
	if (all_is_allowed(&rules))
		return 0;
	memcpy(&rules.v[rules.n], defaults, sizeof(defaults));
	rules.n += ARRAY_LEN(defaults);
	p.v = arena_alloc(a, rules.n * PER_RULE + AROUND, sizeof(*p.v));
	if (!p.v)
		return plan_no_memory(e);
	/* The upper half of the first word: the kinds of access that are still asked for. */
	emit_load(&p, ACCESS, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(&p, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	for (size_t i = rules.n; i > 0; i--)
		emit_rule(&p, &rules.v[i - 1]);
	emit_answer(&p, rules.allow);
	g->device_filter = p.v;
	g->device_filter_len = p.n * sizeof(*p.v);
	return 0;
}
