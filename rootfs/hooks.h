/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.h - the hooks that run in a container's namespaces, by its first process.
 *
 * A guest has no programs but the container's: so both kinds are found in its root. Their state
 * document's pid is that of the first process as it sees itself: 1 in a pid namespace of its own.
 */
#ifndef NESTBOX_ROOTFS_HOOKS_H
#define NESTBOX_ROOTFS_HOOKS_H

#include "err.h"
#include "guest-plan.h"

/* createContainer: with root's rights, in the root that is complete but not entered yet. */
warn_unused int hooks_create_container(const struct gplan *g, int root_fd, struct err *e);

/* What startContainer hooks read, as a file (*ret_fd, owned by the caller; -EBADF without any):
 * made before a seccomp filter is, which may not let it through. */
warn_unused int hooks_open_start(const struct gplan *g, int *ret_fd, struct err *e);

/* startContainer: as the process p is, in its root and working folder. */
warn_unused int hooks_start_container(
	const struct gplan *g, const struct gplan_process *p, int state_fd, struct err *e);

#endif
