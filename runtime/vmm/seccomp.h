/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp.h - what each kind of thread of the VMM may ask of the kernel after JAIL.
 */
#ifndef NESTBOX_VMM_SECCOMP_H
#define NESTBOX_VMM_SECCOMP_H

#include "cleanup.h"

enum seccomp_role {
	SECCOMP_ROLE_IO, /* main thread: control, console, vsock, rng; entered last */
	SECCOMP_ROLE_SAVE, /* main thread until the template is saved; then it goes on to IO */
	SECCOMP_ROLE_VCPU,
	SECCOMP_ROLE_FILE, /* block requests and file data */
	SECCOMP_ROLE_WORKER, /* one such request, which waits */
	SECCOMP_ROLE_BALLOON, /* memory that the guest does not need */
	SECCOMP_ROLE_PAGES, /* of a VM that is saved: memory that the guest asks for */
	SECCOMP_ROLE_NET, /* frames between taps and rings */
	SECCOMP_ROLE_MAX
};

/* Binds the calling thread to its role for good; anything else ends the process (SIGSYS). */
warn_unused int seccomp_enter(enum seccomp_role role);

#endif
