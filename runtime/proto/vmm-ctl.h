/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm-ctl.h - requests of the CLI (later of the shim) to a running VMM, over its control socket.
 *
 * SOCK_SEQPACKET: one packet per request, one per reply, at most VMM_CTL_MAX bytes; fds travel with
 * the request (SCM_RIGHTS). Replies arrive in order. The VMM trusts its callers (the socket is
 * root's) but checks every value all the same.
 */
#ifndef NESTBOX_VMM_CTL_H
#define NESTBOX_VMM_CTL_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "socket-key.h"
#include "wire.h"

#define VMM_CTL_MAX ((size_t)16 << 10)
#define VMM_CTL_CONSOLE_TAIL ((size_t)8 << 10)

enum vmm_ctl_op {
	VMM_CTL_CONNECT = 1, /* u32 port, one fd (a stream socket): bridge it to the guest's port.
			      * The fd sees end of file when the guest refuses or hangs up. */
	VMM_CTL_PAUSE, /* vCPUs stop before the next guest instruction */
	VMM_CTL_RESUME,
	VMM_CTL_INFO, /* reply: struct vmm_info */
	VMM_CTL_ATTACH_BLK, /* u32 slot, u8 readonly, one fd */
	VMM_CTL_ATTACH_NET, /* u32 slot, 6 bytes MAC, a tap's fd per pair of queues: they have
			     * headers of 12 bytes (virtio 1.2, 5.1.6) and do not block */
	VMM_CTL_DETACH_NET, /* u32 slot; -EBUSY while the guest's driver holds it, -EAGAIN while it
			     * lets go */
	VMM_CTL_ATTACH_FS, /* u32 slot, from 0; two fds: an fs server's sockets, of fs-link.h and of
			    * socket-link.h. The slot is free again when the server is gone and the
			    * guest's driver has let go: until then -EBUSY */
	VMM_CTL_GROW, /* u64 ram_bytes: the VM's memory from now on; what is less than it has
		       * changes nothing. -ENOSPC: it cannot grow so far */
	VMM_CTL_OP_MAX
};

struct vmm_request {
	uint32_t op;
	uint32_t port; /* CONNECT */
	uint32_t slot; /* ATTACH_BLK, ATTACH_NET, DETACH_NET, ATTACH_FS */
	uint8_t readonly; /* ATTACH_BLK */
	uint8_t mac[6]; /* ATTACH_NET */
	struct socket_key socket_key; /* ATTACH_FS: of the container */
	uint64_t ram_bytes; /* GROW */
};

/* How the VM came to be. */
enum vmm_origin {
	VMM_BOOTED,
	VMM_SAVED, /* booted, and made a template on the way */
	VMM_CLONED, /* from a template */
	VMM_ORIGIN_MAX
};

#define VMM_CTL_COUNTERS 16
#define VMM_CTL_PHASES 6

/* One of KVM's statistics, summed up over the vCPUs. */
struct vmm_counter {
	char name[32];
	uint64_t value;
};

/* What the VM did so far: for error messages, demo, traces and tests. */
struct vmm_info {
	uint64_t exits; /* VM exits of all vCPUs, from KVM's own statistics; 0 when KVM has none */
	uint64_t user_exits; /* of these, returns to the VMM */
	uint64_t rip; /* vCPU 0, when it last left the guest */
	uint32_t last_exit; /* KVM_EXIT_* of vCPU 0 */
	uint8_t paused;
	uint8_t origin; /* enum vmm_origin */
	uint8_t net_slots, net_pairs; /* network devices, queues in each direction of one */
	uint8_t fs_slots; /* for containers that join */
	uint64_t boot_bytes, ram_bytes; /* memory: at boot, now (ram-layout.h) */
	uint64_t phase_ns[VMM_CTL_PHASES]; /* CLOCK_MONOTONIC when each (vm.h) began; 0 = not yet */
	uint32_t n_counters;
	struct vmm_counter counter[VMM_CTL_COUNTERS];
	uint32_t console_len;
	char console[VMM_CTL_CONSOLE_TAIL]; /* last bytes written to hvc0, as the guest wrote them
					     */
};

/* Reply: i32 status (0 or negative errno), then what the operation says. */
void vmm_ctl_put_request(struct wire_out *w, const struct vmm_request *m);
warn_unused int vmm_ctl_get_request(const void *p, size_t len, struct vmm_request *ret);
void vmm_ctl_put_reply(struct wire_out *w, int32_t status, const struct vmm_info *info_or_null);
/* ret_info may be NULL. Returns the status, or -EBADMSG. */
warn_unused int vmm_ctl_get_reply(const void *p, size_t len, struct vmm_info *ret_info);

/* Asks over a connected control socket and waits for the answer: its status; -ETIMEDOUT,
 * -ECONNRESET when nobody is there any more. */
warn_unused int vmm_ctl_call(int fd, const struct vmm_request *m, const int *fds, size_t n_fds,
	int timeout_ms, struct vmm_info *ret_info);

/* The same over a socket that is used again and again: an answer that comes too late must not be
 * taken for the next one's. *late (0 at first) is how many of these are still to come: they are
 * awaited before anything is asked. */
warn_unused int vmm_ctl_call_again(int fd, unsigned *late, const struct vmm_request *m,
	const int *fds, size_t n_fds, int timeout_ms, struct vmm_info *ret_info);

#endif
