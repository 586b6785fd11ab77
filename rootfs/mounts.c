/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.c - the container's file system: root, mounts, devices, hidden paths; see mounts.h.
 *
 * Everything is put in place beneath the new root through fds that were resolved in it, and only
 * then does the process enter it: the guest's own /proc serves meanwhile.
 *
 * Trust: the image is hostile: its symlinks lead nowhere outside (paths.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "bridges.h"
#include "copy-up.h"
#include "devices.h"
#include "hooks.h"
#include "idmaps.h"
#include "image.h"
#include "io.h"
#include "mounts.h"
#include "paths.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#define TIOCGPTPEER_ 0x5441

static const struct {
	unsigned long ms;
	uint64_t attr;
} attr_of_flag[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV },
	{ MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NOATIME, MOUNT_ATTR_NOATIME },
	{ MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
};

static int set_attr(int fd, uint64_t set, uint64_t clear, bool recursive)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	if (set & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	return syscall(SYS_mount_setattr, fd, "",
		       (unsigned)(AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0)), &attr,
		       sizeof(attr)) < 0
		? -errno
		: 0;
}

/* Puts a copy of the mount at `source` (a path below at, or "" for at itself) onto the open target.
 * Returns an fd of the new mount. */
static int bind_onto(int at, const char *source, int target, uint64_t flags)
{
	cleanup(close) int tree = (int)syscall(SYS_open_tree, at, source,
		(unsigned)(OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH));
	uint64_t set = 0;
	int r = 0;

	if (tree < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(attr_of_flag); i++) {
		if (flags & attr_of_flag[i].ms)
			set |= attr_of_flag[i].attr;
	}
	if (set)
		r = set_attr(tree, set, 0, false);
	if (r < 0)
		return r;
	if (syscall(SYS_move_mount, tree, "", target, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return take_fd(&tree);
}

/* "/", however it is written without dots. */
static bool is_root(const char *path)
{
	return path[strspn(path, "/")] == '\0';
}

/* ---- the kinds of mounts ------------------------------------------------------------------- */

static int mount_share(const struct gplan *g, const struct gplan_mount *m, int root_fd)
{
	char source[IDMAPS_PATH_MAX],
		folder[BOOT_FOLDER_MAX]; /* source: the longest of the three kinds */
	cleanup(close) int target = -EBADF;
	struct stat st;

	(void)snprintf(source, sizeof(source), "%s/%s",
		boot_folder(BOOT_SHARES, g->fs_slot, folder), m->source);
	if (stat(source, &st) < 0)
		return -errno;
	/* A socket of the host: init listens in its place. */
	if (S_ISSOCK(st.st_mode))
		(void)snprintf(source, sizeof(source), "%s/%s",
			boot_folder(BRIDGES_FOLDER, g->fs_slot, folder), m->source);
	else if (m->n_uid_map)
		(void)idmaps_path(m, source);
	target = path_make(root_fd, m->dest, !S_ISDIR(st.st_mode));
	return target < 0 ? target : bind_onto(AT_FDCWD, source, target, m->flags);
}

static int mount_shm(const struct gplan_mount *m, int root_fd)
{
	cleanup(close) int target = path_make(root_fd, m->dest, false);

	return target < 0 ? target : bind_onto(AT_FDCWD, BOOT_SHM, target, m->flags);
}

static int mount_cgroup(const struct gplan *g, const struct gplan_mount *m, int root_fd)
{
	cleanup(close) int target = path_make(root_fd, m->dest, false);
	char to[PATH_FD_MAX], source[PATH_MAX];

	if (target < 0)
		return target;
	if (g->namespaces & CLONE_NEWCGROUP) {
		if (mount("cgroup", path_of_fd(target, to), "cgroup2", m->flags, NULL) < 0)
			return -errno;
		return path_open(root_fd, m->dest, O_PATH);
	}
	(void)snprintf(source, sizeof(source), BOOT_CGROUP "/%s", g->cgroup);
	return bind_onto(AT_FDCWD, source, target, m->flags);
}

static int remount(const struct gplan_mount *m, int root_fd)
{
	cleanup(close) int target = path_open(root_fd, m->dest, O_PATH);
	char to[PATH_FD_MAX];

	if (target < 0)
		return target;
	if (mount(*m->source ? m->source : m->type, path_of_fd(target, to), m->type, m->flags,
		    m->data) < 0)
		return -errno;
	return take_fd(&target);
}

/* A tmpfs can be filled until all is made: then make_tmpfs_readonly(). */
static int fill_tmpfs(const struct gplan_mount *m, int fd, int old, mode_t mode)
{
	char path[PATH_FD_MAX];

	/* It takes the mode of the folder below it unless it is told one. */
	if (!strstr(m->data, "mode=") &&
		fchmodat(AT_FDCWD, path_of_fd(fd, path), mode & 07777, 0) < 0)
		return -errno;
	return old < 0 ? 0 : copy_up(old, fd);
}

static int mount_fs(const struct gplan_mount *m, int root_fd)
{
	cleanup(close) int found = path_open(root_fd, m->dest, O_PATH);
	cleanup(close) int target = path_make(root_fd, m->dest, false);
	cleanup(close) int old = -EBADF;
	bool tmpfs = strcmp(m->type, "tmpfs") == 0;
	char to[PATH_FD_MAX];
	struct stat st;
	int fd = -EBADF;
	int r = 0;

	if (target < 0 || fstat(target, &st) < 0)
		return target < 0 ? target : -errno;
	/* Everybody's, as under runc. */
	if (found == -ENOENT)
		st.st_mode = 01777;
	if (m->tmpcopyup)
		old = path_open(root_fd, m->dest, O_RDONLY | O_DIRECTORY);
	if (mount(*m->source ? m->source : m->type, path_of_fd(target, to), m->type,
		    m->flags & ~(uint64_t)(tmpfs ? MS_RDONLY : 0), m->data) < 0) {
		/* A user namespace that does not own the network cannot mount sysfs. */
		if (errno == EPERM && strcmp(m->type, "sysfs") == 0)
			return bind_onto(AT_FDCWD, BOOT_PLAIN_SYS, target, m->flags);
		return -errno;
	}
	fd = is_root(m->dest) ? open(BOOT_NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC)
			      : path_open(root_fd, m->dest, O_PATH);
	if (tmpfs && fd >= 0)
		r = fill_tmpfs(m, fd, old, st.st_mode);
	if (r < 0)
		close_fd(&fd);
	return r < 0 ? r : fd;
}

/* runc's two rules against mounts that do not lie where config.json says. */
static int check_target(const struct gplan_mount *m, int root_fd, struct err *e)
{
	cleanup(close) int itself = path_open(root_fd, m->dest, O_PATH | O_NOFOLLOW);
	cleanup(close) int target = path_open(root_fd, m->dest, O_PATH);
	struct statfs fs;
	struct stat st;

	if (m->kind == GPLAN_MOUNT_FS &&
		(strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0) && itself >= 0 &&
		fstat(itself, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, -EINVAL,
			"filesystem \"%s\" must be mounted on ordinary directory", m->type);
	if (!m->in_proc && target >= 0 && fstatfs(target, &fs) == 0 &&
		fs.f_type == PROC_SUPER_MAGIC)
		return err_set(
			e, -EINVAL, "\"%s\" cannot be mounted because it is inside /proc", m->dest);
	return 0;
}

static int mount_by_kind(const struct gplan *g, const struct gplan_mount *m, int root_fd)
{
	if (m->flags & MS_REMOUNT)
		return remount(m, root_fd);
	if (m->kind == GPLAN_MOUNT_SHARE)
		return mount_share(g, m, root_fd);
	if (m->kind == GPLAN_MOUNT_SHM)
		return mount_shm(m, root_fd);
	return m->kind == GPLAN_MOUNT_CGROUP ? mount_cgroup(g, m, root_fd) : mount_fs(m, root_fd);
}

/* *ret_fd is the new mount (owned by the caller). */
static int mount_one(
	const struct gplan *g, const struct gplan_mount *m, int root_fd, int *ret_fd, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	char path[PATH_FD_MAX];
	int r = check_target(m, root_fd, e);

	if (r < 0)
		return r;
	fd = mount_by_kind(g, m, root_fd);
	if (fd < 0)
		return err_sys(e, fd, "error mounting \"%s\" to rootfs at \"%s\"",
			*m->source ? m->source : m->type, m->dest);
	if (m->rec_attr_set || m->rec_attr_clear)
		r = set_attr(fd, m->rec_attr_set, m->rec_attr_clear, true);
	if (r == 0 && m->propagation &&
		mount(NULL, path_of_fd(fd, path), NULL, m->propagation, NULL) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "options of the mount at %s", m->dest);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* All mounts in their order. fds[] gets each that is to be made read-only when it is filled. One on
 * the root itself becomes the root of those behind it. */
static int mount_all(const struct gplan *g, int *root_fd, int *fds, struct err *e)
{
	for (size_t i = 0; i < g->n_mounts; i++) {
		const struct gplan_mount *m = &g->mounts[i];
		cleanup(close) int fd = -EBADF;
		int r = mount_one(g, m, *root_fd, &fd, e);

		if (r < 0)
			return r;
		if (is_root(m->dest) && !(m->flags & MS_REMOUNT)) {
			close_fd(root_fd);
			*root_fd = open(BOOT_NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (*root_fd < 0)
				return err_sys(e, -errno, "open the root filesystem");
		}
		if (m->kind == GPLAN_MOUNT_FS && strcmp(m->type, "tmpfs") == 0 &&
			(m->flags & (MS_RDONLY | MS_REMOUNT)) == MS_RDONLY)
			fds[i] = take_fd(&fd);
	}
	return 0;
}

static int make_tmpfs_readonly(const struct gplan *g, const int *fds, struct err *e)
{
	for (size_t i = 0; i < g->n_mounts; i++) {
		int r = fds[i] < 0 ? 0 : set_attr(fds[i], MOUNT_ATTR_RDONLY, 0, false);

		if (r < 0)
			return err_sys(e, r, "making %s read-only", g->mounts[i].dest);
	}
	return 0;
}

/* What is entered or mounted on later, while it can still be made. What goes wrong shows then. */
static void make_places(const struct gplan *g, int root_fd)
{
	cleanup(close) int cwd = path_make(root_fd, g->process.cwd, false);
	cleanup(close) int console =
		g->process.terminal ? path_make(root_fd, "/dev/console", true) : -EBADF;

	(void)cwd;
	(void)console;
}

/* ---- hidden paths -------------------------------------------------------------------------- */

/* Missing paths are fine: the lists are the same for every kernel. */
static int mask_paths(const struct gplan *g, int root_fd, struct err *e)
{
	for (size_t i = 0; i < g->n_masked; i++) {
		cleanup(close) int fd = path_open(root_fd, g->masked_paths[i], O_PATH);
		cleanup(close) int over = -EBADF;
		char path[PATH_FD_MAX];
		struct stat st;
		int r = 0;

		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(e, fd < 0 ? fd : -errno, "masking %s", g->masked_paths[i]);
		if (S_ISDIR(st.st_mode)) {
			if (mount("tmpfs", path_of_fd(fd, path), "tmpfs", MS_RDONLY, "size=0") < 0)
				r = -errno;
		} else {
			over = bind_onto(AT_FDCWD, "/dev/null", fd, 0);
			r = over < 0 ? over : 0;
		}
		if (r < 0)
			return err_sys(e, r, "masking %s", g->masked_paths[i]);
	}
	return 0;
}

static int protect_paths(const struct gplan *g, int root_fd, struct err *e)
{
	for (size_t i = 0; i < g->n_readonly; i++) {
		cleanup(close) int fd = path_open(root_fd, g->readonly_paths[i], O_PATH);
		cleanup(close) int over = -EBADF;

		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		if (fd >= 0)
			over = bind_onto(fd, "", fd, MS_RDONLY);
		if (fd < 0 || over < 0)
			return err_sys(
				e, fd < 0 ? fd : over, "making %s read-only", g->readonly_paths[i]);
	}
	return 0;
}

/* ---- terminal ------------------------------------------------------------------------------ */

int mounts_open_terminal(
	const struct gplan_process *p, int *ret_console, int *ret_slave, struct err *e)
{
	cleanup(close) int console = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	cleanup(close) int slave = -EBADF;
	struct winsize size = { .ws_row = p->rows, .ws_col = p->cols };
	int unlock = 0;

	if (console < 0)
		return err_sys(e, -errno, "open /dev/pts/ptmx");
	if (io_ioctl(console, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, -errno, "unlock the terminal");
	/* By ioctl and not by name: what /dev/pts holds is the image's affair. */
	slave = ioctl(console, TIOCGPTPEER_, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(e, -errno, "open the terminal");
	if (p->rows || p->cols)
		(void)io_ioctl(console, TIOCSWINSZ, &size);
	if (fchown(slave, p->uid, (gid_t)-1) < 0)
		return err_sys(e, -errno, "owner of the terminal");
	*ret_console = take_fd(&console);
	*ret_slave = take_fd(&slave);
	return 0;
}

/* /dev/console is the container's terminal. */
static int bind_console(int slave, struct err *e)
{
	cleanup(close) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(close) int target = root < 0 ? -errno : path_make(root, "/dev/console", true);
	cleanup(close) int over = target < 0 ? target : bind_onto(slave, "", target, 0);

	return over < 0 ? err_sys(e, over, "mount /dev/console") : 0;
}

/* ---- root ---------------------------------------------------------------------------------- */

static int mount_root(const struct gplan *g, struct err *e)
{
	char source[BOOT_FOLDER_MAX + NAME_MAX + 2], folder[BOOT_FOLDER_MAX];

	if (mount(NULL, "/", NULL, g->root_propagation ? g->root_propagation : MS_SLAVE | MS_REC,
		    NULL) < 0)
		return err_sys(e, -errno, "mount propagation of the root");
	/* pivot_root does not take a shared parent. */
	if (mount(NULL, "/", NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(e, -errno, "mount propagation of the root");
	if (g->root_kind == GPLAN_ROOT_BLOCK)
		(void)snprintf(source, sizeof(source), IMAGE_ROOT);
	else
		(void)snprintf(source, sizeof(source), "%s/%s",
			boot_folder(BOOT_SHARES, g->fs_slot, folder), g->root_source);
	if (mount(source, BOOT_NEW_ROOT, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(e, -errno, "mount the root filesystem");
	return 0;
}

static int enter_root(const struct gplan *g, struct err *e)
{
	if (chdir(BOOT_NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, -errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "leave the old root");
	if (g->root_propagation && mount(NULL, "/", NULL, g->root_propagation, NULL) < 0)
		return err_sys(e, -errno, "mount propagation of the root");
	return 0;
}

static int make_readonly(const struct gplan *g, int root_fd, struct err *e)
{
	int r = g->root_readonly ? set_attr(root_fd, MOUNT_ATTR_RDONLY, 0, false) : 0;

	return r < 0 ? err_sys(e, r, "making the root read-only") : 0;
}

/* What lies beneath the root, from the mounts to the hidden paths. */
static int fill_root(const struct gplan *g, int *root_fd, struct err *e)
{
	int *fds = malloc((g->n_mounts + 1) * sizeof(*fds));
	int r = 0;

	if (!fds)
		return err_sys(e, -ENOMEM, "mounts");
	for (size_t i = 0; i < g->n_mounts; i++)
		fds[i] = -EBADF;
	r = mount_all(g, root_fd, fds, e);
	if (r == 0)
		r = devices_make(g, *root_fd, e);
	if (r == 0)
		make_places(g, *root_fd);
	if (r == 0)
		r = hooks_create_container(g, *root_fd, e);
	if (r == 0)
		r = make_tmpfs_readonly(g, fds, e);
	for (size_t i = 0; i < g->n_mounts; i++)
		close_fd(&fds[i]);
	free(fds);
	if (r == 0)
		r = protect_paths(g, *root_fd, e);
	return r < 0 ? r : mask_paths(g, *root_fd, e);
}

int mounts_build(const struct gplan *g, int *ret_console, int *ret_slave, struct err *e)
{
	cleanup(close) int root_fd = -EBADF;
	int r = mount_root(g, e);

	*ret_console = *ret_slave = -EBADF;
	if (r < 0)
		return r;
	root_fd = open(BOOT_NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_sys(e, -errno, "open the root filesystem");
	r = fill_root(g, &root_fd, e);
	if (r == 0)
		r = enter_root(g, e);
	if (r == 0 && g->process.terminal) {
		r = mounts_open_terminal(&g->process, ret_console, ret_slave, e);
		if (r == 0)
			r = bind_console(*ret_slave, e);
	}
	if (r == 0)
		r = make_readonly(g, root_fd, e);
	return r;
}
