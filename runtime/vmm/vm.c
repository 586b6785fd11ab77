/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.c - makes the VM: memory, interrupt controllers, vCPUs, device wiring.
 *
 * Guest RAM is private anonymous memory, aligned so that huge pages can back it: a nested page
 * fault costs several traps to the outer hypervisor, so there should be few.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io.h"
#include "virtio-mmio.h"
#include "vm.h"

#define HUGE ((size_t)2 << 20)
/* Address space that a VM may grow into. It is nobody's memory until the guest touches it, which it
 * cannot before. */
#define RESERVE ((uint64_t)8 << 30)
#define MAX_RAM_SLOTS 32u
#define LOOP_SOURCES 1024 /* the vsock device's connections, and some */

void *vm_map_ram(size_t len)
{
	uint8_t *p = mmap(NULL, len + HUGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *aligned = NULL;
	size_t head = 0;

	if (p == MAP_FAILED)
		return NULL;
	aligned = (uint8_t *)(((uintptr_t)p + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	head = (size_t)(aligned - p);
	if (head)
		(void)munmap(p, head);
	if (HUGE - head)
		(void)munmap(aligned + len, HUGE - head);
	/* Best effort: a host without huge pages is slower, not wrong. */
	(void)madvise(aligned, len, MADV_HUGEPAGE);
	(void)madvise(aligned, len, MADV_DONTDUMP);
	return aligned;
}

static int add_slot(
	const struct vm *vm, uint32_t slot, uint32_t flags, gpa_t gpa, uint8_t *hva, uint64_t len)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)hva,
	};

	return io_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0 ? -errno : 0;
}

/* What follows on in host memory, at that place of the guest's. What fails can be tried again. */
static int add_ram(struct vm *vm, const struct ram_piece *p)
{
	uint8_t *at = vm->ram + vm->ram_bytes;
	int r = add_slot(vm, VM_SLOT_RAM + vm->n_ram_slots, 0, p->gpa, at, p->len);

	if (r == 0)
		r = gmem_add(&vm->mem, p->gpa, at, p->len);
	if (r < 0)
		return r;
	vm->n_ram_slots++;
	vm->ram_bytes += p->len;
	return 0;
}

/* The registers of all slots, which the guest may read. It is no place for its queues: gmem does
 * not have it. */
static int build_registers(struct vm *vm, struct err *e)
{
	size_t len = LAYOUT_MMIO_END - LAYOUT_MMIO;
	int r = 0;

	vm->registers = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->registers == MAP_FAILED) {
		vm->registers = NULL;
		return err_sys(e, -errno, "registers");
	}
	r = add_slot(vm, VM_SLOT_REGISTERS, KVM_MEM_READONLY, LAYOUT_MMIO, vm->registers, len);
	return r < 0 ? err_sys(e, r, "KVM_SET_USER_MEMORY_REGION (read-only)") : 0;
}

static int add_pieces(struct vm *vm, const struct ram_piece *piece, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++)
		r = add_ram(vm, &piece[i]);
	return r;
}

/* All that is planned from the beginning: what the guest is told of a little later is there, and is
 * nobody's. */
static int build_memory(struct vm *vm, struct err *e)
{
	uint64_t total = vm->plan.ram_bytes;
	struct ram_piece piece[RAM_MAX_PIECES];
	unsigned n = ram_layout(vm->plan.boot_bytes, total, piece);
	int r = 0;

	vm->mapped_bytes = total + RESERVE;
	vm->ram = vm_map_ram(vm->mapped_bytes);
	/* A limit of address space, or a host that has no more than it can hold: it will not grow.
	 */
	if (!vm->ram) {
		vm->mapped_bytes = total;
		vm->ram = vm_map_ram(total);
	}
	if (!vm->ram)
		return err_sys(e, -errno, "no memory for the guest (%llu MiB)",
			(unsigned long long)(total >> 20));
	vm->ram_bytes = vm->n_ram_slots = 0;
	r = add_pieces(vm, piece, n);
	return r < 0 ? err_sys(e, r, "KVM_SET_USER_MEMORY_REGION") : build_registers(vm, e);
}

