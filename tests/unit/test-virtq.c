/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtq.c - guest memory's gate and the ring walker: what is valid passes, what is not is
 * refused, whatever the guest wrote.
 */
#include <errno.h>
#include <string.h>

#include "unit.h"

#include "guest.h"

/* ---- gmem ---- */

static void gmem_gives_what_lies_in_one_region(void **state)
{
	static uint8_t low[4096], high[4096];
	struct gmem m = { 0 };

	(void)state;
	assert_int_equal(gmem_add(&m, 0x1000, low, sizeof(low)), 0);
	assert_int_equal(gmem_add(&m, 0x2000, high, sizeof(high)), 0);
	assert_ptr_equal(gmem_ptr(&m, 0x1000, 4096), low);
	assert_ptr_equal(gmem_ptr(&m, 0x1fff, 1), low + 4095);
	assert_ptr_equal(gmem_ptr(&m, 0x2000, 4096), high);
	assert_null(gmem_ptr(&m, 0xfff, 1));
	assert_null(gmem_ptr(&m, 0x1000, 4097)); /* the next region is other memory */
	assert_null(gmem_ptr(&m, 0x1fff, 2));
	assert_null(gmem_ptr(&m, 0x3000, 1));
	/* No byte needs no memory, but an address inside or at the end of it. */
	assert_non_null(gmem_ptr(&m, 0x1800, 0));
	assert_null(gmem_ptr(&m, 0x9000, 0));
}

static void gmem_addresses_that_wrap_are_refused(void **state)
{
	static uint8_t page[4096];
	struct gmem m = { 0 };

	(void)state;
	assert_int_equal(gmem_add(&m, UINT64_MAX - 4095, page, sizeof(page)), -EINVAL);
	assert_int_equal(gmem_add(&m, 0x1000, page, sizeof(page)), 0);
	assert_null(gmem_ptr(&m, 0x1000, UINT64_MAX));
	assert_null(gmem_ptr(&m, UINT64_MAX, 2));
	assert_null(gmem_ptr(&m, UINT64_MAX - 1, UINT64_MAX));
	assert_null(gmem_ptr(&m, 0x1001, UINT64_MAX - 0x1000));
}

static void gmem_regions_do_not_overlap(void **state)
{
	static uint8_t page[8192];
	struct gmem m = { 0 };

	(void)state;
	assert_int_equal(gmem_add(&m, 0x10000, page, 0), -EINVAL);
	assert_int_equal(gmem_add(&m, 0x10000, page, 4096), 0);
	assert_int_equal(gmem_add(&m, 0x10fff, page, 1), -EINVAL);
	assert_int_equal(gmem_add(&m, 0xf000, page, 4097), -EINVAL);
	assert_int_equal(gmem_add(&m, 0x8000, page, 0x10000), -EINVAL);
	assert_int_equal(gmem_add(&m, 0xf000, page, 4096), 0);
	assert_int_equal(gmem_add(&m, 0x11000, page, 4096), 0);
	for (unsigned i = m.n; i < GMEM_MAX_REGIONS; i++)
		assert_int_equal(gmem_add(&m, 0x10000 * (i + 1), page, 4096), 0);
	assert_int_equal(gmem_add(&m, 0x10000 * (GMEM_MAX_REGIONS + 1), page, 4096), -ENOSPC);
	assert_int_equal(m.n, GMEM_MAX_REGIONS);
}

static void gmem_grows(void **state)
{
	static uint8_t page[8192];
	struct gmem m = { 0 };

	(void)state;
	assert_int_equal(gmem_add(&m, 0x10000, page, 4096), 0);
	assert_null(gmem_ptr(&m, 0x10ff8, 16));
	assert_int_equal(gmem_add(&m, 0x11000, page + 4096, 2048), 0);
	assert_int_equal(m.n, 1);
	assert_ptr_equal(gmem_ptr(&m, 0x10ff8, 16), page + 4088);
	assert_null(gmem_ptr(&m, 0x117ff, 2));
	/* It follows on in the guest only: what lies across would be somebody else's. */
	assert_int_equal(gmem_add(&m, 0x11800, page, 2048), 0);
	assert_int_equal(m.n, 2);
	assert_null(gmem_ptr(&m, 0x117ff, 2));
	assert_int_equal(gmem_add(&m, 0x11fff, page, 4096), -EINVAL);
}

