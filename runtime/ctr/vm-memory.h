/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-memory.h - the memory of a VM that runs: it grows with what its containers may use.
 */
#ifndef NESTBOX_CTR_VM_MEMORY_H
#define NESTBOX_CTR_VM_MEMORY_H

#include "state.h"

/* Of this machine, in bytes; 0 = unknown. */
uint64_t vm_memory_of_host(void);

/* The VM of the container with that folder, whose lock is held, shall hold a container with such a
 * limit of memory (none: 0 or less): it grows where it is smaller, its host cgroup's limit with it,
 * and *s is saved. It never shrinks: what is free goes back to the host anyway. -ERANGE when it
 * cannot be so large. */
warn_unused int vm_memory_reach(int fd, struct ctr_state *s, int64_t limit, struct err *e);

/* The same without the lock, for a container that is in another one's VM: that one's folder. */
warn_unused int vm_memory_reach_of(int fd, int64_t limit, struct err *e);

#endif
