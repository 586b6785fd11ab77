/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template-save.c - makes a template of the running VM; see template.h.
 *
 * Threads: the main thread, while the vCPUs are paused and no device serves a queue. Memory is
 *          static: RUN allocates nothing. A failure costs the template, never the VM.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent.h"
#include "cpu-state.h"
#include "devices.h"
#include "hot-pages.h"
#include "io-workers.h"
#include "io.h"
#include "template-file.h"
#include "template.h"
#include "touched-pages.h"
#include "virtio-mmio.h"

#define PAGE 4096u
#define PAGE_PRESENT (1ull << 63)
#define PAGE_SWAPPED (1ull << 62)
#define WARM_UPS 2u /* the second one is watched: hot-pages.h, touched-pages.h */

static struct {
	struct vm *vm; /* borrowed; NULL = nothing is to be saved (any more) */
	int pagemap; /* owned: /proc/self/pagemap */
	unsigned reads; /* of the port; atomic */
	bool cancelled; /* the main thread's */
	void (*on_saved)(void);
	struct template_head head;
	uint8_t state[TEMPLATE_MAX_STATE];
} save;

/* ---- memory -------------------------------------------------------------------------------- */

/* Whether the guest ever touched the block, and left anything in it. Pages that nobody touched are
 * told by the kernel (Documentation/admin-guide/mm/pagemap.rst), as looking would make them. */
