/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - a file that holds the container's root filesystem, for a block device of the VM.
 */
#ifndef NESTBOX_CTR_IMAGE_H
#define NESTBOX_CTR_IMAGE_H

#include "cleanup.h"
#include "err.h"
#include "plan.h"

/* Opens the image that the plan names (owned by the caller; read-only) and finds out which of the
 * file systems that a root can be it has: *ret_fstype, a literal. Errors name the path. */
warn_unused int image_open(
	const struct plan_image *image, int *ret_fd, const char **ret_fstype, struct err *e);

/* The kind of file system in `fd`, a file of so many bytes; -EINVAL with the reason when it is none
 * that can be used. */
warn_unused int image_look(int fd, uint64_t size, const char **ret_fstype, struct err *e);

#endif
