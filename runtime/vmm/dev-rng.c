/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-rng.c - virtio entropy device (virtio 1.2, 5.4), fed by getrandom(2).
 */
#include <sys/random.h>

#include "devices.h"

#define DEVICE_ID_RNG 4
/* Enough for a reseed; a guest that asks for more asks again, so it cannot hold the I/O thread. */
#define MAX_PER_REQUEST ((size_t)4096)

static void kick(struct virtio_dev *d, unsigned q)
{
	static struct vq_chain c;
	int r = 0;

	while ((r = virtio_pop(d, q, &c)) > 0) {
		uint8_t bytes[MAX_PER_REQUEST];
		size_t want = c.in_len < sizeof(bytes) ? c.in_len : sizeof(bytes);
		ssize_t got = getrandom(bytes, want, 0);

		if (got < 0)
			got = 0;
		(void)vq_copy_to(c.in, c.n_in, 0, bytes, (size_t)got);
		vq_push(&d->vq[q], c.head, (uint32_t)got);
	}
	if (r < 0)
		virtio_broken(d, "rng: broken queue");
	else
		virtio_signal(d, q);
}

static const struct virtio_ops rng_ops = {
	.name = "rng",
	.device_id = DEVICE_ID_RNG,
	.n_queues = 1,
	.kick = kick,
};

void dev_rng_init(struct virtio_dev *d, struct loop *loop)
{
	*d = (struct virtio_dev){ .ops = &rng_ops, .loop = loop };
}
