/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr.c - requests on extended attributes: those of users, file capabilities and ACLs.
 *
 * Names that mean something to the host itself (security.* labels, trusted.*) are not the guest's
 * to read or write.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fsd.h"
#include "inode.h"

#define NAME_LIMIT 255
#define MAX_VALUE ((size_t)64 << 10) /* XATTR_SIZE_MAX, XATTR_LIST_MAX */

static bool allowed(const char *name)
{
	static const char *const names[] = { "security.capability", "system.posix_acl_access",
		"system.posix_acl_default" };

	if (strncmp(name, "user.", 5) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static int get_fd(const struct request *r)
{
	struct inode *i = NULL;
	int e = inode_get(r->h.nodeid, &i);

	return e < 0 ? e : inode_fd(i);
}

static int take_name(struct request *r, const char **ret)
{
	int e = request_string(r, NAME_LIMIT, ret);

	if (e < 0)
		return e == -ENAMETOOLONG ? -ERANGE : e;
	return allowed(*ret) ? 0 : -EOPNOTSUPP;
}

int fsd_setxattr(struct request *r)
{
	struct { /* fuse_setxattr_in without FUSE_SETXATTR_EXT */
		uint32_t size, flags;
	} in;
	const char *name = NULL;
	char path[FSD_FD_TEXT];
	int e = request_take(r, &in, sizeof(in));
	int fd = -EINVAL;

	if (e == 0)
		e = take_name(r, &name);
	if (e == 0 && in.size > r->arg_len)
		e = -EINVAL;
	fd = e < 0 ? e : get_fd(r);
	if (fd < 0)
		return fd;
	return setxattr(inode_path(fd, path), name, r->arg, in.size, (int)in.flags) < 0 ? -errno
											: 0;
}

/* size 0 asks how large the value is. */
static int reply_value(struct request *r, uint32_t size, const char *value, ssize_t n)
{
	const struct fuse_getxattr_out out = { .size = n < 0 ? 0 : (uint32_t)n };

	if (n < 0)
		return -errno;
	if (size == 0)
		return request_put(r, &out, sizeof(out));
	return (size_t)n > size ? -ERANGE : request_put(r, value, (size_t)n);
}

int fsd_getxattr(struct request *r)
{
	static char value[MAX_VALUE];
	struct fuse_getxattr_in in;
	const char *name = NULL;
	char path[FSD_FD_TEXT];
	int e = request_take(r, &in, sizeof(in));
	int fd = -EINVAL;

	if (e == 0)
		e = take_name(r, &name);
	fd = e < 0 ? e : get_fd(r);
	if (fd < 0)
		return fd;
	return reply_value(
		r, in.size, value, getxattr(inode_path(fd, path), name, value, sizeof(value)));
}

int fsd_listxattr(struct request *r)
{
	static char names[MAX_VALUE], kept[MAX_VALUE];
	struct fuse_getxattr_in in;
	char path[FSD_FD_TEXT];
	ssize_t n = 0;
	size_t len = 0;
	int e = request_take(r, &in, sizeof(in));
	int fd = e < 0 ? e : get_fd(r);

	if (fd < 0)
		return fd;
	n = listxattr(inode_path(fd, path), names, sizeof(names));
	if (n < 0)
		return -errno;
	for (ssize_t at = 0; at < n;) {
		size_t one = strnlen(names + at, (size_t)(n - at)) + 1;

		if (allowed(names + at)) {
			memcpy(kept + len, names + at, one);
			len += one;
		}
		at += (ssize_t)one;
	}
	return reply_value(r, in.size, kept, (ssize_t)len);
}

int fsd_removexattr(struct request *r)
{
	const char *name = NULL;
	char path[FSD_FD_TEXT];
	int e = take_name(r, &name);
	int fd = e < 0 ? e : get_fd(r);

	if (fd < 0)
		return fd;
	return removexattr(inode_path(fd, path), name) < 0 ? -errno : 0;
}
