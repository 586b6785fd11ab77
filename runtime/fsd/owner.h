/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.h - gives a new file the owner that the guest asked for.
 */
#ifndef NESTBOX_OWNER_H
#define NESTBOX_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"

/* Sets the owner of `name` in the folder `at` (or of the file at itself when name is "") and, as
 * chown takes set-id bits away, its mode again. A folder with the set-group-id bit decides the
 * group of what is made in it: so it stays as the kernel set it. */
warn_unused int owner_give(int at, const char *name, uid_t uid, gid_t gid, mode_t mode);

#endif
