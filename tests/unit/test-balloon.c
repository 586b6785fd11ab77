/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-balloon.c - the balloon's device: what is reported free is gone, and nothing else is.
 */
#include <string.h>

#include "unit.h"

#include "devices.h"
#include "guest.h"

#define STATUS_NEEDS_RESET 64u
#define REPORTING (1u << 5)
#define INFLATE 0u
#define REPORTS 2u
#define QUEUES 3u
#define PAGE 4096u
#define DATA 0x80000u /* behind the rings */

struct fixture {
	struct guest g;
	struct ring r[QUEUES];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	guest_init(&f->g);
	for (unsigned q = 0; q < QUEUES; q++)
		ring_init(&f->r[q], &f->g, 0x10000 + 0x4000ull * q, 256);
	dev_balloon_init(&f->g.dev, &f->g.loop);
	memset(f->g.ram + DATA, 'x', GUEST_RAM - DATA);
	*state = f;
	return virtio_mmio_init(&f->g.dev, f->g.registers);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_done(&f->g);
	free(f);
	return 0;
}

static struct fixture *begin(void **state)
{
	struct fixture *f = *state;

	dev_balloon_offer();
	guest_start(&f->g, REPORTING | GUEST_FEATURES_EVENT_IDX, f->r, QUEUES);
	return f;
}

static void report(struct fixture *f, unsigned q, const struct seg *segs, unsigned n)
{
	ring_chain(&f->r[q], segs, n);
	ring_kick(&f->r[q], q);
}

/* Whether all of guest memory has what it had, but for the pages [from, to), which are empty. */
static void only_these_are_gone(const struct fixture *f, uint32_t from, uint32_t to)
{
	for (uint32_t at = DATA; at < GUEST_RAM; at++)
		assert_int_equal(f->g.ram[at], at >= from && at < to ? 0 : 'x');
}

static void a_slot_is_empty_until_it_is_offered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reg_read(&f->g, 0x08), 0);
	dev_balloon_offer();
	assert_int_equal(reg_read(&f->g, 0x08), 5);
	dev_balloon_offer();
	assert_int_equal(reg_read(&f->g, 0x08), 5);
	/* Reports, and neither statistics, hints nor poison. */
	reg_write(&f->g, 0x14, 0);
	assert_int_equal(reg_read(&f->g, 0x10) & 0x3f, REPORTING);
	/* No pages are wanted, whatever the driver says that it gave. */
	reg_write(&f->g, 0x104, 1000);
	for (uint32_t offset = 0x100; offset < 0x110; offset += 4)
		assert_int_equal(reg_read(&f->g, offset), 0);
}

static void what_is_reported_goes_back(void **state)
{
	struct fixture *f = begin(state);
	const struct seg blocks[] = { { DATA + 2 * PAGE, 2 * PAGE, true },
		{ DATA + 4 * PAGE, PAGE, true } };

	report(f, REPORTS, blocks, 2);
	assert_int_equal(ring_used(&f->r[REPORTS]), 1);
	assert_int_equal(ring_used_len(&f->r[REPORTS], 0), 0);
	only_these_are_gone(f, DATA + 2 * PAGE, DATA + 5 * PAGE);
	/* It is memory as before. */
	f->g.ram[DATA + 2 * PAGE] = 'y';
	assert_int_equal(f->g.ram[DATA + 2 * PAGE], 'y');
}

static void only_whole_pages_go(void **state)
{
	static const struct seg odd[] = {
		{ DATA + 1, PAGE - 1, true }, /* none */
		{ DATA + 1, 2 * PAGE - 2, true }, /* none */
		{ DATA + PAGE, PAGE - 1, true }, /* none */
		{ DATA, 0, true }, { DATA + 3 * PAGE + 100, 0, true },
		{ DATA + 8 * PAGE - 1, 2 * PAGE, true }, /* one in the middle */
	};
	struct fixture *f = begin(state);

	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		report(f, REPORTS, &odd[i], 1);
	assert_int_equal(ring_used(&f->r[REPORTS]), ARRAY_LEN(odd));
	only_these_are_gone(f, DATA + 8 * PAGE, DATA + 9 * PAGE);
}

static void what_is_no_report_is_only_given_back(void **state)
{
	struct fixture *f = begin(state);
	const struct seg to_read = { DATA, PAGE, false };
	const struct seg to_write = { DATA, PAGE, true };

	report(f, REPORTS, &to_read, 1);
	report(f, INFLATE, &to_write, 1);
	report(f, INFLATE + 1, &to_read, 1);
	for (unsigned q = 0; q < QUEUES; q++)
		assert_int_equal(ring_used(&f->r[q]), 1);
	only_these_are_gone(f, 0, 0);
}

static void a_report_of_what_is_no_memory_breaks_the_queue(void **state)
{
	static const struct seg bad[] = {
		{ GUEST_RAM, PAGE, true },
		{ GUEST_RAM - PAGE, 2 * PAGE, true },
		{ UINT64_MAX - PAGE + 1, PAGE, true },
		{ UINT64_MAX - PAGE + 1, 2 * PAGE, true }, /* wraps to the start */
		{ DATA, UINT32_MAX, true },
		{ 1ull << 40, PAGE, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fixture *f = begin(state);
		const struct seg both[] = { { DATA, PAGE, true }, bad[i] };

		/* Nothing of such a chain is taken. */
		f->r[REPORTS].posted = 0;
		guest_start(&f->g, REPORTING, f->r, QUEUES);
		report(f, REPORTS, both, 2);
		assert_int_equal(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET, STATUS_NEEDS_RESET);
		assert_int_equal(ring_used(&f->r[REPORTS]), 0);
		only_these_are_gone(f, 0, 0);
	}
}

static void more_than_a_report_holds_breaks_the_queue(void **state)
{
	struct fixture *f = begin(state);

	/* 130 times the same MiB but for the rings: each is valid, together they are too much. */
	for (uint16_t i = 0; i < 255; i++)
		ring_desc(&f->r[REPORTS], i, DATA, GUEST_RAM - DATA,
			DESC_F_WRITE | (i < 254 ? DESC_F_NEXT : 0), (uint16_t)(i + 1));
	ring_post(&f->r[REPORTS], 0);
	ring_kick(&f->r[REPORTS], REPORTS);
	assert_int_equal(ring_used(&f->r[REPORTS]), 1);
	ring_desc_at(&f->g, 0x40000, 0, DATA, GUEST_RAM - DATA, DESC_F_WRITE | DESC_F_NEXT, 1);
	for (uint16_t i = 1; i < 400; i++)
		ring_desc_at(&f->g, 0x40000, i, DATA, GUEST_RAM - DATA,
			DESC_F_WRITE | (i < 399 ? DESC_F_NEXT : 0), (uint16_t)(i + 1));
	ring_desc(&f->r[REPORTS], 0, 0x40000, 400 * 16, DESC_F_INDIRECT, 0);
	ring_post(&f->r[REPORTS], 0);
	ring_kick(&f->r[REPORTS], REPORTS);
	assert_int_equal(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET, STATUS_NEEDS_RESET);
	assert_int_equal(ring_used(&f->r[REPORTS]), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_slot_is_empty_until_it_is_offered),
		TEST(what_is_reported_goes_back),
		TEST(only_whole_pages_go),
		TEST(what_is_no_report_is_only_given_back),
		TEST(a_report_of_what_is_no_memory_breaks_the_queue),
		TEST(more_than_a_report_holds_breaks_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
