/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmaps.c - maps of ids; see idmaps.h.
 *
 * The kernel takes a mount's map from a user namespace (mount_setattr(2), MOUNT_ATTR_IDMAP). So
 * there is a process that does nothing but to be in one, for as long as it takes to give it its
 * maps and to open it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "idmaps.h"
#include "io.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

static int write_map(pid_t pid, const char *file, const struct gplan_idmap *map, size_t n)
{
	/* More than a page the kernel does not take. */
	char path[64], text[4096];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n",
			map[i].container_id, map[i].host_id, map[i].size);
		if (len >= sizeof(text))
			return -E2BIG;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return n ? io_write_at(AT_FDCWD, path, text) : 0;
}

int idmaps_write(pid_t pid, const struct gplan_idmap *uids, size_t n_uids,
	const struct gplan_idmap *gids, size_t n_gids)
{
	char path[64];
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
	r = io_write_at(AT_FDCWD, path, "allow");
	if (r == 0)
		r = write_map(pid, "uid_map", uids, n_uids);
	return r < 0 ? r : write_map(pid, "gid_map", gids, n_gids);
}

/* An fd of a new user namespace with the mount's maps. */
static int make_namespace(const struct gplan_mount *m)
{
	const struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	char path[64];
	int r = 0;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	r = idmaps_write(pid, m->uid_map, m->n_uid_map, m->gid_map, m->n_gid_map);
	if (r == 0) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		r = open(path, O_RDONLY | O_CLOEXEC);
		if (r < 0)
			r = -errno;
	}
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* Each container's are in a folder of their own, which stays: to remove a place would take away
 * what is mounted there in all namespaces, the container's too. */
static unsigned generation;

const char *idmaps_path(const struct gplan_mount *m, char *ret)
{
	(void)snprintf(ret, IDMAPS_PATH_MAX, IDMAPS_FOLDER "/%u/%s", generation, m->source);
	return ret;
}

static int make_folder(void)
{
	char path[IDMAPS_PATH_MAX];

	(void)snprintf(path, sizeof(path), IDMAPS_FOLDER "/%u", ++generation);
	if ((mkdir(IDMAPS_FOLDER, 0711) < 0 && errno != EEXIST) || mkdir(path, 0711) < 0)
		return -errno;
	return 0;
}

static int make_place(const char *place, bool folder)
{
	int fd = -EBADF;

	if (folder)
		return mkdir(place, 0700) < 0 ? -errno : 0;
	fd = open(place, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int mount_one(const struct gplan *g, const struct gplan_mount *m)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	char share[BOOT_FOLDER_MAX + NAME_MAX + 2], folder[BOOT_FOLDER_MAX];
	char place[IDMAPS_PATH_MAX];
	cleanup(close) int tree = -EBADF;
	cleanup(close) int ns = make_namespace(m);
	struct stat st;
	int r = 0;

	if (ns < 0)
		return ns;
	(void)snprintf(share, sizeof(share), "%s/%s", boot_folder(BOOT_SHARES, g->fs_slot, folder),
		m->source);
	(void)idmaps_path(m, place);
	tree = (int)syscall(
		SYS_open_tree, AT_FDCWD, share, (unsigned)(OPEN_TREE_CLONE | O_CLOEXEC));
	if (tree < 0 || fstat(tree, &st) < 0)
		return -errno;
	attr.userns_fd = (unsigned)ns;
	if (syscall(SYS_mount_setattr, tree, "", (unsigned)AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	r = make_place(place, S_ISDIR(st.st_mode));
	if (r == 0 &&
		syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	return r;
}

int idmaps_mount(const struct gplan *g, struct err *e)
{
	bool has_folder = false;

	for (size_t i = 0; i < g->n_mounts; i++) {
		const struct gplan_mount *m = &g->mounts[i];
		int r = 0;

		if (!m->n_uid_map)
			continue;
		if (!has_folder)
			r = make_folder();
		has_folder = true;
		if (r == 0)
			r = mount_one(g, m);
		if (r < 0)
			return err_sys(e, r, "id-mapped mount at \"%s\"", m->dest);
	}
	return 0;
}

void idmaps_unmount(const struct gplan *g)
{
	char place[IDMAPS_PATH_MAX];

	for (size_t i = 0; i < g->n_mounts; i++) {
		if (g->mounts[i].n_uid_map)
			(void)umount2(idmaps_path(&g->mounts[i], place), MNT_DETACH);
	}
}
