/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.h - a VM into a template's file, and out of it again; the file is template-file.h's.
 *
 * Saving: guest init reads AGENT_READY_PORT; that vCPU stops after the read, the main thread stops
 * the others, writes all down and lets them go on. What the file holds is the VM in the moment
 * after the read, with the answer that a clone shall get.
 *
 * Resuming, in place of LOAD: template_begin() in BUILD makes vCPUs and memory, then the devices
 * are added, then template_devices() tells them what the guest's drivers have set up.
 */
#ifndef NESTBOX_VMM_TEMPLATE_H
#define NESTBOX_VMM_TEMPLATE_H

#include "vm.h"

/* LOAD, with plan.save_fd: reserves what saving needs, as nothing can be had in RUN. on_saved is
 * called when it is done, or has failed: on the main thread, before the guest goes on. */
warn_unused int template_prepare(struct vm *vm, void (*on_saved)(void), struct err *e);

/* The host wants something of the guest: a container comes, and what is not saved by now is not
 * saved. Main thread. */
void template_cancel(struct vm *vm);

/* A vCPU's read of AGENT_READY_PORT: the byte that it gets. On the vCPU's thread. */
uint8_t template_ready(struct vcpu *c);

/* BUILD, after vm_build(), with plan.template_fd: memory and vCPUs as the file has them. When this
 * fails the VM cannot be used, but another one can be built and booted. */
warn_unused int template_begin(struct vm *vm, struct err *e);

/* LOAD: the devices, all of which have been added. */
warn_unused int template_devices(struct vm *vm, struct err *e);

/* RUN: what was under way when the VM was saved. */
void template_wake(struct vm *vm);

#endif
