/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.c - device nodes and links in the container's /dev; see devices.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices.h"
#include "paths.h"

static const struct {
	const char *path, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/core", "/proc/kcore" },
	{ "/dev/ptmx", "pts/ptmx" },
};

/* On devtmpfs, where nodes are devices. */
#define SPARE_NODES "/dev/.container"

static void spare_name(size_t index, char ret[64])
{
	(void)snprintf(ret, 64, SPARE_NODES "/%zu", index);
}

int devices_prepare(const struct gplan *g, struct err *e)
{
	mode_t mask = umask(0);
	int r = mkdir(SPARE_NODES, 0755) < 0 ? -errno : 0;

	for (size_t i = 0; i < g->n_devices && r == 0; i++) {
		const struct gplan_device *d = &g->devices[i];
		char path[64];

		spare_name(i, path);
		if (mknod(path, d->mode, makedev(d->major, d->minor)) < 0 ||
			lchown(path, gplan_outer_uid(g, d->uid), gplan_outer_gid(g, d->gid)) < 0)
			r = -errno;
	}
	umask(mask);
	return r < 0 ? err_sys(e, r, "creating device nodes") : 0;
}

/* In a user namespace nodes cannot be made: init's is bound. */
static int bind_node(const struct gplan_device *d, size_t index, int root_fd)
{
	cleanup(close) int target = path_make(root_fd, d->path, true);
	char to[PATH_FD_MAX], from[64];

	if (target < 0)
		return target;
	spare_name(index, from);
	return mount(from, path_of_fd(target, to), NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int make_node(const struct gplan_device *d, size_t index, int root_fd)
{
	const char *name = NULL;
	cleanup(close) int dir = path_make_parent(root_fd, d->path, &name);
	struct stat st;

	if (dir < 0)
		return dir;
	if (mknodat(dir, name, d->mode, makedev(d->major, d->minor)) < 0) {
		if (errno == EPERM)
			return bind_node(d, index, root_fd);
		if (errno != EEXIST)
			return -errno;
		/* The image's own node serves when it is the same one. */
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) ||
			(!S_ISFIFO(d->mode) && st.st_rdev != makedev(d->major, d->minor))) {
			if (unlinkat(dir, name, 0) < 0 ||
				mknodat(dir, name, d->mode, makedev(d->major, d->minor)) < 0)
				return -errno;
		}
	}
	if (fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(dir, name, d->mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int make_link(int root_fd, const char *path, const char *target)
{
	const char *name = NULL;
	cleanup(close) int dir = path_make_parent(root_fd, path, &name);
	char old[PATH_MAX];
	ssize_t n = 0;

	if (dir < 0)
		return dir;
	if (symlinkat(target, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	n = readlinkat(dir, name, old, sizeof(old) - 1);
	/* Something that is no link, as a ptmx node that the image brings, is left alone. */
	if (n < 0)
		return 0;
	old[n] = '\0';
	if (strcmp(old, target) == 0)
		return 0;
	if (unlinkat(dir, name, 0) < 0 || symlinkat(target, dir, name) < 0)
		return -errno;
	return 0;
}

int devices_make(const struct gplan *g, int root_fd, struct err *e)
{
	mode_t mask = umask(0);
	int r = 0;

	for (size_t i = 0; i < g->n_devices && r == 0; i++) {
		r = make_node(&g->devices[i], i, root_fd);
		if (r < 0)
			(void)err_sys(e, r, "creating device node %s", g->devices[i].path);
	}
	umask(mask);
	for (size_t i = 0; i < ARRAY_LEN(links) && r == 0; i++) {
		r = make_link(root_fd, links[i].path, links[i].target);
		/* A read-only image without them gets none. */
		if (r == -EROFS)
			r = 0;
		if (r < 0)
			(void)err_sys(e, r, "creating link %s", links[i].path);
	}
	return r;
}
