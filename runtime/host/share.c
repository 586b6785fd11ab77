/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.c - folders and files of the host as detached mounts; see share.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The mount point in a line of mountinfo, its fifth word, in place; NULL when it has none. Blanks
 * and the like are written as a backslash and three octal digits. */
static const char *mount_point(char *line)
{
	char *word = line, *to = NULL;

	for (int i = 0; i < 4; i++) {
		word += strcspn(word, " ");
		if (*word++ != ' ')
			return NULL;
	}
	word[strcspn(word, " \n")] = '\0';
	to = word;
	for (const char *from = word; *from; to++) {
		unsigned octal = 0;
		int used = 0;

		if (sscanf(from, "\\%3o%n", &octal, &used) == 1 && used == 4) {
			*to = (char)octal;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return word;
}

bool share_has_mounts_below(const char *path)
{
	cleanup(free) char *real = realpath(path, NULL);
	cleanup(free) char *line = NULL;
	size_t size = 0, len = real ? strlen(real) : 0;
	FILE *f = real ? fopen("/proc/self/mountinfo", "re") : NULL;
	bool found = false;

	if (!f)
		return false;
	if (len == 1)
		len = 0; /* "/": everything else is below it */
	while (!found && getline(&line, &size, f) > 0) {
		const char *point = mount_point(line);

		found = point && strncmp(point, real, len) == 0 && point[len] == '/' &&
			point[len + 1];
	}
	(void)fclose(f);
	return found;
}
