/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - one FUSE request: taken apart, handed to its handler, answered.
 *
 * Trust: the request is the guest's; the table says how little of it may be there, and names are
 * checked by the functions that hand them out.
 */
#include <errno.h>
#include <string.h>

#include "fsd.h"
#include "inode.h"

#define OUT_HEADER sizeof(struct fuse_out_header)
#define MAX_WRITE ((uint32_t)1 << 20)
#define MAX_PAGES 256
#define OUR_MINOR 38
#define OP_TMPFILE 51 /* newer than some kernel headers */
#define OP_SYNCFS 50

int request_take(struct request *r, void *ret, size_t len)
{
	if (r->arg_len < len)
		return -EINVAL;
	memcpy(ret, r->arg, len);
	r->arg += len;
	r->arg_len -= len;
	return 0;
}

int request_string(struct request *r, size_t max, const char **ret)
{
	const uint8_t *end = memchr(r->arg, '\0', r->arg_len);
	size_t len = 0;

	if (!end)
		return -EINVAL;
	len = (size_t)(end - r->arg);
	if (len > max)
		return -ENAMETOOLONG;
	*ret = (const char *)r->arg;
	r->arg += len + 1;
	r->arg_len -= len + 1;
	return 0;
}

int request_name(struct request *r, const char **ret)
{
	const char *name = NULL;
	int e = request_string(r, FSD_NAME_MAX, &name);

	if (e < 0)
		return e;
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	*ret = name;
	return 0;
}

int request_put(struct request *r, const void *data, size_t len)
{
	if (len > r->out_max - r->out_len)
		return -ERANGE;
	if (len)
		memcpy(r->out + r->out_len, data, len);
	r->out_len += len;
	return 0;
}

/* ---- session ------------------------------------------------------------------------------- */

/* What we carry out. Locks are not among it: the guest has them to itself. Nor are ways around the
 * guest kernel's own checks of permissions, modes and set-uid bits, which are what root expects. */
static const uint32_t wanted_flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
	FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_AUTO_INVAL_DATA |
	FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_INIT_EXT;
/* The same, of the second word. With idmapped mounts a request that makes nothing has no ids, and
 * none here looks at them then. Not in the headers of Debian 12. */
#define ALLOW_IDMAP (1u << 8)

static int do_init(struct request *r)
{
	struct fuse_init_in in = { 0 };
	struct fuse_init_out out = { 0 };
	size_t len = r->arg_len < sizeof(in) ? r->arg_len : sizeof(in);
	/* Older kernels send less; what every version has is 16 bytes. */
	int e = len < 16 ? -EINVAL : request_take(r, &in, len);

	if (e < 0)
		return e;
	if (in.major != FUSE_KERNEL_VERSION)
		return -EPROTO;
	fsd_close_folders();
	out.major = FUSE_KERNEL_VERSION;
	out.minor = OUR_MINOR;
	out.max_readahead = in.max_readahead;
	out.flags = in.flags & wanted_flags;
	out.flags2 = in.flags & FUSE_INIT_EXT ? in.flags2 & ALLOW_IDMAP : 0;
	out.max_background = 64;
	out.congestion_threshold = 48;
	out.max_write = MAX_WRITE;
	out.time_gran = 1;
	out.max_pages = MAX_PAGES;
	return request_put(r, &out, sizeof(out));
}

static int do_nothing(struct request *r)
{
	(void)r;
	return 0;
}

static int do_interrupt(struct request *r)
{
	r->silent = true; /* requests are short: what could be interrupted is over */
	return 0;
}

/* ---- dispatch ------------------------------------------------------------------------------ */

static int (*const handlers[])(struct request *) = {
	[FUSE_LOOKUP] = fsd_lookup,
	[FUSE_FORGET] = fsd_forget,
	[FUSE_GETATTR] = fsd_getattr,
	[FUSE_SETATTR] = fsd_setattr,
	[FUSE_READLINK] = fsd_readlink,
	[FUSE_SYMLINK] = fsd_symlink,
	[FUSE_MKNOD] = fsd_mknod,
	[FUSE_MKDIR] = fsd_mkdir,
	[FUSE_UNLINK] = fsd_unlink,
	[FUSE_RMDIR] = fsd_rmdir,
	[FUSE_RENAME] = fsd_rename,
	[FUSE_LINK] = fsd_link,
	[FUSE_OPEN] = fsd_open,
	[FUSE_STATFS] = fsd_statfs,
	[FUSE_SETXATTR] = fsd_setxattr,
	[FUSE_GETXATTR] = fsd_getxattr,
	[FUSE_LISTXATTR] = fsd_listxattr,
	[FUSE_REMOVEXATTR] = fsd_removexattr,
	[FUSE_INIT] = do_init,
	[FUSE_OPENDIR] = fsd_opendir,
	[FUSE_READDIR] = fsd_readdir,
	[FUSE_RELEASEDIR] = fsd_releasedir,
	[FUSE_FSYNCDIR] = fsd_fsyncdir,
	[FUSE_CREATE] = fsd_create,
	[FUSE_INTERRUPT] = do_interrupt,
	[FUSE_DESTROY] = do_nothing,
	[FUSE_BATCH_FORGET] = fsd_batch_forget,
	[FUSE_READDIRPLUS] = fsd_readdirplus,
	[FUSE_RENAME2] = fsd_rename2,
	[OP_SYNCFS] = do_nothing, /* writes have reached the host: its kernel syncs */
	[OP_TMPFILE] = fsd_tmpfile,
};

size_t fsd_handle(
	const void *request, size_t len, int fd_in, void *reply, size_t reply_max, int *ret_fd)
{
	struct request r = { .fd_in = fd_in, .fd_out = -EBADF };
	struct fuse_out_header out = { 0 };
	int e = -ENOSYS;

	*ret_fd = -EBADF;
	if (len < sizeof(r.h))
		return 0;
	memcpy(&r.h, request, sizeof(r.h));
	r.arg = (const uint8_t *)request + sizeof(r.h);
	r.arg_len = len - sizeof(r.h);
	if (reply_max >= OUT_HEADER) {
		r.out = (uint8_t *)reply + OUT_HEADER;
		r.out_max = reply_max - OUT_HEADER;
	}
	if (r.h.opcode < ARRAY_LEN(handlers) && handlers[r.h.opcode])
		e = handlers[r.h.opcode](&r);
	inode_trim();
	if (r.silent || reply_max < OUT_HEADER) {
		close_fd(&r.fd_out);
		return 0;
	}
	if (e < 0) {
		close_fd(&r.fd_out);
		r.out_len = 0;
	}
	out.unique = r.h.unique;
	out.error = e;
	out.len = (uint32_t)(OUT_HEADER + r.out_len);
	memcpy(reply, &out, sizeof(out));
	*ret_fd = r.fd_out;
	return out.len;
}

int fsd_init(int root_fd, unsigned max_fds)
{
	return inode_init(root_fd, max_fds);
}

void fsd_done(void)
{
	fsd_close_folders();
	inode_done();
}
