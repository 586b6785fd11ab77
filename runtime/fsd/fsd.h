/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsd.h - the fs server: FUSE requests of the guest carried out beneath the shares.
 *
 * One process per sandbox, one thread. The guest is hostile: every byte of a request is foreign.
 * Names are single components that are opened without following links, so nothing leads outside of
 * a share; inodes are O_PATH fds, so nothing can be swapped between a look and an act.
 */
#ifndef NESTBOX_FSD_H
#define NESTBOX_FSD_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cleanup.h"

#define FSD_NAME_MAX 255
#define FSD_FD_TEXT 16

/* A request under way. */
struct request {
	struct fuse_in_header h;
	const uint8_t *arg; /* after the header; arg_len bytes */
	size_t arg_len;
	int fd_in; /* borrowed: open file that a SETATTR names, or -EBADF */
	uint8_t *out; /* reply after its header: out_max bytes of room, out_len used */
	size_t out_max, out_len;
	int fd_out; /* owned by the caller of fsd_handle(): file that was opened */
	bool silent; /* has no reply */
};

/* Makes the server for the open folder root_fd (owned from here on), of which the guest will see
 * everything. max_fds: O_PATH fds that may be kept for inodes. */
warn_unused int fsd_init(int root_fd, unsigned max_fds);

/* Closes and frees everything; for tests. */
void fsd_done(void);

/* Carries out one FUSE request: the reply with its header is written to reply (at most reply_max
 * bytes) and its length returned, 0 = none. *ret_fd is an fd that goes with it (owned by the
 * caller) or -EBADF. */
size_t fsd_handle(
	const void *request, size_t len, int fd_in, void *reply, size_t reply_max, int *ret_fd);

/* ---- request.c: taking requests apart, putting replies together ---- */

/* The fixed argument at the request's start, copied; what follows is left in arg. */
warn_unused int request_take(struct request *r, void *ret, size_t len);
/* The next name: one component, checked; a pointer into the request. */
warn_unused int request_name(struct request *r, const char **ret);
/* The next string of any kind (link targets, attribute names), at most max bytes. */
warn_unused int request_string(struct request *r, size_t max, const char **ret);
/* Adds to the reply; -ERANGE when there is no room. */
warn_unused int request_put(struct request *r, const void *data, size_t len);

/* ---- handlers, by concern: 0 or a negative errno ---- */

int fsd_lookup(struct request *r); /* names.c */
int fsd_forget(struct request *r);
int fsd_batch_forget(struct request *r);
int fsd_mknod(struct request *r);
int fsd_mkdir(struct request *r);
int fsd_symlink(struct request *r);
int fsd_link(struct request *r);
int fsd_unlink(struct request *r);
int fsd_rmdir(struct request *r);
int fsd_rename(struct request *r);
int fsd_rename2(struct request *r);
int fsd_readlink(struct request *r);
int fsd_getattr(struct request *r); /* attr.c */
int fsd_setattr(struct request *r);
int fsd_statfs(struct request *r);
int fsd_open(struct request *r); /* open.c */
int fsd_create(struct request *r);
int fsd_tmpfile(struct request *r);
int fsd_opendir(struct request *r); /* dir.c */
int fsd_readdir(struct request *r);
int fsd_readdirplus(struct request *r);
int fsd_releasedir(struct request *r);
int fsd_fsyncdir(struct request *r);
int fsd_setxattr(struct request *r); /* xattr.c */
int fsd_getxattr(struct request *r);
int fsd_listxattr(struct request *r);
int fsd_removexattr(struct request *r);

/* Closes the guest's open folders; for FUSE_INIT of a guest that starts anew, and tests. */
void fsd_close_folders(void);

#endif
