/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.c - a bundle's config.json, read; and the small files that callers want; see bundle.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bundle.h"
#include "io.h"
#include "json.h"

int bundle_read_file(int dirfd, const char *name, struct arena *a, const char **ret,
	size_t *ret_len, struct err *e)
{
	/* Not a FIFO that nobody writes to. */
	cleanup(close) int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup(free) char *text = NULL;
	struct stat st;
	size_t len = 0;
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)))
		r = -EISDIR;
	if (r == 0)
		r = io_set_nonblock(fd, false);
	if (r == 0)
		r = io_read_file(fd, JSON_MAX_BYTES, &text, &len);
	if (r == -EFBIG)
		return err_set(e, r, "%s: larger than %zu MiB", name, JSON_MAX_BYTES >> 20);
	if (r < 0)
		return err_sys(e, r, "%s", name);
	*ret = arena_strndup(a, text, len);
	if (!*ret)
		return err_set(e, -ENOMEM, "out of memory");
	*ret_len = len;
	return 0;
}

int bundle_read(const char *path, struct arena *a, struct bundle *ret, struct err *e)
{
	char absolute[PATH_MAX];
	struct bundle b = { 0 };
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!realpath(path ? path : ".", absolute))
		return err_sys(e, -errno, "bundle %s", path ? path : ".");
	fd = open(absolute, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "bundle %s", absolute);
	r = bundle_read_file(fd, "config.json", a, &b.text, &b.len, e);
	if (r == -ENOENT)
		return err_set(e, r, "JSON specification file config.json not found");
	if (r == 0)
		r = oci_spec_parse(b.text, b.len, "config.json", a, &b.spec, e);
	if (r < 0)
		return r;
	b.path = arena_printf(a, "%s", absolute);
	if (!b.path)
		return err_set(e, -ENOMEM, "out of memory");
	*ret = b;
	return 0;
}

int bundle_read_kept(int state_fd, struct arena *a, struct oci_spec *ret, struct err *e)
{
	const char *text = NULL;
	size_t len = 0;
	int r = bundle_read_file(state_fd, "config.json", a, &text, &len, e);

	return r < 0 ? r : oci_spec_parse(text, len, "config.json", a, ret, e);
}

int bundle_write_pid(const char *path, pid_t pid, struct err *e)
{
	char text[16], temporary[PATH_MAX];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!path)
		return 0;
	/* One name only, so that a create that is killed here leaves nothing that piles up. */
	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return err_set(e, -ENAMETOOLONG, "pid file: path is too long");
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, -errno, "pid file %s", path);
	r = io_write_full(fd, text, (size_t)len);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r < 0 ? err_sys(e, r, "pid file %s", path) : 0;
}

int bundle_check_console(bool terminal, bool detach, const char *console_socket, struct err *e)
{
	if (detach && terminal && !console_socket)
		return err_set(e, -EINVAL,
			"cannot allocate tty if runc will detach without setting console socket "
			"(use --console-socket)");
	if ((!detach || !terminal) && console_socket)
		return err_set(e, -EINVAL,
			"cannot use console socket if runc will not detach or allocate tty");
	return 0;
}
