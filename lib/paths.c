/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths.c - paths inside a container's root; see paths.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paths.h"

int path_open(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	/* Mounting and renaming elsewhere can make the kernel give up once. */
	for (int tries = 0; fd < 0 && tries < 16; tries++) {
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			return -errno;
	}
	return fd < 0 ? -EAGAIN : (int)fd;
}

#define MAX_LINKS 8

static int make_path(int root_fd, const char *path, bool file, int links);

/* The first len bytes of path as a folder, made when it is missing. */
static int make_folder(int root_fd, const char *path, size_t len, int links)
{
	char part[PATH_MAX];
	int fd = -EBADF;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len);
	part[len] = '\0';
	fd = path_open(root_fd, part, O_PATH | O_DIRECTORY);
	return fd == -ENOENT ? make_path(root_fd, part, false, links) : fd;
}

static int make_parent(int root_fd, const char *path, const char **ret_name, int links)
{
	cleanup(close) int dir = -EBADF;
	size_t pos = 0;

	dir = path_open(root_fd, "/", O_PATH | O_DIRECTORY);
	for (;;) {
		size_t len = 0;
		int next = -EBADF;

		pos += strspn(path + pos, "/");
		len = strcspn(path + pos, "/");
		if (dir < 0)
			return dir;
		if (len == 0)
			return -EINVAL;
		if (path[pos + len + strspn(path + pos + len, "/")] == '\0') {
			*ret_name = path + pos;
			return take_fd(&dir);
		}
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		/* From the root each time: ".." and absolute links then mean what they say. */
		next = make_folder(root_fd, path, pos + len, links);
		close_fd(&dir);
		dir = next;
		pos += len;
	}
}

int path_make_parent(int root_fd, const char *path, const char **ret_name)
{
	return make_parent(root_fd, path, ret_name, 0);
}

/* The last component is a link to what does not exist: that is made. dir_len is the length of the
 * part of path in front of it. */
static int make_target(
	int root_fd, const char *path, size_t dir_len, const char *target, bool file, int links)
{
	char whole[PATH_MAX];
	int n = *target == '/'
		? snprintf(whole, sizeof(whole), "%s", target)
		: snprintf(whole, sizeof(whole), "%.*s%s", (int)dir_len, path, target);

	if (links >= MAX_LINKS)
		return -ELOOP;
	return n < (int)sizeof(whole) ? make_path(root_fd, whole, file, links + 1) : -ENAMETOOLONG;
}

static int make_path(int root_fd, const char *path, bool file, int links)
{
	cleanup(close) int dir = -EBADF;
	char name[NAME_MAX + 1], target[PATH_MAX];
	const char *last = NULL;
	ssize_t n = 0;
	size_t len = 0;
	int fd = path_open(root_fd, path, O_PATH);

	if (fd != -ENOENT)
		return fd;
	dir = make_parent(root_fd, path, &last, links);
	if (dir < 0)
		return dir;
	len = strcspn(last, "/");
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, last, len);
	name[len] = '\0';
	n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		return make_target(root_fd, path, (size_t)(last - path), target, file, links);
	}
	if (file) {
		int made = openat(
			dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (made < 0 && errno != EEXIST)
			return -errno;
		close_fd(&made);
	} else if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST) {
		return -errno;
	}
	return path_open(root_fd, path, O_PATH);
}

int path_make(int root_fd, const char *path, bool file)
{
	return make_path(root_fd, path, file, 0);
}

const char *path_of_fd(int fd, char buf[PATH_FD_MAX])
{
	(void)snprintf(buf, PATH_FD_MAX, "/proc/self/fd/%d", fd);
	return buf;
}
