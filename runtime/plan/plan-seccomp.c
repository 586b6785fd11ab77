/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-seccomp.c - linux.seccomp (runtime-spec 1.2, config-linux.md "Seccomp") as BPF, by
 * libseccomp.
 *
 * Compiled on the host, so that the guest needs neither names nor a compiler. libseccomp writes its
 * program to a file only: an anonymous one.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io.h"
#include "parts.h"

#define MAX_PROGRAM ((size_t)1 << 20)
#define MAX_ARGS 6

struct name_value {
	const char *name;
	uint32_t value;
};

static const struct name_value arches[] = {
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
};

static const struct name_value operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct name_value actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
};

static const struct name_value flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 }, /* one thread when it is loaded */
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0 }, /* of listeners, which are refused */
};

static const struct name_value *find(const struct name_value *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

/* The default errno is EPERM (config-linux.md). */
static int parse_action(const char *name, bool has_errno, uint32_t number, const char *where,
	uint32_t *ret, struct err *e)
{
	const struct name_value *action = NULL;
	uint32_t code = has_errno ? number : EPERM;

	if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
		return err_set(e, -ENOTSUP,
			"%s: SCMP_ACT_NOTIFY cannot be carried out: the listener "
			"would be on another kernel",
			where);
	if (has_errno && strcmp(name, "SCMP_ACT_ERRNO") != 0 && strcmp(name, "SCMP_ACT_TRACE") != 0)
		return err_set(
			e, -EINVAL, "%s: errnoRet is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE", where);
	if (code > UINT16_MAX)
		return err_set(e, -ERANGE, "%s: errnoRet must be 0 to 65535", where);
	action = find(actions, ARRAY_LEN(actions), name);
	if (!action)
		return err_set(e, -EINVAL, "%s: unknown action %.64s", where, name);
	*ret = action->value;
	if (*ret == SCMP_ACT_ERRNO(0) || *ret == SCMP_ACT_TRACE(0))
		*ret |= code;
	return 0;
}

static int add_arches(scmp_filter_ctx ctx, const struct oci_seccomp *s, struct err *e)
{
	for (size_t i = 0; i < s->architectures.n; i++) {
		const struct name_value *arch =
			find(arches, ARRAY_LEN(arches), s->architectures.v[i]);
		int r = 0;

		/* Lists name every machine's; those that this one cannot run change nothing. */
		if (!arch)
			continue;
		r = seccomp_arch_add(ctx, arch->value);
		if (r < 0 && r != -EEXIST)
			return err_sys(e, r, "linux.seccomp.architectures[%zu]", i);
	}
	return 0;
}

static int get_args(
	const struct oci_seccomp_syscall *c, size_t index, struct scmp_arg_cmp *ret, struct err *e)
{
	if (c->n_args > MAX_ARGS)
		return err_set(e, -E2BIG, "linux.seccomp.syscalls[%zu].args: more than %d", index,
			MAX_ARGS);
	for (size_t i = 0; i < c->n_args; i++) {
		const struct oci_seccomp_arg *arg = &c->args[i];
		const struct name_value *op = find(operators, ARRAY_LEN(operators), arg->op);

		if (!op)
			return err_set(e, -EINVAL,
				"linux.seccomp.syscalls[%zu].args[%zu].op: unknown: %.64s", index,
				i, arg->op);
		/* For a masked comparison value is the mask and valueTwo what must remain. */
		ret[i] = (struct scmp_arg_cmp){ .arg = arg->index,
			.op = (enum scmp_compare)op->value,
			.datum_a = arg->value,
			.datum_b = arg->value_two };
	}
	return 0;
}

static int add_rule(scmp_filter_ctx ctx, const struct oci_seccomp_syscall *c, const char *name,
	uint32_t action, const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name);
	bool repeated = false;
	int r = 0;

	/* Profiles name calls of newer kernels: left out, as runc does. */
	if (number == __NR_SCMP_ERROR)
		return 0;
	for (size_t i = 0; i < c->n_args; i++) {
		for (size_t j = 0; j < i; j++)
			repeated = repeated || args[i].arg == args[j].arg;
	}
	/* Several conditions on one argument are alternatives, which libseccomp wants as rules. */
	if (!repeated)
		return seccomp_rule_add_array(ctx, action, number, (unsigned)c->n_args, args);
	for (size_t i = 0; i < c->n_args && r == 0; i++)
		r = seccomp_rule_add_array(ctx, action, number, 1, &args[i]);
	return r;
}

