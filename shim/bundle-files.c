/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle-files.c - the shim's files in a bundle; see bundle-files.h.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "bundle-files.h"
#include "io.h"

#define RUNTIME_FILE "nestbox-runtime" /* lines: command, root, "systemd" or nothing */
#define FILE_MAX ((size_t)65536)
#define ID_MAX 128
#define STATE_ROOT "/run/containerd/nestbox"

bool id_is_usable(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > ID_MAX || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)id[i]) && !strchr("._-+", id[i]))
			return false;
	}
	return true;
}

int bundle_file_write(const char *dir, const char *name, const char *text, struct err *e)
{
	char temporary[PATH_MAX], path[PATH_MAX];
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (snprintf(temporary, sizeof(temporary), "%s/.%s", dir, name) >= (int)sizeof(temporary) ||
		snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%.200s: path is too long", dir);
	(void)unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write %s", path) : 0;
}

static int read_small(const char *path, char **ret)
{
	cleanup(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;

	return fd < 0 ? -errno : io_read_file(fd, FILE_MAX, ret, &len);
}

int bundle_file_read(const char *dir, const char *name, char **ret)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return read_small(path, ret);
}

int pid_file_read(const char *path, pid_t *ret)
{
	cleanup(free) char *text = NULL;
	char *end = NULL;
	int r = read_small(path, &text);
	long pid = r < 0 ? 0 : strtol(text, &end, 10);

	if (r < 0)
		return r;
	if (pid <= 0 || pid > INT_MAX || (*end && *end != '\n'))
		return -EIO;
	*ret = (pid_t)pid;
	return 0;
}

int bundle_runtime_write(const char *dir, const struct bundle_runtime *r, struct err *e)
{
	cleanup(free) char *text = NULL;

	if (strchr(r->command, '\n') || strchr(r->root, '\n'))
		return err_set(e, -EINVAL, "runtime options: a path with a newline");
	if (asprintf(&text, "%s\n%s\n%s\n", r->command, r->root, r->systemd ? "systemd" : "") < 0) {
		text = NULL;
		return err_set(e, -ENOMEM, "out of memory");
	}
	return bundle_file_write(dir, RUNTIME_FILE, text, e);
}

int bundle_runtime_read(
	const char *dir, const char *command, const char *ns, struct bundle_runtime *ret)
{
	cleanup(free) char *text = NULL;
	int r = bundle_file_read(dir, RUNTIME_FILE, &text);
	char *root = NULL, *flags = NULL;

	*ret = (struct bundle_runtime){ 0 };
	if (r == 0 && (root = strchr(text, '\n')) && (flags = strchr(root + 1, '\n'))) {
		*root++ = '\0';
		*flags++ = '\0';
		ret->command = strdup(text);
		ret->root = strdup(root);
		ret->systemd = strncmp(flags, "systemd", 7) == 0;
	} else {
		ret->command = strdup(command);
		if (asprintf(&ret->root, STATE_ROOT "/%s", ns) < 0)
			ret->root = NULL;
	}
	if (ret->command && ret->root)
		return 0;
	bundle_runtime_done(ret);
	return -ENOMEM;
}

void bundle_runtime_done(struct bundle_runtime *r)
{
	free(r->command);
	free(r->root);
	*r = (struct bundle_runtime){ 0 };
}
