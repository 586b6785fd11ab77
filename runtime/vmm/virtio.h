/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.h - what a virtio device is to the VMM: configuration, queues, and a few callbacks.
 *
 * The transport (virtio-mmio.c; virtio 1.2, 4.2) owns status, feature negotiation and queue
 * registers and runs on vCPU threads under dev->lock; the device's callbacks `reset`, `config_*`
 * and `activate` are called with it held. Queues are served by the device's own thread: the
 * transport's ioeventfd wakes its event loop, which calls `kick`. Slots are wired at boot; a back
 * end may come later.
 */
#ifndef NESTBOX_VIRTIO_H
#define NESTBOX_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "virtq.h"

#define VIRTIO_MAX_QUEUES 9 /* a network device of four pairs and its control queue */
/* Chains taken at one kick before the loop's other sources have a turn. */
#define VIRTIO_BATCH 64u

/* ACKNOWLEDGE (2.1): all that Linux leaves in the status of a device whose driver has let go. */
#define VIRTIO_STATUS_LET_GO 1u

struct virtio_dev;

struct virtio_ops {
	const char *name; /* "console": for messages */
	uint32_t device_id; /* virtio 1.2, 5 */
	unsigned n_queues;
	uint64_t features; /* device features; VERSION_1 and EVENT_IDX are added by the transport */
	/* Device configuration space; len is 1, 2, 4 (8 never occurs on MMIO), offset checked by
	 * the callee. NULL = reads give 0 / writes are dropped. */
	void (*config_read)(struct virtio_dev *d, uint32_t offset, void *buf, uint32_t len);
	void (*config_write)(struct virtio_dev *d, uint32_t offset, const void *buf, uint32_t len);
	/* DRIVER_OK was set: queues that the driver enabled are valid. */
	void (*activate)(struct virtio_dev *d);
	/* Device back to its initial state; the queues are gone. Its worker is not inside kick().
	 */
	void (*reset)(struct virtio_dev *d);
	/* The guest kicked queue q (or it was just activated): serve it until virtio_pop() gives
	 * nothing. Runs on the thread of d->loop, with d->serve_lock held so that reset cannot
	 * happen meanwhile. */
	void (*kick)(struct virtio_dev *d, unsigned q);
};

/* Registers that hold what the driver wrote until it is used. */
struct virtio_regs {
	uint32_t device_sel, driver_sel, queue_sel, queue_size;
	uint64_t ring[3]; /* descriptor table, available ring, used ring of the selected queue */
};

struct virtio_dev {
	const struct virtio_ops *ops;
	void *priv; /* the device's own state; owned by the device */
	struct loop *loop; /* borrowed: event loop of the thread that serves the queues */
	struct vq vq[VIRTIO_MAX_QUEUES];
	struct virtio_kick {
		struct virtio_dev *dev; /* borrowed: this one */
		unsigned queue;
	} kick[VIRTIO_MAX_QUEUES]; /* what the loop is given with each kick_fd */
	int kick_fd[VIRTIO_MAX_QUEUES]; /* owned; ioeventfd */
	int irq_fd; /* owned; irqfd */
	pthread_mutex_t lock; /* transport registers */
	pthread_mutex_t serve_lock; /* held while queues are served and while they are reset */
	uint64_t driver_features;
	struct virtio_regs regs;
	uint32_t status;
	uint32_t config_generation;
	uint8_t *shown; /* borrowed: the registers as the guest reads them */
	unsigned batch; /* chains that this kick may still take; under serve_lock */
	bool active; /* DRIVER_OK, not reset since */
	uint32_t resets; /* how many there were; written under serve_lock, atomic */
	bool reset_pending; /* under serve_lock: ops->reset is still to be called */
};

/* Around everything that a device does on the thread of d->loop outside kick(): takes serve_lock
 * and carries out a reset that is pending. */
void virtio_serve_begin(struct virtio_dev *d);
void virtio_serve_end(struct virtio_dev *d);

/* To be called by devices, on the thread of d->loop with serve_lock held: */

/* As vq_pop(), inside kick(). After VIRTIO_BATCH chains it gives 0 and has the queue kicked again:
 * a guest whose other vCPUs refill the ring cannot keep the thread for itself. */
warn_unused int virtio_pop(struct virtio_dev *d, unsigned q, struct vq_chain *c);
/* Interrupts the guest if it wants to hear of what was pushed to vq[q]; whether it did. The driver
 * then looks at all of the device's queues. */
bool virtio_signal(struct virtio_dev *d, unsigned q);
/* The configuration space changed. Any thread, without the device's lock. */
void virtio_config_changed(struct virtio_dev *d);
/* The device id or the configuration space changed while no driver has the device. With the
 * device's lock held. */
void virtio_show(struct virtio_dev *d);
/* The guest broke the protocol: DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2); the device stays silent. */
void virtio_broken(struct virtio_dev *d, const char *why);

#endif
