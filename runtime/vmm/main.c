/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - nestbox-vmm PLAN_FD: runs one microVM until the guest, the monitor or KVM ends it.
 *
 * Started by the CLI with every file open and named in the plan (vmm-plan.h). Standard error is the
 * sandbox's log: one line when something is wrong, then the guest's last console lines.
 * Exit status: 0 when the guest ended itself or the monitor is gone, 1 when the VM could not be
 * started, 2 when it crashed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "boot.h"
#include "devices.h"
#include "io-workers.h"
#include "io.h"
#include "seccomp.h"
#include "template.h"
#include "touched-pages.h"
#include "virtio-mmio.h"
#include "vm.h"

#define FILE_LOOP_SOURCES 16
#define NET_LOOP_SOURCES 64

extern char __bss_start[], _end[]; /* the linker's */

static struct vm vm;
static struct virtio_dev console_dev, vsock_dev, rng_dev, fs_dev, blk_dev[VMM_MAX_BLK], balloon_dev,
	net_dev[VMM_MAX_NET], joined_fs_dev[VMM_MAX_FS];
static struct loop fs_loop, blk_loop, balloon_loop, net_loop, joined_fs_loop[VMM_MAX_FS];
static pthread_barrier_t device_threads_jailed;
static int lifeline_fd = -EBADF; /* our end of the boot connection, watched for the monitor's end */

static int read_plan(const char *arg, struct err *e)
{
	cleanup(free) char *data = NULL;
	char *end = NULL;
	size_t len = 0;
	long fd = strtol(arg, &end, 10);
	int r = 0;

	if (*end || fd < 3 || fd > INT_MAX)
		return err_set(e, -EINVAL, "bad plan fd");
	r = io_read_file((int)fd, VMM_PLAN_MAX_BYTES, &data, &len);
	if (r == 0)
		r = vmm_plan_get(data, len, &vm.plan);
	(void)close((int)fd);
	return r < 0 ? err_sys(e, r, "plan") : 0;
}

static void on_fs_lost(void)
{
	vm_end(&vm, VM_END_CRASH, "fs server is gone");
}

/* These two are told to guest init by their slot's number. */

static int add_balloon(struct err *e)
{
	assert(vm.n_slots == VMM_BALLOON_SLOT);
	dev_balloon_init(&balloon_dev, &balloon_loop);
	return vm_add_device(&vm, &balloon_dev, e);
}

static int add_net_devices(struct err *e)
{
	int r = 0;

	assert(vm.n_slots == VMM_FIRST_NET);
	if (vm.plan.n_net && loop_init(&net_loop, NET_LOOP_SOURCES) < 0)
		return err_set(e, -ENOMEM, "event loop");
	for (unsigned i = 0; i < vm.plan.n_net && r == 0; i++) {
		dev_net_init(&net_dev[i], &net_loop, i, vmm_plan_net_pairs(&vm.plan));
		r = vm_add_device(&vm, &net_dev[i], e);
	}
	return r;
}

/* A thread each where others will join, so that none of them waits for another one's share that
 * hangs; one for all where nobody is expected. */
static unsigned n_joined_loops(void)
{
	return vm.plan.n_fs == VMM_MAX_FS ? VMM_MAX_FS : vm.plan.n_fs ? 1 : 0;
}

static int add_joined_fs(struct err *e)
{
	int r = 0;

	assert(vm.n_slots == VMM_FIRST_FS || !vm.plan.n_fs);
	for (unsigned i = 0; i < vm.plan.n_fs && r == 0; i++) {
		struct loop *loop = &joined_fs_loop[i % n_joined_loops()];

		if ((!loop->sources && loop_init(loop, FILE_LOOP_SOURCES) < 0) ||
			dev_fs_init_slot(&joined_fs_dev[i], loop, i) < 0)
			return err_set(e, -ENOMEM, "file system slots");
		r = vm_add_device(&vm, &joined_fs_dev[i], e);
	}
	return r;
}

