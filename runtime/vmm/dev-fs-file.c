/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-fs-file.c - the bytes of open files: FUSE requests that go straight between the file's fd and
 * guest memory.
 *
 * Owner:   the table owns every fd that the fs server passed, until RELEASE.
 * Threads: all on the fs thread.
 * Trust:   handles, offsets and lengths are the guest's. A handle has a generation, so that one
 * that was released does not name the next file in its slot. What an fd allows was decided by the
 * fs server when it opened it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dev-fs.h"
#include "file-io.h"

#define MAX_FILES 65536u
#define OUT_HEADER sizeof(struct fuse_out_header)

static struct {
	int fd; /* owned; -EBADF = free */
	uint32_t generation;
	uint32_t next_free; /* index + 1; 0 = none */
} files[MAX_FILES];
static uint32_t n_used; /* slots ever used: the table grows without being touched beforehand */
static uint32_t first_free; /* index + 1 */

int fs_file_add(int fd, uint64_t *ret_fh)
{
	uint32_t i = 0;

	if (first_free) {
		i = first_free - 1;
		first_free = files[i].next_free;
	} else if (n_used < MAX_FILES) {
		i = n_used++;
	} else {
		(void)close(fd);
		return -ENFILE;
	}
	files[i].fd = fd;
	files[i].generation++;
	*ret_fh = (uint64_t)files[i].generation << 32 | i;
	return 0;
}

int fs_file_get(uint64_t fh)
{
	uint32_t i = (uint32_t)fh;

	if (i >= n_used || files[i].generation != (uint32_t)(fh >> 32))
		return -EBADF;
	return files[i].fd;
}

static void remove_file(uint64_t fh)
{
	uint32_t i = (uint32_t)fh;

	close_fd(&files[i].fd);
	files[i].next_free = first_free;
	first_free = i + 1;
}

void fs_file_close_all(void)
{
	for (uint32_t i = 0; i < n_used; i++) {
		if (files[i].fd >= 0)
			remove_file(i);
	}
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

static ssize_t do_read(const struct vq_chain *c)
{
	static struct iovec part[VQ_MAX_SEGS];
	struct fuse_read_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(in.fh);
	if (fd < 0)
		return fd;
	return file_transfer(
		fd, part, vq_slice(part, c->in, c->n_in, OUT_HEADER, in.size), in.offset, false);
}

static ssize_t do_write(const struct vq_chain *c)
{
	static struct iovec part[VQ_MAX_SEGS];
	const size_t data = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	struct fuse_write_out out = { 0 };
	struct fuse_write_in in;
	ssize_t done = 0;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(in.fh);
	if (fd < 0)
		return fd;
	done = file_transfer(
		fd, part, vq_slice(part, c->out, c->n_out, data, in.size), in.offset, true);
	if (done < 0)
		return done;
	out.size = (uint32_t)done;
	return put_body(c, &out, sizeof(out));
}

static ssize_t do_fsync(const struct vq_chain *c)
{
	struct fuse_fsync_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(in.fh);
	if (fd < 0)
		return fd;
	if ((in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(fd) : fsync(fd)) < 0)
		return -errno;
	return 0;
}

static ssize_t do_release(const struct vq_chain *c)
{
	struct fuse_release_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(in.fh);
	if (fd < 0)
		return fd;
	remove_file(in.fh);
	return 0;
}

static ssize_t do_lseek(const struct vq_chain *c)
{
	struct fuse_lseek_out out = { 0 };
	struct fuse_lseek_in in;
	off_t at = 0;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(in.fh);
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

static ssize_t do_fallocate(const struct vq_chain *c)
{
	struct fuse_fallocate_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(in.fh);
	if (fd < 0)
		return fd;
	return fallocate(fd, (int)in.mode, (off_t)in.offset, (off_t)in.length) < 0 ? -errno : 0;
}

static ssize_t do_copy_file_range(const struct vq_chain *c)
{
	struct fuse_copy_file_range_in in;
	struct fuse_write_out out = { 0 };
	loff_t from = 0, to = 0;
	ssize_t n = get_body(c, &in, sizeof(in));
	int fd_in = -EBADF, fd_out = -EBADF;

	if (n < 0)
		return n;
	fd_in = fs_file_get(in.fh_in);
	fd_out = fs_file_get(in.fh_out);
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

ssize_t fs_file_request(const struct fuse_in_header *h, const struct vq_chain *c)
{
	switch (h->opcode) {
	case FUSE_READ:
		return do_read(c);
	case FUSE_WRITE:
		return do_write(c);
	case FUSE_FLUSH:
		return 0; /* every write has reached the host's page cache already */
	case FUSE_FSYNC:
		return do_fsync(c);
	case FUSE_RELEASE:
		return do_release(c);
	case FUSE_LSEEK:
		return do_lseek(c);
	case FUSE_FALLOCATE:
		return do_fallocate(c);
	case FUSE_COPY_FILE_RANGE:
		return do_copy_file_range(c);
	default:
		return -ENOSYS;
	}
}
