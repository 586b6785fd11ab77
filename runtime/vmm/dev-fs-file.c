/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-fs-file.c - the bytes of open files: FUSE requests that go straight between the file's fd and
 * guest memory.
 *
 * Owner:   the table owns every fd that the fs server passed, until RELEASE.
 * Threads: the table is used under the device's serve_lock; workers use the fds (io-workers.h).
 * Trust:   handles, offsets and lengths are the guest's. A handle has a generation, so that one
 * that was released does not name the next file in its slot. What an fd allows was decided by the
 * fs server when it opened it.
 */
#include <errno.h>
#include <limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "dev-fs.h"

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
	return t->v[i].released ? -EBADF : t->v[i].fd;
}

static void remove_file(struct fs_files *t, uint32_t i)
{
	close_fd(&t->v[i].fd);
	t->v[i].released = false;
	t->v[i].next_free = t->first_free;
	t->first_free = i + 1;
}

/* Its number may not go to another file while a worker reads from it. */
static void release_file(struct fs_files *t, uint32_t i)
{
	if (t->v[i].users)
		t->v[i].released = true;
	else
		remove_file(t, i);
}

void fs_file_close_all(struct fs_files *t)
{
	for (uint32_t i = 0; i < t->n_used; i++) {
		if (t->v[i].fd >= 0)
			release_file(t, i);
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

/* ---- operations that may have to wait ------------------------------------------------------- */

/* The file is used by the job until fs_job_release(). */
static int use_file(struct fs_files *t, uint64_t fh, struct io_job *j, unsigned n)
{
	int fd = fs_file_get(t, fh);

	if (fd < 0)
		return fd;
	t->v[(uint32_t)fh].users++;
	j->file[n] = (uint32_t)fh + 1;
	return fd;
}

static int begin_transfer(struct fs_files *t, struct io_job *j, bool write)
{
	const struct vq_chain *c = &j->chain;
	const size_t data = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	struct file_op *op = &j->op;
	struct fuse_write_in w = { 0 };
	struct fuse_read_in r = { 0 };
	int e = write ? get_body(c, &w, sizeof(w)) : get_body(c, &r, sizeof(r));

	if (e < 0)
		return e;
	op->kind = write ? FILE_WRITE : FILE_READ;
	op->offset = write ? w.offset : r.offset;
	op->iov = j->part;
	op->n = write ? vq_slice(j->part, c->out, c->n_out, data, w.size)
		      : vq_slice(j->part, c->in, c->n_in, OUT_HEADER, r.size);
	op->fd = use_file(t, write ? w.fh : r.fh, j, 0);
	return op->fd < 0 ? op->fd : 0;
}

static int begin_fsync(struct fs_files *t, struct io_job *j)
{
	struct fuse_fsync_in in;
	int e = get_body(&j->chain, &in, sizeof(in));

	if (e < 0)
		return e;
	j->op.kind = in.fsync_flags & FUSE_FSYNC_FDATASYNC ? FILE_FDATASYNC : FILE_FSYNC;
	j->op.fd = use_file(t, in.fh, j, 0);
	return j->op.fd < 0 ? j->op.fd : 0;
}

static int begin_fallocate(struct fs_files *t, struct io_job *j)
{
	struct fuse_fallocate_in in;
	int e = get_body(&j->chain, &in, sizeof(in));

	if (e < 0)
		return e;
	j->op = (struct file_op){
		.kind = FILE_ALLOCATE, .mode = (int)in.mode, .offset = in.offset, .len = in.length
	};
	j->op.fd = use_file(t, in.fh, j, 0);
	return j->op.fd < 0 ? j->op.fd : 0;
}

static int begin_copy(struct fs_files *t, struct io_job *j)
{
	struct fuse_copy_file_range_in in;
	int e = get_body(&j->chain, &in, sizeof(in));

	if (e < 0)
		return e;
	j->op = (struct file_op){
		.kind = FILE_COPY, .offset = in.off_in, .offset_to = in.off_out, .len = in.len
	};
	j->op.fd = use_file(t, in.fh_in, j, 0);
	j->op.fd_to = use_file(t, in.fh_out, j, 1);
	return j->op.fd < 0 || j->op.fd_to < 0 ? -EBADF : 0;
}

int fs_job_begin(struct fs_files *t, const struct fuse_in_header *h, struct io_job *j)
{
	int r = -ENOSYS;

	j->op = (struct file_op){ 0 };
	j->file[0] = j->file[1] = 0;
	switch (h->opcode) {
	case FUSE_READ:
	case FUSE_WRITE:
		r = begin_transfer(t, j, h->opcode == FUSE_WRITE);
		break;
	case FUSE_FSYNC:
		r = begin_fsync(t, j);
		break;
	case FUSE_FALLOCATE:
		r = begin_fallocate(t, j);
		break;
	case FUSE_COPY_FILE_RANGE:
		r = begin_copy(t, j);
		break;
	default:
		return -EAGAIN;
	}
	if (r < 0)
		fs_job_release(t, j);
	return r;
}

ssize_t fs_job_reply(const struct io_job *j, ssize_t result)
{
	struct fuse_write_out out = { .size = (uint32_t)result };

	if (result < 0 || (j->op.kind != FILE_WRITE && j->op.kind != FILE_COPY))
		return result;
	return put_body(&j->chain, &out, sizeof(out));
}

void fs_job_release(struct fs_files *t, struct io_job *j)
{
	for (size_t n = 0; n < ARRAY_LEN(j->file); n++) {
		uint32_t i = j->file[n] - 1;

		if (j->file[n] && --t->v[i].users == 0 && t->v[i].released)
			remove_file(t, i);
		j->file[n] = 0;
	}
}

/* ---- requests that wait for nothing ---------------------------------------------------------- */

static ssize_t do_release(struct fs_files *t, const struct vq_chain *c)
{
	struct fuse_release_in in;
	int fd = get_body(c, &in, sizeof(in));

	if (fd == 0)
		fd = fs_file_get(t, in.fh);
	if (fd < 0)
		return fd;
	release_file(t, (uint32_t)in.fh);
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

/* Before each write Linux asks whether the file has capabilities, which the write takes away. For
 * the files that were opened last this is answered by the file itself; -EAGAIN when the request is
 * another, or of a file that we do not know. */
static ssize_t do_capability(
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

	if (h->len != sizeof(*h) + sizeof(m) || get_body(c, &m, sizeof(m)) < 0 || m.in.size ||
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

ssize_t fs_file_request(
	struct fs_files *t, const struct fuse_in_header *h, const struct vq_chain *c)
{
	switch (h->opcode) {
	case FUSE_FLUSH:
		/* Every write has reached the host's page cache already: Linux does not ask again.
		 */
		return -ENOSYS;
	case FUSE_RELEASE:
		return do_release(t, c);
	case FUSE_LSEEK:
		return do_lseek(t, c);
	case FUSE_GETXATTR:
		return do_capability(t, h, c);
	default:
		return -EAGAIN;
	}
}
