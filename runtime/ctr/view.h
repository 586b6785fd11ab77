/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - what a monitor sees of the file system: the container's files, as far as the host has
 * them, and nothing else of the host's.
 *
 * Callers find a container's files by its pid (/proc/PID/root, setns), and the pid is the
 * monitor's. So the monitor stands in a mount namespace whose root is the bundle's root filesystem
 * with the bind mounts in their places. What only the guest has (proc, tmpfs …) is an empty,
 * read-only folder there. The namespace ends with the last monitor in it.
 */
#ifndef NESTBOX_VIEW_H
#define NESTBOX_VIEW_H

#include "err.h"
#include "plan.h"
#include "process.h"

/* In a child: makes the namespace and enters it. */
warn_unused int view_enter(const struct plan *p, struct err *e);

/* In a child: enters the namespace of a container's first monitor. */
warn_unused int view_join(const struct process_ref *monitor, struct err *e);

/* After both the working folder is that of the process's own open files, as of /proc/self/fd: that
 * is not in the view. */

#endif
