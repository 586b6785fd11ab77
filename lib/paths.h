/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths.h - paths inside a container's root: every symlink in them is the image's, so it is
 * resolved beneath that root and nowhere else (openat2, RESOLVE_IN_ROOT).
 */
#ifndef NESTBOX_PATHS_H
#define NESTBOX_PATHS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"

/* O_PATH fd (or one opened with the given flags) of a path in the root; negative errno. */
warn_unused int path_open(int root_fd, const char *path, int flags);

/* As path_open with O_PATH; what is missing is made: folders (0755), and at the end a folder or an
 * empty file. Where a component is a link to nothing, what it names (in the root) is made. */
warn_unused int path_make(int root_fd, const char *path, bool file);

/* Fd of the folder that holds the path's last component, made when missing; *ret_name points into
 * path. -EINVAL when there is no last component. */
warn_unused int path_make_parent(int root_fd, const char *path, const char **ret_name);

/* "/proc/self/fd/N" for system calls that want a path. */
#define PATH_FD_MAX 32
const char *path_of_fd(int fd, char buf[PATH_FD_MAX]);

#endif