static int add_devices(struct err *e)
{
	int r = 0;

	if (loop_init(&fs_loop, FILE_LOOP_SOURCES) < 0 ||
		loop_init(&blk_loop, FILE_LOOP_SOURCES) < 0 ||
		loop_init(&balloon_loop, FILE_LOOP_SOURCES) < 0)
		return err_set(e, -ENOMEM, "event loop");
	virtio_mmio_set_memory(&vm.mem);
	dev_console_init(&console_dev, &vm.loop);
	dev_vsock_init(
		&vsock_dev, &vm.loop, vm.plan.boot_fd, vm.plan.sockets_fd, &vm.plan.socket_key);
	dev_rng_init(&rng_dev, &vm.loop);
	if (dev_fs_init(&fs_dev, &fs_loop, vm.plan.fs_fd, on_fs_lost) < 0)
		return err_set(e, -ENOMEM, "open files");
	r = vm_add_device(&vm, &console_dev, e);
	if (r == 0)
		r = vm_add_device(&vm, &vsock_dev, e);
	if (r == 0)
		r = vm_add_device(&vm, &rng_dev, e);
	if (r == 0)
		r = vm_add_device(&vm, &fs_dev, e);
	for (unsigned i = 0; i < VMM_MAX_BLK && r == 0; i++) {
		dev_blk_init(&blk_dev[i], &blk_loop, i);
		r = vm_add_device(&vm, &blk_dev[i], e);
	}
	if (r == 0)
		r = add_balloon(e);
	if (r == 0)
		r = add_net_devices(e);
	return r == 0 ? add_joined_fs(e) : r;
}

static void on_saved(void)
{
	if (seccomp_enter(SECCOMP_ROLE_IO) < 0)
		vm_end(&vm, VM_END_CRASH, "jail: seccomp");
}

static int load_kernel(struct err *e)
{
	char cmdline[VMM_CMDLINE_MAX + 48 + LAYOUT_MAX_SLOTS * 48];
	struct boot_image image = { 0 };
	size_t len = (size_t)snprintf(cmdline, sizeof(cmdline), "%s", vm.plan.cmdline);
	int r = 0;

	/* The others come later, which the kernel shall not be surprised by: it would leave out
	 * what several processors need, and put it back all over its text. */
	if (vm.plan.boot_vcpus < vm.plan.max_vcpus)
		len += (size_t)snprintf(
			cmdline + len, sizeof(cmdline) - len, " maxcpus=1 noreplace-smp");
	for (unsigned i = 0; i < vm.n_slots; i++)
		len += (size_t)snprintf(cmdline + len, sizeof(cmdline) - len,
			" virtio_mmio.device=512@%#llx:%u",
			(unsigned long long)(LAYOUT_MMIO + i * LAYOUT_MMIO_SLOT),
			LAYOUT_FIRST_GSI + i);
	r = boot_load_elf(&vm.mem, vm.plan.kernel_fd, &image, e);
	if (r == 0 && vm.plan.initrd_fd >= 0)
		r = boot_load_initrd(&vm.mem, vm.plan.initrd_fd, vm.plan.boot_bytes, &image, e);
	if (r == 0)
		r = boot_write_params(&vm.mem, vm.plan.boot_bytes, cmdline, &image, e);
	if (r == 0 && boot_write_mptable(&vm.mem, vm.plan.max_vcpus) < 0)
		r = err_set(e, -ENOMEM, "no room for the MP table");
	return r == 0 ? cpu_setup(&vm, image.entry, e) : r;
}