int vm_grow(struct vm *vm, uint64_t ram_bytes)
{
	uint64_t had = vm->ram_bytes;
	struct ram_piece piece[RAM_MAX_ADDED];
	unsigned n = 0;

	if (ram_bytes <= had)
		return 0;
	if ((ram_bytes - had) % RAM_BLOCK || (had - vm->plan.boot_bytes) % RAM_BLOCK)
		return -EINVAL;
	n = ram_added(vm->plan.boot_bytes, had, ram_bytes, piece);
	if (ram_bytes > vm->mapped_bytes || vm->n_ram_slots + n > MAX_RAM_SLOTS)
		return -ENOSPC;
	return add_pieces(vm, piece, n);
}

void vm_enter(struct vm *vm, enum vm_phase phase)
{
	vm->phase = phase;
	vm->phase_ns[phase] = io_now_ns();
}

static int build_vcpu(struct vm *vm, unsigned i, struct err *e)
{
	struct vcpu *c = &vm->vcpu[i];

	c->vm = vm;
	c->index = i;
	c->fd = io_ioctl(vm->vm_fd, KVM_CREATE_VCPU, (void *)(uintptr_t)i);
	if (c->fd < 0)
		return err_sys(e, -errno, "KVM_CREATE_VCPU %u", i);
	c->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED)
		return err_sys(e, -errno, "vCPU %u: cannot map its state", i);
	c->stats_fd = io_ioctl(c->fd, KVM_GET_STATS_FD, NULL);
	return 0;
}

/* On the thread of the vCPU that programs the I/O APIC. */
static void set_routes(void *arg, const struct ioapic_route *routes)
{
	struct vm *vm = arg;
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[IOAPIC_PINS];
	} table;

	memset(&table, 0, sizeof(table));
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		struct kvm_irq_routing_entry *to = &table.entry[table.head.nr];

		if (!routes[pin].used)
			continue;
		to->gsi = pin;
		to->type = KVM_IRQ_ROUTING_MSI;
		to->u.msi.address_lo = routes[pin].address;
		to->u.msi.data = routes[pin].data;
		table.head.nr++;
	}
	if (io_ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, &table) < 0)
		vm_end(vm, VM_END_CRASH, "KVM_SET_GSI_ROUTING: errno %d", errno);
}

int vm_build(struct vm *vm, struct err *e)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };
	uint64_t identity = LAYOUT_KVM_IDENTITY;
	int kvm = vm->plan.kvm_fd;
	int size = 0;
	int r = 0;

	assert(vm->phase == VM_INHERIT);
	vm_enter(vm, VM_BUILD);
	if (io_ioctl(kvm, KVM_GET_API_VERSION, NULL) != KVM_API_VERSION)
		return err_set(e, -ENODEV, "/dev/kvm does not speak KVM API %d", KVM_API_VERSION);
	vm->vm_fd = io_ioctl(kvm, KVM_CREATE_VM, NULL);
	if (vm->vm_fd < 0)
		return err_sys(e, -errno, "KVM_CREATE_VM");
	/* Only Intel without unrestricted guest uses these; harmless elsewhere. */
	(void)io_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	(void)io_ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, (void *)(uintptr_t)LAYOUT_KVM_TSS);
	/* Local APICs in the kernel, the I/O APIC here, no legacy controller: see ioapic.h. */
	if (io_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &split) < 0)
		return err_sys(e, -errno, "KVM_CAP_SPLIT_IRQCHIP");
	ioapic_init(&vm->ioapic, set_routes, vm);
	r = build_memory(vm, e);
	if (r < 0)
		return r;
	size = io_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	if (size < (int)sizeof(struct kvm_run))
		return err_set(e, -ENODEV, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = (size_t)size;
	for (unsigned i = 0; i < vm->plan.vcpus && r == 0; i++)
		r = build_vcpu(vm, i, e);
	if (r < 0)
		return r;
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->sink_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_fd < 0 || vm->sink_fd < 0)
		return err_sys(e, -errno, "eventfd");
	(void)pthread_mutex_init(&vm->pause_lock, NULL);
	(void)pthread_cond_init(&vm->pause_cond, NULL);
	r = loop_init(&vm->loop, LOOP_SOURCES);
	return r < 0 ? err_sys(e, r, "event loop") : 0;
}

