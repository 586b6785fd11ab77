/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm-ctl.c - codec of the VMM's control socket; see vmm-ctl.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "io.h"
#include "vmm-ctl.h"

void vmm_ctl_put_request(struct wire_out *w, const struct vmm_request *m)
{
	wire_put_u32(w, m->op);
	wire_put_u32(w, m->port);
	wire_put_u32(w, m->slot);
	wire_put_u8(w, m->readonly);
	wire_put_bytes(w, m->mac, sizeof(m->mac));
	wire_put_bytes(w, m->socket_key.byte, SOCKET_KEY);
	wire_put_u64(w, m->ram_bytes);
}

int vmm_ctl_get_request(const void *p, size_t len, struct vmm_request *ret)
{
	struct vmm_request m = { 0 };
	struct wire_in r;

	wire_in_init(&r, p, len);
	m.op = wire_get_u32(&r);
	m.port = wire_get_u32(&r);
	m.slot = wire_get_u32(&r);
	m.readonly = wire_get_u8(&r);
	wire_get_bytes(&r, m.mac, sizeof(m.mac));
	wire_get_bytes(&r, m.socket_key.byte, SOCKET_KEY);
	m.ram_bytes = wire_get_u64(&r);
	if (wire_in_end(&r) < 0 || m.op == 0 || m.op >= VMM_CTL_OP_MAX || m.readonly > 1)
		return -EBADMSG;
	*ret = m;
	return 0;
}

void vmm_ctl_put_reply(struct wire_out *w, int32_t status, const struct vmm_info *info)
{
	wire_put_u32(w, (uint32_t)status);
	if (!info)
		return;
	wire_put_u64(w, info->exits);
	wire_put_u64(w, info->user_exits);
	wire_put_u64(w, info->rip);
	wire_put_u32(w, info->last_exit);
	wire_put_u8(w, info->paused);
	wire_put_u8(w, info->origin);
	wire_put_u8(w, info->net_slots);
	wire_put_u8(w, info->net_pairs);
	wire_put_u8(w, info->fs_slots);
	wire_put_u64(w, info->boot_bytes);
	wire_put_u64(w, info->ram_bytes);
	for (size_t i = 0; i < VMM_CTL_PHASES; i++)
		wire_put_u64(w, info->phase_ns[i]);
	wire_put_u32(w, info->n_counters);
	for (size_t i = 0; i < info->n_counters; i++) {
		wire_put_str(w, info->counter[i].name);
		wire_put_u64(w, info->counter[i].value);
	}
	wire_put_blob(w, info->console, info->console_len);
}

static void get_counters(struct wire_in *r, struct arena *a, struct vmm_info *ret)
{
	size_t n = wire_get_count(r, VMM_CTL_COUNTERS, sizeof(uint32_t) + sizeof(uint64_t));

	for (size_t i = 0; i < n; i++) {
		const char *name = wire_get_str(r, a, sizeof(ret->counter[i].name) - 1);

		(void)snprintf(ret->counter[i].name, sizeof(ret->counter[i].name), "%s", name);
		ret->counter[i].value = wire_get_u64(r);
	}
	ret->n_counters = (uint32_t)n;
}

/* The rest of a reply that carries a vmm_info. */
static void get_info(struct wire_in *r, struct vmm_info *ret)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	const void *console = NULL;
	size_t len = 0;

	memset(ret, 0, sizeof(*ret));
	ret->exits = wire_get_u64(r);
	ret->user_exits = wire_get_u64(r);
	ret->rip = wire_get_u64(r);
	ret->last_exit = wire_get_u32(r);
	ret->paused = wire_get_u8(r);
	ret->origin = wire_get_u8(r);
	ret->net_slots = wire_get_u8(r);
	ret->net_pairs = wire_get_u8(r);
	ret->fs_slots = wire_get_u8(r);
	ret->boot_bytes = wire_get_u64(r);
	ret->ram_bytes = wire_get_u64(r);
	for (size_t i = 0; i < VMM_CTL_PHASES; i++)
		ret->phase_ns[i] = wire_get_u64(r);
	get_counters(r, &a, ret);
	console = wire_get_blob(r, &a, sizeof(ret->console), &len);
	if (console)
		memcpy(ret->console, console, len);
	ret->console_len = (uint32_t)len;
}

int vmm_ctl_get_reply(const void *p, size_t len, struct vmm_info *ret_info)
{
	struct vmm_info info;
	struct wire_in r;
	int32_t status = 0;

	wire_in_init(&r, p, len);
	status = (int32_t)wire_get_u32(&r);
	if (r.error || status > 0 || status < -4095)
		return -EBADMSG;
	if (!ret_info || status < 0)
		return wire_in_end(&r) < 0 ? -EBADMSG : status;
	get_info(&r, &info);
	if (wire_in_end(&r) < 0)
		return -EBADMSG;
	*ret_info = info;
	return 0;
}

int vmm_ctl_call(int fd, const struct vmm_request *m, const int *fds, size_t n_fds, int timeout_ms,
	struct vmm_info *ret_info)
{
	static uint8_t buffer[VMM_CTL_MAX];
	struct wire_out w;
	ssize_t n = 0;

	wire_out_fixed(&w, buffer, sizeof(buffer));
	vmm_ctl_put_request(&w, m);
	n = io_send_fds(fd, buffer, w.len, fds, n_fds);
	if (n < 0)
		return n == -EPIPE ? -ECONNRESET : (int)n;
	n = io_wait_readable(fd, timeout_ms);
	if (n <= 0)
		return n < 0 ? (int)n : -ETIMEDOUT;
	n = recv(fd, buffer, sizeof(buffer), 0);
	if (n <= 0)
		return -ECONNRESET;
	return vmm_ctl_get_reply(buffer, (size_t)n, ret_info);
}

int vmm_ctl_call_again(int fd, unsigned *late, const struct vmm_request *m, const int *fds,
	size_t n_fds, int timeout_ms, struct vmm_info *ret_info)
{
	static uint8_t ignored[VMM_CTL_MAX];
	int r = 0;

	for (; *late; (*late)--) {
		r = io_wait_readable(fd, timeout_ms);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		if (recv(fd, ignored, sizeof(ignored), 0) <= 0)
			return -ECONNRESET;
	}
	r = vmm_ctl_call(fd, m, fds, n_fds, timeout_ms, ret_info);
	*late += r == -ETIMEDOUT;
	return r;
}
