/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - requests on names: look up, make, link, rename, remove.
 *
 * What is made gets the owner that the request names, as root in the guest expects; in a folder
 * with the set-group-id bit the kernel has given it the folder's group, which then stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fsd.h"
#include "inode.h"
#include "owner.h"
#include "sockets.h"

/* The folder that the request is about, open. */
static int get_folder(const struct request *r, struct inode **ret)
{
	int e = inode_get(r->h.nodeid, ret);

	if (e < 0)
		return e;
	if (!S_ISDIR(inode_type(*ret)))
		return -ENOTDIR;
	return inode_fd(*ret);
}

/* Replies with the entry of a name that now exists. */
static int reply_entry(struct request *r, struct inode *folder, const char *name)
{
	struct fuse_entry_out out;
	int e = inode_enter(folder, name, &out);

	if (e < 0)
		return e;
	e = request_put(r, &out, sizeof(out));
	if (e < 0)
		inode_forget(out.nodeid, 1);
	return e;
}

int fsd_lookup(struct request *r)
{
	struct inode *folder = NULL;
	const char *name = NULL;
	int e = request_name(r, &name);
	int at = e < 0 ? e : get_folder(r, &folder);

	return at < 0 ? at : reply_entry(r, folder, name);
}

int fsd_forget(struct request *r)
{
	struct fuse_forget_in in;

	r->silent = true;
	if (request_take(r, &in, sizeof(in)) == 0)
		inode_forget(r->h.nodeid, in.nlookup);
	return 0;
}

int fsd_batch_forget(struct request *r)
{
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;

	r->silent = true;
	if (request_take(r, &in, sizeof(in)) < 0)
		return 0;
	for (uint32_t i = 0; i < in.count && request_take(r, &one, sizeof(one)) == 0; i++)
		inode_forget(one.nodeid, one.nlookup);
	return 0;
}

/* Finishes what was just made; takes it away again if that cannot be. */
static int finish_new(
	struct request *r, struct inode *folder, const char *name, mode_t mode, bool is_folder)
{
	int at = inode_fd(folder);
	cleanup(close) int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int e = fd < 0 ? -errno : 0;

	/* Something else that was put there meanwhile is not ours to change or to remove. */
	if (e == 0 && (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != (mode & S_IFMT)))
		return -ESTALE;
	if (e == 0)
		e = owner_give(at, fd, r->h.uid, r->h.gid, mode);

	if (e < 0) {
		(void)unlinkat(at, name, is_folder ? AT_REMOVEDIR : 0);
		return e;
	}
	return reply_entry(r, folder, name);
}

/* A socket: with a listener of ours, so that the host's programs reach the guest's server by it. */
static int make_socket(
	struct request *r, struct inode *folder, int at, const char *name, mode_t mode)
{
	struct fuse_entry_out entry;
	struct inode *i = NULL;
	cleanup(close) int fd = sockets_make(at, name, mode, r->h.uid, r->h.gid);
	int e = 0;

	if (fd == -EOPNOTSUPP && mknodat(at, name, mode, 0) < 0)
		return -errno;
	if (fd < 0 && fd != -EOPNOTSUPP)
		return fd;
	e = finish_new(r, folder, name, mode, false);
	if (e < 0 || fd < 0)
		return e;
	memcpy(&entry, r->out, sizeof(entry));
	if (inode_get(entry.nodeid, &i) == 0) {
		inode_listens(i);
		sockets_serve(take_fd(&fd), entry.nodeid, (uint32_t)entry.generation);
	}
	return 0;
}

int fsd_mknod(struct request *r)
{
	struct fuse_mknod_in in;
	struct inode *folder = NULL;
	const char *name = NULL;
	int e = request_take(r, &in, sizeof(in));
	int at = -EINVAL;

	if (e == 0)
		e = request_name(r, &name);
	at = e < 0 ? e : get_folder(r, &folder);
	if (at < 0)
		return at;
	if (S_ISSOCK(in.mode))
		return make_socket(r, folder, at, name, in.mode);
	if (mknodat(at, name, in.mode, in.rdev) < 0)
		return -errno;
	return finish_new(r, folder, name, in.mode, false);
}

