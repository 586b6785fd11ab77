/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - a container's root filesystem on a block device.
 */
#ifndef NESTBOX_IMAGE_H
#define NESTBOX_IMAGE_H

#include "cleanup.h"
#include "err.h"
#include "guest-plan.h"

#define IMAGE_ROOT "/run/image/root"

/* Mounts the container's image, with a writable layer in memory over it, on IMAGE_ROOT; nothing for
 * a root that is a share. */
warn_unused int image_mount(const struct gplan *g, struct err *e);

#endif
