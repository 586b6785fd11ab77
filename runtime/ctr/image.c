/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - a file with the container's root filesystem; see image.h.
 *
 * Of the image a few bytes of its superblock are read here: which file system it is, how long, and
 * whether it can be mounted without being written to. All else is the guest kernel's affair: it is
 * the container's own, and the host never mounts an image.
 *
 * Trust: the bytes are hostile. What is made of them is one of two names, and errors.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

#define SUPERBLOCK_AT 1024 /* of either file system */

/* fs/erofs/erofs_fs.h */
#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_BLOCK_BITS_AT 12
#define EROFS_BLOCKS_AT 36

/* Documentation/filesystems/ext4/super.rst */
#define EXT_MAGIC 0xef53u
#define EXT_BLOCKS_AT 4
#define EXT_BLOCK_BITS_AT 24
#define EXT_MAGIC_AT 56
#define EXT_STATE_AT 58
#define EXT_INCOMPAT_AT 96
#define EXT_BLOCKS_HIGH_AT 336
#define EXT_UNMOUNTED 0x1u /* cleanly; tells where there is no journal */
#define EXT_HAS_TO_RECOVER 0x4u
#define EXT_IS_JOURNAL 0x8u
#define EXT_64BIT 0x80u

#define MAX_BLOCK_BITS 16u

static uint32_t u32_at(const uint8_t *super, size_t at)
{
	uint32_t v = 0;

	memcpy(&v, super + at, sizeof(v));
	return le32toh(v);
}

static uint16_t u16_at(const uint8_t *super, size_t at)
{
	uint16_t v = 0;

	memcpy(&v, super + at, sizeof(v));
	return le16toh(v);
}

/* A file that ends before its file system does was cut off. */
static int check_size(
	const char *type, uint64_t blocks, uint32_t bits, uint64_t size, struct err *e)
{
	uint64_t bytes = 0;

	if (bits > MAX_BLOCK_BITS || blocks == 0 || blocks > UINT64_MAX >> MAX_BLOCK_BITS)
		return err_set(e, -EINVAL, "damaged %s file system", type);
	bytes = blocks << bits;
	if (bytes > size)
		return err_set(e, -EINVAL,
			"cut off: its %s file system has %llu bytes, the file %llu", type,
			(unsigned long long)bytes, (unsigned long long)size);
	return 0;
}

static int look_at_ext(const uint8_t *super, uint64_t size, struct err *e)
{
	uint32_t incompat = u32_at(super, EXT_INCOMPAT_AT);
	uint32_t log = u32_at(super, EXT_BLOCK_BITS_AT);
	uint64_t blocks = u32_at(super, EXT_BLOCKS_AT);

	if (incompat & EXT_64BIT)
		blocks |= (uint64_t)u32_at(super, EXT_BLOCKS_HIGH_AT) << 32;
	if (incompat & EXT_IS_JOURNAL)
		return err_set(e, -EINVAL, "the journal of another ext4 file system");
	if ((incompat & EXT_HAS_TO_RECOVER) || !(u16_at(super, EXT_STATE_AT) & EXT_UNMOUNTED))
		return err_set(e, -EINVAL,
			"its ext4 file system was not unmounted: fsck.ext4 has to repair it first");
	return check_size("ext4", blocks, log > MAX_BLOCK_BITS ? log : 10 + log, size, e);
}

int image_look(int fd, uint64_t size, const char **ret_fstype, struct err *e)
{
	uint8_t super[1024];
	int r = 0;

	if (pread(fd, super, sizeof(super), SUPERBLOCK_AT) != (ssize_t)sizeof(super))
		return err_set(e, -EINVAL, "too short for a file system (%llu bytes)",
			(unsigned long long)size);
	if (u32_at(super, 0) == EROFS_MAGIC) {
		*ret_fstype = "erofs";
		return check_size("erofs", u32_at(super, EROFS_BLOCKS_AT),
			super[EROFS_BLOCK_BITS_AT], size, e);
	}
	if (u16_at(super, EXT_MAGIC_AT) == EXT_MAGIC) {
		r = look_at_ext(super, size, e);
		*ret_fstype = "ext4";
		return r;
	}
	return err_set(e, -EINVAL, "neither an EROFS nor an ext4 file system");
}

int image_open(const struct plan_image *image, int *ret_fd, const char **ret_fstype, struct err *e)
{
	/* To open a device or a FIFO is to do something to it: it is looked at first. */
	cleanup(close) int place = open(image->path, O_PATH | O_CLOEXEC);
	cleanup(close) int fd = -EBADF;
	struct err why = { 0 };
	char again[32];
	struct stat st;
	int r = 0;

	if (place < 0 || fstat(place, &st) < 0)
		return err_sys(e, -errno, "%s: image %s", image->field, image->path);
	if (!S_ISREG(st.st_mode))
		return err_set(
			e, -EINVAL, "%s: image %s: not a regular file", image->field, image->path);
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
	/* O_NONBLOCK: a lease on it is not waited for. */
	fd = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, -errno, "%s: image %s", image->field, image->path);
	r = image_look(fd, (uint64_t)st.st_size, ret_fstype, &why);
	if (r < 0)
		return err_set(e, r, "%s: image %s: %s", image->field, image->path, why.msg);
	if (*image->fstype && strcmp(image->fstype, *ret_fstype) != 0)
		return err_set(e, -EINVAL, "%s: image %s: its file system is %s, not %s",
			image->field, image->path, *ret_fstype, image->fstype);
	*ret_fd = take_fd(&fd);
	return 0;
}
