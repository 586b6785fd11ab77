/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroups.c - the container's cgroup (v2) in the guest; see cgroups.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "cgroups.h"
#include "io.h"

#define MAX_DEPTH 32
#define MAX_FILE ((size_t)1 << 20)
#define MAX_SIGNALLED 65536

/* Each folder on the way hands its controllers down; those that the kernel lacks are the business
 * of the limit that needs them. */
static int make_folders(const char *path, int *ret_fd, struct err *e)
{
	cleanup(close) int dir = open(BOOT_CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_MAX + 1];

	while (*path) {
		size_t len = strcspn(path, "/");
		int next = -EBADF;

		if (len > NAME_MAX)
			return err_set(e, -ENAMETOOLONG, "cgroup path has a name that is too long");
		memcpy(name, path, len);
		name[len] = '\0';
		path += len + strspn(path + len, "/");
		if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
			return err_sys(e, -errno, "cgroup %s", name);
		next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0)
			return err_sys(e, -errno, "cgroup %s", name);
		if (*path)
			boot_hand_down_controllers(next);
		close_fd(&dir);
		dir = next;
	}
	*ret_fd = take_fd(&dir);
	return 0;
}

/* A limit on what does not exist is kept already. */
static bool needs_no_limit(const struct gplan_pair *f, int error)
{
	if (error == -ENOENT && strncmp(f->key, "hugetlb.", 8) == 0)
		return true;
	return error == -ENODEV && strncmp(f->key, "io.", 3) == 0;
}

static bool has_controller(int fd, const char *key)
{
	cleanup(close) int file = openat(fd, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	size_t len = 0, name = strcspn(key, ".");

	if (file < 0 || io_read_file(file, MAX_FILE, &text, &len) < 0)
		return false;
	for (const char *at = text; *at; at += strspn(at, " \n")) {
		size_t n = strcspn(at, " \n");

		if (n == name && strncmp(at, key, n) == 0)
			return true;
		at += n;
	}
	return false;
}

int cgroup_write(int fd, const struct gplan_pair *files, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct gplan_pair *f = &files[i];
		int r = -EINVAL;

		if (!strchr(f->key, '/'))
			r = io_write_at(fd, f->key, f->value);
		if (r == 0 || needs_no_limit(f, r))
			continue;
		/* Only config.json's "unified" can name such a file. */
		if (r == -ENOENT && !has_controller(fd, f->key))
			return err_set(e, r,
				"unified resource \"%s\" can't be set: controller \"%.*s\" not "
				"available",
				f->key, (int)strcspn(f->key, "."), f->key);
		return err_sys(e, r, "failed to write \"%s\" to cgroup file %s", f->value, f->key);
	}
	return 0;
}

/* The program outlives its fd: the cgroup holds it. */
static int attach_filter(const struct gplan *g, int fd, struct err *e)
{
	const union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.expected_attach_type = BPF_CGROUP_DEVICE,
		.insns = (uintptr_t)g->device_filter,
		.insn_cnt = (unsigned)(g->device_filter_len / sizeof(struct bpf_insn)),
		.license = (uintptr_t) "Apache-2.0",
	};
	union bpf_attr attach = {
		.attach_type = BPF_CGROUP_DEVICE,
		.target_fd = (unsigned)fd,
		/* So that a runtime in the container can add its own. */
		.attach_flags = BPF_F_ALLOW_MULTI,
	};
	cleanup(close) int program =
		(int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, (unsigned)sizeof(load));

	if (program < 0)
		return err_sys(e, -errno, "cgroup: loading the device filter");
	attach.attach_bpf_fd = (unsigned)program;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, (unsigned)sizeof(attach)) < 0)
		return err_sys(e, -errno, "cgroup: attaching the device filter");
	return 0;
}

/* runtime-spec 1.2, config-linux.md, "Cgroup ownership": who runs the container's program may
 * divide a cgroup that it sees as its namespace's root and may write to. */
static bool is_delegated(const struct gplan *g)
{
	for (size_t i = 0; i < g->n_mounts && (g->namespaces & CLONE_NEWCGROUP); i++) {
		if (g->mounts[i].kind == GPLAN_MOUNT_CGROUP && !(g->mounts[i].flags & MS_RDONLY) &&
			!(g->mounts[i].rec_attr_set & MOUNT_ATTR_RDONLY))
			return true;
	}
	return false;
}

