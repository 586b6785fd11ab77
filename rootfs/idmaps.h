/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmaps.h - maps of ids: those of user namespaces, and those of mounts.
 */
#ifndef NESTBOX_IDMAPS_H
#define NESTBOX_IDMAPS_H

#include <limits.h>
#include <sys/types.h>

#include "err.h"
#include "guest-plan.h"

#define IDMAPS_FOLDER "/run/idmapped"
#define IDMAPS_PATH_MAX (sizeof(IDMAPS_FOLDER) + NAME_MAX + 16)

/* Writes the maps of the user namespace that the process was born in. 0 or a negative errno. */
warn_unused int idmaps_write(pid_t pid, const struct gplan_idmap *uids, size_t n_uids,
	const struct gplan_idmap *gids, size_t n_gids);

/* Mounts the shares of all mounts that have a map. Guest init does it for the container, whose
 * root may not (mount_setattr(2): CAP_SYS_ADMIN where the file system was mounted); it finds them
 * in its copy of our mounts, by idmaps_path(). */
warn_unused int idmaps_mount(const struct gplan *g, struct err *e);

/* Takes away what idmaps_mount() did, all or a part; what the container has of it stays. */
void idmaps_unmount(const struct gplan *g);

/* Where the share of a mount with a map is, for a process forked since idmaps_mount(). Returns ret,
 * which has room for IDMAPS_PATH_MAX bytes. */
const char *idmaps_path(const struct gplan_mount *m, char *ret);

#endif
