/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-io.c - moves bytes between a file and segments of guest memory; see file-io.h.
 */
#include <errno.h>
#include <stdint.h>

#include "file-io.h"

#define BATCH 512u /* segments per system call, below IOV_MAX */

ssize_t file_transfer(int fd, struct iovec *iov, unsigned n, uint64_t offset, bool write)
{
	ssize_t total = 0;

	if (offset > INT64_MAX)
		return -EINVAL;
	while (n) {
		int batch = (int)(n < BATCH ? n : BATCH);
		ssize_t done = 0;

		if (iov->iov_len == 0) {
			iov++;
			n--;
			continue;
		}
		done = write ? pwritev(fd, iov, batch, (off_t)offset)
			     : preadv(fd, iov, batch, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return total ? total : -errno;
		if (done == 0)
			break;
		offset += (uint64_t)done;
		total += done;
		while (done > 0) {
			size_t part = (size_t)done < iov->iov_len ? (size_t)done : iov->iov_len;

			iov->iov_base = (char *)iov->iov_base + part;
			iov->iov_len -= part;
			done -= (ssize_t)part;
			if (iov->iov_len == 0) {
				iov++;
				n--;
			}
		}
	}
	return total;
}
