/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioapic.h - the I/O APIC (Intel 82093AA), in user space: it is programmed a few times at boot and
 * never touched by an interrupt, which goes from irqfd to the local APIC by KVM's routing table.
 *
 * KVM's own one has 24 pins and brings a legacy controller (8259) with it, for whose sake Linux
 * clears every pin at boot: over 600 VM exits. With this one there is none, and a pin per slot.
 */
#ifndef NESTBOX_IOAPIC_H
#define NESTBOX_IOAPIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "wire.h"

#define IOAPIC_PINS (LAYOUT_FIRST_GSI + LAYOUT_MAX_SLOTS)
#define IOAPIC_SIZE 0x20u /* bytes of registers at LAYOUT_IOAPIC */

/* Where a pin's interrupts go, as a message to a local APIC (Intel SDM 3A, 11.11). */
struct ioapic_route {
	bool used; /* the pin is not masked */
	uint32_t address, data;
};

struct ioapic {
	pthread_mutex_t lock; /* over all that follows */
	uint32_t select, id;
	uint64_t entry[IOAPIC_PINS];
	struct ioapic_route route[IOAPIC_PINS];
	/* All routes, after one has changed. Called with the lock held. */
	void (*routes_changed)(void *arg, const struct ioapic_route *routes);
	void *arg;
};

void ioapic_init(struct ioapic *a,
	void (*routes_changed)(void *arg, const struct ioapic_route *routes), void *arg);

/* Registers of 32 bits; offset < IOAPIC_SIZE is the guest's. Any thread. */
uint32_t ioapic_read(struct ioapic *a, uint32_t offset);
void ioapic_write(struct ioapic *a, uint32_t offset, uint32_t value);

/* The registers, and into another I/O APIC that nobody has programmed yet; -EBADMSG when they are
 * cut off. */
void ioapic_put(struct ioapic *a, struct wire_out *w);
warn_unused int ioapic_get(struct ioapic *a, struct wire_in *r);

#endif
