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

#include "io-workers.h"
#include "virtq.h"

/* The open files of one device; zeroed = none. */
struct fs_files {
	struct fs_file {
		int fd; /* owned; -EBADF = free */
		uint32_t generation;
		uint32_t next_free; /* index + 1; 0 = none */
		uint16_t users; /* jobs under way */
		bool released; /* the guest has done with it, but these have not */
	} * v; /* FS_MAX_FILES of them, not touched beforehand */
	uint32_t n_used; /* slots ever used */
	unsigned most_fd; /* none from here on: the rest is for the VMM's own */
	uint32_t first_free; /* index + 1 */
	struct {
		uint64_t node, fh;
	} recent[8]; /* opened last, to ask for capabilities; a released one's handle names none */
	unsigned n_recent; /* ever */
};

#define FS_MAX_FILES 65536u

/* Makes room for the table, once. */
warn_unused int fs_files_init(struct fs_files *t);

/* Puts an fd (owned from here on, also on error) into the table of open files; *ret_fh is the
 * handle that the guest will name it by. -ENFILE when the table is full. */
warn_unused int fs_file_add(struct fs_files *t, int fd, uint64_t *ret_fh);

/* The fd behind a handle (borrowed), -EBADF when the guest made it up. */
int fs_file_get(const struct fs_files *t, uint64_t fh);

/* The handle is of a file of that node. */
void fs_file_of_node(struct fs_files *t, uint64_t node, uint64_t fh);

/* Closes every file that no job uses; those when they are done. The handles name nothing any more.
 */
void fs_file_close_all(struct fs_files *t);

/* Begins what may have to wait: READ, WRITE, FSYNC, FALLOCATE, COPY_FILE_RANGE; j->chain is set.
 * 0: j->op is what is to be done, and the files stay open until fs_job_release(). A negative errno
 * is the answer; -EAGAIN: the request is another. */
warn_unused int fs_job_begin(struct fs_files *t, const struct fuse_in_header *h, struct io_job *j);
/* Writes what follows the reply's header, of an operation with that result: the bytes of it, or a
 * negative errno. */
warn_unused ssize_t fs_job_reply(const struct io_job *j, ssize_t result);
void fs_job_release(struct fs_files *t, struct io_job *j);

/* Carries out the other requests on open files: the bytes of reply after the header that were
 * written to the chain, or a negative errno. -EAGAIN: it is one for the fs server. */
warn_unused ssize_t fs_file_request(
	struct fs_files *t, const struct fuse_in_header *h, const struct vq_chain *c);

/* dev-fs.c: those of the VM's own device, for tests. */
struct fs_files *dev_fs_files(void);

#endif
