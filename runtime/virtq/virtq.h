/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtq.h - the device side of a split virtqueue (virtio 1.2, 2.7): the one ring walker.
 *
 * vq_pop() copies every descriptor once, checks it (index range, chain length, loops, indirect
 * tables, device-readable before device-writable, addresses through gmem) and gives the device
 * plain iovecs. The bytes behind them stay the guest's: a device copies a header before it looks at
 * it. A broken ring is the guest's bug: -EPROTO, and the device sets NEEDS_RESET; never an assert.
 *
 * Threads: a queue is used by one thread at a time, the one that serves its kick.
 */
#ifndef NESTBOX_VIRTQ_H
#define NESTBOX_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "cleanup.h"
#include "gmem.h"

#define VQ_MAX_SIZE 256 /* entries of a queue */
#define VQ_MAX_SEGS 1024 /* segments of a chain, readable and writable together */

struct vq {
	const struct gmem *mem; /* borrowed */
	uint16_t size; /* power of two, 1…VQ_MAX_SIZE; 0 = not set up */
	uint16_t last_avail, used_idx;
	uint16_t signalled; /* used_idx when the guest was last interrupted */
	bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
	bool broken; /* set by the first -EPROTO; vq_pop then gives -EPROTO for ever */
	gpa_t desc, avail, used;
};

struct vq_chain {
	uint16_t head;
	uint16_t n_out, n_in; /* device-readable, device-writable segments */
	uint32_t out_len, in_len; /* their sums */
	struct iovec out[VQ_MAX_SEGS]; /* used: n_out */
	struct iovec in[VQ_MAX_SEGS]; /* used: n_in */
};

/* Sets the queue up with checked addresses and alignment: -EINVAL when size is no power of two or
 * past VQ_MAX_SIZE, -EFAULT when a ring is outside guest memory. */
warn_unused int vq_init(struct vq *q, const struct gmem *m, uint16_t size, gpa_t desc, gpa_t avail,
	gpa_t used, bool event_idx);

/* 1 = a chain was popped into *c; 0 = the queue is empty, and the guest will kick at the next
 * buffer; -EPROTO = broken. */
warn_unused int vq_pop(struct vq *q, struct vq_chain *c);

/* Gives a chain back with the number of bytes written to its writable part. */
void vq_push(struct vq *q, uint16_t head, uint32_t written);

/* The same for several that the guest must see at once: each is filled in, the first with ahead 0,
 * the next with 1 …; then all n are published. */
void vq_fill(struct vq *q, uint16_t ahead, uint16_t head, uint32_t written);
void vq_publish(struct vq *q, uint16_t n);

/* Whether the guest wants an interrupt for what was pushed since the last one (2.7.7.2). */
bool vq_should_signal(struct vq *q);

/* Copies between the segments of a chain and flat memory, from an offset; return the count copied,
 * less than len when the segments end. */
size_t vq_copy_from(const struct iovec *iov, unsigned n, size_t offset, void *dst, size_t len);
size_t vq_copy_to(const struct iovec *iov, unsigned n, size_t offset, const void *src, size_t len);

/* The part [offset, offset + len) of a chain's segments as segments of their own in dst, which has
 * room for n; returns their count. The part is shorter when the segments end. */
unsigned vq_slice(
	struct iovec *dst, const struct iovec *iov, unsigned n, size_t offset, size_t len);

#endif
