/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.c - the monitor's mount namespace; see view.h.
 *
 * It is put together beneath a folder of the host's tree in a namespace of our own, becomes the
 * root, and the host's tree is taken away. Mount points that the image lacks are made in it as the
 * guest would make them: both may come first. Nothing can be executed there, as the image's
 * programs are for the guest's kernel.
 *
 * Trust: the image is hostile: its links lead nowhere outside (paths.c), and its files are never
 *        opened, but for a folder that was made here. Where a mount cannot be placed it is left
 * out: what is wrong with it the guest will say, whose mounts these are.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paths.h"
#include "share.h"
#include "view.h"

#define PLACE "/proc" /* any folder that every system has */

struct view {
	int root; /* O_PATH fd of what is to be the root */
	int covers; /* a tmpfs with a folder for each mount that the host does not have */
	dev_t covers_dev;
	unsigned n_covers;
	int *trees; /* a copy of each share, to be put in its place */
	size_t n_trees;
};

static void cleanup_view(struct view *v)
{
	close_fd(&v->root);
	close_fd(&v->covers);
	for (size_t i = 0; i < v->n_trees; i++)
		close_fd(&v->trees[i]);
	free(v->trees);
}

/* ---- parts --------------------------------------------------------------------------------- */

/* A mount of that folder alone: ".." ends there. */
static int open_own_fds(int *ret_fd, struct err *e)
{
	*ret_fd = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, -errno, "/proc/self/fd") : 0;
}

static int open_folder(const char *path, int *fd)
{
	close_fd(fd);
	*fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

/* The root is looked up again, as it may have been the target. */
static int put(struct view *v, int tree, int target)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return open_folder(PLACE, &v->root);
}

/* All of them before anything is put anywhere: a source may lie below PLACE. */
static int clone_shares(struct view *v, const struct plan *p, struct err *e)
{
	v->trees = calloc(p->host.n_shares + 1, sizeof(*v->trees));
	if (!v->trees)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < p->host.n_shares; i++) {
		const struct plan_share *s = &p->host.shares[i];
		int r = share_open(
			s->path, s->readonly, s->readonly_below, s->recursive, &v->trees[i]);

		if (r < 0)
			return err_sys(e, r, "view of %s", s->path);
		v->n_trees++;
	}
	return 0;
}

static int find_share(const struct view *v, const struct plan *p, const char *name)
{
	for (size_t i = 0; i < v->n_trees; i++) {
		if (strcmp(p->host.shares[i].name, name) == 0)
			return v->trees[i];
	}
	return -ENOENT;
}

static int put_share(struct view *v, const struct plan *p, const struct gplan_mount *m)
{
	int tree = find_share(v, p, m->source);
	cleanup(close) int target = -EBADF;
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0)
		return tree < 0 ? tree : -errno;
	target = path_make(v->root, m->dest, !S_ISDIR(st.st_mode));
	if (target >= 0)
		(void)!put(v, tree, target);
	return 0;
}

/* A folder for a mount. A tmpfs takes the mode of the folder below it, and where the image has none
 * it is everybody's, as under runc: engines leave it at that. */
static int make_folder(const struct view *v, const struct gplan_mount *m)
{
	cleanup(close) int found = path_open(v->root, m->dest, O_PATH);
	cleanup(close) int made = -EBADF;

	if (found != -ENOENT || strcmp(m->type, "tmpfs") != 0)
		return path_make(v->root, m->dest, false);
	found = path_make(v->root, m->dest, false);
	made = path_open(v->root, m->dest, O_RDONLY | O_DIRECTORY);
	if (made >= 0)
		(void)fchmod(made, 01777);
	return take_fd(&found);
}

/* What lies there in the image is not what the container has there, and what would be written there
 * it would not see: so there is nothing, and nothing can be written. */