static int load(struct err *e)
{
	int r = 0;

	vm_enter(&vm, VM_LOAD);
	if (vm.plan.template_fd >= 0) {
		r = template_devices(&vm, e);
	} else {
		r = load_kernel(e);
		if (r == 0 && vm.plan.save_fd >= 0 && template_prepare(&vm, on_saved, e) < 0) {
			(void)fprintf(stderr, "nestbox-vmm: no template: %s\n", e->msg);
			*e = (struct err){ 0 };
			close_fd(&vm.plan.save_fd);
		}
	}
	(void)close(vm.plan.kernel_fd);
	if (vm.plan.initrd_fd >= 0)
		(void)close(vm.plan.initrd_fd);
	(void)close(vm.plan.kvm_fd);
	return r;
}

/* A thread of devices: its loop, and the role that it takes on. */
struct device_thread {
	struct loop *loop; /* NULL: a worker */
	enum seccomp_role role;
};

static void *device_thread(void *arg)
{
	const struct device_thread *t = arg;
	int r = seccomp_enter(t->role);

	if (r < 0)
		vm_end(&vm, VM_END_CRASH, "device thread: seccomp failed");
	(void)pthread_barrier_wait(&device_threads_jailed);
	if (r == 0 && !t->loop)
		io_worker_main();
	if (r == 0 && loop_run(t->loop) < 0)
		vm_end(&vm, VM_END_CRASH, "device thread failed");
	return NULL;
}

/* More where others will join. */
static unsigned n_workers(void)
{
	return vm.plan.n_fs == VMM_MAX_FS ? IO_WORKERS_MAX : IO_WORKERS_MAX / 2;
}

static int start_device_threads(struct err *e)
{
	static struct device_thread threads[5 + VMM_MAX_FS + IO_WORKERS_MAX] = {
		{ &fs_loop, SECCOMP_ROLE_FILE },
		{ &blk_loop, SECCOMP_ROLE_FILE },
		{ &balloon_loop, SECCOMP_ROLE_BALLOON },
	};
	size_t n = 3;
	pthread_t thread;

	if (vm.plan.n_net)
		threads[n++] = (struct device_thread){ &net_loop, SECCOMP_ROLE_NET };
	if (touched_pages_loop())
		threads[n++] = (struct device_thread){ touched_pages_loop(), SECCOMP_ROLE_PAGES };
	for (unsigned i = 0; i < n_joined_loops(); i++)
		threads[n++] = (struct device_thread){ &joined_fs_loop[i], SECCOMP_ROLE_FILE };
	io_workers_init(n_workers());
	for (unsigned i = 0; i < n_workers(); i++)
		threads[n++] = (struct device_thread){ NULL, SECCOMP_ROLE_WORKER };
	(void)pthread_barrier_init(&device_threads_jailed, NULL, (unsigned)n + 1);
	for (size_t i = 0; i < n; i++) {
		if (pthread_create(&thread, NULL, device_thread, &threads[i]))
			return err_set(e, -EAGAIN, "cannot start threads");
	}
	(void)pthread_barrier_wait(&device_threads_jailed);
	return 0;
}

static void on_end(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	vm.loop.stop = true;
}

static void on_lifeline(void *arg, uint32_t events)
{
	const char *by_guest = dev_vsock_boot_end();

	(void)arg;
	(void)events;
	if (by_guest)
		vm_end(&vm, VM_END_CRASH, "the boot connection: the guest %s", by_guest);
	else
		vm_end(&vm, VM_END_MONITOR, "monitor is gone");
}

/* The monitor's death shows as a hang-up of the boot connection, whatever the guest does with it.
 */
static int watch_ends(struct err *e)
{
	lifeline_fd = fcntl(vm.plan.boot_fd, F_DUPFD_CLOEXEC, 3);
	if (lifeline_fd < 0 || io_set_nonblock(vm.plan.boot_fd, true) < 0 ||
		loop_add(&vm.loop, lifeline_fd, EPOLLRDHUP, on_lifeline, NULL) < 0 ||
		loop_add(&vm.loop, vm.end_fd, EPOLLIN, on_end, NULL) < 0)
		return err_set(e, -errno, "cannot watch the boot connection");
	return 0;
}

