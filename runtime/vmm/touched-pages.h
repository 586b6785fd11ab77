/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touched-pages.h - the pages of a template that every clone touches, which KVM maps before it
 * does.
 *
 * For hosts whose KVM can (KVM_CAP_PRE_FAULT_MEMORY, Linux 6.12). On others the list is empty, and
 * each of the pages costs a clone a VM exit.
 */
#ifndef NESTBOX_TOUCHED_PAGES_H
#define NESTBOX_TOUCHED_PAGES_H

#include "loop.h"
#include "template-file.h"
#include "vm.h"
#include "wire.h"

/* LOAD, in a VM that is to be saved: has what the rest needs, or does without. */
void touched_pages_prepare(struct vm *vm);

/* What a thread of its own has to run from then on; NULL = nothing. */
struct loop *touched_pages_loop(void);

/* The main thread; for this and the next vCPUs are paused and no device serves a queue. From now on
 * first touches of the guest's memory are noted, and whether more than a look was meant: see
 * hot_pages_add(). False: they are not. */
warn_unused bool touched_pages_watch(void);

/* No longer. Nothing without a watch. */
void touched_pages_stop(void);

/* Writes them into a template's state, but for those of blocks that it does not have. */
void touched_pages_put(const struct template_head *h, struct wire_out *w);

/* In a clone, whose memory is mapped and whose first vCPU has its state: reads them, and has KVM
 * map them. -EBADMSG for pages that there are not. */
warn_unused int touched_pages_map(struct vm *vm, struct wire_in *r);

#endif
