/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.c - vCPU threads: enter the guest, answer what it asks for, stop on request.
 *
 * Trust: the guest chooses address, data and length of every exit. MMIO goes to a virtio slot or to
 *        nobody; port I/O is answered with ones, as by a bus without devices.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "io.h"
#include "seccomp.h"
#include "template.h"
#include "virtio-mmio.h"
#include "vm.h"

#define KICK_SIGNAL SIGUSR1
#define PORT_KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define STATS_NAME_MAX 128
#define VCPU_STACK ((size_t)64 << 10)

/* Only interrupts KVM_RUN; immediate_exit closes the window before it. */
static void on_kick(int sig)
{
	(void)sig;
}

static void handle_ioapic(
	struct vcpu *c, uint32_t offset, const uint8_t *data, uint32_t len, bool is_write)
{
	uint32_t value = 0;

	if (len != sizeof(value))
		return;
	if (is_write) {
		memcpy(&value, data, sizeof(value));
		ioapic_write(&c->vm->ioapic, offset, value);
	} else {
		value = ioapic_read(&c->vm->ioapic, offset);
		memcpy(c->run->mmio.data, &value, sizeof(value));
	}
}

static void handle_mmio(struct vcpu *c)
{
	__typeof__(c->run->mmio) m = c->run->mmio;
	uint64_t slot = 0;

	if (m.len > sizeof(m.data))
		return;
	if (!m.is_write)
		memset(c->run->mmio.data, 0xff, sizeof(c->run->mmio.data));
	if (m.phys_addr >= LAYOUT_IOAPIC && m.phys_addr < LAYOUT_IOAPIC + IOAPIC_SIZE) {
		handle_ioapic(
			c, (uint32_t)(m.phys_addr - LAYOUT_IOAPIC), m.data, m.len, m.is_write);
		return;
	}
	/* What is read there is memory: see virtio-mmio.c. */
	if (m.phys_addr < LAYOUT_MMIO || !m.is_write)
		return;
	slot = (m.phys_addr - LAYOUT_MMIO) / LAYOUT_MMIO_SLOT;
	if (slot < c->vm->n_slots)
		virtio_mmio_write(c->vm->slot[slot], (uint32_t)(m.phys_addr % LAYOUT_MMIO_SLOT),
			m.data, m.len);
}

static void handle_io(struct vcpu *c)
{
	const __typeof__(c->run->io) io = c->run->io;
	uint8_t *data = (uint8_t *)c->run + io.data_offset;
	size_t len = (size_t)io.size * io.count;

	if (io.direction == KVM_EXIT_IO_IN && io.port == AGENT_READY_PORT && len == 1)
		*data = template_ready(c);
	else if (io.direction == KVM_EXIT_IO_IN)
		memset(data, 0xff, len);
	else if (io.port == PORT_KEYBOARD_COMMAND && len && data[0] == KEYBOARD_RESET)
		vm_end(c->vm, VM_END_RESET, "reset");
}

static void note_exit(struct vcpu *c)
{
	struct kvm_regs regs;

	__atomic_store_n(&c->last_exit, c->run->exit_reason, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->user_exits, 1, __ATOMIC_RELAXED);
	/* The registers cost an ioctl: only where somebody may ask for them. */
	if (c->run->exit_reason == KVM_EXIT_INTR || c->run->exit_reason == KVM_EXIT_SHUTDOWN ||
		c->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
		if (io_ioctl(c->fd, KVM_GET_REGS, &regs) == 0)
			__atomic_store_n(&c->rip, regs.rip, __ATOMIC_RELAXED);
	}
}

static void wait_while_paused(struct vcpu *c)
{
	struct vm *vm = c->vm;

	(void)pthread_mutex_lock(&vm->pause_lock);
	vm->waiting++;
	(void)pthread_cond_broadcast(&vm->pause_cond);
	/* The one that said "ready" comes here before the pause that it asked for. */
	while (vm->paused || __atomic_load_n(&vm->ready_cpu, __ATOMIC_ACQUIRE) == c)
		(void)pthread_cond_wait(&vm->pause_cond, &vm->pause_lock);
	vm->waiting--;
	c->run->immediate_exit = 0;
	(void)pthread_mutex_unlock(&vm->pause_lock);
}

/* One exit handled; false when this vCPU cannot go on. */
static bool handle_exit(struct vcpu *c)
{
	switch (c->run->exit_reason) {
	case KVM_EXIT_MMIO:
		handle_mmio(c);
		return true;
	case KVM_EXIT_IO:
		handle_io(c);
		return true;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_SHUTDOWN:
		/* How Linux resets by "reboot=t", and how a guest that has lost its way ends. */
		vm_end(c->vm, VM_END_RESET, "reset (triple fault at rip %#llx)",
			(unsigned long long)c->rip);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		vm_end(c->vm, VM_END_CRASH, "KVM internal error %u at rip %#llx",
			c->run->internal.suberror, (unsigned long long)c->rip);
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		vm_end(c->vm, VM_END_CRASH, "KVM could not enter the guest: hardware reason %#llx",
			(unsigned long long)c->run->fail_entry.hardware_entry_failure_reason);
		return false;
	default:
		vm_end(c->vm, VM_END_CRASH, "unexpected VM exit %u", c->run->exit_reason);
		return false;
	}
}

