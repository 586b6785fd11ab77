/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot-pages.c - what a clone will write to; see hot-pages.h.
 *
 * A page of a template that a clone reads, then writes, costs three VM exits: the first maps the
 * file's page, the second has the host copy it, which takes the mapping away once more (KVM's
 * notifier), the third maps the copy. With the copy there before, it is one. The pages are found
 * by KVM's dirty log (Documentation/virt/kvm/api.rst, KVM_GET_DIRTY_LOG) while the VM that is saved
 * builds and removes a container for the second time: before that there is none to be trusted with
 * it, after that the VM is somebody's.
 */
#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>

#include "hot-pages.h"
#include "io.h"
#include "page-runs.h"

static bool watching;
/* Of the RAM, a bit per page. Not touched, and so no memory, in VMs that are not saved. */
static uint64_t written[PAGE_SET_WORDS];

/* Memory that is added after boot is not the template's. */
static bool is_saved(const struct vm *vm, unsigned region)
{
	return (uint64_t)(vm->mem.region[region].hva - vm->ram) < vm->plan.boot_bytes;
}

static int set_log(const struct vm *vm, unsigned region, uint32_t flags)
{
	const struct gmem_region *g = &vm->mem.region[region];
	struct kvm_userspace_memory_region r = {
		.slot = VM_SLOT_RAM + region,
		.flags = flags,
		.guest_phys_addr = g->gpa,
		.memory_size = g->len,
		.userspace_addr = (uintptr_t)g->hva,
	};

	return io_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);
}

void hot_pages_watch(const struct vm *vm)
{
	watching = true;
	for (unsigned i = 0; i < vm->mem.n; i++) {
		if (is_saved(vm, i) && set_log(vm, i, KVM_MEM_LOG_DIRTY_PAGES) < 0) {
			hot_pages_stop(vm);
			return;
		}
	}
}

void hot_pages_stop(const struct vm *vm)
{
	if (!watching)
		return;
	watching = false;
	for (unsigned i = 0; i < vm->mem.n; i++) {
		const struct gmem_region *g = &vm->mem.region[i];
		/* Regions are whole blocks, so that each begins with a word of its own. */
		struct kvm_dirty_log log = {
			.slot = VM_SLOT_RAM + i,
			.dirty_bitmap =
				&written[(uint64_t)(g->hva - vm->ram) / PAGE_BYTES / PAGES_PER_WORD]
		};

		if (!is_saved(vm, i))
			continue;
		(void)io_ioctl(vm->vm_fd, KVM_GET_DIRTY_LOG, &log);
		(void)set_log(vm, i, 0);
	}
}

void hot_pages_add(uint64_t page)
{
	written[page / PAGES_PER_WORD] |= 1ull << (page % PAGES_PER_WORD);
}

void hot_pages_put(const struct template_head *h, struct wire_out *w)
{
	page_runs_put(h, written, w);
}

static void copy_run(void *arg, uint64_t from, uint64_t n)
{
	const struct vm *vm = arg;

	/* Linux 5.14; before, the guest's writes make the copies. */
	(void)madvise(vm->ram + from * PAGE_BYTES, n * PAGE_BYTES, MADV_POPULATE_WRITE);
}

int hot_pages_copy(struct vm *vm, struct wire_in *r)
{
	return page_runs_get(r, vm->plan.boot_bytes / PAGE_BYTES, copy_run, vm);
}