void vm_unbuild(struct vm *vm)
{
	assert(vm->phase == VM_BUILD && vm->n_slots == 0);
	for (unsigned i = 0; i < vm->plan.vcpus; i++) {
		if (vm->vcpu[i].run)
			(void)munmap(vm->vcpu[i].run, vm->run_size);
		vm->vcpu[i].run = NULL;
		close_fd(&vm->vcpu[i].stats_fd);
		close_fd(&vm->vcpu[i].fd);
	}
	if (vm->ram)
		(void)munmap(vm->ram, vm->mapped_bytes);
	vm->ram = NULL;
	if (vm->registers)
		(void)munmap(vm->registers, LAYOUT_MMIO_END - LAYOUT_MMIO);
	vm->registers = NULL;
	memset(&vm->mem, 0, sizeof(vm->mem));
	close_fd(&vm->vm_fd);
	close_fd(&vm->end_fd);
	close_fd(&vm->sink_fd);
	loop_done(&vm->loop);
	vm->phase = VM_INHERIT;
}

/* That value, written there, is an event, and no exit of KVM_RUN. */
static int wire(const struct vm *vm, gpa_t at, uint32_t value, int fd)
{
	struct kvm_ioeventfd event = {
		.datamatch = value,
		.addr = at,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return io_ioctl(vm->vm_fd, KVM_IOEVENTFD, &event) < 0 ? -errno : 0;
}

int vm_add_device(struct vm *vm, struct virtio_dev *d, struct err *e)
{
	unsigned slot = vm->n_slots;
	gpa_t base = LAYOUT_MMIO + slot * LAYOUT_MMIO_SLOT;
	struct kvm_irqfd irq = { .gsi = LAYOUT_FIRST_GSI + slot };
	int r = 0;

	assert(vm->phase == VM_BUILD);
	if (slot == LAYOUT_MAX_SLOTS)
		return err_set(e, -ENOSPC, "more than %u devices", LAYOUT_MAX_SLOTS);
	r = virtio_mmio_init(d, vm->registers + slot * LAYOUT_MMIO_SLOT);
	for (unsigned q = 0; q < d->ops->n_queues && r == 0; q++)
		r = wire(vm, base + VIRTIO_MMIO_QUEUE_NOTIFY_OFFSET, q, d->kick_fd[q]);
	/* Nothing is to be done about it: see virtio-mmio.c. */
	if (r == 0)
		r = wire(vm, base + VIRTIO_MMIO_INTERRUPT_ACK_OFFSET, VIRTIO_MMIO_INTERRUPT_USED,
			vm->sink_fd);
	if (r < 0)
		return err_sys(e, r, "device %s: queues", d->ops->name);
	irq.fd = (uint32_t)d->irq_fd;
	if (io_ioctl(vm->vm_fd, KVM_IRQFD, &irq) < 0)
		return err_sys(e, -errno, "device %s: KVM_IRQFD", d->ops->name);
	vm->slot[slot] = d;
	vm->n_slots++;
	return 0;
}

void vm_end(struct vm *vm, enum vm_end why, const char *fmt, ...)
{
	enum vm_end none = VM_END_NONE;
	uint64_t one = 1;
	va_list ap;

	if (!__atomic_compare_exchange_n(
		    &vm->end, &none, why, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(vm->end_text, sizeof(vm->end_text), fmt, ap);
	va_end(ap);
	(void)!write(vm->end_fd, &one, sizeof(one));
}