/* This vCPU will not run again: who pauses need not wait for it. */
static void *vcpu_ended(struct vcpu *c)
{
	(void)pthread_mutex_lock(&c->vm->pause_lock);
	c->started = false;
	c->vm->running--;
	(void)pthread_cond_broadcast(&c->vm->pause_cond);
	(void)pthread_mutex_unlock(&c->vm->pause_lock);
	return NULL;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *c = arg;

	if (seccomp_enter(SECCOMP_ROLE_VCPU) < 0) {
		vm_end(c->vm, VM_END_CRASH, "vCPU %u: seccomp failed", c->index);
		return vcpu_ended(c);
	}
	wait_while_paused(c);
	for (;;) {
		int r = io_ioctl(c->fd, KVM_RUN, NULL);

		if (r < 0 && errno != EINTR && errno != EAGAIN) {
			vm_end(c->vm, VM_END_CRASH, "KVM_RUN on vCPU %u: errno %d", c->index,
				errno);
			return vcpu_ended(c);
		}
		if (r < 0)
			c->run->exit_reason = KVM_EXIT_INTR;
		note_exit(c);
		if (!handle_exit(c))
			return vcpu_ended(c);
		/* Not before KVM has finished what the last exit began (api.rst, 5, "kvm_run"). */
		if (r < 0 && c->run->immediate_exit)
			wait_while_paused(c);
	}
}

int vcpu_start_all(struct vm *vm, struct err *e)
{
	struct sigaction action = { .sa_handler = on_kick };
	pthread_attr_t attr;
	int r = 0;

	assert(vm->phase == VM_JAIL);
	vm->paused = true;
	(void)sigaction(KICK_SIGNAL, &action, NULL);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, VCPU_STACK);
	for (unsigned i = 0; i < vm->plan.vcpus && r == 0; i++) {
		vm->vcpu[i].started = true;
		vm->running++;
		r = pthread_create(&vm->vcpu[i].thread, &attr, vcpu_main, &vm->vcpu[i]);
	}
	(void)pthread_attr_destroy(&attr);
	return r ? err_sys(e, -r, "vCPU thread") : 0;
}

void vcpu_pause_all(struct vm *vm)
{
	(void)pthread_mutex_lock(&vm->pause_lock);
	vm->paused = true;
	for (unsigned i = 0; i < vm->plan.vcpus; i++) {
		if (!vm->vcpu[i].started)
			continue;
		vm->vcpu[i].run->immediate_exit = 1;
		(void)pthread_kill(vm->vcpu[i].thread, KICK_SIGNAL);
	}
	while (vm->waiting < vm->running)
		(void)pthread_cond_wait(&vm->pause_cond, &vm->pause_lock);
	(void)pthread_mutex_unlock(&vm->pause_lock);
}

void vcpu_resume_all(struct vm *vm)
{
	(void)pthread_mutex_lock(&vm->pause_lock);
	vm->paused = false;
	(void)pthread_cond_broadcast(&vm->pause_cond);
	(void)pthread_mutex_unlock(&vm->pause_lock);
}

/* ---- KVM's statistics ---------------------------------------------------------------------- */

/* What tells why vCPUs left the guest, and how often. */
static bool is_wanted(const char *name)
{
	static const char *const others[] = { "pf_taken", "hypercalls", "insn_emulation" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (strcmp(name, others[i]) == 0)
			return true;
	}
	return strstr(name, "exits") != NULL;
}

static uint64_t sum_up(const struct vm *vm, off_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < vm->plan.vcpus; i++) {
		uint64_t n = 0;

		if (pread(vm->vcpu[i].stats_fd, &n, sizeof(n), offset) == sizeof(n))
			sum += n;
	}
	return sum;
}

static void add_counter(const struct vm *vm, const char *name, off_t offset, struct vmm_info *info)
{
	struct vmm_counter *c = &info->counter[info->n_counters];
	size_t len = strlen(name);

	if (!is_wanted(name))
		return;
	if (strcmp(name, "exits") == 0)
		info->exits = sum_up(vm, offset);
	if (info->n_counters == VMM_CTL_COUNTERS || len >= sizeof(c->name))
		return;
	memcpy(c->name, name, len + 1);
	c->value = sum_up(vm, offset);
	info->n_counters++;
}

/* A vCPU's binary statistics (Documentation/virt/kvm/api.rst, 4.133): each has its place, the same
 * for every vCPU. They are looked for when somebody asks, and not on the way to the guest. */
void vcpu_counters(const struct vm *vm, struct vmm_info *info)
{
	int fd = vm->vcpu[0].stats_fd;
	uint8_t buf[sizeof(struct kvm_stats_desc) + STATS_NAME_MAX + 1];
	struct kvm_stats_header h;
	struct kvm_stats_desc d;

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
		h.name_size > STATS_NAME_MAX)
		return;
	for (uint32_t i = 0; i < h.num_desc; i++) {
		size_t each = sizeof(d) + h.name_size;

		if (pread(fd, buf, each, (off_t)(h.desc_offset + i * each)) != (ssize_t)each)
			return;
		memcpy(&d, buf, sizeof(d));
		buf[each] = '\0';
		add_counter(vm, (const char *)buf + sizeof(d),
			(off_t)h.data_offset + (off_t)d.offset, info);
	}
}
