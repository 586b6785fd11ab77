/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - makes a bare kernel into a system in which a container can be built.
 */
#ifndef NESTBOX_BOOT_H
#define NESTBOX_BOOT_H

#include "cleanup.h"
#include "err.h"

#define BOOT_SHARES "/run/shares" /* the fs server's shares, one folder or file each */
#define BOOT_CGROUP "/sys/fs/cgroup"

/* Mounts, root, loopback, limits. Called once, as PID 1. */
warn_unused int boot_system(struct err *e);

/* Mounts the shared folders on BOOT_SHARES; once, when the first container needs them. */
warn_unused int boot_shares(struct err *e);

#endif
