/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the VMM's side of its control socket (vmm-ctl.h).
 *
 * Threads: the I/O loop's. A client that sends garbage is answered with an error; one that is slow
 * is nobody's problem: packets are whole, and nothing here waits.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices.h"
#include "io.h"
#include "template.h"
#include "vm.h"
#include "vmm-ctl.h"

#define MAX_CLIENTS 32

struct client {
	struct vm *vm; /* borrowed */
	int fd; /* owned; -EBADF = free */
	int src;
};

static struct client clients[MAX_CLIENTS];
static int listener = -1; /* source in the loop */

static void drop(struct client *c)
{
	loop_del(&c->vm->loop, c->src);
	close_fd(&c->fd);
	(void)!loop_mod(&c->vm->loop, listener, EPOLLIN);
}

static struct client *free_client(void)
{
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		if (clients[i].fd < 0)
			return &clients[i];
	}
	return NULL;
}

static void fill_info(struct vm *vm, struct vmm_info *info)
{
	const struct vcpu *c = &vm->vcpu[0];

	vcpu_counters(vm, info);
	memcpy(info->phase_ns, vm->phase_ns, sizeof(info->phase_ns));
	for (unsigned i = 0; i < vm->plan.vcpus; i++)
		info->user_exits += __atomic_load_n(&vm->vcpu[i].user_exits, __ATOMIC_RELAXED);
	info->rip = __atomic_load_n(&c->rip, __ATOMIC_RELAXED);
	info->last_exit = __atomic_load_n(&c->last_exit, __ATOMIC_RELAXED);
	info->paused = vm->paused; /* only this thread changes it */
	info->origin = (uint8_t)vm->origin;
	info->net_slots = (uint8_t)vm->plan.n_net;
	info->net_pairs = (uint8_t)vmm_plan_net_pairs(&vm->plan);
	info->fs_slots = (uint8_t)vm->plan.n_fs;
	info->boot_bytes = vm->plan.boot_bytes;
	info->ram_bytes = vm->ram_bytes;
	info->console_len = (uint32_t)dev_console_tail(info->console, sizeof(info->console));
}

/* The fs server's two sockets. */
static int attach_fs(uint32_t slot, const struct socket_key *key, int *fds, size_t n)
{
	int r = n == 2 ? dev_fs_attach(slot, fds[0]) : -EINVAL;

	if (r < 0)
		return r;
	(void)take_fd(&fds[0]);
	dev_vsock_attach_sockets(slot, take_fd(&fds[1]), key);
	return 0;
}

/* Carries the request out. fds[0..n) are taken or left to be closed by the caller. */
static int carry_out(struct vm *vm, const struct vmm_request *m, int *fds, size_t n)
{
	/* No clone is to begin with what one VM was given. */
	if (m->op != VMM_CTL_INFO && m->op != VMM_CTL_PAUSE && m->op != VMM_CTL_RESUME)
		template_cancel(vm);
	switch (m->op) {
	case VMM_CTL_CONNECT:
		dev_balloon_offer(); /* the guest has long looked for its devices */
		return n == 1 ? dev_vsock_connect(take_fd(&fds[0]), m->port) : -EINVAL;
	case VMM_CTL_ATTACH_BLK:
		return n == 1 ? dev_blk_attach(m->slot, take_fd(&fds[0]), m->readonly) : -EINVAL;
	case VMM_CTL_ATTACH_NET:
		return dev_net_attach(m->slot, m->mac, fds, n);
	case VMM_CTL_DETACH_NET:
		return dev_net_detach(m->slot);
	case VMM_CTL_ATTACH_FS:
		return attach_fs(m->slot, &m->socket_key, fds, n);
	case VMM_CTL_GROW:
		return vm_grow(vm, m->ram_bytes);
	case VMM_CTL_PAUSE:
		vcpu_pause_all(vm);
		return 0;
	case VMM_CTL_RESUME:
		vcpu_resume_all(vm);
		return 0;
	case VMM_CTL_INFO:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static void on_client(void *arg, uint32_t events)
{
	static struct vmm_info info;
	static uint8_t reply[VMM_CTL_MAX];
	struct client *c = arg;
	struct vmm_request m = { 0 };
	uint8_t request[64];
	int fds[IO_MAX_FDS];
	size_t n = 0;
	struct wire_out w;
	int status = 0;
	ssize_t len = io_recv_fds(c->fd, request, sizeof(request), fds, ARRAY_LEN(fds), &n);

	(void)events;
	if (len <= 0) {
		if (len != -EAGAIN)
			drop(c);
		return;
	}
	status = vmm_ctl_get_request(request, (size_t)len, &m);
	if (status == 0)
		status = carry_out(c->vm, &m, fds, n);
	for (size_t i = 0; i < n; i++)
		close_fd(&fds[i]);
	memset(&info, 0, sizeof(info));
	if (status == 0 && m.op == VMM_CTL_INFO)
		fill_info(c->vm, &info);
	wire_out_fixed(&w, reply, sizeof(reply));
	vmm_ctl_put_reply(&w, status, status == 0 && m.op == VMM_CTL_INFO ? &info : NULL);
	if (send(c->fd, reply, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		drop(c);
}

static void on_listener(void *arg, uint32_t events)
{
	struct client *c = free_client();
	struct vm *vm = arg;
	int fd = -EBADF;

	(void)events;
	/* Who comes next waits until somebody goes: turned away, he would take us for gone. */
	if (!c) {
		(void)!loop_mod(&vm->loop, listener, 0);
		return;
	}
	fd = loop_accept(&vm->loop, vm->plan.control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	*c = (struct client){ .vm = vm, .fd = fd };
	c->src = loop_add(&vm->loop, fd, EPOLLIN, on_client, c);
	if (c->src < 0)
		close_fd(&c->fd);
}

int control_init(struct vm *vm, struct err *e)
{
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -EBADF;
	listener = loop_add(&vm->loop, vm->plan.control_fd, EPOLLIN, on_listener, vm);
	return listener < 0 ? err_sys(e, listener, "control socket") : 0;
}