static int cover(struct view *v, const struct gplan_mount *m)
{
	cleanup(close) int target = make_folder(v, m);
	cleanup(close) int tree = -EBADF;
	char name[16];
	struct stat st;

	if (target < 0 || fstat(target, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	if (st.st_dev == v->covers_dev)
		return 0; /* below another one */
	(void)snprintf(name, sizeof(name), "%u", v->n_covers++);
	if (mkdirat(v->covers, name, 0755) < 0)
		return -errno;
	tree = open_tree(v->covers, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return tree < 0 ? -errno : put(v, tree, target);
}

/* Where the root is an image, which only the guest mounts, the host has an empty folder for it. */
static int put_empty_root(struct view *v)
{
	cleanup(close) int tree = -EBADF;

	if (mkdirat(v->covers, "root", 0755) < 0)
		return -errno;
	tree = open_tree(v->covers, "root", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return tree < 0 ? -errno : put(v, tree, v->covers);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int begin(struct view *v, const struct plan *p, struct err *e)
{
	struct stat st;
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, -errno, "mount namespace");
	r = clone_shares(v, p, e);
	if (r < 0)
		return r;
	if (mount("nestbox", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") < 0)
		return err_sys(e, -errno, "view");
	r = open_folder(PLACE, &v->covers);
	if (r < 0 || fstat(v->covers, &st) < 0)
		return err_sys(e, r < 0 ? r : -errno, "view");
	v->covers_dev = st.st_dev;
	r = p->host.image.path ? put_empty_root(v) : put(v, v->trees[0], v->covers);
	return r < 0 ? err_sys(e, r, "view") : 0;
}

static int put_all(struct view *v, const struct plan *p, struct err *e)
{
	for (size_t i = 0; i < p->guest.n_mounts; i++) {
		const struct gplan_mount *m = &p->guest.mounts[i];
		int r = 0;

		if (m->flags & MS_REMOUNT)
			continue;
		r = m->kind == GPLAN_MOUNT_SHARE ? put_share(v, p, m) : cover(v, m);
		if (r < 0)
			return err_sys(e, r, "view of %s", m->dest);
	}
	return 0;
}

/* Each cover is a mount of its own, and all are of one file system. */
static int close_covers(const struct view *v, struct err *e)
{
	cleanup(close) int fs = fspick(v->covers, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return err_sys(e, -errno, "view: read-only folders");
	return 0;
}

static int become_root(const struct view *v, const struct plan *p, struct err *e)
{
	struct mount_attr all = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			MOUNT_ATTR_NOEXEC };
	struct mount_attr top = { .attr_set = MOUNT_ATTR_RDONLY };

	if (fchdir(v->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, -errno, "view: pivot_root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "view: the host's root");
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &all, sizeof(all)) < 0 ||
		(p->guest.root_readonly && mount_setattr(AT_FDCWD, "/", 0, &top, sizeof(top)) < 0))
		return err_sys(e, -errno, "view: mount options");
	return 0;
}

int view_enter(const struct plan *p, struct err *e)
{
	cleanup(view) struct view v = { .root = -EBADF, .covers = -EBADF };
	cleanup(close) int fds = -EBADF;
	int r = open_own_fds(&fds, e);

	(void)umask(022); /* as in the guest */
	if (r == 0)
		r = begin(&v, p, e);
	if (r == 0)
		r = put_all(&v, p, e);
	if (r == 0)
		r = close_covers(&v, e);
	if (r == 0)
		r = become_root(&v, p, e);
	if (r == 0 && fchdir(fds) < 0)
		r = err_sys(e, -errno, "/proc/self/fd");
	return r;
}

int view_join(const struct process_ref *monitor, struct err *e)
{
	cleanup(close) int fds = -EBADF;
	cleanup(close) int pidfd = process_open(monitor);
	int r = pidfd < 0 ? err_sys(e, pidfd, "container's monitor") : open_own_fds(&fds, e);

	if (r == 0 && (setns(pidfd, CLONE_NEWNS) < 0 || fchdir(fds) < 0))
		r = err_sys(e, -errno, "container's mount namespace");
	return r;
}
