/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allow-calls.h - a seccomp allow-list for the calling thread, compiled to BPF without a library:
 * the jails of monitor, VMM and fs server end with it.
 */
#ifndef NESTBOX_ALLOW_CALLS_H
#define NESTBOX_ALLOW_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define ALLOW_CALLS_MAX 64 /* lines */
#define ALLOW_ANY 0u

struct allowed_call {
	uint32_t nr; /* SYS_* */
	uint32_t request; /* second argument (an ioctl's number); ALLOW_ANY = not looked at */
	bool first; /* request is the first argument instead (socket's family) */
};

/* From here on the thread may make these calls only, and go on with one that was interrupted
 * (restart_syscall); any other ends the process (SIGSYS). Sets no_new_privs. 0, -E2BIG for too many
 * lines, or the kernel's errno. */
warn_unused int allow_calls(const struct allowed_call *lines, size_t n);

#endif
