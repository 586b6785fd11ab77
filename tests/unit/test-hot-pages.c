/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-hot-pages.c - the lists of pages that a clone copies, and that KVM maps, before it runs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "hot-pages.h"
#include "touched-pages.h"

#define PAGE ((size_t)4096)
#define PAGES 64u

static struct vm vm;
static uint8_t *memory; /* a clone's: a file, mapped copy-on-write */
static uint8_t text[256];
static struct wire_out w;

static int setup(void **state)
{
	uint8_t page[PAGE];
	int fd = memfd_create("template", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	memset(page, 7, sizeof(page));
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(write(fd, page, PAGE), PAGE);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	(void)close(fd);
	vm.ram = memory;
	vm.plan.boot_bytes = PAGES * PAGE;
	wire_out_fixed(&w, text, sizeof(text));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(memory, PAGES * PAGE);
}

static void run(uint32_t from, uint32_t n)
{
	wire_put_u32(&w, from);
	wire_put_u32(&w, n);
}

static int copy(void)
{
	struct wire_in r;

	wire_in_init(&r, text, w.len);
	return hot_pages_copy(&vm, &r);
}

/* What of the mapping the process has for itself, in pages. */
static unsigned long copied(void)
{
	char line[256];
	unsigned long start = 0, end = 0, kib = 0;
	bool here = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (uintptr_t)memory;
		if (here && sscanf(line, "Anonymous: %lu", &kib) == 1)
			break;
	}
	(void)fclose(f);
	return kib * 1024 / PAGE;
}

static void named_pages_are_copied_and_no_others(void **state)
{
	(void)state;
	run(3, 2);
	run(60, 4);
	run(0, 0);
	assert_int_equal(copied(), 0);
	assert_int_equal(copy(), 0);
	assert_int_equal(copied(), 6);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(memory[i * PAGE], 7);
}

static void an_empty_list_copies_nothing(void **state)
{
	(void)state;
	run(0, 0);
	assert_int_equal(copy(), 0);
	assert_int_equal(copied(), 0);
}

static void pages_past_the_memory_are_refused(void **state)
{
	(void)state;
	run(60, 5);
	run(0, 0);
	assert_int_equal(copy(), -EBADMSG);
	wire_out_fixed(&w, text, sizeof(text));
	run(UINT32_MAX, UINT32_MAX);
	run(0, 0);
	assert_int_equal(copy(), -EBADMSG);
	assert_int_equal(copied(), 0);
}

static void a_list_without_an_end_is_refused(void **state)
{
	(void)state;
	run(1, 1);
	assert_int_equal(copy(), -EBADMSG);
}

static void what_nobody_watched_is_an_empty_list(void **state)
{
	static struct template_head head = { .ram_bytes = 4 * TEMPLATE_BLOCK, .used = { 0xf } };

	(void)state;
	hot_pages_stop(&vm);
	hot_pages_put(&head, &w);
	assert_int_equal(w.error, 0);
	assert_int_equal(copy(), 0);
	assert_int_equal(copied(), 0);
}

static void pages_that_were_added_are_copied(void **state)
{
	static struct template_head head = { .ram_bytes = 4 * TEMPLATE_BLOCK, .used = { 0x5 } };

	(void)state;
	hot_pages_add(5);
	hot_pages_add(6);
	hot_pages_add(63);
	/* Of a block that the template does not have. */
	hot_pages_add(512 + 3);
	hot_pages_put(&head, &w);
	assert_int_equal(w.len, 3 * 8);
	assert_int_equal(copy(), 0);
	assert_int_equal(copied(), 3);
}

static int map(void)
{
	struct wire_in r;

	wire_in_init(&r, text, w.len);
	return touched_pages_map(&vm, &r);
}

/* No more than a list, as this host's KVM need not know of it. */
static void pages_that_kvm_does_not_map_are_left(void **state)
{
	(void)state;
	vm.vcpu[0].fd = -1;
	run(3, 2);
	run(0, 0);
	assert_int_equal(map(), 0);
	assert_int_equal(copied(), 0);
	wire_out_fixed(&w, text, sizeof(text));
	run(60, 5);
	run(0, 0);
	assert_int_equal(map(), -EBADMSG);
}

static void without_the_means_nothing_is_watched(void **state)
{
	static struct template_head head = { .ram_bytes = 4 * TEMPLATE_BLOCK, .used = { 0xf } };

	(void)state;
	vm.plan.kvm_fd = -1;
	touched_pages_prepare(&vm);
	assert_null(touched_pages_loop());
	assert_false(touched_pages_watch());
	touched_pages_stop();
	touched_pages_put(&head, &w);
	assert_int_equal(map(), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(named_pages_are_copied_and_no_others),
		CASE(an_empty_list_copies_nothing),
		CASE(pages_past_the_memory_are_refused),
		CASE(a_list_without_an_end_is_refused),
		CASE(what_nobody_watched_is_an_empty_list),
		CASE(pages_that_were_added_are_copied),
		CASE(pages_that_kvm_does_not_map_are_left),
		CASE(without_the_means_nothing_is_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
