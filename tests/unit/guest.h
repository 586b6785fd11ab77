/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.h - a guest made of plain memory, for unit tests and fuzzers of the devices: RAM behind
 * gmem, and a driver's side of virtio-mmio and of split rings.
 *
 * Nothing here checks what it is told: a test may build any broken ring with it.
 */
#ifndef NESTBOX_TEST_GUEST_H
#define NESTBOX_TEST_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "loop.h"
#include "virtio-mmio.h"

#define GUEST_RAM ((size_t)1 << 20)
#define GUEST_FEATURES_EVENT_IDX (1u << 29)

#define DESC_F_NEXT 1u
#define DESC_F_WRITE 2u
#define DESC_F_INDIRECT 4u

struct guest {
	struct loop loop;
	struct gmem mem;
	uint8_t *ram; /* borrowed: static, one guest at a time; guest address 0 */
	struct virtio_dev dev;
	uint8_t registers[VIRTIO_MMIO_SIZE]
		__attribute__((aligned(8))); /* as the guest reads them */
};

/* A split ring as a driver lays it out. */
struct ring {
	struct guest *g; /* borrowed */
	uint16_t size;
	uint16_t posted; /* available index */
	uint16_t next; /* descriptor to be used next by ring_chain() */
	gpa_t desc, avail, used;
};

/* A segment of a chain. */
struct seg {
	gpa_t at;
	uint32_t len;
	bool write;
};

static inline void guest_put(struct guest *g, gpa_t at, const void *p, size_t len)
{
	memcpy(g->ram + at, p, len);
}

static inline uint16_t guest_u16(const struct guest *g, gpa_t at)
{
	uint16_t v = 0;

	memcpy(&v, g->ram + at, sizeof(v));
	return v;
}

static inline uint32_t guest_u32(const struct guest *g, gpa_t at)
{
	uint32_t v = 0;

	memcpy(&v, g->ram + at, sizeof(v));
	return v;
}

static inline void guest_init(struct guest *g)
{
	static uint8_t memory[GUEST_RAM] __attribute__((aligned(4096)));

	*g = (struct guest){ .ram = memory };
	if (loop_init(&g->loop, 128) < 0 || gmem_add(&g->mem, 0, g->ram, GUEST_RAM) < 0)
		abort();
	memset(g->ram, 0, GUEST_RAM);
	virtio_mmio_set_memory(&g->mem);
}

/* Closes what virtio_mmio_init() opened, too. */
static inline void guest_done(struct guest *g)
{
	if (g->dev.ops) {
		for (unsigned q = 0; q < g->dev.ops->n_queues; q++)
			close_fd(&g->dev.kick_fd[q]);
		close_fd(&g->dev.irq_fd);
	}
	loop_done(&g->loop);
}

/* Lets the device's thread work until it has nothing to do. */
static inline void guest_run(struct guest *g)
{
	for (int i = 0; i < 1000; i++) {
		if (loop_once(&g->loop, 0) <= 0)
			return;
	}
}

/* ---- registers ---- */

static inline void reg_write(struct guest *g, uint32_t offset, uint32_t value)
{
	virtio_mmio_write(&g->dev, offset, &value, sizeof(value));
}

/* As KVM has the guest read it: bytes of memory. */
static inline void guest_config(const struct guest *g, uint32_t offset, void *to, size_t len)
{
	memcpy(to, g->registers + offset, len);
}

static inline uint32_t reg_read(const struct guest *g, uint32_t offset)
{
	uint32_t value = 0;

	guest_config(g, offset, &value, sizeof(value));
	return value;
}

static inline void reg_write64(struct guest *g, uint32_t offset, uint64_t value)
{
	reg_write(g, offset, (uint32_t)value);
	reg_write(g, offset + 4, (uint32_t)(value >> 32));
}

static inline void guest_set_queue(struct guest *g, uint32_t q, const struct ring *r)
{
	reg_write(g, 0x30, q);
	reg_write(g, 0x38, r->size);
	reg_write64(g, 0x80, r->desc);
	reg_write64(g, 0x90, r->avail);
	reg_write64(g, 0xa0, r->used);
	reg_write(g, 0x44, 1);
}

/* A driver's whole start: reset, features (low word; VERSION_1 is added), queues, DRIVER_OK. */
static inline void guest_start(
	struct guest *g, uint32_t features, const struct ring *rings, unsigned n)
{
	reg_write(g, 0x70, 0);
	reg_write(g, 0x70, 1 | 2);
	reg_write(g, 0x24, 0);
	reg_write(g, 0x20, features);
	reg_write(g, 0x24, 1);
	reg_write(g, 0x20, 1);
	reg_write(g, 0x70, 1 | 2 | 8);
	for (unsigned q = 0; q < n; q++)
		guest_set_queue(g, q, &rings[q]);
	reg_write(g, 0x70, 1 | 2 | 4 | 8);
	guest_run(g);
}

/* ---- rings ---- */

/* The three parts one after the other at a page's start: 12 KiB are enough for any size. */
static inline void ring_init(struct ring *r, struct guest *g, gpa_t at, uint16_t size)
{
	*r = (struct ring){
		.g = g, .size = size, .desc = at, .avail = at + 0x1000, .used = at + 0x2000
	};
}

static inline void ring_desc_at(struct guest *g, gpa_t table, uint16_t i, gpa_t at, uint32_t len,
	uint16_t flags, uint16_t next)
{
	gpa_t d = table + 16ull * i;

	guest_put(g, d, &at, 8);
	guest_put(g, d + 8, &len, 4);
	guest_put(g, d + 12, &flags, 2);
	guest_put(g, d + 14, &next, 2);
}

static inline void ring_desc(
	struct ring *r, uint16_t i, gpa_t at, uint32_t len, uint16_t flags, uint16_t next)
{
	ring_desc_at(r->g, r->desc, i, at, len, flags, next);
}

static inline void ring_post(struct ring *r, uint16_t head)
{
	guest_put(r->g, r->avail + 4 + 2ull * (r->posted % r->size), &head, 2);
	r->posted++;
	guest_put(r->g, r->avail + 2, &r->posted, 2);
}

/* Writes the chain into the next descriptors, posts it, returns its head. */
static inline uint16_t ring_chain(struct ring *r, const struct seg *segs, unsigned n)
{
	uint16_t head = (uint16_t)(r->next % r->size);

	for (unsigned i = 0; i < n; i++) {
		uint16_t at = (uint16_t)(r->next++ % r->size);
		unsigned flags = (segs[i].write ? DESC_F_WRITE : 0) | (i + 1 < n ? DESC_F_NEXT : 0);

		ring_desc(r, at, segs[i].at, segs[i].len, (uint16_t)flags,
			(uint16_t)(r->next % r->size));
	}
	ring_post(r, head);
	return head;
}

static inline void ring_kick(struct ring *r, uint32_t q)
{
	reg_write(r->g, 0x50, q);
	guest_run(r->g);
}

static inline uint16_t ring_used(const struct ring *r)
{
	return guest_u16(r->g, r->used + 2);
}

static inline uint32_t ring_used_id(const struct ring *r, uint16_t i)
{
	return guest_u32(r->g, r->used + 4 + 8ull * (i % r->size));
}

static inline uint32_t ring_used_len(const struct ring *r, uint16_t i)
{
	return guest_u32(r->g, r->used + 8 + 8ull * (i % r->size));
}

#endif
