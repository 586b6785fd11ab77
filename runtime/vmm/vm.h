/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - one virtual machine on KVM: memory, interrupt controllers, vCPUs, devices.
 *
 * Phases, in this order, each asserted by the functions that belong to it:
 *   INHERIT  the plan is read, nothing is made
 *   BUILD    VM, memory, devices, vCPUs are made
 *   LOAD     kernel, initrd and tables are put into guest memory
 *   JAIL     privileges are gone, seccomp is on
 *   RUN      vCPUs run; nothing is opened or mapped any more
 *   DRAIN    the guest has ended; last words are written
 */
#ifndef NESTBOX_VM_H
#define NESTBOX_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "gmem.h"
#include "ioapic.h"
#include "layout.h"
#include "loop.h"
#include "virtio.h"
#include "vmm-ctl.h"
#include "vmm-plan.h"

/* Memory slots of KVM. Those of the RAM that is there at the beginning are numbered as its regions.
 */
enum { VM_SLOT_REGISTERS, VM_SLOT_RAM };

enum vm_phase { VM_INHERIT, VM_BUILD, VM_LOAD, VM_JAIL, VM_RUN, VM_DRAIN };

struct vm;

struct vcpu {
	struct vm *vm; /* borrowed */
	unsigned index;
	int fd; /* owned */
	int stats_fd; /* owned; negative when KVM has no statistics */
	struct kvm_run *run; /* owned mapping */
	pthread_t thread;
	bool started;
	/* Written by the vCPU's thread, read by the control thread: relaxed atomics. */
	uint64_t user_exits;
	uint32_t last_exit;
	uint64_t rip;
};

/* Why the VM ended. */
enum vm_end {
	VM_END_NONE,
	VM_END_RESET, /* the guest asked for a reset: orderly */
	VM_END_MONITOR, /* the monitor is gone */
	VM_END_CRASH, /* KVM cannot go on */
};

struct vm {
	enum vm_phase phase;
	uint64_t phase_ns[VM_DRAIN + 1]; /* CLOCK_MONOTONIC when each began */
	struct vmm_plan plan;
	int vm_fd; /* owned */
	size_t run_size; /* of each vCPU's kvm_run mapping */
	uint8_t *ram; /* owned mapping */
	uint64_t mapped_bytes; /* of it: what the VM can grow to */
	uint64_t ram_bytes; /* of these: what the guest may touch */
	unsigned n_ram_slots; /* of KVM, from VM_SLOT_RAM on */
	uint8_t *registers; /* owned mapping: what the guest reads of the slots' registers */
	int sink_fd; /* owned eventfd that nobody reads: what the guest need not tell us */
	struct gmem mem;
	struct vcpu vcpu[VMM_MAX_VCPUS];
	struct loop loop; /* control, console, vsock, rng */
	struct virtio_dev *slot[LAYOUT_MAX_SLOTS]; /* borrowed: devices own themselves */
	unsigned n_slots;
	struct ioapic ioapic;
	pthread_mutex_t pause_lock;
	pthread_cond_t pause_cond;
	bool paused; /* this and the next two: under pause_lock */
	unsigned running; /* vCPU threads that have not ended */
	unsigned waiting; /* of these, the ones that wait for the end of a pause */
	/* For a VM that is saved (template.h): */
	struct vcpu *ready_cpu; /* the one that waits for it; atomic */
	int ready_fd; /* owned eventfd: guest init is ready */
	int ready_source; /* in the loop */
	uint64_t cpuid_sum; /* of what KVM lets guests use; cpu_set_cpuid() knows it */
	enum vmm_origin origin; /* the main thread's */
	int end_fd; /* owned eventfd: wakes the main thread when `end` was set */
	enum vm_end end; /* first reason; atomic */
	char end_text[256]; /* for VM_END_CRASH */
};

/* Goes on to a phase. */
void vm_enter(struct vm *vm, enum vm_phase phase);

/* vm.c: private, untouched memory at a boundary of 2 MiB, for huge pages; NULL when there is none.
 */
void *vm_map_ram(size_t len);
/* BUILD. Errors leave half-built state; the process exits then. */
warn_unused int vm_build(struct vm *vm, struct err *e);
/* Back to INHERIT: what vm_build() made is gone, and can be made anew. */
void vm_unbuild(struct vm *vm);
/* RUN, the control thread: the guest may touch so many bytes, no fewer than before, and whole
 * RAM_BLOCKs more. -ENOSPC: there is no address space or no slot for them. */
warn_unused int vm_grow(struct vm *vm, uint64_t ram_bytes);
/* Puts a device into the next slot and wires its queues and interrupt. */
warn_unused int vm_add_device(struct vm *vm, struct virtio_dev *d, struct err *e);
/* Notes why the VM ends (the first reason stays) and wakes the main thread. Any thread. */
void vm_end(struct vm *vm, enum vm_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* cpu.c: what KVM supports, with the topology of our vCPUs; BUILD or LOAD. */
warn_unused int cpu_set_cpuid(struct vm *vm, struct err *e);
/* The vCPUs from `first` on as they are after a reset: they wait for INIT and SIPI in KVM. */
warn_unused int cpu_reset(struct vm *vm, unsigned first, struct err *e);
/* LOAD. CPUID, MSRs and registers of all vCPUs. */
warn_unused int cpu_setup(struct vm *vm, gpa_t entry, struct err *e);

/* vcpu.c: makes the threads in JAIL, paused; vcpu_resume_all() begins RUN. */
warn_unused int vcpu_start_all(struct vm *vm, struct err *e);
/* All vCPUs leave the guest and wait / go on. Returns when they have. */
void vcpu_pause_all(struct vm *vm);
void vcpu_resume_all(struct vm *vm);
/* KVM's own counts of VM exits, summed up over the vCPUs: all, and by reason. None without its
 * statistics. */
void vcpu_counters(const struct vm *vm, struct vmm_info *info);

/* control.c: serves plan.control_fd on vm->loop. */
warn_unused int control_init(struct vm *vm, struct err *e);

/* jail.c: JAIL. Gives up everything but the open fds; see there. */
warn_unused int jail_enter(struct vm *vm, struct err *e);

#endif
