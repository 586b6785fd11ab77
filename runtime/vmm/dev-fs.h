/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-fs.h - what the parts of the virtio-fs device share: the open files and the requests on them.
 *
 * dev-fs.c pops requests and sends names to the fs server; dev-fs-file.c does what concerns the
 * bytes of open files.
 */
#ifndef NESTBOX_DEV_FS_H
#define NESTBOX_DEV_FS_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtq.h"

/* Puts an fd (owned from here on, also on error) into the table of open files; *ret_fh is the
 * handle that the guest will name it by. -ENFILE when the table is full. */
warn_unused int fs_file_add(int fd, uint64_t *ret_fh);

/* The fd behind a handle (borrowed), -EBADF when the guest made it up. */
int fs_file_get(uint64_t fh);

/* Closes every file; the handles name nothing any more. */
void fs_file_close_all(void);

/* Whether the opcode is carried out here and not by the fs server. */
bool fs_file_handles(uint32_t opcode);

/* Carries out such a request whose header was copied. Returns the bytes of reply after the header
 * that were written to the chain, or a negative errno. */
warn_unused ssize_t fs_file_request(const struct fuse_in_header *h, const struct vq_chain *c);

#endif
