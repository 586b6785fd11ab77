/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template-restore.c - a VM that goes on where a template stopped; see template.h.
 *
 * The kernel's text is the file, mapped copy-on-write: all clones share it. What guests write to is
 * copied, in blocks that huge pages can hold. Mapped it would cost a VM exit for each page of 4 KiB
 * that is touched, some 2,000 before the container's first instruction, which nested are slower
 * than the copy; and the copy for each page that is written comes on top.
 *
 * Trust: the file is root's, and checked by its sum; lengths and rings are checked all the same.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu-state.h"
#include "io.h"
#include "template-file.h"
#include "template.h"
#include "virtio-mmio.h"

static struct {
	struct template_head head;
	uint8_t state[TEMPLATE_MAX_STATE];
	struct wire_in r; /* what of it is still to be read */
} file;

static int copy_block(const struct vm *vm, uint64_t at)
{
	for (uint64_t done = 0; done < TEMPLATE_BLOCK;) {
		ssize_t n = pread(vm->plan.template_fd, vm->ram + at + done, TEMPLATE_BLOCK - done,
			(off_t)(TEMPLATE_RAM_AT + at + done));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

static int map_block(const struct vm *vm, uint64_t at)
{
	void *p = mmap(vm->ram + at, TEMPLATE_BLOCK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, vm->plan.template_fd,
		(off_t)(TEMPLATE_RAM_AT + at));

	if (p == MAP_FAILED)
		return -errno;
	(void)madvise(vm->ram + at, TEMPLATE_BLOCK, MADV_DONTDUMP);
	return 0;
}

static int fill_memory(const struct vm *vm)
{
	int r = 0;

	for (uint64_t at = 0; at < file.head.ram_bytes && r == 0; at += TEMPLATE_BLOCK) {
		uint64_t block = at / TEMPLATE_BLOCK;

		if (!template_bit(file.head.used, block))
			continue;
		r = template_bit(file.head.text, block) ? map_block(vm, at) : copy_block(vm, at);
	}
	return r;
}

int template_begin(struct vm *vm, struct err *e)
{
	int r = template_read_head(vm->plan.template_fd, &file.head, file.state, e);

	assert(vm->phase == VM_BUILD);
	if (r < 0)
		return r;
	if (strcmp(file.head.key, vm->plan.template_key) != 0 ||
		file.head.ram_bytes != vm->plan.ram_bytes)
		return err_set(e, -ESTALE, "of another VM");
	r = fill_memory(vm);
	if (r < 0)
		return err_sys(e, r, "memory");
	wire_in_init(&file.r, file.state, file.head.state_len);
	r = cpu_set_cpuid(vm, e);
	return r < 0 ? r : cpu_state_get(vm, &file.r, e);
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
