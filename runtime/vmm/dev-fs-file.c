/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-fs-file.c - the bytes of open files: FUSE requests that go straight between the file's fd and
 * guest memory.
 *
 * Owner:   the table owns every fd that the fs server passed, until RELEASE.
 * Threads: all on the device's thread.
 * Trust:   handles, offsets and lengths are the guest's. A handle has a generation, so that one
 * that was released does not name the next file in its slot. What an fd allows was decided by the
 * fs server when it opened it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "dev-fs.h"
#include "file-io.h"

/* For connections, control, devices: so many, or a quarter of a limit that is lower. */
#define SPARE_FDS ((rlim_t)1024)
#define OUT_HEADER sizeof(struct fuse_out_header)

int fs_files_init(struct fs_files *t)
{
	struct rlimit limit = { 0 };

	t->most_fd = INT_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX)
		t->most_fd = (unsigned)(limit.rlim_cur -
			(limit.rlim_cur / 4 < SPARE_FDS ? limit.rlim_cur / 4 : SPARE_FDS));
	if (t->v)
		return 0;
	/* The table grows without being touched beforehand. */
	t->v = mmap(NULL, FS_MAX_FILES * sizeof(*t->v), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->v == MAP_FAILED) {
		t->v = NULL;
		return -errno;
	}
	(void)madvise(t->v, FS_MAX_FILES * sizeof(*t->v), MADV_NOHUGEPAGE);
	return 0;
}

int fs_file_add(struct fs_files *t, int fd, uint64_t *ret_fh)
{
	uint32_t i = 0;

	/* The lowest that was free: so nearly all are in use, by whichever container. */
	if ((unsigned)fd >= t->most_fd) {
		(void)close(fd);
		return -ENFILE;
	}
	if (t->first_free) {
		i = t->first_free - 1;
		t->first_free = t->v[i].next_free;
	} else if (t->n_used < FS_MAX_FILES) {
		i = t->n_used++;
	} else {
		(void)close(fd);
		return -ENFILE;
	}
	t->v[i].fd = fd;
	t->v[i].generation++;
	*ret_fh = (uint64_t)t->v[i].generation << 32 | i;
	return 0;
}

int fs_file_get(const struct fs_files *t, uint64_t fh)
{
	uint32_t i = (uint32_t)fh;

	if (i >= t->n_used || t->v[i].generation != (uint32_t)(fh >> 32))
		return -EBADF;
	return t->v[i].fd;
}

static void remove_file(struct fs_files *t, uint64_t fh)
{
	uint32_t i = (uint32_t)fh;

	close_fd(&t->v[i].fd);
	t->v[i].next_free = t->first_free;
	t->first_free = i + 1;
}

void fs_file_close_all(struct fs_files *t)
{
	for (uint32_t i = 0; i < t->n_used; i++) {
		if (t->v[i].fd >= 0)
			remove_file(t, i);
	}
}

void fs_file_of_node(struct fs_files *t, uint64_t node, uint64_t fh)
{
	unsigned i = t->n_recent++ % ARRAY_LEN(t->recent);

	t->recent[i].node = node;
	t->recent[i].fh = fh;
}

static int file_of_node(const struct fs_files *t, uint64_t node)
{
	int fd = -EBADF;

	for (size_t i = 0; i < ARRAY_LEN(t->recent) && fd < 0; i++) {
		if (t->recent[i].node == node)
			fd = fs_file_get(t, t->recent[i].fh);
	}
	return fd;
}

/* The request's fixed part, copied. */
static int get_body(const struct vq_chain *c, void *body, size_t len)
{
	size_t n = vq_copy_from(c->out, c->n_out, sizeof(struct fuse_in_header), body, len);

	return n == len ? 0 : -EINVAL;
}

static ssize_t put_body(const struct vq_chain *c, const void *body, size_t len)
{
	return vq_copy_to(c->in, c->n_in, OUT_HEADER, body, len) == len ? (ssize_t)len : -EINVAL;
}

static ssize_t do_read(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_read_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	return file_transfer(fd, t->part, vq_slice(t->part, c->in, c->n_in, OUT_HEADER, in.size),
		in.offset, false);
}

