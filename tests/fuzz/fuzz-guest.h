/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-guest.h - guest memory that is the fuzzer's input, with small rings at fixed places in it:
 * queue q has 8 descriptors at q * 0x200, then its available and its used ring.
 */
#ifndef NESTBOX_FUZZ_GUEST_H
#define NESTBOX_FUZZ_GUEST_H

#include "fuzz.h"
#include "guest.h"

#define FUZZ_QUEUE 0x200u
#define FUZZ_RING 8u

/* Starts the device over empty memory; features is the low word that the driver accepts. */
static inline void fuzz_start(struct guest *g, uint32_t features)
{
	struct ring r[VIRTIO_MAX_QUEUES];

	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
		r[q] = (struct ring){ .g = g,
			.size = FUZZ_RING,
			.desc = q * FUZZ_QUEUE,
			.avail = q * FUZZ_QUEUE + 0x80,
			.used = q * FUZZ_QUEUE + 0xc0 };
	guest_start(g, features, r, g->dev.ops->n_queues);
}

/* Puts what is left of the input at guest address 0. */
static inline void fuzz_load(struct guest *g, struct input *in)
{
	input_take(in, g->ram, in->left < GUEST_RAM ? in->left : GUEST_RAM);
}

static inline void fuzz_kick(struct guest *g)
{
	for (unsigned q = 0; q < g->dev.ops->n_queues; q++)
		reg_write(g, 0x50, q);
	guest_run(g);
}

/* A reset, so that the device lets go of what it has. */
static inline void fuzz_stop(struct guest *g)
{
	reg_write(g, 0x70, 0);
	guest_run(g);
}

#endif
