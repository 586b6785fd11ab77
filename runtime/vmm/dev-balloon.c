/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-balloon.c - virtio memory balloon (virtio 1.2, 5.5), of which one thing is used: free page
 * reporting (5.5.6.7). The guest's kernel tells which of its memory is free, in blocks of 2 MiB and
 * more, and the host takes the pages behind it back.
 *
 * When the guest wants such memory again it finds zeros, or in a clone what its template has there:
 * its pages are private copies of that file's. Either is as good, as nothing is kept in free
 * memory: a guest's kernel that counts on what it wrote there has to have PAGE_POISON (5.5.6.7.1),
 * which is not offered, and Linux then reports nothing. We never ask for pages: the balloon stays
 * empty.
 *
 * To spare each start the exits that it costs to probe a device, there is none in this slot (device
 * id 0) until dev_balloon_offer(); guest init has the driver take it later (rootfs/free-memory.c).
 *
 * Threads: its own, which may do little else than this.
 * Trust:   what is reported is the guest's word. Each range was checked by vq_pop() to be guest
 *          memory, on its copy of the descriptor: a guest that lies loses its own memory's content,
 *          and what else of the VMM reads it (rings) is hostile to it anyway.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "devices.h"

#define DEVICE_ID_BALLOON 5
#define FEATURE_REPORTING (1ull << 5)
#define PAGE ((uintptr_t)4096)

/* Places of queues are counted over those that there are (4.2.3.2; so do Linux and QEMU): as
 * statistics and hints are not offered, reports come third. */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_REPORTS, QUEUES };

static struct virtio_dev *balloon; /* borrowed */
static struct virtio_ops ops; /* its device id differs */

/* The pages that lie in it whole; what is left of others is somebody's. */
static void give_back(const struct iovec *range)
{
	uintptr_t start = ((uintptr_t)range->iov_base + PAGE - 1) & ~(PAGE - 1);
	uintptr_t end = ((uintptr_t)range->iov_base + range->iov_len) & ~(PAGE - 1);

	/* It cannot fail but for what costs us memory only. */
	if (start < end)
		(void)madvise((void *)start, end - start, MADV_DONTNEED);
}

static void kick(struct virtio_dev *d, unsigned q)
{
	static struct vq_chain c;
	int r = 0;

	while ((r = virtio_pop(d, q, &c)) > 0) {
		for (unsigned i = 0; q == QUEUE_REPORTS && i < c.n_in; i++)
			give_back(&c.in[i]);
		vq_push(&d->vq[q], c.head, 0);
	}
	if (r < 0)
		virtio_broken(d, "balloon: broken queue");
	else
		virtio_signal(d, q);
}

void dev_balloon_init(struct virtio_dev *d, struct loop *loop)
{
	/* Without a config_read all of the configuration reads as 0: no pages wanted. */
	ops = (struct virtio_ops){
		.name = "balloon",
		.device_id = 0,
		.n_queues = QUEUES,
		.features = FEATURE_REPORTING,
		.kick = kick,
	};
	balloon = d;
	*d = (struct virtio_dev){ .ops = &ops, .loop = loop };
}

void dev_balloon_offer(void)
{
	if (!balloon || ops.device_id)
		return;
	(void)pthread_mutex_lock(&balloon->lock);
	ops.device_id = DEVICE_ID_BALLOON;
	virtio_show(balloon);
	(void)pthread_mutex_unlock(&balloon->lock);
}
