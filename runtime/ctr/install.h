/* SPDX-License-Identifier: Apache-2.0 */
/*
 * install.h - where nestbox's own files are.
 */
#ifndef NESTBOX_INSTALL_H
#define NESTBOX_INSTALL_H

#include <stddef.h>

#include "cleanup.h"
#include "err.h"

/* Opens one of our files for reading: "vmlinux", "initrd.cpio", or a program "nestbox-vmm". In
 * order: $NESTBOX_LIBDIR, beside our own program, ../lib of it (the build tree), the folder that
 * `make install` used. The fd is the caller's and close-on-exec. */
warn_unused int install_open(const char *name, int *ret_fd, struct err *e);

#endif
