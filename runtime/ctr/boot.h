/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - the first words with a guest: HELLO, CREATE, and what to say when there are none.
 */
#ifndef NESTBOX_CTR_BOOT_H
#define NESTBOX_CTR_BOOT_H

#include "cleanup.h"
#include "err.h"
#include "guest-plan.h"

/* Waits for HELLO ($NESTBOX_BOOT_TIMEOUT seconds, default 30; a bad one is warned of): *ret_clone
 * says whether the VM is a template's. An error tells how far the guest came: its last console
 * lines and what the vCPU last did. */
warn_unused int boot_hello(int boot_fd, int state_fd, bool *ret_clone, struct err *e);

/* After that: gives g the time of day and fresh entropy, sends it and waits until the container is
 * built. An error tells what the guest said. */
warn_unused int boot_container(int boot_fd, int state_fd, struct gplan *g, struct err *e);

/* What VMM, fs server and monitor had to say (vmm.log), as one line after `what` in *e; returns
 * code. Without a word *e is `what` alone. */
int boot_last_words(int state_fd, int code, const char *what, struct err *e);

#endif
