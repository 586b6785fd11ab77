/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu-state.c - a vCPU's state out of KVM and into it again; see cpu-state.h.
 *
 * The order of the parts matters when they are set: the local APIC's base (sregs) before its
 * registers, the time stamp counter before the timer that is armed by it, and what is pending last.
 */
#include <errno.h>
#include <string.h>

#include "cpu-state.h"
#include "io.h"

#define MAX_MSRS 512
#define MAX_XSAVE ((size_t)16 << 10)
#define MSR_TSC 0x10u
#define MSR_TSC_DEADLINE 0x6e0u

/* What one ioctl reads into a structure, and another one writes. */
struct part {
	const char *name;
	unsigned long get, set;
	size_t size;
};

#define PART(name, what, type) \
	{ \
		name, KVM_GET_##what, KVM_SET_##what, sizeof(type) \
	}

static const struct part before_msrs[] = {
	PART("sregs", SREGS, struct kvm_sregs),
	PART("xcrs", XCRS, struct kvm_xcrs),
	PART("debug registers", DEBUGREGS, struct kvm_debugregs),
	PART("local APIC", LAPIC, struct kvm_lapic_state),
};
static const struct part after_msrs[] = {
	PART("registers", REGS, struct kvm_regs),
	PART("events", VCPU_EVENTS, struct kvm_vcpu_events),
	PART("MP state", MP_STATE, struct kvm_mp_state),
};

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[MAX_MSRS];
};

static struct {
	struct kvm_msr_list head;
	uint32_t index[MAX_MSRS];
} known;

/* Of KVM_GET_XSAVE2, where guests may have larger state than the 4 KiB of KVM_GET_XSAVE. */
static size_t xsave_size(const struct vm *vm)
{
	int size = io_ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, (void *)(uintptr_t)KVM_CAP_XSAVE2);

	return size > (int)sizeof(struct kvm_xsave) ? (size_t)size : sizeof(struct kvm_xsave);
}

/* The time stamp counter is the host's with an offset. Written as an MSR, kernels before 6.7 take a
 * value of the first second for one that shall be the same as at creation (api.rst, 4.126 of vCPU
 * attributes: KVM_VCPU_TSC_OFFSET, Linux 5.16). */
static int tsc_offset(int fd, unsigned long request, uint64_t *offset)
{
	const struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)offset
	};

	return io_ioctl(fd, request, (void *)(uintptr_t)&attr) < 0 ? -errno : 0;
}

int cpu_state_prepare(const struct vm *vm, struct err *e)
{
	uint64_t offset = 0;
	int r = tsc_offset(vm->vcpu[0].fd, KVM_GET_DEVICE_ATTR, &offset);

	if (r < 0)
		return err_sys(e, r, "KVM_VCPU_TSC_OFFSET");
	known.head.nmsrs = MAX_MSRS;
	if (io_ioctl(vm->plan.kvm_fd, KVM_GET_MSR_INDEX_LIST, &known) < 0)
		return err_sys(e, -errno, "KVM_GET_MSR_INDEX_LIST");
	if (xsave_size(vm) > MAX_XSAVE)
		return err_set(e, -E2BIG, "vCPUs have %zu bytes of XSAVE state", xsave_size(vm));
	return 0;
}

/* ---- out of KVM ---------------------------------------------------------------------------- */

static int put_parts(int fd, const struct part *p, size_t n, struct wire_out *w)
{
	static uint8_t buf[4096];

	for (size_t i = 0; i < n; i++) {
		memset(buf, 0, p[i].size);
		if (io_ioctl(fd, p[i].get, buf) < 0)
			return -errno;
		wire_put_bytes(w, buf, p[i].size);
	}
	return 0;
}

static int put_xsave(const struct vm *vm, int fd, struct wire_out *w)
{
	static uint8_t buf[MAX_XSAVE];
	size_t size = xsave_size(vm);
	unsigned long get = size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE;

	if (size > sizeof(buf))
		return -E2BIG;
	if (io_ioctl(fd, get, buf) < 0)
		return -errno;
	wire_put_blob(w, buf, size);
	return 0;
}

/* One at a time, as some of those that KVM lists are not for every vCPU; and of these, some can be
 * read only, which would fail when they are set in a clone. */
static int put_msrs(int fd, struct wire_out *w)
{
	static struct msrs all;
	struct msrs one;

	all.head.nmsrs = 0;
	for (uint32_t i = 0; i < known.head.nmsrs; i++) {
		one.head = (struct kvm_msrs){ .nmsrs = 1 };
		one.entry[0] = (struct kvm_msr_entry){ .index = known.index[i] };
		if (known.index[i] == MSR_TSC || io_ioctl(fd, KVM_GET_MSRS, &one) != 1)
			continue;
		if (known.index[i] != MSR_TSC_DEADLINE && io_ioctl(fd, KVM_SET_MSRS, &one) != 1)
			continue;
		all.entry[all.head.nmsrs++] = one.entry[0];
	}
	wire_put_u32(w, all.head.nmsrs);
	wire_put_bytes(w, all.entry, all.head.nmsrs * sizeof(all.entry[0]));
	return all.head.nmsrs ? 0 : -EIO;
}

