/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template-restore.c - a VM that goes on where a template stopped; see template.h.
 *
 * Memory that the template has is its file, mapped copy-on-write: clones share what none of them
 * writes to, which is all but a few MiB. The price is a VM exit for each page of 4 KiB that is
 * touched, unless KVM can map it ahead (touched-pages.h). A copy into huge pages would cost few of
 * them, but two passes over 40 MiB for each clone, which takes as long and cannot be shared. All
 * other memory is as in a VM that boots.
 *
 * Trust: the file is root's, and checked by its sum; lengths and rings are checked all the same.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu-state.h"
#include "hot-pages.h"
#include "io.h"
#include "template-file.h"
#include "template.h"
#include "touched-pages.h"
#include "virtio-mmio.h"

static struct {
	struct template_head head;
	uint8_t state[TEMPLATE_MAX_STATE];
	struct wire_in r; /* what of it is still to be read */
} file;

/* The blocks from `at` on that are in the file, without a gap: their bytes. */
static uint64_t run_from(uint64_t at)
{
	uint64_t end = at;

	while (end < file.head.ram_bytes && template_has(&file.head, end / TEMPLATE_BLOCK))
		end += TEMPLATE_BLOCK;
	return end - at;
}

static int map_memory(const struct vm *vm)
{
	for (uint64_t at = 0; at < file.head.ram_bytes;) {
		uint64_t len = run_from(at);
		void *p = NULL;

		if (len) {
			p = mmap(vm->ram + at, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, vm->plan.template_fd,
				(off_t)(TEMPLATE_RAM_AT + at));
			if (p == MAP_FAILED)
				return -errno;
			(void)madvise(p, len, MADV_DONTDUMP);
		}
		at += len ? len : TEMPLATE_BLOCK;
	}
	return 0;
}

int template_begin(struct vm *vm, struct err *e)
{
	int r = template_read_head(vm->plan.template_fd, &file.head, file.state, e);

	assert(vm->phase == VM_BUILD);
	if (r < 0)
		return r;
	if (strcmp(file.head.key, vm->plan.template_key) != 0 ||
		file.head.ram_bytes != vm->plan.boot_bytes)
		return err_set(e, -ESTALE, "of another VM");
	r = map_memory(vm);
	if (r < 0)
		return err_sys(e, r, "memory");
	wire_in_init(&file.r, file.state, file.head.state_len);
	r = cpu_set_cpuid(vm, e);
	if (r == 0)
		r = cpu_state_get(vm, &file.r, e);
	if (r < 0)
		return r;
	r = hot_pages_copy(vm, &file.r);
	if (r == 0)
		r = touched_pages_map(vm, &file.r);
	return r < 0 ? err_sys(e, r, "its pages") : 0;
}

int template_devices(struct vm *vm, struct err *e)
{
	int r = 0;

	assert(vm->phase == VM_LOAD);
	r = ioapic_get(&vm->ioapic, &file.r);
	for (unsigned i = 0; i < vm->n_slots && r == 0; i++)
		r = virtio_mmio_get(vm->slot[i], &file.r);
	if (r == 0)
		r = wire_in_end(&file.r);
	if (r < 0)
		return err_sys(e, r, "template: devices");
	vm->origin = VMM_CLONED;
	close_fd(&vm->plan.template_fd);
	return 0;
}

void template_wake(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_slots; i++)
		virtio_mmio_wake(vm->slot[i]);
}
