/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free-memory.h - what nothing in the guest uses any more goes back to the host.
 */
#ifndef NESTBOX_FREE_MEMORY_H
#define NESTBOX_FREE_MEMORY_H

/* A container begins to run: a few seconds from now, once, the kernel gets the device that it
 * reports free memory to. Where that fails the guest keeps what it had, as if there were none. */
void free_memory_later(void);

/* Does it when it is time. Returns for how many milliseconds there is nothing to do, -1 = ever. */
int free_memory_turn(void);

#endif
