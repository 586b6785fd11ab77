/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - opens regular files; their fds go to the VMM, which moves the bytes.
 *
 * Devices, pipes and sockets are never opened: in the guest they are the guest kernel's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fsd.h"
#include "inode.h"
#include "owner.h"

/* Offsets are the guest's, so are append and direct I/O: of its flags only the mode concerns us. */
static int open_flags(uint32_t flags)
{
	return (int)(flags & (O_ACCMODE | O_TRUNC));
}

static int reply_open(struct request *r)
{
	/* The VMM fills in the handle. With AUTO_INVAL_DATA the guest's cache may stay. */
	const struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };

	return request_put(r, &out, sizeof(out));
}

int fsd_open(struct request *r)
{
	struct fuse_open_in in;
	struct inode *i = NULL;
	int e = request_take(r, &in, sizeof(in));
	int fd = -EINVAL;

	if (e == 0)
		e = inode_get(r->h.nodeid, &i);
	fd = e < 0 ? e : inode_fd(i);
	if (fd < 0)
		return fd;
	if (!S_ISREG(inode_type(i)))
		return S_ISDIR(inode_type(i)) ? -EISDIR : -EOPNOTSUPP;
	r->fd_out = inode_reopen(fd, open_flags(in.flags));
	return r->fd_out < 0 ? r->fd_out : reply_open(r);
}

/* CREATE of a name that exists: the file, found and then opened by its inode, as its name may be
 * another's by now: a pipe's, at which open(2) would wait. */
static int open_existing(struct request *r, struct inode *folder, const char *name, uint32_t flags,
	struct fuse_entry_out *ret)
{
	struct inode *i = NULL;
	int e = inode_enter(folder, name, ret);

	if (e < 0)
		return e;
	e = S_ISREG(ret->attr.mode) ? inode_get(ret->nodeid, &i) : -EEXIST;
	if (e == 0)
		e = inode_fd(i);
	if (e >= 0)
		e = r->fd_out = inode_reopen(e, open_flags(flags));
	if (e < 0)
		inode_forget(ret->nodeid, 1);
	return e < 0 ? e : 0;
}

/* The reply to CREATE and TMPFILE: the entry, then the open file. */
static int reply_created(struct request *r, const struct fuse_entry_out *entry)
{
	int e = request_put(r, entry, sizeof(*entry));

	if (e == 0)
		e = reply_open(r);
	if (e < 0)
		inode_forget(entry->nodeid, 1);
	return e;
}

int fsd_create(struct request *r)
{
	struct fuse_create_in in;
	struct fuse_entry_out entry;
	struct inode *folder = NULL;
	const char *name = NULL;
	int at = -EINVAL;
	int e = request_take(r, &in, sizeof(in));

	if (e == 0)
		e = request_name(r, &name);
	if (e == 0)
		e = inode_get(r->h.nodeid, &folder);
	at = e < 0 ? e : inode_fd(folder);
	if (at < 0)
		return at;
	r->fd_out = openat(at, name,
		open_flags(in.flags) | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, in.mode & 07777);
	if (r->fd_out < 0 && errno == EEXIST && !(in.flags & O_EXCL)) {
		e = open_existing(r, folder, name, in.flags, &entry);
		return e < 0 ? e : reply_created(r, &entry);
	}
	if (r->fd_out < 0)
		return -errno;
	e = owner_give(at, r->fd_out, r->h.uid, r->h.gid, S_IFREG | in.mode);
	if (e == 0)
		e = inode_enter(folder, name, &entry);
	if (e < 0) {
		(void)unlinkat(at, name, 0);
		return e;
	}
	return reply_created(r, &entry);
}

int fsd_tmpfile(struct request *r)
{
	struct fuse_create_in in;
	struct fuse_entry_out entry;
	struct inode *folder = NULL;
	int at = -EINVAL, path_fd = -EBADF;
	int e = request_take(r, &in, sizeof(in));

	if (e == 0)
		e = inode_get(r->h.nodeid, &folder);
	at = e < 0 ? e : inode_fd(folder);
	if (at < 0)
		return at;
	r->fd_out = openat(at, ".", open_flags(in.flags) | O_TMPFILE | O_CLOEXEC, in.mode & 07777);
	if (r->fd_out < 0)
		return -errno;
	e = owner_give(at, r->fd_out, r->h.uid, r->h.gid, S_IFREG | in.mode);
	if (e < 0)
		return e;
	path_fd = inode_reopen(r->fd_out, O_PATH);
	if (path_fd < 0)
		return path_fd;
	e = inode_enter_unnamed(path_fd, &entry);
	return e < 0 ? e : reply_created(r, &entry);
}
