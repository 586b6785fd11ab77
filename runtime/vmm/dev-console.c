/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-console.c - virtio console (virtio 1.2, 5.3): what the guest writes to hvc0 is kept in a
 * ring, so that an error message can hold its last lines. There is no input.
 *
 * Threads: the I/O loop's. Memory is bounded whatever the guest writes.
 */
#include <string.h>

#include "devices.h"
#include "vmm-ctl.h"

#define DEVICE_ID_CONSOLE 3
#define QUEUE_RX 0
#define QUEUE_TX 1

static struct {
	char ring[VMM_CTL_CONSOLE_TAIL];
	size_t total; /* bytes ever written */
} console;

static void keep(const char *p, size_t len)
{
	if (len > sizeof(console.ring)) {
		console.total += len - sizeof(console.ring);
		p += len - sizeof(console.ring);
		len = sizeof(console.ring);
	}
	for (size_t done = 0; done < len;) {
		size_t at = console.total % sizeof(console.ring);
		size_t run = sizeof(console.ring) - at;

		if (run > len - done)
			run = len - done;
		memcpy(console.ring + at, p + done, run);
		console.total += run;
		done += run;
	}
}

static void kick(struct virtio_dev *d, unsigned q)
{
	static struct vq_chain c;
	int r = 0;

	if (q != QUEUE_TX)
		return; /* receive buffers are never filled */
	while ((r = virtio_pop(d, q, &c)) > 0) {
		for (unsigned i = 0; i < c.n_out; i++)
			keep(c.out[i].iov_base, c.out[i].iov_len);
		vq_push(&d->vq[q], c.head, 0);
	}
	if (r < 0)
		virtio_broken(d, "console: broken queue");
	else
		virtio_signal(d, q);
}

static const struct virtio_ops console_ops = {
	.name = "console",
	.device_id = DEVICE_ID_CONSOLE,
	.n_queues = 2,
	.kick = kick,
};

void dev_console_init(struct virtio_dev *d, struct loop *loop)
{
	memset(&console, 0, sizeof(console));
	*d = (struct virtio_dev){ .ops = &console_ops, .priv = &console, .loop = loop };
}

size_t dev_console_tail(char *buf, size_t size)
{
	size_t len = console.total < sizeof(console.ring) ? console.total : sizeof(console.ring);

	if (len > size)
		len = size;
	for (size_t i = 0; i < len; i++)
		buf[i] = console.ring[(console.total - len + i) % sizeof(console.ring)];
	return len;
}
