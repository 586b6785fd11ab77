/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.c - requests to a running sandbox; see call.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "call.h"
#include "io.h"
#include "trace.h"

#define VMM_MS 5000
#define ATTACH_MS 5000
#define PROCESSES_MAX 65536u
#define PROCESSES_MS 30000
#define GROW_MS 30000

int call_vmm(int state_fd, int *ret_fd, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = VMM_MS / 1000 };
	cleanup(close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/vmm.sock", state_fd);
	/* A VMM that hangs accepts nobody: neither connecting nor sending may wait for ever. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return err_sys(e, -errno, "socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? err_set(e, -ETIMEDOUT, "the VMM does not answer")
				       : err_set(e, -ESRCH, "container not running");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int ask_vmm(int state_fd, const struct vmm_request *m, const int *fds, size_t n_fds,
	struct vmm_info *ret_info, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	int r = call_vmm(state_fd, &fd, e);

	if (r < 0)
		return r;
	r = vmm_ctl_call(fd, m, fds, n_fds, VMM_MS, ret_info);
	if (r == -ETIMEDOUT)
		return err_set(e, r, "the VMM does not answer");
	if (r == -ECONNRESET)
		return err_set(e, -ESRCH, "container not running");
	return r < 0 ? err_sys(e, r, "VMM") : 0;
}

int call_vmm_info(int state_fd, struct vmm_info *ret, struct err *e)
{
	const struct vmm_request m = { .op = VMM_CTL_INFO };

	return ask_vmm(state_fd, &m, NULL, 0, ret, e);
}

int call_attach_disk(int state_fd, uint32_t slot, int fd, struct err *e)
{
	const struct vmm_request m = { .op = VMM_CTL_ATTACH_BLK, .slot = slot, .readonly = true };

	return ask_vmm(state_fd, &m, &fd, 1, NULL, e);
}

int call_connect(int state_fd, int *ret_fd, struct err *e)
{
	const struct vmm_request m = { .op = VMM_CTL_CONNECT, .port = AGENT_GUEST_PORT };
	int pair[2];
	int r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, -errno, "socket");
	r = ask_vmm(state_fd, &m, &pair[1], 1, NULL, e);
	close_fd(&pair[1]);
	if (r < 0)
		close_fd(&pair[0]);
	else
		*ret_fd = pair[0];
	return r;
}

int call_attach_fs(int state_fd, const int fds[2], const struct socket_key *key, unsigned slots,
	unsigned *ret_slot, struct err *e)
{
	unsigned long long deadline = io_now_ns() + ATTACH_MS * 1000000ULL;

	do {
		for (unsigned i = 0; i < slots; i++) {
			const struct vmm_request m = {
				.op = VMM_CTL_ATTACH_FS, .slot = i, .socket_key = *key
			};
			int r = ask_vmm(state_fd, &m, fds, 2, NULL, e);

			*ret_slot = i;
			if (r == 0)
				*e = (struct err){ 0 };
			if (r != -EBUSY)
				return r;
		}
		(void)usleep(20000);
	} while (io_now_ns() < deadline);
	return err_set(e, -EBUSY, "the VM has %u containers beside its first, and no room for more",
		slots);
}

/* A request; ret_payload may be NULL, as for agent_call(). */
static int ask(int state_fd, uint16_t type, const struct wire_out *w, uint16_t wanted,
	int timeout_ms, uint8_t **ret_payload, size_t *ret_len, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	int r = w->error ? err_sys(e, w->error, "request") : call_connect(state_fd, &fd, e);

	if (r < 0)
		return r;
	return agent_call(fd, type, w->data, w->len, wanted, timeout_ms, ret_payload, ret_len, e);
}

int call_start(int state_fd, const char *id, int timeout_ms, struct err *e)
{
	cleanup(free) uint8_t *answer = NULL;
	uint8_t payload[512];
	struct wire_out w;
	size_t len = 0;
	int r = 0;

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_str(&w, id);
	r = ask(state_fd, AGENT_START, &w, AGENT_OK, timeout_ms, &answer, &len, e);
	trace_step("waits for START");
	if (r == 0)
		trace_guest(answer, len);
	trace_vmm(state_fd);
	return r;
}

int call_kill(int state_fd, const char *id, int signal_number, bool all, struct err *e)
{
	uint8_t payload[512];
	struct wire_out w;

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_str(&w, id);
	wire_put_u32(&w, (uint32_t)signal_number);
	wire_put_u8(&w, all);
	return ask(state_fd, AGENT_KILL, &w, AGENT_OK, CALL_MS, NULL, NULL, e);
}

int call_grow(int state_fd, uint64_t ram_bytes, struct err *e)
{
	const struct vmm_request m = { .op = VMM_CTL_GROW, .ram_bytes = ram_bytes };
	int r = ask_vmm(state_fd, &m, NULL, 0, NULL, e);

	if (r == -ENOSPC)
		return err_set(
			e, -ERANGE, "the VM cannot grow to %" PRIu64 " MiB", ram_bytes >> 20);
	return r;
}

int call_use_memory(int state_fd, uint64_t boot_bytes, uint64_t ram_bytes, struct err *e)
{
	uint8_t payload[16];
	struct wire_out w;

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_u64(&w, boot_bytes);
	wire_put_u64(&w, ram_bytes);
	return ask(state_fd, AGENT_GROW, &w, AGENT_OK, GROW_MS, NULL, NULL, e);
}

int call_write_files(
	int state_fd, const char *id, const struct gplan_pair *files, size_t n, struct err *e)
{
	struct wire_out w;
	int r = 0;

	wire_out_init(&w, AGENT_MAX_REPLY);
	wire_put_str(&w, id);
	agent_put_files(&w, files, n);
	r = w.error || n > AGENT_MAX_FILES
		? err_set(e, -E2BIG, "too many limits")
		: ask(state_fd, AGENT_LIMIT, &w, AGENT_OK, CALL_MS, NULL, NULL, e);
	wire_out_done(&w);
	return r;
}

int call_read_files(int state_fd, const char *id, const char *const *names, size_t n,
	struct arena *a, struct plan_files *ret, struct err *e)
{
	cleanup(free) uint8_t *answer = NULL;
	uint8_t payload[8192];
	struct wire_out w;
	struct wire_in in;
	size_t len = 0;
	int r = 0;

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_str(&w, id);
	wire_put_strv(&w, names, n);
	r = ask(state_fd, AGENT_LOOK, &w, AGENT_FILES, CALL_MS, &answer, &len, e);
	if (r < 0)
		return r;
	wire_in_init(&in, answer, len);
	r = agent_get_files(&in, a, &ret->v, &ret->n);
	return r < 0 ? err_sys(e, r, "guest") : 0;
}

/* One answer holds so many; the next are asked for by the last one's pid. */
int call_processes(int state_fd, const char *id, struct arena *a, struct agent_process **ret,
	size_t *ret_n, struct err *e)
{
	unsigned long long deadline = io_now_ns() + PROCESSES_MS * 1000000ULL;
	uint32_t after = 0;

	*ret = NULL;
	*ret_n = 0;
	for (;;) {
		cleanup(free) uint8_t *answer = NULL;
		struct agent_process *some = NULL;
		uint8_t payload[512];
		struct wire_out w;
		size_t len = 0, n = 0;
		int r = 0;

		wire_out_fixed(&w, payload, sizeof(payload));
		wire_put_str(&w, id);
		wire_put_u32(&w, after);
		r = ask(state_fd, AGENT_PS, &w, AGENT_PROCESSES, CALL_MS, &answer, &len, e);
		if (r == 0) {
			r = agent_get_processes(answer, len, a, &some, &n);
			if (r == 0 && n && some[0].pid <= after)
				r = -EBADMSG;
			if (r < 0)
				(void)err_sys(e, r, "guest");
		}
		if (r < 0 || n == 0)
			return r;
		/* It may name as many as it likes. */
		if (*ret_n + n > PROCESSES_MAX || io_now_ns() > deadline)
			return err_set(e, -E2BIG, "the guest names too many processes");
		for (size_t i = 0; i < n; i++) {
			*ret = arena_grow(a, *ret, *ret_n, sizeof(**ret));
			if (!*ret)
				return err_set(e, -ENOMEM, "out of memory");
			(*ret)[(*ret_n)++] = some[i];
		}
		after = some[n - 1].pid;
	}
}

int call_watch(int state_fd, const char *id, int *ret_fd, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	uint8_t payload[512];
	struct wire_out w;
	int r = call_connect(state_fd, &fd, e);

	wire_out_fixed(&w, payload, sizeof(payload));
	wire_put_str(&w, id);
	if (r == 0)
		r = agent_call(fd, AGENT_WATCH, w.data, w.len, AGENT_OK, CALL_MS, NULL, NULL, e);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}