static void gmem_copies_are_bounded(void **state)
{
	static uint8_t page[16];
	struct gmem m = { 0 };
	char buf[16] = "0123456789abcde";

	(void)state;
	assert_int_equal(gmem_add(&m, 0x100, page, sizeof(page)), 0);
	assert_int_equal(gmem_write(&m, 0x108, buf, 8), 0);
	assert_memory_equal(page + 8, buf, 8);
	assert_int_equal(gmem_write(&m, 0x109, buf, 8), -EFAULT);
	assert_int_equal(gmem_read(&m, buf + 8, 0x108, 8), 0);
	assert_memory_equal(buf + 8, "01234567", 8);
	assert_int_equal(gmem_read(&m, buf, 0xff, 8), -EFAULT);
}

/* ---- rings ---- */

struct fixture {
	struct guest g;
	struct ring r;
	struct vq q;
	struct vq_chain c;
};

static struct fixture *make(uint16_t size, bool event_idx)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	guest_init(&f->g);
	ring_init(&f->r, &f->g, 0x1000, size);
	assert_int_equal(
		vq_init(&f->q, &f->g.mem, size, f->r.desc, f->r.avail, f->r.used, event_idx), 0);
	return f;
}

static int setup(void **state)
{
	*state = make(8, false);
	return 0;
}

static int setup_event_idx(void **state)
{
	*state = make(8, true);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_done(&f->g);
	free(f);
	return 0;
}

static void queues_that_are_not_valid_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct gmem *m = &f->g.mem;
	struct vq q;

	assert_int_equal(vq_init(&q, m, 0, 0, 0, 0, false), -EINVAL);
	assert_int_equal(vq_init(&q, m, 3, 0, 0, 0, false), -EINVAL);
	assert_int_equal(vq_init(&q, m, 512, 0, 0, 0, false), -EINVAL);
	assert_int_equal(vq_init(&q, m, 8, 8, 0, 0, false), -EINVAL);
	assert_int_equal(vq_init(&q, m, 8, 0, 1, 0, false), -EINVAL);
	assert_int_equal(vq_init(&q, m, 8, 0, 0, 2, false), -EINVAL);
	assert_int_equal(vq_init(&q, m, 8, GUEST_RAM - 112, 0, 0, false), -EFAULT);
	assert_int_equal(vq_init(&q, m, 8, 0, GUEST_RAM - 20, 0, false), -EFAULT);
	assert_int_equal(vq_init(&q, m, 8, 0, 0, GUEST_RAM - 68, false), -EFAULT);
	assert_int_equal(vq_init(&q, m, 8, ~(gpa_t)15, 0, 0, false), -EFAULT);
	/* Exactly at the end fits. */
	assert_int_equal(
		vq_init(&q, m, 8, GUEST_RAM - 128, GUEST_RAM - 22, GUEST_RAM - 72, false), 0);
}

static void chains_come_as_they_were_posted(void **state)
{
	struct fixture *f = *state;
	const struct seg segs[] = { { 0x8000, 16, false }, { 0x8100, 5, false },
		{ 0x9000, 100, true }, { 0xa000, 1, true } };

	assert_int_equal(vq_pop(&f->q, &f->c), 0);
	f->r.next = 6; /* over the end of the table */
	assert_int_equal(ring_chain(&f->r, segs, 4), 6);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.head, 6);
	assert_int_equal(f->c.n_out, 2);
	assert_int_equal(f->c.n_in, 2);
	assert_int_equal(f->c.out_len, 21);
	assert_int_equal(f->c.in_len, 101);
	assert_ptr_equal(f->c.out[1].iov_base, f->g.ram + 0x8100);
	assert_int_equal(f->c.in[0].iov_len, 100);
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
	vq_push(&f->q, f->c.head, 101);
	assert_int_equal(ring_used(&f->r), 1);
	assert_int_equal(ring_used_id(&f->r, 0), 6);
	assert_int_equal(ring_used_len(&f->r, 0), 101);
}

