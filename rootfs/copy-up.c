/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy-up.c - copies a folder's contents into a new mount; see copy-up.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy-up.h"

#define MAX_DEPTH 64
#define CHUNK ((size_t)1 << 20)

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	cleanup(close) int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup(close) int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = 0;

	if (in < 0 || out < 0)
		return -errno;
	do
		n = sendfile(out, in, NULL, CHUNK);
	while (n > 0);
	if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 ||
		fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
		fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_folder(int from, int to, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
	cleanup(close) int in = -EBADF;
	cleanup(close) int out = -EBADF;
	struct stat st;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, &st);
	if (!S_ISDIR(st.st_mode)) {
		if (mknodat(to, name, st.st_mode, st.st_rdev) < 0 ||
			fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		return 0;
	}
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	in = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (out < 0)
		return -errno;
	r = copy_folder(in, out, depth + 1);
	if (r == 0 &&
		(fchown(out, st.st_uid, st.st_gid) < 0 || fchmod(out, st.st_mode & 07777) < 0))
		r = -errno;
	return r;
}

static int copy_folder(int from, int to, int depth)
{
	int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry = NULL;
	int r = 0;

	if (!d) {
		r = -errno;
		close_fd(&copy);
		return r;
	}
	while (r == 0 && (entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = copy_entry(from, to, entry->d_name, depth);
	}
	(void)closedir(d);
	return r;
}

int copy_up(int from, int to)
{
	return copy_folder(from, to, 0);
}
