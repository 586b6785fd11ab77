/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mmio.h - the modern virtio-mmio transport (virtio 1.2, 4.2).
 */
#ifndef NESTBOX_VIRTIO_MMIO_H
#define NESTBOX_VIRTIO_MMIO_H

#include "virtio.h"

#define VIRTIO_MMIO_QUEUE_NOTIFY_OFFSET 0x50u

/* Makes the device's eventfds and watches its kicks on d->loop; d->ops and d->loop are set. */
warn_unused int virtio_mmio_init(struct virtio_dev *d);

/* A register access by a vCPU: offset < 4096, len 1…8; data is in and out. Any thread. */
void virtio_mmio_read(struct virtio_dev *d, uint32_t offset, void *data, uint32_t len);
void virtio_mmio_write(struct virtio_dev *d, uint32_t offset, const void *data, uint32_t len);

/* Guest memory that queues of all devices lie in; set once before any device is used. */
void virtio_mmio_set_memory(const struct gmem *m);

#endif