static bool is_used(const uint8_t *block)
{
	uint64_t entry[TEMPLATE_BLOCK / PAGE];
	off_t at = (off_t)((uintptr_t)block / PAGE * sizeof(entry[0]));

	if (pread(save.pagemap, entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(entry); i++) {
		const uint64_t *word = (const uint64_t *)(const void *)(block + i * PAGE);

		if (!(entry[i] & (PAGE_PRESENT | PAGE_SWAPPED)))
			continue;
		for (size_t n = 0; n < PAGE / sizeof(*word); n++) {
			if (word[n])
				return true;
		}
	}
	return false;
}

static int write_block(int fd, const uint8_t *from, uint64_t at)
{
	for (uint64_t done = 0; done < TEMPLATE_BLOCK;) {
		ssize_t n = pwrite(fd, from + done, TEMPLATE_BLOCK - done, (off_t)(at + done));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

static int save_memory(struct vm *vm)
{
	int r = 0;

	for (uint64_t at = 0; at < vm->plan.boot_bytes && r == 0; at += TEMPLATE_BLOCK) {
		uint64_t block = at / TEMPLATE_BLOCK;

		if (!is_used(vm->ram + at))
			continue;
		save.head.used[block / 8] |= (uint8_t)(1u << (block % 8));
		r = write_block(vm->plan.save_fd, vm->ram + at, TEMPLATE_RAM_AT + at);
	}
	return r;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static int save_state(struct vm *vm, size_t *ret_len)
{
	struct wire_out w;
	int r = 0;

	wire_out_fixed(&w, save.state, sizeof(save.state));
	r = cpu_state_put(vm, &w);
	hot_pages_put(&save.head, &w);
	touched_pages_put(&save.head, &w);
	ioapic_put(&vm->ioapic, &w);
	for (unsigned i = 0; i < vm->n_slots; i++)
		virtio_mmio_put(vm->slot[i], &w);
	*ret_len = w.len;
	return r < 0 ? r : w.error;
}

static void wake_devices(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_slots; i++)
		virtio_serve_end(vm->slot[i]);
}

/* No thread uses the guest's memory until wake_devices(). vCPUs are paused, so that the requests
 * come to an end. */
static void still_devices(const struct vm *vm)
{
	for (;;) {
		io_workers_settle();
		for (unsigned i = 0; i < vm->n_slots; i++)
			virtio_serve_begin(vm->slot[i]);
		if (!io_workers_busy())
			return;
		wake_devices(vm);
	}
}

static int save_all(struct vm *vm)
{
	size_t len = 0;
	int r = 0;

	still_devices(vm);
	/* A connection has another end, which no clone has. */
	if (!dev_vsock_settle())
		r = -EBUSY;
	if (r == 0)
		r = save_memory(vm);
	if (r == 0)
		r = save_state(vm, &len);
	if (r == 0)
		r = template_write_head(vm->plan.save_fd, &save.head, save.state, len);
	wake_devices(vm);
	return r;
}

/* The byte that was read is in AL: this VM is no clone. */
static void take_back_answer(const struct vcpu *c)
{
	struct kvm_regs regs;

	if (io_ioctl(c->fd, KVM_GET_REGS, &regs) < 0)
		return;
	regs.rax |= 0xff;
	(void)io_ioctl(c->fd, KVM_SET_REGS, &regs);
}

static void watch(const struct vm *vm)
{
	still_devices(vm);
	/* The former knows what was written to as well, and KVM's log would be misled by it: what
	 * is mapped anew is mapped to be written to. */
	if (!touched_pages_watch())
		hot_pages_watch(vm);
	wake_devices(vm);
}

/* vCPUs are paused. */
static void stop_watching(const struct vm *vm)
{
	still_devices(vm);
	touched_pages_stop();
	hot_pages_stop(vm);
	wake_devices(vm);
}

/* From here on the main thread is one as in any other VM. */
static void end_saving(struct vm *vm)
{
	stop_watching(vm);
	close_fd(&vm->plan.save_fd);
	close_fd(&save.pagemap);
	loop_del(&vm->loop, vm->ready_source);
	save.on_saved();
}

static void save_now(struct vm *vm)
{
	int r = 0;

	stop_watching(vm);
	r = save.cancelled ? -ECANCELED : save_all(vm);
	if (r < 0)
		(void)fprintf(stderr, "nestbox-vmm: no template: %s\n", strerror(-r));
	else
		vm->origin = VMM_SAVED;
	take_back_answer(vm->ready_cpu);
	end_saving(vm);
}

/* A vCPU waits, having read the port; save.vm is NULL meanwhile. */
static void on_ready(void *arg, uint32_t events)
{
	struct vm *vm = arg;
	uint64_t count = 0;

	(void)events;
	(void)!read(vm->ready_fd, &count, sizeof(count));
	vcpu_pause_all(vm);
	if (__atomic_load_n(&save.reads, __ATOMIC_ACQUIRE) > WARM_UPS) {
		save_now(vm);
	} else if (save.cancelled) {
		end_saving(vm);
	} else {
		watch(vm);
		__atomic_store_n(&save.vm, vm, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&vm->ready_cpu, NULL, __ATOMIC_RELEASE);
	vcpu_resume_all(vm);
}

int template_prepare(struct vm *vm, void (*on_saved)(void), struct err *e)
{
	int r = 0;

	assert(vm->phase == VM_LOAD && vm->plan.save_fd >= 0);
	r = cpu_state_prepare(vm, e);
	if (r < 0)
		return r;
	save.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (save.pagemap < 0)
		return err_sys(e, -errno, "/proc/self/pagemap");
	vm->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->ready_source = vm->ready_fd < 0
		? -errno
		: loop_add(&vm->loop, vm->ready_fd, EPOLLIN, on_ready, vm);
	if (vm->ready_source < 0)
		return err_sys(e, vm->ready_source, "template");
	touched_pages_prepare(vm);
	memcpy(save.head.key, vm->plan.template_key, sizeof(save.head.key));
	save.head.ram_bytes = vm->plan.boot_bytes;
	save.on_saved = on_saved;
	save.vm = vm;
	return 0;
}

void template_cancel(struct vm *vm)
{
	bool runs = !vm->paused;

	save.cancelled = true;
	if (!__atomic_exchange_n(&save.vm, NULL, __ATOMIC_ACQ_REL))
		return;
	if (runs)
		vcpu_pause_all(vm);
	end_saving(vm);
	if (runs)
		vcpu_resume_all(vm);
}

/* The main thread is to do something, and this vCPU waits until it has. */
static void ask_main(struct vcpu *c)
{
	uint64_t one = 1;

	__atomic_store_n(&c->vm->ready_cpu, c, __ATOMIC_RELEASE);
	/* KVM finishes the read when it is entered once more, and comes back at once. */
	__atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_RELAXED);
	(void)!write(c->vm->ready_fd, &one, sizeof(one));
}

uint8_t template_ready(struct vcpu *c)
{
	unsigned reads = 0;

	/* Whoever reads: later there are other things in the guest. */
	if (!__atomic_load_n(&save.vm, __ATOMIC_ACQUIRE))
		return 0xff;
	reads = __atomic_add_fetch(&save.reads, 1, __ATOMIC_ACQ_REL);
	if (reads < WARM_UPS)
		return AGENT_READY_WARM;
	if (!__atomic_exchange_n(&save.vm, NULL, __ATOMIC_ACQ_REL))
		return 0xff;
	ask_main(c);
	return reads == WARM_UPS ? AGENT_READY_WARM : AGENT_READY_CLONE;
}
