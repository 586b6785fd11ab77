/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-cgroup.c - the host's cgroup (v2) of a container; see host-cgroup.h.
 *
 * Facts: Linux, Documentation/admin-guide/cgroup-v2.rst.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host-cgroup.h"
#include "io.h"

#define MAX_FILE ((size_t)1 << 20)
#define MAX_DEPTH 16
#define MAX_PIDS 4096
#define REMOVE_MS 5000
#define PATIENCE_MS 200
#define MONITOR_NAME "nestbox-monitor\n"

int host_cgroup_check(struct err *e)
{
	struct statfs fs;

	if (statfs(HOST_CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return 0;
	return err_set(e, -ENOTSUP,
		"cgroup v2 is needed at " HOST_CGROUP_ROOT
		", and this host has v1 there: boot it with systemd.unified_cgroup_hierarchy=1");
}

int host_cgroup_of(pid_t pid, char ret[PATH_MAX])
{
	cleanup(close) int fd = -EBADF;
	cleanup(free) char *text = NULL;
	char name[64] = "/proc/self/cgroup";
	char *line = NULL;
	size_t len = 0;
	int r = 0;

	if (pid)
		(void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : io_read_file(fd, MAX_FILE, &text, &len);
	if (r < 0)
		return r;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	if (!line)
		return -EBADMSG;
	line[strcspn(line, "\n")] = '\0';
	if (strlen(line) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, line, strlen(line) + 1);
	return 0;
}

/* All that this folder has, at once; where that is refused, what can be had. A limit whose
 * controller is missing fails by itself. */
static void hand_down(int fd)
{
	cleanup(close) int file = openat(fd, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *names = NULL;
	char all[1024] = "", one[64], *rest = NULL;
	size_t len = 0, at = 0;

	if (file < 0 || io_read_file(file, sizeof(all) / 4, &names, &len) < 0)
		return;
	for (char *n = strtok_r(names, " \n", &rest); n; n = strtok_r(NULL, " \n", &rest))
		at += (size_t)snprintf(all + at, sizeof(all) - at, "+%.60s ", n);
	if (!at || io_write_at(fd, "cgroup.subtree_control", all) == 0)
		return;
	for (char *n = strtok_r(all, " ", &rest); n; n = strtok_r(NULL, " ", &rest)) {
		(void)snprintf(one, sizeof(one), "%.60s", n);
		(void)!io_write_at(fd, "cgroup.subtree_control", one);
	}
}

/* The next folder on the way down; *path moves behind its name. */
static int step(int dir, const char **path, bool make, int *ret_fd)
{
	char name[NAME_MAX + 1];
	size_t len = strcspn(*path, "/");

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, *path, len);
	name[len] = '\0';
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	*path += len;
	*path += strspn(*path, "/");
	if (make && mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	*ret_fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret_fd < 0 ? -errno : 0;
}

static int walk(const char *path, bool make)
{
	cleanup(close) int dir = open(HOST_CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	path += strspn(path, "/");
	if (dir < 0)
		return -errno;
	while (*path) {
		int next = -EBADF;
		int r = 0;

		if (make)
			hand_down(dir);
		r = step(dir, &path, make, &next);
		if (r < 0)
			return r;
		close_fd(&dir);
		dir = next;
	}
	return take_fd(&dir);
}

int host_cgroup_make(const char *path, int *ret_fd, struct err *e)
{
	int fd = walk(path, true);

	if (fd < 0)
		return err_sys(e, fd, "cgroup %s", path);
	*ret_fd = fd;
	return 0;
}

int host_cgroup_open(const char *path)
{
	return walk(path, false);
}

/* What is so by itself where the kernel has no such file: no swap, nobody idle. */
static bool is_default(const char *file, const char *value)
{
	if (strcmp(file, "memory.swap.max") == 0)
		return strcmp(value, "max") == 0 || strcmp(value, "0") == 0;
	return strcmp(file, "cpu.idle") == 0 && strcmp(value, "0") == 0;
}

int host_cgroup_write(int fd, const char *file, const char *value, struct err *e)
{
	int r = strchr(file, '/') ? -EINVAL : io_write_at(fd, file, value);

	if (r == -ENOENT && is_default(file, value))
		return 0;
	if (r == -ENOENT)
		return err_set(e, r,
			"cgroup: the host has no %s here: its controller is not delegated", file);
	return r < 0 ? err_sys(e, r, "cgroup: failed to write %s: %s", file, value) : 0;
}

int host_cgroup_join(int fd, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return io_write_at(fd, "cgroup.procs", text);
}

ssize_t host_cgroup_pids(int fd, pid_t *pids, size_t max)
{
	cleanup(close) int file = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	char *end = NULL;
	size_t len = 0, n = 0;
	int r = file < 0 ? -errno : io_read_file(file, MAX_FILE, &text, &len);

	if (r < 0)
		return r;
	for (char *at = text; n < max; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		/* 0 = a process that this pid namespace does not see. */
		if (pid > 0)
			pids[n++] = (pid_t)pid;
	}
	return (ssize_t)n;
}

bool host_cgroup_has_below(int fd)
{
	struct stat st;

	/* A folder without folders has two links: its name and ".". */
	return fstat(fd, &st) == 0 && st.st_nlink > 2;
}

static bool file_says(int fd, const char *name, const char *word)
{
	cleanup(close) int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
	char text[256] = "";

	return file >= 0 && io_read_full(file, text, sizeof(text) - 1) > 0 && strstr(text, word);
}

bool host_cgroup_frozen(int fd)
{
	/* "frozen" is also said of what stands below a frozen one; and later than it was asked for.
	 */
	return file_says(fd, "cgroup.events", "frozen 1") || file_says(fd, "cgroup.freeze", "1");
}

static bool is_monitor(pid_t pid)
{
	cleanup(close) int fd = -EBADF;
	char path[64], name[32] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && io_read_full(fd, name, sizeof(name) - 1) > 0 &&
		strcmp(name, MONITOR_NAME) == 0;
}

ssize_t host_cgroup_monitors(int fd, pid_t *pids, size_t max)
{
	ssize_t n = host_cgroup_pids(fd, pids, max);
	ssize_t kept = 0;

	for (ssize_t i = 0; i < n; i++) {
		if (is_monitor(pids[i]))
			pids[kept++] = pids[i];
	}
	return n < 0 ? n : kept;
}

/* ---- removal ------------------------------------------------------------------------------- */

/* A monitor whose reader does not take what it holds would stay for ever. Whether there was one. */
static bool kill_monitors(int fd)
{
	pid_t all[MAX_PIDS], pids[MAX_PIDS];
	ssize_t n_all = host_cgroup_pids(fd, all, MAX_PIDS);
	ssize_t n = host_cgroup_monitors(fd, pids, MAX_PIDS);

	/* Ours of exec are alone: with a VMM, or a stranger, it is another container's home too. */
	if (n <= 0 || n != n_all)
		return false;
	for (ssize_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
	return true;
}

static void remove_below(int fd, int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry = NULL;

	if (!d) {
		close_fd(&copy);
		return;
	}
	while (depth < MAX_DEPTH && (entry = readdir(d))) {
		cleanup(close) int sub = -EBADF;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		sub = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub >= 0)
			remove_below(sub, depth + 1);
		(void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	(void)closedir(d);
}

void host_cgroup_remove(const char *path)
{
	char full[PATH_MAX + sizeof(HOST_CGROUP_ROOT)];
	cleanup(close) int fd = walk(path, false);

	if (fd < 0 || !path[strspn(path, "/")])
		return;
	(void)snprintf(full, sizeof(full), HOST_CGROUP_ROOT "%s", path);
	for (int waited = 0; waited < REMOVE_MS; waited += 5) {
		remove_below(fd, 0);
		if (rmdir(full) == 0 || errno != EBUSY)
			return;
		if (waited == PATIENCE_MS && !kill_monitors(fd))
			return;
		(void)usleep(5000);
	}
}