static void rings_wrap(void **state)
{
	struct fixture *f = *state;
	const struct seg one = { 0x8000, 4, true };

	/* Past 65536, where the indexes wrap, too. */
	for (uint32_t i = 0; i < 66000; i++) {
		uint16_t head = ring_chain(&f->r, &one, 1);

		if (vq_pop(&f->q, &f->c) != 1 || f->c.head != head)
			fail_msg("chain %u", i);
		vq_push(&f->q, head, i);
		if (ring_used(&f->r) != (uint16_t)(i + 1) || ring_used_len(&f->r, (uint16_t)i) != i)
			fail_msg("used %u", i);
	}
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
}

static void indirect_tables_are_walked(void **state)
{
	struct fixture *f = *state;

	ring_desc_at(&f->g, 0x8000, 0, 0x9000, 16, DESC_F_NEXT, 2);
	ring_desc_at(&f->g, 0x8000, 2, 0x9100, 8, DESC_F_WRITE | DESC_F_NEXT, 1);
	ring_desc_at(&f->g, 0x8000, 1, 0x9200, 9, DESC_F_WRITE, 7);
	/* 2.7.5.3.1: a table may come at the end of a chain. */
	ring_desc(&f->r, 0, 0x9300, 3, DESC_F_NEXT, 1);
	ring_desc(&f->r, 1, 0x8000, 48, DESC_F_INDIRECT, 0);
	ring_post(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.out_len, 19);
	assert_int_equal(f->c.in_len, 17);
	assert_ptr_equal(f->c.in[1].iov_base, f->g.ram + 0x9200);
}

/* Posts what the descriptors hold and expects the queue to be broken by it, for ever. */
static void expect_broken(struct fixture *f)
{
	ring_post(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), -EPROTO);
	assert_true(f->q.broken);
	assert_int_equal(vq_pop(&f->q, &f->c), -EPROTO);
	vq_push(&f->q, 0, 0);
	assert_int_equal(ring_used(&f->r), 0);
	assert_false(vq_should_signal(&f->q));
}

static void loops_end(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 8; i++)
		ring_desc(&f->r, i, 0x8000, 1, DESC_F_NEXT, (uint16_t)((i + 1) % 8));
	expect_broken(f);
}

static void a_descriptor_that_is_its_own_next_ends(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, 0x8000, 1, DESC_F_NEXT | DESC_F_WRITE, 0);
	expect_broken(f);
}

static void an_index_out_of_range_is_refused(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, 0x8000, 1, DESC_F_NEXT, 8);
	expect_broken(f);
}

static void a_head_out_of_range_is_refused(void **state)
{
	struct fixture *f = *state;

	ring_post(&f->r, 8);
	assert_int_equal(vq_pop(&f->q, &f->c), -EPROTO);
}

static void an_available_index_too_far_ahead_is_refused(void **state)
{
	struct fixture *f = *state;

	f->r.posted = 8;
	expect_broken(f);
}

static void readable_after_writable_is_refused(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, 0x8000, 1, DESC_F_NEXT | DESC_F_WRITE, 1);
	ring_desc(&f->r, 1, 0x8000, 1, 0, 0);
	expect_broken(f);
}

static void memory_outside_ram_is_refused(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, GUEST_RAM - 4, 5, 0, 0);
	expect_broken(f);
}

static void an_address_that_wraps_is_refused(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, UINT64_MAX, UINT32_MAX, DESC_F_WRITE, 0);
	expect_broken(f);
}

static void a_table_in_a_table_is_refused(void **state)
{
	struct fixture *f = *state;

	ring_desc(&f->r, 0, 0x8000, 32, DESC_F_INDIRECT, 0);
	ring_desc_at(&f->g, 0x8000, 0, 0x8000, 32, DESC_F_INDIRECT, 0);
	expect_broken(f);
}

static void broken_tables_are_refused(void **state)
{
	static const struct {
		gpa_t at;
		uint32_t len;
		uint16_t flags;
	} bad[] = {
		{ 0x8000, 0, DESC_F_INDIRECT },
		{ 0x8000, 24, DESC_F_INDIRECT },
		{ 0x8000, 16 * (VQ_MAX_SEGS + 1), DESC_F_INDIRECT },
		{ GUEST_RAM - 16, 32, DESC_F_INDIRECT },
		{ 0x8000, 32, DESC_F_INDIRECT | DESC_F_NEXT },
		{ 0x8000, 32, DESC_F_INDIRECT | DESC_F_WRITE },
	};
	struct fixture *f = *state;

	ring_desc_at(&f->g, 0x8000, 0, 0x9000, 1, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		f->q.broken = false;
		f->q.last_avail = f->r.posted;
		ring_desc(&f->r, 0, bad[i].at, bad[i].len, bad[i].flags, 0);
		expect_broken(f);
	}
}

