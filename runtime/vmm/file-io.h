/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-io.h - moves bytes between a file and segments of guest memory.
 */
#ifndef NESTBOX_FILE_IO_H
#define NESTBOX_FILE_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "cleanup.h"

/* Reads from (or writes to) fd at offset until the segments are done or the file ends; the segments
 * are used up. Returns the bytes moved, or a negative errno when none were. */
warn_unused ssize_t file_transfer(
	int fd, struct iovec *iov, unsigned n, uint64_t offset, bool write);

#endif
