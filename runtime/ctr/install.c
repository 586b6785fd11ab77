/* SPDX-License-Identifier: Apache-2.0 */
/*
 * install.c - where nestbox's own files are; see install.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "install.h"

/* The folder of our own program, "" when it cannot be told. */
static void own_folder(char buf[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 1);
	char *slash = NULL;

	buf[n < 0 ? 0 : n] = '\0';
	slash = strrchr(buf, '/');
	if (slash)
		*slash = '\0';
}

static int try_open(const char *folder, const char *below, const char *name)
{
	char path[PATH_MAX];

	if (!*folder ||
		snprintf(path, sizeof(path), "%s%s/%s", folder, below, name) >= (int)sizeof(path))
		return -ENOENT;
	return open(path, O_RDONLY | O_CLOEXEC);
}

int install_open(const char *name, int *ret_fd, struct err *e)
{
	const char *given = getenv("NESTBOX_LIBDIR");
	char own[PATH_MAX];
	int fd = -1;

	own_folder(own);
	if (given)
		fd = try_open(given, "", name);
	if (fd < 0)
		fd = try_open(own, "", name);
	if (fd < 0)
		fd = try_open(own, "/../lib", name);
	/* As `make install` lays it out, wherever that was moved to. */
	if (fd < 0)
		fd = try_open(own, "/../lib/nestbox", name);
	if (fd < 0)
		fd = try_open(NESTBOX_LIBDIR, "", name);
	if (fd < 0)
		return err_set(e, -ENOENT,
			"%s is not installed (looked in %s, %s, %s/../lib, %s/../lib/nestbox, " NESTBOX_LIBDIR
			")",
			name, given ? given : "$NESTBOX_LIBDIR", own, own, own);
	*ret_fd = fd;
	return 0;
}
