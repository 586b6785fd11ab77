/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot-pages.h - the pages of a template that every clone writes to, copied before it does.
 */
#ifndef NESTBOX_HOT_PAGES_H
#define NESTBOX_HOT_PAGES_H

#include "template-file.h"
#include "vm.h"
#include "wire.h"

/* In the VM that is to be saved; its vCPUs are paused. From now on KVM notes what the guest writes
 * to. Where it cannot, clones are slower. */
void hot_pages_watch(const struct vm *vm);

/* The same: takes down what was written to, and lets KVM stop noting. Nothing without a watch. */
void hot_pages_stop(const struct vm *vm);

/* The same by another's word: the guest wrote to that page. */
void hot_pages_add(uint64_t page);

/* Writes them into a template's state, but for those of blocks that it does not have. */
void hot_pages_put(const struct template_head *h, struct wire_out *w);

/* In a clone, whose memory is mapped: reads them and makes the clone's copies. -EBADMSG for pages
 * that there are not. */
warn_unused int hot_pages_copy(struct vm *vm, struct wire_in *r);

#endif
