/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - a root filesystem on a block device; see image.h.
 *
 * The device is given to the VMM after the guest has booted (or a clone has resumed), and the
 * kernel hears of it by an interrupt: so its size is waited for. The image is mounted read-only and
 * an overlay on a tmpfs makes it writable, also where config.json wants a read-only root: mount
 * points that it lacks have to be made first (mounts.c makes it read-only at the end).
 *
 * Init mounts it and not the container's first process: that may be in a user namespace, which may
 * not mount such file systems.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "image.h"
#include "io.h"

#define PLACE "/run/image"
#define LOWER PLACE "/lower"
#define UPPER PLACE "/upper"
#define WORK PLACE "/work"
#define WAIT_MS 5000
#define STEP_MS 2

static int wait_for_size(const char *device, struct err *e)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	const char *slash = strrchr(device, '/');
	char path[128];

	(void)snprintf(path, sizeof(path), "/sys/class/block/%s/size", slash ? slash + 1 : device);
	for (int waited = 0; waited <= WAIT_MS; waited += STEP_MS) {
		cleanup(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
		char text[32] = "";

		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
			return err_sys(e, -errno, "%s", device);
		if (strtoull(text, NULL, 10))
			return 0;
		(void)nanosleep(&step, NULL);
	}
	return err_set(e, -ETIMEDOUT, "%s: there is no disk", device);
}

/* The overlay's root has what its upper folder has. */
static int make_upper(void)
{
	struct stat st;

	if (stat(LOWER, &st) < 0 || mkdir(UPPER, 0700) < 0 || mkdir(WORK, 0700) < 0 ||
		chown(UPPER, st.st_uid, st.st_gid) < 0 || chmod(UPPER, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

/* The driver looked for VIRTIO_BLK_F_RO when there was no disk yet. Of a disk that it may write to
 * ext4 deletes orphaned files, even when it is mounted read-only. */
static int make_readonly(const char *device)
{
	cleanup(close) int fd = open(device, O_RDONLY | O_CLOEXEC);
	int yes = 1;

	return fd < 0 || io_ioctl(fd, BLKROSET, &yes) < 0 ? -errno : 0;
}

int image_mount(const struct gplan *g, struct err *e)
{
	int r = 0;

	if (g->root_kind != GPLAN_ROOT_BLOCK)
		return 0;
	r = wait_for_size(g->root_source, e);
	if (r < 0)
		return r;
	r = make_readonly(g->root_source);
	if (r < 0)
		return err_sys(e, r, "%s", g->root_source);
	if (mkdir(PLACE, 0755) < 0 || mount("image", PLACE, "tmpfs", 0, "mode=755") < 0 ||
		mkdir(LOWER, 0755) < 0 || mkdir(IMAGE_ROOT, 0755) < 0)
		return err_sys(e, -errno, "root filesystem");
	/* No journal is replayed: nothing is written (ext4; the other has none). */
	if (mount(g->root_source, LOWER, g->root_fstype, MS_RDONLY,
		    strcmp(g->root_fstype, "ext4") == 0 ? "noload" : NULL) < 0)
		return err_sys(e, -errno, "mounting the image as %s", g->root_fstype);
	r = make_upper();
	if (r < 0)
		return err_sys(e, r, "root filesystem");
	if (mount("overlay", IMAGE_ROOT, "overlay", 0,
		    "lowerdir=" LOWER ",upperdir=" UPPER ",workdir=" WORK) < 0)
		return err_sys(e, -errno, "writable layer over the image");
	return 0;
}
