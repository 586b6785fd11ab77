/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-ioapic.c - the I/O APIC: registers as Linux programs them, routes that follow, hostile
 * values.
 */
#include <string.h>

#include "ioapic.h"
#include "unit.h"

#define SELECT 0x00
#define WINDOW 0x10

static unsigned changes;
static struct ioapic_route seen[IOAPIC_PINS];
static struct ioapic apic;

static void on_change(void *arg, const struct ioapic_route *routes)
{
	assert_ptr_equal(arg, &apic);
	memcpy(seen, routes, sizeof(seen));
	changes++;
}

static int setup(void **state)
{
	(void)state;
	changes = 0;
	memset(seen, 0, sizeof(seen));
	ioapic_init(&apic, on_change, &apic);
	return 0;
}

static void put(uint32_t index, uint32_t value)
{
	ioapic_write(&apic, SELECT, index);
	ioapic_write(&apic, WINDOW, value);
}

static uint32_t get(uint32_t index)
{
	ioapic_write(&apic, SELECT, index);
	return ioapic_read(&apic, WINDOW);
}

static void it_says_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(get(1), 0x11 | (IOAPIC_PINS - 1) << 16);
	put(0, 0xffffffff);
	assert_int_equal(get(0), 0x0f000000);
	put(1, 0);
	assert_int_equal(get(1) & 0xff, 0x11);
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_int_equal(get(0x10 + 2 * pin), 0x10000);
		assert_int_equal(get(0x11 + 2 * pin), 0);
	}
	assert_int_equal(changes, 0);
}

static void an_unmasked_pin_has_a_route(void **state)
{
	(void)state;
	put(0x11 + 2 * 7, 3u << 24);
	assert_int_equal(changes, 0); /* still masked */
	put(0x10 + 2 * 7, 0x31);
	assert_int_equal(changes, 1);
	assert_true(seen[7].used);
	assert_int_equal(seen[7].address, 0xfee03000);
	assert_int_equal(seen[7].data, 0x31);
	/* Logical destination, lowest priority, level. */
	put(0x10 + 2 * 7, 0x31 | 1 << 8 | 1 << 11 | 1 << 15);
	assert_int_equal(seen[7].address, 0xfee03004);
	assert_int_equal(seen[7].data, 0x31 | 1 << 8); /* an edge all the same */
	put(0x10 + 2 * 7, 0x10031);
	assert_int_equal(changes, 3);
	assert_false(seen[7].used);
	assert_int_equal(get(0x10 + 2 * 7), 0x10031);
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		assert_false(seen[i].used);
}

static void what_changes_nothing_is_not_told(void **state)
{
	(void)state;
	put(0x10 + 2 * 5, 0x40);
	put(0x10 + 2 * 5, 0x40);
	put(0x10 + 2 * 5, 0x40 | 1 << 12 | 1 << 14); /* read-only bits */
	assert_int_equal(changes, 1);
	assert_int_equal(get(0x10 + 2 * 5), 0x40);
	put(0x10 + 2 * 6, 0x10055);
	put(0x11 + 2 * 6, 0xffffffff);
	assert_int_equal(changes, 1);
}

static void what_does_not_exist_does_nothing(void **state)
{
	(void)state;
	for (uint32_t index = 2; index < 0x100; index++) {
		if (index >= 0x10 && index < 0x10 + 2 * IOAPIC_PINS)
			continue;
		put(index, 0x20);
		if (index != 2)
			assert_int_equal(get(index), 0);
	}
	put(0xffffff10, 0x10010); /* the index has eight bits */
	assert_int_equal(get(0x10), 0x10010);
	for (uint32_t offset = 0; offset < IOAPIC_SIZE; offset++) {
		if (offset != SELECT && offset != WINDOW) {
			ioapic_write(&apic, offset, 0);
			assert_int_equal(ioapic_read(&apic, offset), 0);
		}
	}
	assert_int_equal(changes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_says_what_it_is, setup),
		cmocka_unit_test_setup(an_unmasked_pin_has_a_route, setup),
		cmocka_unit_test_setup(what_changes_nothing_is_not_told, setup),
		cmocka_unit_test_setup(what_does_not_exist_does_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
