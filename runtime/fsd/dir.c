/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir.c - requests on open folders: their entries, alone or with attributes.
 *
 * Positions are the file system's own (d_off), so that a guest may go back to any of them. Who goes
 * on where the last reply ended is not sent back, not even to the same place: a tmpfs before
 * Linux 6.6 has positions that count what is there, and so a program that removes what it reads
 * would miss the rest. So no more is taken from the kernel than fits into the reply.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fsd.h"
#include "inode.h"

#define MAX_FOLDERS 16384u
#define GETDENTS_BUFFER ((size_t)32 << 10)
#define SMALLEST_ENTRY 24u /* of the kernel's, with a name of one byte */

struct entry64 { /* getdents64(2) */
	uint64_t ino, off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static struct {
	int fd; /* owned; -EBADF = free */
	uint32_t generation;
	uint32_t next_free; /* index + 1 */
	uint64_t at; /* position behind what was read */
	struct {
		uint32_t major, minor;
	} device;
} folders[MAX_FOLDERS];
static uint32_t n_used, first_free;

void fsd_close_folders(void)
{
	for (uint32_t i = 0; i < n_used; i++)
		close_fd(&folders[i].fd);
	n_used = first_free = 0;
}

static int get_folder(uint64_t fh, uint32_t *ret)
{
	uint32_t i = (uint32_t)fh;

	if (i >= n_used || folders[i].generation != (uint32_t)(fh >> 32) || folders[i].fd < 0)
		return -EBADF;
	*ret = i;
	return 0;
}

static void close_folder(uint32_t slot)
{
	close_fd(&folders[slot].fd);
	folders[slot].next_free = first_free;
	first_free = slot + 1;
}

int fsd_opendir(struct request *r)
{
	struct fuse_open_out out = { 0 };
	struct fuse_open_in in;
	struct inode *i = NULL;
	struct statx st;
	uint32_t slot = 0;
	int e = request_take(r, &in, sizeof(in));
	int fd = -EINVAL;

	if (e == 0)
		e = inode_get(r->h.nodeid, &i);
	fd = e < 0 ? e : inode_fd(i);
	if (fd < 0)
		return fd;
	if (!first_free && n_used == MAX_FOLDERS)
		return -ENFILE;
	e = inode_stat(fd, &st);
	if (e < 0)
		return e;
	fd = inode_reopen(fd, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	slot = first_free ? first_free - 1 : n_used++;
	if (first_free)
		first_free = folders[slot].next_free;
	folders[slot].fd = fd;
	folders[slot].generation++;
	folders[slot].at = 0;
	folders[slot].device.major = st.stx_dev_major;
	folders[slot].device.minor = st.stx_dev_minor;
	out.fh = (uint64_t)folders[slot].generation << 32 | slot;
	e = request_put(r, &out, sizeof(out));
	if (e < 0)
		close_folder(slot);
	return e;
}

int fsd_releasedir(struct request *r)
{
	struct fuse_release_in in;
	uint32_t slot = 0;
	int e = request_take(r, &in, sizeof(in));

	if (e == 0)
		e = get_folder(in.fh, &slot);
	if (e < 0)
		return e;
	close_folder(slot);
	return 0;
}

int fsd_fsyncdir(struct request *r)
{
	struct fuse_fsync_in in;
	uint32_t slot = 0;
	int e = request_take(r, &in, sizeof(in));

	if (e == 0)
		e = get_folder(in.fh, &slot);
	if (e < 0)
		return e;
	return fsync(folders[slot].fd) < 0 ? -errno : 0;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Adds one entry; -ERANGE when it does not fit, with nothing added. */
static int put_entry(struct request *r, uint32_t slot, const struct entry64 *d, struct inode *plus)
{
	static const char padding[8];
	struct fuse_direntplus full = { 0 };
	size_t name_len = strlen(d->name);
	size_t head = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t total = FUSE_DIRENT_ALIGN(head + name_len);

	if (total > r->out_max - r->out_len)
		return -ERANGE;
	full.dirent = (struct fuse_dirent){
		.ino = inode_number(folders[slot].device.major, folders[slot].device.minor, d->ino),
		.off = d->off,
		.namelen = (uint32_t)name_len,
		.type = d->type,
	};
	/* A name that is gone by now stays in the list, without attributes. */
	if (plus && !is_dot(d->name) && inode_enter(plus, d->name, &full.entry_out) == 0)
		full.dirent.ino = full.entry_out.attr.ino;
	(void)!request_put(r, plus ? (void *)&full : (void *)&full.dirent, head);
	(void)!request_put(r, d->name, name_len);
	return request_put(r, padding, total - head - name_len);
}

/* How much the kernel may write so that all of it fits: an entry of the shortest name grows most in
 * the reply. */
static size_t kernels_room(const struct request *r, bool with_attributes)
{
	size_t shortest = FUSE_DIRENT_ALIGN(
		(with_attributes ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET) + 1);
	size_t n = (r->out_max - r->out_len) / shortest * SMALLEST_ENTRY;

	return n < GETDENTS_BUFFER ? n : GETDENTS_BUFFER;
}

static int read_folder(struct request *r, bool with_attributes)
{
	static char buffer[GETDENTS_BUFFER] __attribute__((aligned(8)));
	struct fuse_read_in in;
	struct inode *i = NULL;
	uint32_t slot = 0;
	bool any = false;
	int e = request_take(r, &in, sizeof(in));

	if (e == 0)
		e = get_folder(in.fh, &slot);
	if (e == 0 && with_attributes)
		e = inode_get(r->h.nodeid, &i);
	if (e < 0)
		return e;
	if (r->out_max > in.size)
		r->out_max = in.size;
	if (in.offset != folders[slot].at &&
		lseek(folders[slot].fd, (off_t)in.offset, SEEK_SET) < 0)
		return -errno;
	folders[slot].at = in.offset;
	for (;;) {
		size_t room = kernels_room(r, with_attributes);
		long n = 0;

		if (any && room < SMALLEST_ENTRY)
			return 0;
		n = syscall(SYS_getdents64, folders[slot].fd, buffer, room);
		/* The next one is too long, or cannot be read: the guest will ask for it. */
		if (n <= 0)
			return any || !n ? 0 : -errno;
		for (long at = 0; at < n;) {
			const struct entry64 *d = (const struct entry64 *)(buffer + at);

			e = put_entry(r, slot, d, i);
			if (e < 0)
				return e;
			folders[slot].at = d->off;
			at += d->reclen;
		}
		any = true;
	}
}

int fsd_readdir(struct request *r)
{
	return read_folder(r, false);
}

int fsd_readdirplus(struct request *r)
{
	return read_folder(r, true);
}