int cpu_state_put(const struct vm *vm, struct wire_out *w)
{
	struct kvm_clock_data clock = { 0 };
	int r = 0;

	if (io_ioctl(vm->vm_fd, KVM_GET_CLOCK, &clock) < 0)
		return -errno;
	wire_put_u64(w, clock.clock);
	wire_put_u64(w, __builtin_ia32_rdtsc());
	wire_put_u64(w, vm->cpuid_sum);
	for (unsigned i = 0; i < vm->plan.boot_vcpus && r == 0; i++) {
		int fd = vm->vcpu[i].fd;

		uint64_t offset = 0;

		r = tsc_offset(fd, KVM_GET_DEVICE_ATTR, &offset);
		wire_put_u64(w, offset);
		if (r == 0)
			r = put_parts(fd, before_msrs, ARRAY_LEN(before_msrs), w);
		if (r == 0)
			r = put_xsave(vm, fd, w);
		if (r == 0)
			r = put_msrs(fd, w);
		if (r == 0)
			r = put_parts(fd, after_msrs, ARRAY_LEN(after_msrs), w);
	}
	return r;
}

/* ---- into KVM ------------------------------------------------------------------------------ */

static int get_parts(int fd, const struct part *p, size_t n, struct wire_in *r, struct err *e)
{
	static uint8_t buf[4096];

	for (size_t i = 0; i < n; i++) {
		wire_get_bytes(r, buf, p[i].size);
		if (r->error || io_ioctl(fd, p[i].set, buf) < 0)
			return err_sys(e, r->error ? r->error : -errno, "%s", p[i].name);
	}
	return 0;
}

static int get_xsave(const struct vm *vm, int fd, struct wire_in *r, struct err *e)
{
	static uint8_t buf[MAX_XSAVE];
	uint32_t size = wire_get_u32(r);

	if (size != xsave_size(vm) || size > sizeof(buf))
		return err_set(e, -EBADMSG, "XSAVE state of another size");
	wire_get_bytes(r, buf, size);
	if (r->error || io_ioctl(fd, KVM_SET_XSAVE, buf) < 0)
		return err_sys(e, r->error ? r->error : -errno, "XSAVE state");
	return 0;
}

/* All at once but the deadline: a moment of the counter, and of a local APIC that must be on. */
static int get_msrs(int fd, struct wire_in *r, struct kvm_msr_entry *ret_deadline, struct err *e)
{
	static struct msrs all;
	uint32_t n = wire_get_u32(r);
	int done = 0;

	all.head = (struct kvm_msrs){ 0 };
	if (n > MAX_MSRS)
		return err_set(e, -EBADMSG, "%u MSRs", n);
	for (uint32_t i = 0; i < n; i++) {
		struct kvm_msr_entry one;

		wire_get_bytes(r, &one, sizeof(one));
		if (one.index == MSR_TSC_DEADLINE)
			*ret_deadline = one;
		else
			all.entry[all.head.nmsrs++] = one;
	}
	if (r->error)
		return err_sys(e, r->error, "MSRs");
	done = io_ioctl(fd, KVM_SET_MSRS, &all);
	if (done < 0)
		return err_sys(e, -errno, "MSRs");
	if ((uint32_t)done != all.head.nmsrs)
		return err_set(e, -EINVAL, "MSR %#x", all.entry[done].index);
	return 0;
}

static int set_deadline(int fd, const struct kvm_msr_entry *deadline, struct err *e)
{
	struct msrs one = { .head = { .nmsrs = 1 } };

	if (!deadline->index)
		return 0;
	one.entry[0] = *deadline;
	return io_ioctl(fd, KVM_SET_MSRS, &one) == 1 ? 0 : err_set(e, -EINVAL, "TSC deadline");
}

/* Those that the guest will bring up later: their counters go as the others'. */
static int reset_others(struct vm *vm, uint64_t offset, struct err *e)
{
	for (unsigned i = vm->plan.boot_vcpus; i < vm->plan.vcpus; i++) {
		if (tsc_offset(vm->vcpu[i].fd, KVM_SET_DEVICE_ATTR, &offset) < 0)
			return err_sys(e, -errno, "KVM_VCPU_TSC_OFFSET");
	}
	return cpu_reset(vm, vm->plan.boot_vcpus, e);
}

int cpu_state_get(struct vm *vm, struct wire_in *r, struct err *e)
{
	struct kvm_clock_data clock = { .clock = wire_get_u64(r) };
	/* How much the host's counter went on: clones' counters must not. */
	uint64_t elapsed = __builtin_ia32_rdtsc() - wire_get_u64(r);
	uint64_t offset = 0;
	int code = 0;

	if (wire_get_u64(r) != vm->cpuid_sum)
		return err_set(e, -ESTALE, "KVM gives guests other features now");
	if (io_ioctl(vm->vm_fd, KVM_SET_CLOCK, &clock) < 0)
		return err_sys(e, -errno, "KVM_SET_CLOCK");
	for (unsigned i = 0; i < vm->plan.boot_vcpus && code == 0; i++) {
		struct kvm_msr_entry deadline = { 0 };
		int fd = vm->vcpu[i].fd;

		offset = wire_get_u64(r) - elapsed;
		if (tsc_offset(fd, KVM_SET_DEVICE_ATTR, &offset) < 0)
			return err_sys(e, -errno, "KVM_VCPU_TSC_OFFSET");
		code = get_parts(fd, before_msrs, ARRAY_LEN(before_msrs), r, e);
		if (code == 0)
			code = get_xsave(vm, fd, r, e);
		if (code == 0)
			code = get_msrs(fd, r, &deadline, e);
		if (code == 0)
			code = set_deadline(fd, &deadline, e);
		if (code == 0)
			code = get_parts(fd, after_msrs, ARRAY_LEN(after_msrs), r, e);
	}
	return code < 0 ? code : reset_others(vm, offset, e);
}
