/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - turns the calling process into a container's process; see process.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io.h"
#include "process.h"

#define LAST_CAP 63u
#define IOPRIO_WHO_PROCESS 1
#define PASSWD_MAX ((size_t)1 << 20)

/* As sched_setattr(2) takes it. */
struct sched_attr_v1 {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int raise_limit(pid_t pid, const struct gplan_rlimit *limit)
{
	struct rlimit now;

	if (syscall(SYS_prlimit64, pid, limit->resource, NULL, &now) < 0)
		return -errno;
	if (limit->hard <= now.rlim_max)
		return 0;
	now.rlim_max = limit->hard;
	return syscall(SYS_prlimit64, pid, limit->resource, &now, NULL) < 0 ? -errno : 0;
}

int process_raise(pid_t pid, const struct gplan_process *p, struct err *e)
{
	char path[64], text[16];
	int r = 0;

	for (size_t i = 0; i < p->n_rlimits; i++) {
		r = raise_limit(pid, &p->rlimits[i]);
		if (r < 0)
			return err_sys(e, r, "error setting rlimit %u", p->rlimits[i].resource);
	}
	if (!p->has_oom_score_adj)
		return 0;
	/* getpid() is of another pid namespace than this /proc. */
	(void)snprintf(path, sizeof(path),
		pid ? "/proc/%d/oom_score_adj" : "/proc/self/oom_score_adj", (int)pid);
	(void)snprintf(text, sizeof(text), "%d", p->oom_score_adj);
	r = io_write_at(AT_FDCWD, path, text);
	return r < 0 ? err_sys(e, r, "oom_score_adj") : 0;
}

static int apply_limits(const struct gplan_process *p, struct err *e)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct rlimit limit = { p->rlimits[i].soft, p->rlimits[i].hard };

		if (syscall(SYS_prlimit64, 0, p->rlimits[i].resource, &limit, NULL) < 0)
			return err_sys(
				e, -errno, "error setting rlimit %u", p->rlimits[i].resource);
	}
	return 0;
}

static int apply_scheduling(const struct gplan_process *p, struct err *e)
{
	if (p->has_scheduler) {
		const struct sched_attr_v1 attr = {
			.size = sizeof(attr),
			.policy = p->sched_policy,
			.flags = p->sched_flags,
			.nice = p->sched_nice,
			.priority = p->sched_priority,
			.runtime = p->sched_runtime,
			.deadline = p->sched_deadline,
			.period = p->sched_period,
		};

		if (syscall(SYS_sched_setattr, 0, &attr, 0u) < 0)
			return err_sys(e, -errno, "error setting scheduler");
	}
	if (p->has_ioprio && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)p->ioprio) < 0)
		return err_sys(e, -errno, "error setting io priority");
	if (p->has_personality && personality((unsigned long)p->personality) < 0)
		return err_sys(e, -errno, "error setting personality");
	return 0;
}

static int apply_seccomp(const struct gplan_process *p, struct err *e)
{
	struct sock_fprog program = {
		.len = (unsigned short)(p->seccomp_len / sizeof(struct sock_filter)),
		/* The kernel only reads it; its interface is not const. */
		.filter = (struct sock_filter *)(uintptr_t)p->seccomp,
	};

	if (!p->seccomp_len)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->seccomp_flags, &program) < 0)
		return err_sys(e, -errno, "error loading seccomp filter");
	return 0;
}

static int drop_bounding(const struct gplan_process *p, struct err *e)
{
	for (unsigned cap = 0; cap <= LAST_CAP; cap++) {
		if (p->cap_bounding & (1ull << cap))
			continue;
		/* EINVAL: the kernel knows no such capability. */
		if (prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(e, -errno, "capability bounding set");
	}
	return 0;
}

static int become_user(const struct gplan_process *p, struct err *e)
{
	/* user_namespaces(7): setgroups is denied where the map was written without privilege. */
	if (setgroups(p->n_groups, p->groups) < 0 && !(errno == EPERM && !p->n_groups))
		return err_sys(e, -errno, "setgroups");
	if (p->has_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "keep capabilities");
	if (setresgid(p->gid, p->gid, p->gid) < 0)
		return err_sys(e, -errno, "setgid %u", p->gid);
	if (setresuid(p->uid, p->uid, p->uid) < 0)
		return err_sys(e, -errno, "setuid %u", p->uid);
	return 0;
}

static int set_capabilities(const struct gplan_process *p, struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)p->cap_effective, (uint32_t)p->cap_permitted,
			(uint32_t)p->cap_inheritable },
		{ (uint32_t)(p->cap_effective >> 32), (uint32_t)(p->cap_permitted >> 32),
			(uint32_t)(p->cap_inheritable >> 32) },
	};

	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, -errno, "unable to apply caps");
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned cap = 0; cap <= LAST_CAP; cap++) {
		/* What is not permitted and inheritable cannot be ambient: left out, as runc does.
		 */
		if (p->cap_ambient & (1ull << cap))
			(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)cap, 0, 0);
	}
	return 0;
}

/* ---- program and environment --------------------------------------------------------------- */

