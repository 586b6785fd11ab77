/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-io.c - operations on open files; see file-io.h.
 *
 * Threads: any; an operation is one thread's at a time. Trust: offsets, lengths and modes are the
 * guest's, the kernel checks them; segments lie in guest memory, as virtq.h checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-io.h"

#define BATCH 512u /* segments per system call, below IOV_MAX */
#define COPY_MAX ((uint64_t)1 << 30) /* the guest's count has 32 bits */
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/* By system call: musl has no preadv2() before 1.2.5. */
static ssize_t read_now(int fd, const struct iovec *iov, int n, off_t offset)
{
	return syscall(SYS_preadv2, fd, iov, n, offset, 0L, RWF_NOWAIT);
}

static ssize_t move(const struct file_op *op, bool wait)
{
	int n = (int)(op->n < BATCH ? op->n : BATCH);
	off_t offset = (off_t)op->offset;

	if (op->kind == FILE_WRITE)
		return pwritev(op->fd, op->iov, n, offset);
	return wait ? preadv(op->fd, op->iov, n, offset) : read_now(op->fd, op->iov, n, offset);
}

static void moved(struct file_op *op, size_t bytes)
{
	op->offset += bytes;
	op->done += (ssize_t)bytes;
	while (bytes) {
		size_t part = bytes < op->iov->iov_len ? bytes : op->iov->iov_len;

		op->iov->iov_base = (char *)op->iov->iov_base + part;
		op->iov->iov_len -= part;
		bytes -= part;
		if (op->iov->iov_len == 0) {
			op->iov++;
			op->n--;
		}
	}
}

static ssize_t transfer(struct file_op *op, bool wait)
{
	if (op->offset > INT64_MAX)
		return -EINVAL;
	while (op->n) {
		ssize_t bytes = 0;

		if (op->iov->iov_len == 0) {
			op->iov++;
			op->n--;
			continue;
		}
		bytes = move(op, wait);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes < 0 && !wait && (errno == EAGAIN || errno == EOPNOTSUPP))
			return -errno;
		if (bytes < 0)
			return op->done ? op->done : -errno;
		if (bytes == 0)
			break;
		moved(op, (size_t)bytes);
	}
	return op->done;
}

static ssize_t copy(const struct file_op *op)
{
	loff_t from = (loff_t)op->offset, to = (loff_t)op->offset_to;

	return syscall(SYS_copy_file_range, op->fd, &from, op->fd_to, &to,
		op->len < COPY_MAX ? op->len : COPY_MAX, 0u);
}

ssize_t file_op_run(struct file_op *op, bool wait)
{
	ssize_t r = 0;

	switch (op->kind) {
	case FILE_READ:
	case FILE_WRITE:
		return transfer(op, wait);
	case FILE_FSYNC:
		r = fsync(op->fd);
		break;
	case FILE_FDATASYNC:
		r = fdatasync(op->fd);
		break;
	case FILE_ALLOCATE:
		r = fallocate(op->fd, op->mode, (off_t)op->offset, (off_t)op->len);
		break;
	case FILE_COPY:
		r = copy(op);
		break;
	}
	return r < 0 ? -errno : r;
}

uint64_t file_op_left(const struct file_op *op)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < op->n; i++)
		bytes += op->iov[i].iov_len;
	return bytes;
}
