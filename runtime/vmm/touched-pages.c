/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touched-pages.c - what a clone will touch; see touched-pages.h.
 *
 * Most of a clone's VM exits are first touches of pages that it shares with the template. KVM can
 * map them in one go, if it is told which; nobody knows that but the guest. So the VM that is saved
 * loses its memory for the time of a warm-up, and gets it back page by page as it asks for it, by
 * userfaultfd (Documentation/admin-guide/mm/userfaultfd.rst): what it asked for is the list. All
 * else comes back at the end.
 *
 * Threads: a thread of its own serves the faults, as those of the main thread, which reads the
 * guest's queues, are among them. Pages are filled in whole by the kernel or not at all, whoever
 * comes first; so the end of it needs no pause.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hot-pages.h"
#include "io.h"
#include "page-runs.h"
#include "ram-layout.h"
#include "touched-pages.h"

/* Debian 12's headers have neither (Documentation/virt/kvm/api.rst, KVM_PRE_FAULT_MEMORY). */
#ifndef KVM_PRE_FAULT_MEMORY
struct kvm_pre_fault_memory {
	uint64_t gpa, size, flags, padding[5];
};
#define KVM_CAP_PRE_FAULT_MEMORY 236
#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

static struct {
	int fd; /* owned: the userfaultfd; negative = not in use */
	struct vm *vm; /* borrowed */
	struct loop loop;
	uint8_t *copy; /* owned mapping: the memory as it was when the watch began */
	uint64_t pages;
	bool watching;
} touch = { .fd = -EBADF };

/* Not touched, and so no memory, in VMs that are not saved. */
static uint64_t touched[PAGE_SET_WORDS];

/* Without it the guest could not go on. */
static void give(uint64_t page)
{
	struct uffdio_copy c = { .dst = (uintptr_t)touch.vm->ram + page * PAGE_BYTES,
		.src = (uintptr_t)touch.copy + page * PAGE_BYTES,
		.len = PAGE_BYTES };
	int r = 0;

	do
		r = io_ioctl(touch.fd, UFFDIO_COPY, &c);
	while (r < 0 && (errno == EAGAIN || errno == EINTR));
	/* Two threads may ask for one page. */
	if (r < 0 && errno != EEXIST)
		vm_end(touch.vm, VM_END_CRASH, "memory of the template: errno %d", errno);
}

static void on_fault(void *arg, uint32_t events)
{
	struct uffd_msg m;

	(void)arg;
	(void)events;
	while (read(touch.fd, &m, sizeof(m)) == sizeof(m)) {
		uint64_t page = (m.arg.pagefault.address - (uintptr_t)touch.vm->ram) / PAGE_BYTES;

		if (m.event != UFFD_EVENT_PAGEFAULT || page >= touch.pages)
			continue;
		touched[page / PAGES_PER_WORD] |= 1ull << (page % PAGES_PER_WORD);
		give(page);
	}
}

void touched_pages_prepare(struct vm *vm)
{
	struct uffdio_api api = { .api = UFFD_API };
	void *copy = NULL;
	int fd = -1;

	if (io_ioctl(vm->plan.kvm_fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_PRE_FAULT_MEMORY) <= 0)
		return;
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	copy = vm_map_ram(vm->plan.boot_bytes);
	touch.fd = fd;
	if (!copy || io_ioctl(fd, UFFDIO_API, &api) < 0 || loop_init(&touch.loop, 1) < 0 ||
		loop_add(&touch.loop, fd, EPOLLIN, on_fault, NULL) < 0) {
		close_fd(&touch.fd);
		return;
	}
	touch.vm = vm;
	touch.copy = copy;
	touch.pages = vm->plan.boot_bytes / PAGE_BYTES;
}

struct loop *touched_pages_loop(void)
{
	return touch.fd < 0 ? NULL : &touch.loop;
}

static struct uffdio_range all_pages(void)
{
	return (struct uffdio_range){ (uintptr_t)touch.vm->ram, touch.pages * PAGE_BYTES };
}

bool touched_pages_watch(void)
{
	size_t len = touch.pages * PAGE_BYTES;
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	/* The pages move, the mapping stays, without any (mremap(2)). */
	if (touch.fd < 0 ||
		mremap(touch.vm->ram, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			touch.copy) == MAP_FAILED)
		return false;
	touch.watching = true;
	all.range = all_pages();
	if (io_ioctl(touch.fd, UFFDIO_REGISTER, &all) < 0)
		touched_pages_stop();
	return touch.watching;
}

void touched_pages_stop(void)
{
	struct uffdio_range all = { 0 };
	size_t len = touch.pages * PAGE_BYTES;

	if (!touch.watching)
		return;
	touch.watching = false;
	all = all_pages();
	(void)io_ioctl(touch.fd, UFFDIO_UNREGISTER, &all);
	for (uint64_t at = 0; at < touch.pages; at++) {
		uint8_t *was = touch.copy + at * PAGE_BYTES;
		const uint8_t *is = touch.vm->ram + at * PAGE_BYTES;

		if (!page_set_has(touched, at) || memcmp(was, is, PAGE_BYTES) == 0)
			continue;
		hot_pages_add(at);
		memcpy(was, is, PAGE_BYTES);
	}
	if (mremap(touch.copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, touch.vm->ram) ==
		MAP_FAILED)
		vm_end(touch.vm, VM_END_CRASH, "memory of the template: errno %d", errno);
}

void touched_pages_put(const struct template_head *h, struct wire_out *w)
{
	page_runs_put(h, touched, w);
}

static void map_run(void *arg, uint64_t from, uint64_t n)
{
	const struct vm *vm = arg;
	struct kvm_pre_fault_memory m = { .gpa = from * PAGE_BYTES, .size = n * PAGE_BYTES };
	int r = 0;

	/* What does not succeed costs the exits that it would have spared. */
	do
		r = io_ioctl(vm->vcpu[0].fd, KVM_PRE_FAULT_MEMORY, &m);
	while (r < 0 && errno == EINTR);
}

int touched_pages_map(struct vm *vm, struct wire_in *r)
{
	/* Below the gap, where templates are, a page's number is its address. */
	uint64_t most = vm->plan.boot_bytes < RAM_GAP_START ? vm->plan.boot_bytes : RAM_GAP_START;

	return page_runs_get(r, most / PAGE_BYTES, map_run, vm);
}