static void more_bytes_than_a_chain_may_have_are_refused(void **state)
{
	struct fixture *f = *state;

	/* The same megabyte over and over: each segment is valid. */
	for (uint16_t i = 0; i < 129; i++)
		ring_desc_at(&f->g, 0x8000, i, 0, (uint32_t)GUEST_RAM, i < 128 ? DESC_F_NEXT : 0,
			(uint16_t)(i + 1));
	ring_desc(&f->r, 0, 0x8000, 128 * 16, DESC_F_INDIRECT, 0);
	ring_desc_at(&f->g, 0x8000, 127, 0, (uint32_t)GUEST_RAM, 0, 0);
	ring_post(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.out_len, 128 << 20);
	f->r.posted = 0;
	f->q.last_avail = 0;
	ring_desc_at(&f->g, 0x8000, 127, 0, (uint32_t)GUEST_RAM, DESC_F_NEXT, 128);
	ring_desc(&f->r, 0, 0x8000, 129 * 16, DESC_F_INDIRECT, 0);
	expect_broken(f);
}

static void more_segments_than_a_chain_may_have_are_refused(void **state)
{
	struct fixture *f = *state;
	const uint16_t n = VQ_MAX_SEGS;

	for (uint16_t i = 0; i < n; i++)
		ring_desc_at(
			&f->g, 0x8000, i, 0, 1, i + 1 < n ? DESC_F_NEXT : 0, (uint16_t)(i + 1));
	ring_desc(&f->r, 0, 0x8000, n * 16u, DESC_F_INDIRECT, 0);
	ring_post(&f->r, 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.n_out, n);
	f->r.posted = 0;
	f->q.last_avail = 0;
	ring_desc(&f->r, 0, 0, 1, DESC_F_NEXT, 1);
	ring_desc(&f->r, 1, 0x8000, n * 16u, DESC_F_INDIRECT, 0);
	expect_broken(f);
}

static void interrupts_are_wanted_unless_told_not(void **state)
{
	struct fixture *f = *state;
	const uint16_t no_interrupt = 1;

	assert_false(vq_should_signal(&f->q)); /* nothing was pushed */
	vq_push(&f->q, 0, 0);
	assert_true(vq_should_signal(&f->q));
	assert_false(vq_should_signal(&f->q));
	vq_push(&f->q, 0, 0);
	guest_put(&f->g, f->r.avail, &no_interrupt, 2);
	assert_false(vq_should_signal(&f->q));
}

static void event_index_suppresses_interrupts(void **state)
{
	struct fixture *f = *state;
	const gpa_t used_event = f->r.avail + 4 + 2 * 8;
	uint16_t at = 2;

	/* 2.7.7.2: one is wanted when the entry with that index is used. */
	guest_put(&f->g, used_event, &at, 2);
	vq_push(&f->q, 0, 0);
	assert_false(vq_should_signal(&f->q));
	vq_push(&f->q, 1, 0);
	assert_false(vq_should_signal(&f->q));
	vq_push(&f->q, 2, 0);
	assert_true(vq_should_signal(&f->q));
	vq_push(&f->q, 3, 0);
	assert_false(vq_should_signal(&f->q));
	/* Passed over by several at once. */
	at = 5;
	guest_put(&f->g, used_event, &at, 2);
	for (uint16_t i = 4; i < 8; i++)
		vq_push(&f->q, i, 0);
	assert_true(vq_should_signal(&f->q));
}

static void an_empty_queue_asks_for_a_kick(void **state)
{
	struct fixture *f = *state;
	const gpa_t avail_event = f->r.used + 4 + 8 * 8;
	const struct seg one = { 0x8000, 4, true };

	for (uint16_t i = 0; i < 3; i++) {
		ring_chain(&f->r, &one, 1);
		assert_int_equal(vq_pop(&f->q, &f->c), 1);
	}
	assert_int_equal(guest_u16(&f->g, avail_event), 0);
	assert_int_equal(vq_pop(&f->q, &f->c), 0);
	assert_int_equal(guest_u16(&f->g, avail_event), 3);
}