int fsd_mkdir(struct request *r)
{
	struct fuse_mkdir_in in;
	struct inode *folder = NULL;
	const char *name = NULL;
	int e = request_take(r, &in, sizeof(in));
	int at = -EINVAL;

	if (e == 0)
		e = request_name(r, &name);
	at = e < 0 ? e : get_folder(r, &folder);
	if (at < 0)
		return at;
	if (mkdirat(at, name, in.mode & 07777) < 0)
		return -errno;
	return finish_new(r, folder, name, S_IFDIR | (in.mode & 07777), true);
}

int fsd_symlink(struct request *r)
{
	struct inode *folder = NULL;
	const char *name = NULL, *target = NULL;
	int e = request_name(r, &name);
	int at = -EINVAL;

	if (e == 0)
		e = request_string(r, PATH_MAX - 1, &target);
	at = e < 0 ? e : get_folder(r, &folder);
	if (at < 0)
		return at;
	if (symlinkat(target, at, name) < 0)
		return -errno;
	return finish_new(r, folder, name, S_IFLNK, false);
}

int fsd_readlink(struct request *r)
{
	char target[PATH_MAX];
	struct inode *i = NULL;
	ssize_t n = 0;
	int e = inode_get(r->h.nodeid, &i);
	int fd = e < 0 ? e : inode_fd(i);

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", target, sizeof(target));
	return n < 0 ? -errno : request_put(r, target, (size_t)n);
}

int fsd_link(struct request *r)
{
	struct fuse_link_in in;
	struct inode *folder = NULL, *old = NULL;
	const char *name = NULL;
	char path[FSD_FD_TEXT];
	int at = -EINVAL, fd = -EINVAL;
	int e = request_take(r, &in, sizeof(in));

	if (e == 0)
		e = request_name(r, &name);
	if (e == 0)
		e = inode_get(in.oldnodeid, &old);
	at = e < 0 ? e : get_folder(r, &folder);
	fd = at < 0 ? at : inode_fd(old);
	if (fd < 0)
		return fd;
	/* Through /proc, which needs no capability and works for a file without a name. */
	if (linkat(AT_FDCWD, inode_path(fd, path), at, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	/* Of its names the newest: what links and then unlinks the old one does not pin it. */
	inode_moved(folder, name);
	return reply_entry(r, folder, name);
}

static int remove_name(struct request *r, int flags)
{
	struct inode *folder = NULL, *held = NULL;
	const char *name = NULL;
	int e = request_name(r, &name);
	int at = e < 0 ? e : get_folder(r, &folder);

	if (at < 0)
		return at;
	held = inode_hold(folder, name);
	if (unlinkat(at, name, flags) < 0) {
		e = -errno;
		inode_release(held);
	}
	return e;
}

int fsd_unlink(struct request *r)
{
	return remove_name(r, 0);
}

int fsd_rmdir(struct request *r)
{
	return remove_name(r, AT_REMOVEDIR);
}

static int rename_names(struct request *r, uint64_t newdir, unsigned flags)
{
	struct inode *from = NULL, *to = NULL, *held = NULL;
	const char *old_name = NULL, *new_name = NULL;
	int from_fd = -EINVAL, to_fd = -EINVAL;
	int e = request_name(r, &old_name);

	if (e == 0)
		e = request_name(r, &new_name);
	if (e == 0)
		e = inode_get(newdir, &to);
	from_fd = e < 0 ? e : get_folder(r, &from);
	if (from_fd < 0)
		return from_fd;
	if (!S_ISDIR(inode_type(to)))
		return -ENOTDIR;
	to_fd = inode_fd(to);
	if (to_fd < 0)
		return to_fd;
	if (!(flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)))
		held = inode_hold(to, new_name);
	if (syscall(SYS_renameat2, from_fd, old_name, to_fd, new_name, flags) < 0) {
		e = -errno;
		inode_release(held);
		return e;
	}
	inode_moved(to, new_name);
	if (flags & RENAME_EXCHANGE)
		inode_moved(from, old_name);
	return 0;
}

int fsd_rename(struct request *r)
{
	struct fuse_rename_in in;
	int e = request_take(r, &in, sizeof(in));

	return e < 0 ? e : rename_names(r, in.newdir, 0);
}

int fsd_rename2(struct request *r)
{
	struct fuse_rename2_in in;
	int e = request_take(r, &in, sizeof(in));

	if (e < 0)
		return e;
	if (in.flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	return rename_names(r, in.newdir, in.flags);
}