/* The guest's last words, made harmless, for whoever reads the log. */
static void print_console(void)
{
	char tail[2048];
	size_t len = dev_console_tail(tail, sizeof(tail) - 1);

	for (size_t i = 0; i < len; i++) {
		if (tail[i] != '\n' &&
			((unsigned char)tail[i] < 0x20 || (unsigned char)tail[i] > 0x7e))
			tail[i] = tail[i] == '\r' ? ' ' : '?';
	}
	if (!len)
		return;
	tail[len] = '\n';
	(void)!write(STDERR_FILENO, tail, len + 1);
}

static int drain(void)
{
	static const int status[] = {
		[VM_END_NONE] = 2, [VM_END_RESET] = 0, [VM_END_MONITOR] = 0, [VM_END_CRASH] = 2
	};
	char line[sizeof(vm.end_text) + 64];
	int len = 0;

	vm_enter(&vm, VM_DRAIN);
	if (vm.end != VM_END_MONITOR) {
		len = snprintf(line, sizeof(line), "nestbox-vmm: guest ended: %s\n", vm.end_text);
		(void)!write(STDERR_FILENO, line, (size_t)len);
		print_console();
	}
	return status[vm.end];
}

/* From the template; a VM that boots instead, when that one cannot be used here. */
static int build(struct err *e)
{
	int r = vm_build(&vm, e);

	if (r < 0 || vm.plan.template_fd < 0)
		return r;
	r = template_begin(&vm, e);
	if (r == 0)
		return 0;
	(void)fprintf(stderr, "nestbox-vmm: template: %s: boots without it\n", e->msg);
	*e = (struct err){ 0 };
	close_fd(&vm.plan.template_fd);
	vm_unbuild(&vm);
	return vm_build(&vm, e);
}

static int start(const char *plan_arg, struct err *e)
{
	int r = read_plan(plan_arg, e);

	if (r == 0)
		r = build(e);
	if (r == 0)
		r = add_devices(e);
	if (r == 0)
		r = load(e);
	if (r == 0)
		r = control_init(&vm, e);
	if (r == 0)
		r = watch_ends(e);
	if (r == 0)
		r = jail_enter(&vm, e);
	if (r == 0)
		r = start_device_threads(e);
	if (r == 0)
		r = vcpu_start_all(&vm, e);
	if (r == 0 && seccomp_enter(vm.plan.save_fd >= 0 ? SECCOMP_ROLE_SAVE : SECCOMP_ROLE_IO) < 0)
		r = err_set(e, -EPERM, "jail: seccomp");
	if (r < 0)
		return r;
	/* Every thread is in its jail before the first guest instruction. */
	vcpu_pause_all(&vm);
	vm_enter(&vm, VM_RUN);
	if (vm.origin == VMM_CLONED)
		template_wake(&vm);
	vcpu_resume_all(&vm);
	return 0;
}

/* Our own memory is a few pages here and there in large static buffers, each of which would become
 * a huge page where all memory does. */
static void spare_memory(void)
{
	uintptr_t start = ((uintptr_t)__bss_start + 4095) & ~(uintptr_t)4095;

	(void)madvise((void *)start, (uintptr_t)_end - start, MADV_NOHUGEPAGE);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };

	if (argc != 2 || *argv[1] == '-') {
		(void)fprintf(stderr, "usage: nestbox-vmm PLAN_FD (started by nestbox)\n");
		return 1;
	}
	(void)prctl(PR_SET_NAME, "nestbox-vmm", 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a template that may not become so large is none */
	spare_memory();
	if (start(argv[1], &e) < 0) {
		(void)fprintf(stderr, "nestbox-vmm: %s\n", e.msg);
		return 1;
	}
	if (loop_run(&vm.loop) < 0)
		vm_end(&vm, VM_END_CRASH, "event loop failed");
	/* No thread is waited for: guest code may never leave its vCPU. */
	_exit(drain());
}
