/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.c - folders and files of the host as detached mounts; see share.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "share.h"

int share_open(const char *path, bool readonly, bool readonly_below, bool recursive, int *ret_fd)
{
	unsigned deep = recursive ? AT_RECURSIVE : 0;
	cleanup(close) int fd = (int)syscall(
		SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep);
	/* nodev and nosuid: the guest's device nodes and set-id files are for its own kernel. */
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.propagation = 1u << 18 /* MS_PRIVATE; the header clashes with linux/mount.h */ };
	const struct mount_attr top = { .attr_set = MOUNT_ATTR_RDONLY };

	if (fd < 0)
		return -errno;
	if (readonly_below)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | deep, &attr, sizeof(attr)) < 0)
		return -errno;
	if (readonly && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &top, sizeof(top)) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}
