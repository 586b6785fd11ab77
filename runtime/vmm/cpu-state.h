/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu-state.h - all that KVM knows of a vCPU, taken out of it and put into another VM's.
 *
 * The bytes are KVM's own structures (Documentation/virt/kvm/api.rst): a template is of one machine
 * and one kernel.
 */
#ifndef NESTBOX_CPU_STATE_H
#define NESTBOX_CPU_STATE_H

#include "vm.h"
#include "wire.h"

/* BUILD or LOAD, for a VM that will be saved: asks KVM what there is to save, while /dev/kvm is
 * open. */
warn_unused int cpu_state_prepare(const struct vm *vm, struct err *e);

/* The clock, then the vCPUs, which are paused. Allocates nothing. 0 or a negative errno. */
warn_unused int cpu_state_put(const struct vm *vm, struct wire_out *w);

/* BUILD: into vCPUs that have never run and know their CPUID. The error names what KVM refused. */
warn_unused int cpu_state_get(struct vm *vm, struct wire_in *r, struct err *e);

#endif
