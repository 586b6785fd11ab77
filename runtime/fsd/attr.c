/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr.c - requests on attributes: stat, chmod, chown, truncate, times, statfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fsd.h"
#include "inode.h"

#define VALID_SECONDS 1

static int get_fd(const struct request *r, struct inode **ret)
{
	int e = inode_get(r->h.nodeid, ret);

	return e < 0 ? e : inode_fd(*ret);
}

static int reply_attr(struct request *r, int fd)
{
	struct fuse_attr_out out = { .attr_valid = VALID_SECONDS };
	struct statx st;
	int e = inode_stat(fd, &st);

	if (e < 0)
		return e;
	inode_attr(&st, &out.attr);
	return request_put(r, &out, sizeof(out));
}

int fsd_getattr(struct request *r)
{
	struct inode *i = NULL;
	int fd = get_fd(r, &i);

	return fd < 0 ? fd : reply_attr(r, fd);
}

static int set_size(const struct request *r, const struct inode *i, int fd, uint64_t size)
{
	cleanup(close) int opened = -EBADF;

	if (size > INT64_MAX)
		return -EFBIG;
	if (r->fd_in >= 0)
		return ftruncate(r->fd_in, (off_t)size) < 0 ? -errno : 0;
	if (!S_ISREG(inode_type(i)))
		return -EINVAL;
	opened = inode_reopen(fd, O_WRONLY);
	if (opened < 0)
		return opened;
	return ftruncate(opened, (off_t)size) < 0 ? -errno : 0;
}

static int set_times(int fd, const struct fuse_setattr_in *in)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };

	if (in->valid & FATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_ATIME)
		times[0] = (struct timespec){ (time_t)in->atime, in->atimensec % 1000000000u };
	if (in->valid & FATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_MTIME)
		times[1] = (struct timespec){ (time_t)in->mtime, in->mtimensec % 1000000000u };
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_owner(int fd, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int fsd_setattr(struct request *r)
{
	const uint32_t any_time = FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW;
	struct fuse_setattr_in in;
	struct inode *i = NULL;
	char path[FSD_FD_TEXT];
	int e = request_take(r, &in, sizeof(in));
	int fd = e < 0 ? e : get_fd(r, &i);

	if (fd < 0)
		return fd;
	/* chown and truncate take set-id bits away, which the mode then says anew. */
	if (in.valid & (FATTR_UID | FATTR_GID))
		e = set_owner(fd, &in);
	if (e == 0 && (in.valid & FATTR_SIZE))
		e = set_size(r, i, fd, in.size);
	if (e == 0 && (in.valid & FATTR_MODE)) {
		if (S_ISLNK(inode_type(i)))
			return -EOPNOTSUPP;
		if (fchmodat(AT_FDCWD, inode_path(fd, path), in.mode & 07777, 0) < 0)
			e = -errno;
	}
	if (e == 0 && (in.valid & any_time))
		e = set_times(fd, &in);
	return e < 0 ? e : reply_attr(r, fd);
}

int fsd_statfs(struct request *r)
{
	struct fuse_statfs_out out = { 0 };
	struct inode *i = NULL;
	struct statvfs st;
	int fd = get_fd(r, &i);

	if (fd < 0)
		return fd;
	if (fstatvfs(fd, &st) < 0)
		return -errno;
	out.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = FSD_NAME_MAX,
		.frsize = (uint32_t)st.f_frsize,
	};
	return request_put(r, &out, sizeof(out));
}
