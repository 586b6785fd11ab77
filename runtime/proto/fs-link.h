/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs-link.h - the private link between the VMM's virtio-fs device and the fs server, the broker of
 * names.
 *
 * SOCK_SEQPACKET, one request and its one reply at a time per connection. The VMM copies a FUSE
 * request out of guest memory (bounded by FS_LINK_MAX), checks nothing but its length fields, and
 * sends it; the server carries it out beneath its shares. READ, WRITE, LSEEK, FALLOCATE, FSYNC,
 * COPY_FILE_RANGE, FLUSH and RELEASE of files that the server opened never reach it: the VMM does
 * them on the fd that came with the reply to OPEN, CREATE or TMPFILE.
 *
 * Request: struct fs_link_request, then the FUSE request (fuse_in_header …); where the request
 * names an open file (SETATTR with FATTR_FH …) the VMM's fd travels with it. Reply: struct
 * fs_link_reply, then the FUSE reply (fuse_out_header …); where a file was opened its fd travels
 * with it and the VMM replaces fh in the reply with its own handle.
 */
#ifndef NESTBOX_FS_LINK_H
#define NESTBOX_FS_LINK_H

#include <stdint.h>

#define FS_LINK_MAGIC 0x6e626673u
#define FS_LINK_MAX ((uint32_t)128 << 10) /* FUSE bytes in one message, either way */
#define FS_LINK_MAX_SHARES 1024

struct fs_link_request {
	uint32_t magic; /* FS_LINK_MAGIC */
	uint32_t fuse_len; /* bytes of FUSE request that follow */
	uint32_t reply_max; /* the guest's room for the FUSE reply, at most FS_LINK_MAX */
	uint32_t reserved;
};

struct fs_link_reply {
	uint32_t magic;
	uint32_t fuse_len; /* bytes of FUSE reply that follow; 0 = the request has no reply */
};

#endif