static ssize_t do_write(struct fs_files *t, const struct vq_chain *c)
{
	const size_t data = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	struct fuse_write_out out = { 0 };
	struct fuse_write_in in;
	ssize_t done = 0;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	done = file_transfer(
		fd, t->part, vq_slice(t->part, c->out, c->n_out, data, in.size), in.offset, true);
	if (done < 0)
		return done;
	out.size = (uint32_t)done;
	return put_body(c, &out, sizeof(out));
}

static ssize_t do_fsync(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_fsync_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	if ((in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(fd) : fsync(fd)) < 0)
		return -errno;
	return 0;
}

static ssize_t do_release(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_release_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	remove_file(t, in.fh);
	return 0;
}

static ssize_t do_lseek(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_lseek_out out = { 0 };
	struct fuse_lseek_in in;
	off_t at = 0;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	if (in.whence != SEEK_DATA && in.whence != SEEK_HOLE)
		return -EINVAL;
	at = lseek(fd, (off_t)in.offset, (int)in.whence);
	if (at < 0)
		return -errno;
	out.offset = (uint64_t)at;
	return put_body(c, &out, sizeof(out));
}

static ssize_t do_fallocate(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_fallocate_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	return fallocate(fd, (int)in.mode, (off_t)in.offset, (off_t)in.length) < 0 ? -errno : 0;
}

static ssize_t do_copy_file_range(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_copy_file_range_in in;
	struct fuse_write_out out = { 0 };
	loff_t from = 0, to = 0;
	ssize_t n = get_body(c, &in, sizeof(in));
	int fd_in = -EBADF, fd_out = -EBADF;

	if (n < 0)
		return n;
	fd_in = fs_file_get(t, in.fh_in);
	fd_out = fs_file_get(t, in.fh_out);
	if (fd_in < 0 || fd_out < 0)
		return -EBADF;
	from = (loff_t)in.off_in;
	to = (loff_t)in.off_out;
	/* The reply has 32 bits for the count. */
	n = syscall(SYS_copy_file_range, fd_in, &from, fd_out, &to,
		in.len < (1u << 30) ? in.len : 1u << 30, 0u);
	if (n < 0)
		return -errno;
	out.size = (uint32_t)n;
	return put_body(c, &out, sizeof(out));
}

ssize_t fs_file_capability(
	const struct fs_files *t, const struct fuse_in_header *h, const struct vq_chain *c)
{
	static const char wanted[] = XATTR_NAME_CAPS;
	struct {
		struct fuse_getxattr_in in;
		char name[sizeof(wanted)];
	} m;
	struct fuse_getxattr_out out = { 0 };
	ssize_t n = 0;
	int fd = -EBADF;

	if (h->opcode != FUSE_GETXATTR || h->len != sizeof(*h) + sizeof(m) ||
		get_body(c, &m, sizeof(m)) < 0 || m.in.size ||
		memcmp(m.name, wanted, sizeof(wanted)) != 0)
		return -EAGAIN;
	fd = file_of_node(t, h->nodeid);
	if (fd < 0)
		return -EAGAIN;
	n = fgetxattr(fd, wanted, NULL, 0);
	if (n < 0)
		return errno == EAGAIN ? -EIO : -errno;
	out.size = (uint32_t)n;
	return put_body(c, &out, sizeof(out));
}

bool fs_file_handles(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_LSEEK:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
		return true;
	default:
		return false;
	}
}

ssize_t fs_file_request(
	struct fs_files *t, const struct fuse_in_header *h, const struct vq_chain *c)
{
	switch (h->opcode) {
	case FUSE_READ:
		return do_read(t, c);
	case FUSE_WRITE:
		return do_write(t, c);
	case FUSE_FLUSH:
		/* Every write has reached the host's page cache already: Linux does not ask again.
		 */
		return -ENOSYS;
	case FUSE_FSYNC:
		return do_fsync(t, c);
	case FUSE_RELEASE:
		return do_release(t, c);
	case FUSE_LSEEK:
		return do_lseek(t, c);
	case FUSE_FALLOCATE:
		return do_fallocate(t, c);
	case FUSE_COPY_FILE_RANGE:
		return do_copy_file_range(t, c);
	default:
		return -ENOSYS;
	}
}