static int add_syscalls(
	scmp_filter_ctx ctx, const struct oci_seccomp *s, uint32_t default_action, struct err *e)
{
	for (size_t i = 0; i < s->n_syscalls; i++) {
		const struct oci_seccomp_syscall *c = &s->syscalls[i];
		struct scmp_arg_cmp args[MAX_ARGS];
		uint32_t action = 0;
		char where[64];
		int r = 0;

		(void)snprintf(where, sizeof(where), "linux.seccomp.syscalls[%zu].action", i);
		r = parse_action(c->action, c->has_errno_ret, c->errno_ret, where, &action, e);
		if (r == 0)
			r = get_args(c, i, args, e);
		if (r < 0)
			return r;
		/* libseccomp refuses rules that say what the default says. */
		if (action == default_action)
			continue;
		for (size_t j = 0; j < c->names.n; j++) {
			r = add_rule(ctx, c, c->names.v[j], action, args);
			if (r < 0)
				return err_sys(e, r, "linux.seccomp.syscalls[%zu]: %.64s", i,
					c->names.v[j]);
		}
	}
	return 0;
}

static int export(scmp_filter_ctx ctx, const struct oci_seccomp *s, struct arena *a,
	struct gplan_process *p, struct err *e)
{
	struct sock_filter stub[PLAN_ENOSYS_MAX];
	size_t stub_len = plan_enosys(s, stub) * sizeof(*stub);
	char *whole = NULL;
	cleanup(close) int fd = memfd_create("seccomp", MFD_CLOEXEC);
	cleanup(free) char *program = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = io_read_file(fd, MAX_PROGRAM, &program, &len);
	if (r < 0)
		return err_sys(e, r, "linux.seccomp");
	if ((len + stub_len) / sizeof(*stub) > BPF_MAXINSNS)
		return err_set(e, -E2BIG, "linux.seccomp: the filter is too long");
	whole = arena_alloc(a, stub_len + len + 1, 1);
	if (!whole)
		return plan_no_memory(e);
	memcpy(whole, stub, stub_len);
	memcpy(whole + stub_len, program, len);
	p->seccomp = whole;
	p->seccomp_len = stub_len + len;
	return 0;
}

int plan_seccomp(
	const struct oci_seccomp *s, struct arena *a, struct gplan_process *p, struct err *e)
{
	scmp_filter_ctx ctx = NULL;
	uint32_t default_action = 0;
	int r = parse_action(s->default_action, s->has_default_errno_ret, s->default_errno_ret,
		"linux.seccomp.defaultAction", &default_action, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->flags.n; i++) {
		const struct name_value *flag = find(flags, ARRAY_LEN(flags), s->flags.v[i]);

		if (!flag)
			return err_set(e, -EINVAL, "linux.seccomp.flags[%zu]: unknown: %.64s", i,
				s->flags.v[i]);
		p->seccomp_flags |= flag->value;
	}
	ctx = seccomp_init(default_action);
	if (!ctx)
		return err_set(e, -EINVAL, "linux.seccomp.defaultAction: not possible");
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	r = add_arches(ctx, s, e);
	if (r == 0)
		r = add_syscalls(ctx, s, default_action, e);
	if (r == 0)
		r = export(ctx, s, a, p, e);
	seccomp_release(ctx);
	return r;
}

const char *plan_seccomp_name(enum plan_names which, size_t i)
{
	switch (which) {
	case PLAN_NAMES_SECCOMP_ARCHES:
		return i < ARRAY_LEN(arches) ? arches[i].name : NULL;
	case PLAN_NAMES_SECCOMP_OPERATORS:
		return i < ARRAY_LEN(operators) ? operators[i].name : NULL;
	case PLAN_NAMES_SECCOMP_ACTIONS:
		return i < ARRAY_LEN(actions) ? actions[i].name : NULL;
	case PLAN_NAMES_SECCOMP_FLAGS:
		return i < ARRAY_LEN(flags) ? flags[i].name : NULL;
	case PLAN_NAMES_HOOKS:
	case PLAN_NAMES_NAMESPACES:
	case PLAN_NAMES_CAPABILITIES:
	case PLAN_NAMES_MOUNT_OPTIONS:
	default:
		return NULL;
	}
}
