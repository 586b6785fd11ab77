/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mmio.h - the modern virtio-mmio transport (virtio 1.2, 4.2).
 */
#ifndef NESTBOX_VIRTIO_MMIO_H
#define NESTBOX_VIRTIO_MMIO_H

#include "virtio.h"
#include "wire.h"

#define VIRTIO_MMIO_SIZE 0x200u /* registers and configuration space */
#define VIRTIO_MMIO_QUEUE_NOTIFY_OFFSET 0x50u
#define VIRTIO_MMIO_INTERRUPT_ACK_OFFSET 0x64u
#define VIRTIO_MMIO_INTERRUPT_USED 1u

/* Makes the device's eventfds and watches its kicks on d->loop; d->ops and d->loop are set.
 * `shown` (borrowed, VIRTIO_MMIO_SIZE bytes, at a multiple of 8) is what the guest reads. */
warn_unused int virtio_mmio_init(struct virtio_dev *d, uint8_t *shown);

/* A register is written by a vCPU: offset < VIRTIO_MMIO_SIZE, len 1…8. Any thread. */
void virtio_mmio_write(struct virtio_dev *d, uint32_t offset, const void *data, uint32_t len);

/* All that the driver has set up, for a VM that is saved: its vCPUs are paused and the device's
 * serve_lock is held. And into a device of another VM, before its vCPUs run; -EBADMSG when it makes
 * no sense. */
void virtio_mmio_put(struct virtio_dev *d, struct wire_out *w);
warn_unused int virtio_mmio_get(struct virtio_dev *d, struct wire_in *r);
/* After that: queues are looked at and interrupts raised once more, as either may have been under
 * way when the VM was saved. */
void virtio_mmio_wake(struct virtio_dev *d);

/* Guest memory that queues of all devices lie in; set once before any device is used. */
void virtio_mmio_set_memory(const struct gmem *m);

#endif