/* The guest may put its rings on top of each other: what we write there is then its own input. */
static void rings_on_top_of_each_other_harm_nobody(void **state)
{
	struct fixture *f = *state;
	const struct seg one = { 0x8000, 4, true };
	int popped = 0;

	assert_int_equal(vq_init(&f->q, &f->g.mem, 8, 0x1000, 0x1004, 0x1000, true), 0);
	f->r.desc = f->r.used = 0x1000;
	f->r.avail = 0x1004;
	ring_chain(&f->r, &one, 1);
	for (int i = 0; i < 1000; i++) {
		int r = vq_pop(&f->q, &f->c);

		if (r <= 0)
			break;
		popped++;
		assert_true(f->c.n_in + f->c.n_out <= VQ_MAX_SEGS);
		vq_push(&f->q, f->c.head, f->c.in_len);
		(void)vq_should_signal(&f->q);
	}
	assert_true(popped < 1000);
}

/* ---- segments ---- */

static void copies_go_over_segments(void **state)
{
	char a[4] = "abc", b[1], c[8] = "defghij", out[16] = { 0 };
	const struct iovec iov[] = { { a, 3 }, { b, 0 }, { c, 7 } };
	struct iovec part[3];

	(void)state;
	assert_int_equal(vq_copy_from(iov, 3, 0, out, 16), 10);
	assert_memory_equal(out, "abcdefghij", 10);
	assert_int_equal(vq_copy_from(iov, 3, 2, out, 3), 3);
	assert_memory_equal(out, "cde", 3);
	assert_int_equal(vq_copy_from(iov, 3, 10, out, 3), 0);
	assert_int_equal(vq_copy_from(iov, 3, SIZE_MAX, out, 3), 0);
	assert_int_equal(vq_copy_to(iov, 3, 1, "12345", 5), 5);
	assert_memory_equal(a, "a12", 3);
	assert_memory_equal(c, "345ghij", 7);
	assert_int_equal(vq_copy_to(iov, 3, 9, "xyz", 3), 1);
	assert_int_equal(vq_slice(part, iov, 3, 2, 4), 2);
	assert_ptr_equal(part[0].iov_base, a + 2);
	assert_int_equal(part[0].iov_len, 1);
	assert_int_equal(part[1].iov_len, 3);
	assert_int_equal(vq_slice(part, iov, 3, 9, 100), 1);
	assert_int_equal(part[0].iov_len, 1);
	assert_int_equal(vq_slice(part, iov, 3, 10, 100), 0);
	assert_int_equal(vq_slice(part, iov, 3, 0, 0), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define EVENT_CASE(f) cmocka_unit_test_setup_teardown(f, setup_event_idx, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gmem_gives_what_lies_in_one_region),
		cmocka_unit_test(gmem_addresses_that_wrap_are_refused),
		cmocka_unit_test(gmem_regions_do_not_overlap),
		cmocka_unit_test(gmem_grows),
		cmocka_unit_test(gmem_copies_are_bounded),
		CASE(queues_that_are_not_valid_are_refused),
		CASE(chains_come_as_they_were_posted),
		CASE(rings_wrap),
		EVENT_CASE(rings_wrap),
		CASE(indirect_tables_are_walked),
		CASE(loops_end),
		CASE(a_descriptor_that_is_its_own_next_ends),
		CASE(an_index_out_of_range_is_refused),
		CASE(a_head_out_of_range_is_refused),
		CASE(an_available_index_too_far_ahead_is_refused),
		CASE(readable_after_writable_is_refused),
		CASE(memory_outside_ram_is_refused),
		CASE(an_address_that_wraps_is_refused),
		CASE(a_table_in_a_table_is_refused),
		CASE(broken_tables_are_refused),
		CASE(more_bytes_than_a_chain_may_have_are_refused),
		CASE(more_segments_than_a_chain_may_have_are_refused),
		CASE(interrupts_are_wanted_unless_told_not),
		EVENT_CASE(event_index_suppresses_interrupts),
		EVENT_CASE(an_empty_queue_asks_for_a_kick),
		EVENT_CASE(rings_on_top_of_each_other_harm_nobody),
		cmocka_unit_test(copies_go_over_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