static const char *get_env(const struct gplan_process *p, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = p->n_env; i > 0; i--) {
		const char *entry = p->env[i - 1];

		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry + len + 1;
	}
	return NULL;
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int find_in_path(const char *name, const char *path, char **ret_program, struct err *e)
{
	char candidate[PATH_MAX];
	int denied = 0;

	while (path) {
		const char *end = strchrnul(path, ':');
		int len = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)(end - path),
			end == path ? "." : path, name);
		int r = len < (int)sizeof(candidate) ? check_program(candidate) : -ENAMETOOLONG;

		if (r == 0) {
			*ret_program = strdup(candidate);
			return *ret_program ? 0 : err_sys(e, -ENOMEM, "exec");
		}
		if (r == -EACCES)
			denied = 1;
		path = *end ? end + 1 : NULL;
	}
	if (denied)
		return err_set(e, -EACCES, "exec: \"%s\": permission denied", name);
	return err_set(e, -ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

static int find_program(const struct gplan_process *p, char **ret_program, struct err *e)
{
	const char *name = p->args[0];
	int r = 0;

	if (!strchr(name, '/'))
		return find_in_path(name, get_env(p, "PATH"), ret_program, e);
	r = check_program(name);
	if (r == -EISDIR)
		return err_set(e, -EISDIR, "exec: \"%s\": is a directory", name);
	if (r == -EACCES)
		return err_set(e, r, "exec: \"%s\": permission denied", name);
	if (r == -ENOENT || r == -ENOTDIR)
		return err_set(
			e, -ENOENT, "exec: \"%s\": stat %s: no such file or directory", name, name);
	if (r < 0)
		return err_sys(e, r, "exec: \"%s\": stat %s", name, name);
	*ret_program = strdup(name);
	return *ret_program ? 0 : err_sys(e, -ENOMEM, "exec");
}

/* The home folder that the container's own passwd file gives its user, "/" without one. */
static char *find_home(uint32_t uid)
{
	cleanup(close) int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup(free) char *text = NULL;
	char *line = NULL, *rest = NULL;
	size_t len = 0;

	if (fd < 0 || io_read_file(fd, PASSWD_MAX, &text, &len) < 0)
		return strdup("HOME=/");
	for (line = text; line && *line; line = rest) {
		char *field = line;
		char *home = NULL;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		for (int i = 0; field && i < 2; i++) {
			field = strchr(field, ':');
			field = field ? field + 1 : NULL;
		}
		if (!field || strtoul(field, NULL, 10) != uid || field[0] == ':')
			continue;
		for (int i = 0; field && i < 3; i++) {
			field = strchr(field, ':');
			field = field ? field + 1 : NULL;
		}
		if (field && *field == '/') {
			*strchrnul(field, ':') = '\0';
			if (asprintf(&home, "HOME=%s", field) > 0)
				return home;
		}
	}
	return strdup("HOME=/");
}

/* p->env has room for one more entry and its NULL: the decoder allocates count + 1, so this copies.
 */
static int add_home(struct gplan_process *p, struct err *e)
{
	char **env = NULL;

	if (get_env(p, "HOME"))
		return 0;
	env = calloc(p->n_env + 2, sizeof(*env));
	if (!env)
		return err_sys(e, -ENOMEM, "environment");
	if (p->n_env)
		memcpy(env, p->env, p->n_env * sizeof(*env));
	env[p->n_env] = find_home(p->uid);
	if (!env[p->n_env]) {
		free(env);
		return err_sys(e, -ENOMEM, "environment");
	}
	p->n_env++;
	p->env = env;
	return 0;
}

static int enter_cwd(const struct gplan_process *p, struct err *e)
{
	if (chdir(p->cwd) < 0)
		return err_sys(
			e, -errno, "chdir to cwd (\"%s\") set in config.json failed", p->cwd);
	return 0;
}

int process_prepare(struct gplan_process *p, char **ret_program, struct err *e)
{
	bool in_cwd = false;
	int r = apply_limits(p, e);

	if (r == 0)
		r = apply_scheduling(p, e);
	if (r == 0 && !p->no_new_privs)
		r = apply_seccomp(p, e); /* needs CAP_SYS_ADMIN, which goes below */
	if (r == 0 && p->has_caps)
		r = drop_bounding(p, e);
	if (r < 0)
		return r;
	/* With root's rights first; where these do not help (or do not exist) as the user. */
	in_cwd = chdir(p->cwd) == 0;
	r = become_user(p, e);
	if (r == 0 && p->has_caps)
		r = set_capabilities(p, e);
	if (r == 0 && !in_cwd)
		r = enter_cwd(p, e);
	if (r == 0)
		r = find_program(p, ret_program, e);
	if (r == 0)
		r = add_home(p, e);
	umask(p->has_umask ? p->umask : 022);
	return r;
}

int process_confine(const struct gplan_process *p, struct err *e)
{
	if (!p->no_new_privs)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "no_new_privs");
	return apply_seccomp(p, e);
}

int process_exec(const struct gplan_process *p, const char *program, struct err *e)
{
	(void)execve(program, p->args, p->env);
	return err_sys(e, -errno, "exec %s", program);
}
