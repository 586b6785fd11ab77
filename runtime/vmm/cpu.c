/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.c - the state in which vCPUs start: CPUID, MSRs, registers of a CPU in 64-bit mode.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "template-file.h"
#include "vm.h"

#define MAX_CPUID 256
#define CR0_PE 0x1ull
#define CR0_ET 0x10ull
#define CR0_PG 0x80000000ull
#define CR4_PAE 0x20ull
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull
#define MSR_MISC_ENABLE 0x1a0u
#define MISC_ENABLE_FAST_STRING 1ull
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MTRR_WRITE_BACK_ENABLED 0x806ull
#define LEAF1_TSC_DEADLINE (1u << 24)
#define LEAF1_HYPERVISOR (1u << 31)

/* Bits of x2APIC id that number the CPUs: the smallest power of two that holds them. */
static uint32_t id_bits(unsigned vcpus)
{
	uint32_t bits = 0;

	while ((1u << bits) < vcpus)
		bits++;
	return bits;
}

/* One socket whose cores are the vCPUs, without threads. */
static void adjust_cpuid(struct kvm_cpuid_entry2 *l, unsigned index, unsigned vcpus)
{
	switch (l->function) {
	case 0x1:
		l->ebx = (l->ebx & 0xffffu) | (index << 24) | (vcpus << 16);
		l->ecx |= LEAF1_HYPERVISOR | LEAF1_TSC_DEADLINE;
		break;
	case 0x4: /* Intel caches: cores per package */
		l->eax = (l->eax & 0x03ffffffu) | ((vcpus - 1) << 26);
		break;
	case 0xb:
	case 0x1f:
		l->edx = index;
		l->eax = l->index == 0 ? 0 : id_bits(vcpus);
		l->ebx = l->index == 0 ? 1 : vcpus;
		l->ecx = l->index | (l->index == 0 ? 0x100u : l->index == 1 ? 0x200u : 0);
		if (l->index > 1)
			l->eax = l->ebx = 0;
		break;
	case 0x80000008: /* AMD: number of cores, width of their ids */
		l->ecx = (id_bits(vcpus) << 12) | (vcpus - 1);
		break;
	case 0x8000001e: /* AMD: extended APIC id, compute unit */
		l->eax = index;
		l->ebx = index;
		l->ecx = 0;
		break;
	default:
		break;
	}
}

static int set_cpuid(struct vm *vm, const struct kvm_cpuid2 *supported)
{
	size_t size = sizeof(*supported) + supported->nent * sizeof(supported->entries[0]);

	for (unsigned i = 0; i < vm->plan.vcpus; i++) {
		cleanup(free) struct kvm_cpuid2 *mine = malloc(size);

		if (!mine)
			return -ENOMEM;
		memcpy(mine, supported, size);
		for (uint32_t n = 0; n < mine->nent; n++)
			adjust_cpuid(&mine->entries[n], i, vm->plan.max_vcpus);
		if (io_ioctl(vm->vcpu[i].fd, KVM_SET_CPUID2, mine) < 0)
			return -errno;
	}
	return 0;
}

static int set_msrs(int fd)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} m = { .head = { .nmsrs = 2 } };

	m.entry[0] =
		(struct kvm_msr_entry){ .index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING };
	m.entry[1] = (struct kvm_msr_entry){ .index = MSR_MTRR_DEF_TYPE,
		.data = MTRR_WRITE_BACK_ENABLED };
	return io_ioctl(fd, KVM_SET_MSRS, &m) < 0 ? -errno : 0;
}

/* Flat 64-bit segments (Linux boot protocol, 64-bit: __BOOT_CS 0x10, __BOOT_DS 0x18). */
static int set_boot_registers(int fd, gpa_t entry)
{
	const struct kvm_segment code = { .base = 0,
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1 };
	const struct kvm_segment data = { .base = 0,
		.limit = 0xffffffff,
		.selector = 0x18,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1 };
	struct kvm_regs regs = {
		.rip = entry, .rsi = LAYOUT_ZERO_PAGE, .rsp = LAYOUT_STACK, .rflags = 2
	};
	struct kvm_sregs s;

	if (io_ioctl(fd, KVM_GET_SREGS, &s) < 0)
		return -errno;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt.base = LAYOUT_GDT;
	s.gdt.limit = 4 * 8 - 1;
	s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_ET | CR0_PG;
	s.cr3 = LAYOUT_PML4;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	if (io_ioctl(fd, KVM_SET_SREGS, &s) < 0 || io_ioctl(fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

/* There is no legacy controller behind LINT0; LINT1 takes NMIs, as firmware would have set it. */
static int set_lapic(int fd)
{
	struct kvm_lapic_state lapic;
	const uint32_t masked = 0x10000;
	const uint32_t nmi = 0x400;

	if (io_ioctl(fd, KVM_GET_LAPIC, &lapic) < 0)
		return -errno;
	memcpy(lapic.regs + 0x350, &masked, sizeof(masked));
	memcpy(lapic.regs + 0x360, &nmi, sizeof(nmi));
	return io_ioctl(fd, KVM_SET_LAPIC, &lapic) < 0 ? -errno : 0;
}

/* Of the leaves that hold features, without what tells one processor of the host from another: in
 * leaf 1 the local APIC's id, in EBX. */
static uint64_t sum_features(const struct kvm_cpuid2 *c)
{
	uint64_t sum = TEMPLATE_SUM_START;

	for (uint32_t i = 0; i < c->nent; i++) {
		const struct kvm_cpuid_entry2 *l = &c->entries[i];
		const uint32_t words[] = { l->function, l->index, l->eax,
			l->function == 0x1 ? 0 : l->ebx, l->ecx, l->edx };

		if (l->function == 0x1 || l->function == 0x7 || l->function == 0x80000001 ||
			l->function == 0x40000001)
			sum = template_sum(sum, words, sizeof(words));
	}
	return sum;
}

int cpu_set_cpuid(struct vm *vm, struct err *e)
{
	cleanup(free) struct kvm_cpuid2 *supported =
		calloc(1, sizeof(*supported) + MAX_CPUID * sizeof(supported->entries[0]));
	int r = 0;

	if (!supported)
		return err_set(e, -ENOMEM, "CPUID: out of memory");
	supported->nent = MAX_CPUID;
	if (io_ioctl(vm->plan.kvm_fd, KVM_GET_SUPPORTED_CPUID, supported) < 0)
		return err_sys(e, -errno, "KVM_GET_SUPPORTED_CPUID");
	vm->cpuid_sum = sum_features(supported);
	r = set_cpuid(vm, supported);
	return r < 0 ? err_sys(e, r, "KVM_SET_CPUID2") : 0;
}

int cpu_reset(struct vm *vm, unsigned first, struct err *e)
{
	int r = 0;

	for (unsigned i = first; i < vm->plan.vcpus && r == 0; i++) {
		r = set_msrs(vm->vcpu[i].fd);
		if (r == 0)
			r = set_lapic(vm->vcpu[i].fd);
	}
	return r < 0 ? err_sys(e, r, "vCPU registers") : 0;
}

int cpu_setup(struct vm *vm, gpa_t entry, struct err *e)
{
	int r = cpu_set_cpuid(vm, e);

	assert(vm->phase == VM_LOAD);
	if (r == 0)
		r = cpu_reset(vm, 0, e);
	if (r < 0)
		return r;
	r = set_boot_registers(vm->vcpu[0].fd, entry);
	return r < 0 ? err_sys(e, r, "vCPU registers") : 0;
}
