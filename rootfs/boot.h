/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - makes a bare kernel into a system in which a container can be built.
 */
#ifndef NESTBOX_BOOT_H
#define NESTBOX_BOOT_H

#include <stdbool.h>

#include "cleanup.h"
#include "err.h"
#include "guest-plan.h"

#define BOOT_SHARES \
	"/run/shares" /* and "/run/shares-N" (boot_folder()): the fs server's shares, one folder \
			 or file each */
#define BOOT_NEW_ROOT "/run/root" /* where a container's root is put together */
#define BOOT_PLAIN_SYS "/run/sys"
#define BOOT_SHM "/run/shm" /* memory that the containers of a pod share */
#define BOOT_CGROUP "/sys/fs/cgroup"

/* Mounts, root, loopback, limits. Called once, as PID 1. */
warn_unused int boot_system(struct err *e);

/* Lets a cgroup's children have all controllers that the kernel has: a container's limits name
 * those that they need. */
void boot_hand_down_controllers(int cgroup);

/* Brings up the loopback interface of the caller's network namespace. */
warn_unused int boot_loopback(struct err *e);

/* A folder of init's that every container of the VM has one of: `base` for the first one, with the
 * number of its file system's slot behind it for others. */
#define BOOT_FOLDER_MAX 32
const char *boot_folder(const char *base, uint32_t fs_slot, char buf[BOOT_FOLDER_MAX]);

/* Mounts the plan's shares on boot_folder(BOOT_SHARES), which is not mounted yet. */
warn_unused int boot_shares(const struct gplan *g, struct err *e);

/* Waits until all that was asked of the shares so far is answered: as long as a share of the host
 * hangs. */
void boot_shares_wait(uint32_t fs_slot);

/* Undoes boot_shares(); the device is free then. Nothing may be under way there: Linux
 * (virtio_fs.c) waits for that with a lock held without which no other such file system can be
 * mounted. */
void boot_shares_gone(uint32_t fs_slot);

/* Mounts a tmpfs on BOOT_SHM; once. */
warn_unused int boot_shm(struct err *e);

/* Mounts a second sysfs, with nothing on top of it, on BOOT_PLAIN_SYS; once, for containers with a
 * user namespace of their own, which may only bind one. */
warn_unused int boot_plain_sysfs(struct err *e);

/* Says that nothing more can be done before it is known what the VM is for. Here a template is
 * saved; true when this is a clone of one, and time and chance are the other VM's still. */
warn_unused bool boot_ready(void);

/* The kernel's random numbers and the time of day go on from what the host sent. */
warn_unused int boot_freshen(const struct gplan *g, struct err *e);

#endif
