/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm-plan.h - what the VMM shall boot: written by the CLI into a sealed memfd, read once.
 *
 * The VMM is started with the plan's fd number as its only argument and opens nothing: every file
 * that it needs is an inherited fd, named here by number (-1 = absent).
 */
#ifndef NESTBOX_VMM_PLAN_H
#define NESTBOX_VMM_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "socket-key.h"
#include "template-file.h"
#include "wire.h"

#define VMM_PLAN_MAGIC 0x6e62766du
#define VMM_PLAN_VERSION 8
#define VMM_PLAN_MAX_BYTES ((size_t)64 << 10)
#define VMM_MAX_VCPUS 32
#define VMM_MAX_BLK 2 /* each slot costs some 40 VM exits at boot, used or not */
/* Places among the virtio-mmio devices. */
#define VMM_BALLOON_SLOT (4 + VMM_MAX_BLK)
#define VMM_FIRST_NET (VMM_BALLOON_SLOT + 1)
#define VMM_MAX_NET 4 /* a slot that is not used costs three VM exits at boot */
#define VMM_FIRST_FS (VMM_FIRST_NET + VMM_MAX_NET) /* place of the first further one */
#define VMM_MAX_FS 8 /* file systems of further containers; as cheap as those */
#define VMM_SOME_FS 2 /* of these, in a VM of which nobody said that others will join */
#define VMM_FS_TAG "nestbox" /* of the VM's own; "nestbox-1" and so on of the further ones */
#define VMM_MAX_NET_PAIRS 4 /* queues in each direction */
#define VMM_MIN_RAM ((uint64_t)32 << 20)
#define VMM_MAX_RAM ((uint64_t)1 << 40)
#define VMM_CMDLINE_MAX 2048

struct vmm_plan {
	char id[256]; /* container id, for messages */
	uint64_t ram_bytes; /* multiple of 2 MiB, VMM_MIN_RAM…VMM_MAX_RAM */
	uint64_t boot_bytes; /* of these: what the guest finds at boot (ram-layout.h) */
	uint32_t vcpus; /* 1…max_vcpus */
	uint32_t boot_vcpus; /* of these: what the guest brings up at boot, all or one */
	uint32_t max_vcpus; /* how many the guest takes to be possible, …VMM_MAX_VCPUS; all the same
			     * where it brings up all at boot */
	char cmdline[VMM_CMDLINE_MAX]; /* kernel parameters; the VMM appends its virtio-mmio devices
					*/
	int32_t kvm_fd; /* /dev/kvm */
	int32_t kernel_fd; /* ELF vmlinux */
	int32_t initrd_fd; /* -1 = none */
	int32_t boot_fd; /* stream socket for the guest's connection to AGENT_HOST_PORT; its end of
			  * file means that the monitor died: the VMM exits */
	int32_t control_fd; /* listening SOCK_SEQPACKET socket (vmm-ctl.h) */
	int32_t fs_fd; /* SOCK_SEQPACKET to the fs server (fs-link.h); -1 = no shares */
	int32_t sockets_fd; /* SOCK_SEQPACKET to the fs server (socket-link.h); -1 = no shares */
	int32_t template_fd; /* to be resumed instead of booting (template-file.h); -1 = none */
	int32_t save_fd; /* empty file to be made a template when guest init is ready; -1 = none */
	char template_key[TEMPLATE_MAX_KEY]; /* of either */
	uint32_t n_net; /* slots for network devices that may be attached later, 0…VMM_MAX_NET */
	uint32_t n_fs; /* slots for file systems of containers that join, 0…VMM_MAX_FS; with any
			* there are VMM_MAX_NET network slots */
	struct socket_key socket_key; /* of the first container */
	uint32_t jail_uid; /* uid and gid to become; 0 = keep (tests only) */
};

/* Queues in each direction of a network device: one per vCPU, as far as there are so many. */
uint32_t vmm_plan_net_pairs(const struct vmm_plan *p);

void vmm_plan_put(struct wire_out *w, const struct vmm_plan *p);
/* 0; -EBADMSG: malformed or a value out of the ranges above. */
warn_unused int vmm_plan_get(const void *data, size_t len, struct vmm_plan *ret);

#endif
