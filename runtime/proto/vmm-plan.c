/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm-plan.c - codec of the VMM's boot plan; see vmm-plan.h.
 */
#include <errno.h>
#include <string.h>

#include "arena.h"
#include "ram-layout.h"
#include "vmm-plan.h"

#define RAM_GRANULE ((uint64_t)2 << 20)

static void put_fd(struct wire_out *w, int32_t fd)
{
	wire_put_u32(w, (uint32_t)fd);
}

static int32_t get_fd(struct wire_in *r)
{
	int32_t fd = (int32_t)wire_get_u32(r);

	if (fd < -1)
		r->error = -EBADMSG;
	return fd;
}

static void get_text(struct wire_in *r, char *buf, size_t size)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const char *s = wire_get_str(r, &a, size - 1);

	memcpy(buf, s, strlen(s) + 1);
}

uint32_t vmm_plan_net_pairs(const struct vmm_plan *p)
{
	return p->vcpus < VMM_MAX_NET_PAIRS ? p->vcpus : VMM_MAX_NET_PAIRS;
}

void vmm_plan_put(struct wire_out *w, const struct vmm_plan *p)
{
	wire_put_u32(w, VMM_PLAN_MAGIC);
	wire_put_u32(w, VMM_PLAN_VERSION);
	wire_put_str(w, p->id);
	wire_put_u64(w, p->ram_bytes);
	wire_put_u64(w, p->boot_bytes);
	wire_put_u32(w, p->vcpus);
	wire_put_u32(w, p->boot_vcpus);
	wire_put_u32(w, p->max_vcpus);
	wire_put_str(w, p->cmdline);
	put_fd(w, p->kvm_fd);
	put_fd(w, p->kernel_fd);
	put_fd(w, p->initrd_fd);
	put_fd(w, p->boot_fd);
	put_fd(w, p->control_fd);
	put_fd(w, p->fs_fd);
	put_fd(w, p->sockets_fd);
	put_fd(w, p->template_fd);
	put_fd(w, p->save_fd);
	wire_put_str(w, p->template_key);
	wire_put_u32(w, p->n_net);
	wire_put_u32(w, p->n_fs);
	wire_put_bytes(w, p->socket_key.byte, SOCKET_KEY);
	wire_put_u32(w, p->jail_uid);
}

static int check_ranges(const struct vmm_plan *p)
{
	if (p->ram_bytes < VMM_MIN_RAM || p->ram_bytes > VMM_MAX_RAM || p->ram_bytes % RAM_GRANULE)
		return -EBADMSG;
	if (p->boot_bytes != p->ram_bytes &&
		(p->boot_bytes < VMM_MIN_RAM || p->boot_bytes % RAM_GRANULE ||
			p->boot_bytes > p->ram_bytes || p->boot_bytes > RAM_GAP_START ||
			(p->ram_bytes - p->boot_bytes) % RAM_BLOCK))
		return -EBADMSG;
	if (p->n_net > VMM_MAX_NET || p->n_fs > VMM_MAX_FS || (p->n_fs && p->n_net != VMM_MAX_NET))
		return -EBADMSG;
	if (p->vcpus < 1 || p->vcpus > p->max_vcpus || p->max_vcpus > VMM_MAX_VCPUS)
		return -EBADMSG;
	if (p->boot_vcpus != 1 && (p->boot_vcpus != p->vcpus || p->vcpus != p->max_vcpus))
		return -EBADMSG;
	if (p->kvm_fd < 0 || p->kernel_fd < 0 || p->boot_fd < 0 || p->control_fd < 0)
		return -EBADMSG;
	return 0;
}

int vmm_plan_get(const void *data, size_t len, struct vmm_plan *ret)
{
	struct vmm_plan p = { 0 };
	struct wire_in r;

	wire_in_init(&r, data, len);
	if (wire_get_u32(&r) != VMM_PLAN_MAGIC || wire_get_u32(&r) != VMM_PLAN_VERSION)
		return -EBADMSG;
	get_text(&r, p.id, sizeof(p.id));
	p.ram_bytes = wire_get_u64(&r);
	p.boot_bytes = wire_get_u64(&r);
	p.vcpus = wire_get_u32(&r);
	p.boot_vcpus = wire_get_u32(&r);
	p.max_vcpus = wire_get_u32(&r);
	get_text(&r, p.cmdline, sizeof(p.cmdline));
	p.kvm_fd = get_fd(&r);
	p.kernel_fd = get_fd(&r);
	p.initrd_fd = get_fd(&r);
	p.boot_fd = get_fd(&r);
	p.control_fd = get_fd(&r);
	p.fs_fd = get_fd(&r);
	p.sockets_fd = get_fd(&r);
	p.template_fd = get_fd(&r);
	p.save_fd = get_fd(&r);
	get_text(&r, p.template_key, sizeof(p.template_key));
	p.n_net = wire_get_u32(&r);
	p.n_fs = wire_get_u32(&r);
	wire_get_bytes(&r, p.socket_key.byte, SOCKET_KEY);
	p.jail_uid = wire_get_u32(&r);
	if (wire_in_end(&r) < 0 || check_ranges(&p) < 0)
		return -EBADMSG;
	*ret = p;
	return 0;
}