/* The folder, and what the kernel says goes with it. */
static int delegate(const struct gplan *g, int fd, struct err *e)
{
	uid_t owner = gplan_outer_uid(g, g->process.uid);
	cleanup(close) int list = open("/sys/kernel/cgroup/delegate", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	size_t len = 0;
	int r = list < 0 ? -errno : io_read_file(list, MAX_FILE, &text, &len);
	char *rest = NULL;

	if (r == 0 && fchown(fd, owner, (gid_t)-1) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "owner of the cgroup");
	for (char *name = strtok_r(text, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
		/* Those of controllers that it has not got. */
		if (fchownat(fd, name, owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 &&
			errno != ENOENT)
			return err_sys(e, -errno, "owner of %s", name);
	}
	return 0;
}

int cgroup_make(const struct gplan *g, int *ret_fd, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	int r = make_folders(g->cgroup, &fd, e);

	if (r == 0)
		r = cgroup_write(fd, g->cgroup_files, g->n_cgroup_files, e);
	if (r == 0 && g->device_filter_len)
		r = attach_filter(g, fd, e);
	if (r == 0 && is_delegated(g))
		r = delegate(g, fd, e);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static int open_beneath(int fd, const char *path)
{
	const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	path += strspn(path, "/");
	fd = (int)syscall(SYS_openat2, fd, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int cgroup_sub(int fd, const char *path, struct err *e)
{
	int r = open_beneath(fd, path);

	/* runc's words, which name what it would have written to. */
	if (r == -ENOENT)
		return err_set(e, r,
			"adding pid of exec to cgroups: /%s/cgroup.procs: no such file or directory",
			path + strspn(path, "/"));
	return r < 0 ? err_sys(e, r, "cgroup %s", path) : r;
}

int cgroup_of(pid_t pid)
{
	cleanup(close) int root = open(BOOT_CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(close) int file = -EBADF;
	cleanup(free) char *text = NULL;
	char name[64];
	size_t len = 0;
	int r = 0;

	(void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	file = open(name, O_RDONLY | O_CLOEXEC);
	if (root < 0 || file < 0)
		return -errno;
	r = io_read_file(file, MAX_FILE, &text, &len);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return strncmp(text, "0::/", 4) == 0 ? open_beneath(root, text + 4) : -ENOENT;
}

static size_t read_pids(int fd, pid_t *pids, size_t max)
{
	cleanup(close) int file = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	size_t len = 0, n = 0;

	if (file < 0 || io_read_file(file, MAX_FILE, &text, &len) < 0)
		return 0;
	for (char *at = text; *at && n < max;) {
		char *end = NULL;
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		/* 0 = a process that this pid namespace does not see. */
		if (pid > 0)
			pids[n++] = (pid_t)pid;
		at = end + strspn(end, "\n");
	}
	return n;
}

/* Whoever runs the container's program may name one ".x". */
static bool is_sub(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		strcmp(entry->d_name, "..") != 0;
}

static size_t collect(int fd, pid_t *pids, size_t max, int depth)
{
	size_t n = read_pids(fd, pids, max);
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry = NULL;

	if (!d) {
		close_fd(&copy);
		return n;
	}
	while (depth < MAX_DEPTH && (entry = readdir(d))) {
		cleanup(close) int sub = -EBADF;

		if (!is_sub(entry))
			continue;
		sub = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			n += collect(sub, pids + n, max - n, depth + 1);
	}
	(void)closedir(d);
	return n;
}

ssize_t cgroup_pids(int fd, pid_t *pids, size_t max)
{
	return fd < 0 ? -EBADF : (ssize_t)collect(fd, pids, max, 0);
}

void cgroup_signal(int fd, int signal)
{
	static pid_t pids[MAX_SIGNALLED];
	ssize_t n = 0;

	/* cgroup.kill also reaches what is being forked meanwhile. */
	if (signal == SIGKILL && io_write_at(fd, "cgroup.kill", "1") == 0)
		return;
	n = cgroup_pids(fd, pids, MAX_SIGNALLED);
	for (ssize_t i = 0; i < n; i++)
		(void)kill(pids[i], signal);
}

static int remove_below(int dir, const char *name, int depth)
{
	cleanup(close) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int copy = fd < 0 ? -EBADF : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry = NULL;

	if (!d)
		close_fd(&copy);
	while (d && depth < MAX_DEPTH && (entry = readdir(d))) {
		if (is_sub(entry))
			(void)!remove_below(fd, entry->d_name, depth + 1);
	}
	if (d)
		(void)closedir(d);
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(const char *path)
{
	cleanup(close) int root = open(BOOT_CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : remove_below(root, path, 0);
}
