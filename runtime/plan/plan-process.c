/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-process.c - the process object: names become the numbers of the Linux ABI.
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "parts.h"
#include "plan.h"

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

struct name_number {
	const char *name;
	uint32_t number;
};

/* capability.h, by number. */
static const char *const capabilities[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

static const struct name_number rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static const struct name_number policies[] = {
	{ "SCHED_OTHER", SCHED_OTHER },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
};

/* uapi/linux/sched.h */
static const struct name_number sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },
	{ "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },
	{ "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
};

static const struct name_number io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};

static int64_t number_of(const struct name_number *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return table[i].number;
	}
	return -1;
}

int plan_capability(const char *name)
{
	if (strncmp(name, "CAP_", 4) != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (strcmp(capabilities[i], name + 4) == 0)
			return (int)i;
	}
	return -1;
}

const char *plan_capability_name(size_t i)
{
	return i < ARRAY_LEN(capabilities) ? capabilities[i] : NULL;
}

/* Unknown names are left out, as runc does: they are of a newer kernel than ours. */
static uint64_t capability_mask(const struct oci_strv *names)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < names->n; i++) {
		int cap = plan_capability(names->v[i]);

		if (cap >= 0)
			mask |= 1ull << cap;
	}
	return mask;
}

static int plan_rlimits(
	const struct oci_process *p, struct arena *a, struct gplan_process *ret, struct err *e)
{
	ret->rlimits = arena_alloc(a, p->n_rlimits + 1, sizeof(*ret->rlimits));
	if (!ret->rlimits)
		return plan_no_memory(e);
	for (size_t i = 0; i < p->n_rlimits; i++) {
		int64_t resource = number_of(rlimits, ARRAY_LEN(rlimits), p->rlimits[i].type);

		if (resource < 0)
			return err_set(e, -EINVAL,
				"process.rlimits[%zu].type: wrong rlimit value: %.64s", i,
				p->rlimits[i].type);
		ret->rlimits[i] = (struct gplan_rlimit){ (uint32_t)resource, p->rlimits[i].soft,
			p->rlimits[i].hard };
	}
	ret->n_rlimits = p->n_rlimits;
	return 0;
}

/* What a policy does not take is refused: the kernel would leave it out without a word. */
static int check_scheduler(const struct oci_scheduler *s, int64_t policy, struct err *e)
{
	if (s->nice && policy != SCHED_OTHER && policy != SCHED_BATCH)
		return err_set(e, -EINVAL,
			"process.scheduler.nice can only be specified for SCHED_OTHER or "
			"SCHED_BATCH policy");
	if (s->priority && policy != SCHED_FIFO && policy != SCHED_RR)
		return err_set(e, -EINVAL,
			"process.scheduler.priority can only be specified for SCHED_FIFO or "
			"SCHED_RR policy");
	if ((s->runtime || s->deadline || s->period) && policy != SCHED_DEADLINE)
		return err_set(e, -EINVAL,
			"process.scheduler runtime/deadline/period can only be specified for "
			"SCHED_DEADLINE policy");
	return 0;
}

static int plan_scheduling(const struct oci_process *p, struct gplan_process *ret, struct err *e)
{
	const struct oci_scheduler *s = &p->scheduler;

	if (p->has_scheduler) {
		int64_t policy = number_of(policies, ARRAY_LEN(policies), s->policy);

		if (policy < 0)
			return err_set(
				e, -EINVAL, "process.scheduler.policy: unknown: %.64s", s->policy);
		if (check_scheduler(s, policy, e) < 0)
			return e->code;
		ret->has_scheduler = true;
		ret->sched_policy = (uint32_t)policy;
		ret->sched_nice = s->nice;
		ret->sched_priority = (uint32_t)s->priority;
		ret->sched_runtime = s->runtime;
		ret->sched_deadline = s->deadline;
		ret->sched_period = s->period;
		for (size_t i = 0; i < s->flags.n; i++) {
			int64_t flag =
				number_of(sched_flags, ARRAY_LEN(sched_flags), s->flags.v[i]);

			if (flag < 0)
				return err_set(e, -EINVAL,
					"process.scheduler.flags[%zu]: unknown: %.64s", i,
					s->flags.v[i]);
			ret->sched_flags |= (uint64_t)flag;
		}
	}
	if (p->has_io_priority) {
		int64_t class = number_of(io_classes, ARRAY_LEN(io_classes), p->io_priority.class);

		if (class < 0)
			return err_set(e, -EINVAL, "process.ioPriority.class: unknown: %.64s",
				p->io_priority.class);
		ret->has_ioprio = true;
		ret->ioprio =
			(uint32_t) class << IOPRIO_CLASS_SHIFT | (uint32_t)p->io_priority.priority;
	}
	return 0;
}

