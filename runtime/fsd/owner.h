/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.h - gives a new file the owner that the guest asked for.
 */
#ifndef NESTBOX_OWNER_H
#define NESTBOX_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"

/* Sets the owner of the file that was just made in the folder and that fd is open on (O_PATH will
 * do) and, as chown takes set-id bits away, its mode again. By fd, as another writer of the share
 * may have put something else under the name since. A folder with the set-group-id bit decides the
 * group of what is made in it: so it stays as the kernel set it. */
warn_unused int owner_give(int folder, int fd, uid_t uid, gid_t gid, mode_t mode);

#endif
