/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - what the fs server may ask of the kernel once it serves.
 */
#ifndef NESTBOX_FSD_SECCOMP_H
#define NESTBOX_FSD_SECCOMP_H

#include "cleanup.h"

/* Binds the process to its list; anything else ends it (SIGSYS). */
warn_unused int seccomp_enter(void);

#endif
