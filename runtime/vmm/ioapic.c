/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioapic.c - the I/O APIC in user space; see ioapic.h.
 *
 * Only edges are delivered, which is what virtio-mmio's lines are here: nothing waits for an end of
 * interrupt. Trust: every register value is the guest's; a route can only lead to its own local
 * APICs.
 */
#include <string.h>

#include "ioapic.h"

/* 82093AA, 3.1 and 3.2 */
#define REG_SELECT 0x00u
#define REG_WINDOW 0x10u
#define INDEX_ID 0x00u
#define INDEX_VERSION 0x01u
#define INDEX_ARBITRATION 0x02u
#define INDEX_ENTRIES 0x10u
#define VERSION 0x11u
#define ID_MASK 0x0f000000u

#define ENTRY_VECTOR 0xffull
#define ENTRY_DELIVERY (7ull << 8)
#define ENTRY_LOGICAL (1ull << 11)
#define ENTRY_READ_ONLY (1ull << 12 | 1ull << 14) /* delivery status, remote IRR */
#define ENTRY_MASKED (1ull << 16)
#define ENTRY_DESTINATION 56

static struct ioapic_route route_of(uint64_t entry)
{
	if (entry & ENTRY_MASKED)
		return (struct ioapic_route){ 0 };
	return (struct ioapic_route){
		.used = true,
		.address = (uint32_t)LAYOUT_LAPIC | (uint32_t)(entry >> ENTRY_DESTINATION) << 12 |
			(entry & ENTRY_LOGICAL ? 1u << 2 : 0),
		/* Never as a level: KVM would ask us about every end of interrupt. */
		.data = (uint32_t)(entry & (ENTRY_VECTOR | ENTRY_DELIVERY)),
	};
}

static void set_entry(struct ioapic *a, unsigned pin, uint64_t entry)
{
	struct ioapic_route now = route_of(entry);
	const struct ioapic_route *old = &a->route[pin];

	a->entry[pin] = entry;
	if (now.used == old->used && now.address == old->address && now.data == old->data)
		return;
	a->route[pin] = now;
	a->routes_changed(a->arg, a->route);
}

static uint32_t read_window(const struct ioapic *a)
{
	uint32_t at = a->select - INDEX_ENTRIES;

	if (a->select == INDEX_ID || a->select == INDEX_ARBITRATION)
		return a->id;
	if (a->select == INDEX_VERSION)
		return VERSION | (IOAPIC_PINS - 1) << 16;
	if (a->select < INDEX_ENTRIES || at / 2 >= IOAPIC_PINS)
		return 0;
	return (uint32_t)(a->entry[at / 2] >> (at % 2 ? 32 : 0));
}

static void write_window(struct ioapic *a, uint32_t value)
{
	uint32_t at = a->select - INDEX_ENTRIES;
	uint64_t entry = 0;

	if (a->select == INDEX_ID)
		a->id = value & ID_MASK;
	if (a->select < INDEX_ENTRIES || at / 2 >= IOAPIC_PINS)
		return;
	entry = a->entry[at / 2];
	if (at % 2)
		entry = (entry & 0xffffffffull) | (uint64_t)value << 32;
	else
		entry = (entry & ~0xffffffffull) | (value & ~(uint32_t)ENTRY_READ_ONLY);
	set_entry(a, at / 2, entry);
}

void ioapic_init(struct ioapic *a,
	void (*routes_changed)(void *arg, const struct ioapic_route *routes), void *arg)
{
	memset(a, 0, sizeof(*a));
	(void)pthread_mutex_init(&a->lock, NULL);
	a->routes_changed = routes_changed;
	a->arg = arg;
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		a->entry[i] = ENTRY_MASKED;
}

uint32_t ioapic_read(struct ioapic *a, uint32_t offset)
{
	uint32_t value = 0;

	(void)pthread_mutex_lock(&a->lock);
	if (offset == REG_SELECT)
		value = a->select;
	else if (offset == REG_WINDOW)
		value = read_window(a);
	(void)pthread_mutex_unlock(&a->lock);
	return value;
}

void ioapic_write(struct ioapic *a, uint32_t offset, uint32_t value)
{
	(void)pthread_mutex_lock(&a->lock);
	if (offset == REG_SELECT)
		a->select = value & 0xff;
	else if (offset == REG_WINDOW)
		write_window(a, value);
	(void)pthread_mutex_unlock(&a->lock);
}

void ioapic_put(struct ioapic *a, struct wire_out *w)
{
	(void)pthread_mutex_lock(&a->lock);
	wire_put_u32(w, a->select);
	wire_put_u32(w, a->id);
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		wire_put_u64(w, a->entry[i]);
	(void)pthread_mutex_unlock(&a->lock);
}

int ioapic_get(struct ioapic *a, struct wire_in *r)
{
	(void)pthread_mutex_lock(&a->lock);
	a->select = wire_get_u32(r) & 0xff;
	a->id = wire_get_u32(r) & ID_MASK;
	for (unsigned i = 0; i < IOAPIC_PINS; i++) {
		a->entry[i] = wire_get_u64(r);
		a->route[i] = route_of(a->entry[i]);
	}
	a->routes_changed(a->arg, a->route);
	(void)pthread_mutex_unlock(&a->lock);
	return r->error;
}
