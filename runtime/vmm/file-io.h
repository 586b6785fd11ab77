/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-io.h - operations of guests on open files, such as a device carries out at once or has a
 * worker carry out (io-workers.h): moving bytes between a file and segments of guest memory, and
 * what concerns the whole file.
 */
#ifndef NESTBOX_FILE_IO_H
#define NESTBOX_FILE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "cleanup.h"

enum file_op_kind {
	FILE_READ, /* until the segments are full or the file ends */
	FILE_WRITE,
	FILE_FSYNC,
	FILE_FDATASYNC,
	FILE_ALLOCATE, /* len bytes at offset, in that mode of fallocate(2) */
	FILE_COPY /* len bytes at offset to fd_to at offset_to */
};

/* What is to be done, and how far it has got. */
struct file_op {
	enum file_op_kind kind;
	int fd, fd_to; /* borrowed */
	uint64_t offset, offset_to, len;
	int mode;
	struct iovec *iov; /* of FILE_READ and FILE_WRITE, borrowed: what is left; used up */
	unsigned n;
	ssize_t done; /* bytes moved */
};

/* Carries it out: the bytes moved (0 for those that move none), or a negative errno when none were.
 * With `wait` false a FILE_READ gives -EAGAIN where it would have to wait for the file, and
 * -EOPNOTSUPP where that cannot be told; the next call goes on from there. */
warn_unused ssize_t file_op_run(struct file_op *op, bool wait);

/* The bytes that its segments have left. */
uint64_t file_op_left(const struct file_op *op);

#endif