struct env_entry {
	const char *text;
	size_t name_len, at;
};

static int compare_env(const void *a, const void *b)
{
	const struct env_entry *left = a, *right = b;
	size_t n = left->name_len < right->name_len ? left->name_len : right->name_len;
	int r = memcmp(left->text, right->text, n);

	if (r == 0 && left->name_len != right->name_len)
		return left->name_len < right->name_len ? -1 : 1;
	return r ? r : (left->at > right->at) - (left->at < right->at);
}

/* Of a variable that is named twice the last value counts, at the first one's place, as runc has
 * it: programs differ in which they would take. */
static int plan_env(
	const struct oci_strv *env, struct arena *a, struct gplan_process *ret, struct err *e)
{
	struct env_entry *sorted = arena_alloc(a, env->n + 1, sizeof(*sorted));
	char **v = arena_alloc(a, env->n + 1, sizeof(*v));
	size_t n = 0;

	if (!sorted || !v)
		return plan_no_memory(e);
	for (size_t i = 0; i < env->n; i++) {
		const char *equals = strchr(env->v[i], '=');

		if (!equals || equals == env->v[i])
			return err_set(e, -EINVAL, "process.env[%zu]: not KEY=VALUE", i);
		sorted[i] = (struct env_entry){ env->v[i], (size_t)(equals - env->v[i]), i };
		v[i] = NULL;
	}
	qsort(sorted, env->n, sizeof(*sorted), compare_env);
	for (size_t i = 0, first = 0; i < env->n; i++) {
		const struct env_entry *now = &sorted[i], *next = &sorted[i + 1];

		if (i + 1 < env->n && next->name_len == now->name_len &&
			memcmp(next->text, now->text, now->name_len) == 0)
			continue;
		/* The plan does not change them; execve's type is not const. */
		v[sorted[first].at] = (char *)(uintptr_t)now->text;
		first = i + 1;
	}
	for (size_t i = 0; i < env->n; i++) {
		if (v[i])
			v[n++] = v[i];
	}
	v[n] = NULL;
	ret->env = v;
	ret->n_env = n;
	return 0;
}

int plan_process(
	const struct oci_process *p, struct arena *a, struct gplan_process *ret, struct err *e)
{
	int r = 0;

	*ret = (struct gplan_process){
		/* The plan does not change them; execve's type is not const. */
		.args = (char **)(uintptr_t)p->args.v,
		.n_args = p->args.n,
		.cwd = p->cwd,
		.uid = p->user.uid,
		.gid = p->user.gid,
		.has_umask = p->user.has_umask,
		.umask = p->user.umask,
		.groups = (uint32_t *)(uintptr_t)p->user.additional_gids,
		.n_groups = p->user.n_additional_gids,
		/* Without the object there are none, as runc has it. */
		.has_caps = true,
		.no_new_privs = p->no_new_privileges,
		.has_oom_score_adj = p->has_oom_score_adj,
		.oom_score_adj = p->oom_score_adj,
		.terminal = p->terminal,
		/* "The runtime MUST ignore" consoleSize without a terminal (config.md, "Process").
		 */
		.rows = p->terminal ? (uint16_t)p->console_size.height : 0,
		.cols = p->terminal ? (uint16_t)p->console_size.width : 0,
	};
	if (p->has_capabilities) {
		ret->cap_bounding = capability_mask(&p->capabilities.bounding);
		ret->cap_effective = capability_mask(&p->capabilities.effective);
		ret->cap_inheritable = capability_mask(&p->capabilities.inheritable);
		ret->cap_permitted = capability_mask(&p->capabilities.permitted);
		ret->cap_ambient = capability_mask(&p->capabilities.ambient);
	}
	r = plan_env(&p->env, a, ret, e);
	if (r == 0)
		r = plan_rlimits(p, a, ret, e);
	return r < 0 ? r : plan_scheduling(p, ret, e);
}
