/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio.c - the registers of virtio-mmio, and the small devices behind them: rng, console,
 * blk.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "devices.h"
#include "guest.h"
#include "vmm-ctl.h"
#include "vmm-plan.h"

#define STATUS_NEEDS_RESET 64u

struct fixture {
	struct guest g;
	struct ring r[2];
	int file; /* of the block device, ours */
};

static struct fixture *make(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	guest_init(&f->g);
	f->file = -EBADF;
	ring_init(&f->r[0], &f->g, 0x10000, 256);
	ring_init(&f->r[1], &f->g, 0x14000, 256);
	return f;
}

static int setup_rng(void **state)
{
	struct fixture *f = make();

	dev_rng_init(&f->g.dev, &f->g.loop);
	*state = f;
	return virtio_mmio_init(&f->g.dev, f->g.registers);
}

static int setup_console(void **state)
{
	struct fixture *f = make();

	dev_console_init(&f->g.dev, &f->g.loop);
	*state = f;
	return virtio_mmio_init(&f->g.dev, f->g.registers);
}

static int setup_blk(void **state)
{
	struct fixture *f = make();

	dev_blk_init(&f->g.dev, &f->g.loop, 0);
	*state = f;
	return virtio_mmio_init(&f->g.dev, f->g.registers);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->file);
	guest_done(&f->g);
	free(f);
	return 0;
}

/* ---- registers ---- */

static void registers_say_what_the_device_is(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(reg_read(&f->g, 0x00), 0x74726976);
	assert_int_equal(reg_read(&f->g, 0x04), 2);
	assert_int_equal(reg_read(&f->g, 0x08), 4);
	assert_int_equal(reg_read(&f->g, 0x34), VQ_MAX_SIZE);
	reg_write(&f->g, 0x30, 1);
	assert_int_equal(reg_read(&f->g, 0x34), 0); /* rng has one queue */
	/* No shared memory: its length is all ones. */
	assert_int_equal(reg_read(&f->g, 0xb0), UINT32_MAX);
	assert_int_equal(reg_read(&f->g, 0xb4), UINT32_MAX);
	assert_int_equal(reg_read(&f->g, 0x1fc), 0);
}

static void features_are_negotiated(void **state)
{
	struct fixture *f = *state;

	reg_write(&f->g, 0x14, 0);
	assert_true(reg_read(&f->g, 0x10) & GUEST_FEATURES_EVENT_IDX);
	reg_write(&f->g, 0x14, 1);
	assert_int_equal(reg_read(&f->g, 0x10), 1); /* VERSION_1 */
	reg_write(&f->g, 0x14, 2);
	assert_int_equal(reg_read(&f->g, 0x10), 0);
	/* Without VERSION_1, or with what was not offered, FEATURES_OK does not stick. */
	reg_write(&f->g, 0x70, 1 | 2 | 8);
	assert_int_equal(reg_read(&f->g, 0x70), 3);
	reg_write(&f->g, 0x24, 1);
	reg_write(&f->g, 0x20, 1 | 4);
	reg_write(&f->g, 0x70, 1 | 2 | 8);
	assert_int_equal(reg_read(&f->g, 0x70), 3);
	reg_write(&f->g, 0x20, 1);
	reg_write(&f->g, 0x70, 1 | 2 | 8);
	assert_int_equal(reg_read(&f->g, 0x70), 11);
	/* And then they stay. */
	reg_write(&f->g, 0x20, 0xffffffff);
	assert_true(f->g.dev.driver_features == 1ull << 32);
}

static void a_device_without_features_ok_does_nothing(void **state)
{
	struct fixture *f = *state;
	const struct seg buffer = { 0x8000, 64, true };

	guest_set_queue(&f->g, 0, &f->r[0]);
	reg_write(&f->g, 0x70, 1 | 2 | 4);
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 0);
}

static void queues_that_are_not_valid_stay_off(void **state)
{
	struct fixture *f = *state;
	struct ring bad = f->r[0];

	bad.size = 3;
	guest_set_queue(&f->g, 0, &bad);
	assert_int_equal(reg_read(&f->g, 0x44), 0);
	bad.size = 512;
	guest_set_queue(&f->g, 0, &bad);
	assert_int_equal(reg_read(&f->g, 0x44), 0);
	bad = f->r[0];
	bad.used = 1ull << 40;
	guest_set_queue(&f->g, 0, &bad);
	assert_int_equal(reg_read(&f->g, 0x44), 0);
	guest_set_queue(&f->g, 1, &f->r[0]);
	assert_int_equal(reg_read(&f->g, 0x44), 0);
	guest_set_queue(&f->g, 0, &f->r[0]);
	assert_int_equal(reg_read(&f->g, 0x44), 1);
	reg_write(&f->g, 0x44, 0);
	assert_int_equal(reg_read(&f->g, 0x44), 0);
}

static void a_live_queue_cannot_be_moved(void **state)
{
	struct fixture *f = *state;

	guest_start(&f->g, 0, f->r, 1);
	guest_set_queue(&f->g, 0, &f->r[1]);
	assert_true(f->g.dev.vq[0].desc == f->r[0].desc);
	reg_write(&f->g, 0x44, 0);
	assert_int_equal(reg_read(&f->g, 0x44), 1);
}

static void a_reset_forgets_everything(void **state)
{
	struct fixture *f = *state;
	const struct seg buffer = { 0x8000, 64, true };

	guest_start(&f->g, 0, f->r, 1);
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 1);
	assert_int_equal(reg_read(&f->g, 0x60), 1);
	reg_write(&f->g, 0x70, 0);
	assert_int_equal(reg_read(&f->g, 0x70), 0);
	assert_int_equal(reg_read(&f->g, 0x60), 0);
	assert_int_equal(reg_read(&f->g, 0x44), 0);
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 1);
	/* And it can be used again. */
	ring_init(&f->r[0], &f->g, 0x20000, 4);
	ring_chain(&f->r[0], &buffer, 1);
	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 1);
	assert_int_equal(ring_used(&f->r[0]), 1);
}

/* KVM takes the word that used buffers were seen; so that bit stays until a reset. */
static void interrupts_are_acknowledged(void **state)
{
	struct fixture *f = *state;
	const struct seg buffer = { 0x8000, 64, true };
	uint64_t n = 0;

	guest_start(&f->g, 0, f->r, 1);
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(read(f->g.dev.irq_fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(reg_read(&f->g, 0x60), 1);
	virtio_config_changed(&f->g.dev);
	assert_int_equal(reg_read(&f->g, 0x60), 3);
	reg_write(&f->g, 0x64, 1);
	assert_int_equal(reg_read(&f->g, 0x60), 3);
	reg_write(&f->g, 0x64, 3);
	assert_int_equal(reg_read(&f->g, 0x60), 1);
	reg_write(&f->g, 0x70, 0);
	assert_int_equal(reg_read(&f->g, 0x60), 0);
}

static void kicks_of_queues_that_are_not_there_are_ignored(void **state)
{
	struct fixture *f = *state;

	guest_start(&f->g, 0, f->r, 1);
	ring_kick(&f->r[0], 1);
	ring_kick(&f->r[0], 3);
	ring_kick(&f->r[0], UINT32_MAX);
	assert_int_equal(loop_once(&f->g.loop, 0), 0);
	assert_int_equal(reg_read(&f->g, 0x70), 15);
}

static void a_broken_ring_needs_a_reset(void **state)
{
	struct fixture *f = *state;
	const struct seg buffer = { 0x8000, 64, true };

	guest_start(&f->g, 0, f->r, 1);
	ring_post(&f->r[0], 256);
	ring_kick(&f->r[0], 0);
	assert_true(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET);
	assert_int_equal(reg_read(&f->g, 0x60), 2); /* a configuration change tells of it */
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 0);
	ring_init(&f->r[0], &f->g, 0x20000, 256);
	guest_start(&f->g, 0, f->r, 1);
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 1);
}

/* A guest whose other CPUs refill the ring must not keep the loop from its other sources. */
static void a_full_ring_is_served_in_turns(void **state)
{
	struct fixture *f = *state;
	const struct seg buffer = { 0x8000, 4, true };

	guest_start(&f->g, GUEST_FEATURES_EVENT_IDX, f->r, 1);
	for (int i = 0; i < 256; i++)
		ring_chain(&f->r[0], &buffer, 1);
	reg_write(&f->g, 0x50, 0);
	assert_int_equal(loop_once(&f->g.loop, 0), 1);
	assert_in_range(ring_used(&f->r[0]), 1, 255);
	guest_run(&f->g);
	assert_int_equal(ring_used(&f->r[0]), 256);
	assert_int_equal(reg_read(&f->g, 0x60), 1);
}

/* ---- rng ---- */

static void rng_fills_what_it_says(void **state)
{
	static const uint8_t zero[8192];
	struct fixture *f = *state;
	const struct seg small[] = { { 0x8000, 100, true }, { 0x8200, 28, true } };
	const struct seg large = { 0xa000, 8192, true };
	const struct seg none = { 0x9000, 16, false };
	uint32_t got = 0;

	guest_start(&f->g, 0, f->r, 1);
	ring_chain(&f->r[0], small, 2);
	ring_chain(&f->r[0], &large, 1);
	ring_chain(&f->r[0], &none, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 3);
	assert_int_equal(ring_used_len(&f->r[0], 0), 128);
	assert_memory_not_equal(f->g.ram + 0x8000, zero, 100);
	assert_memory_not_equal(f->g.ram + 0x8200, zero, 28);
	assert_memory_equal(f->g.ram + 0x8064, zero, 0x100);
	got = ring_used_len(&f->r[0], 1);
	assert_in_range(got, 1, 8191); /* bounded: the loop is not the guest's alone */
	assert_memory_equal(f->g.ram + 0xa000 + got, zero, 8192 - got);
	assert_int_equal(ring_used_len(&f->r[0], 2), 0);
}

/* ---- console ---- */

static void write_console(struct fixture *f, const char *text)
{
	const struct seg one = { 0x8000, (uint32_t)strlen(text), false };

	guest_put(&f->g, 0x8000, text, strlen(text));
	ring_chain(&f->r[1], &one, 1);
	ring_kick(&f->r[1], 1);
}

static void console_keeps_the_last_bytes(void **state)
{
	static char tail[VMM_CTL_CONSOLE_TAIL];
	struct fixture *f = *state;
	const struct seg twice[] = { { 0x40000, 10000, false }, { 0x8000, 0, false } };
	char buf[16] = { 0 };

	assert_int_equal(dev_console_tail(tail, sizeof(tail)), 0);
	guest_start(&f->g, 0, f->r, 2);
	write_console(f, "Linux version");
	assert_int_equal(dev_console_tail(tail, sizeof(tail)), 13);
	assert_memory_equal(tail, "Linux version", 13);
	assert_int_equal(dev_console_tail(buf, 7), 7);
	assert_string_equal(buf, "version");
	/* More than is kept, at once; then over the ring's end. */
	memset(f->g.ram + 0x40000, 'x', 10000);
	memcpy(f->g.ram + 0x40000 + 9997, "end", 3);
	ring_chain(&f->r[1], twice, 2);
	ring_kick(&f->r[1], 1);
	assert_int_equal(dev_console_tail(tail, sizeof(tail)), sizeof(tail));
	assert_memory_equal(tail + sizeof(tail) - 4, "xend", 4);
	write_console(f, "panic");
	assert_int_equal(dev_console_tail(buf, 9), 9);
	assert_string_equal(buf, "xendpanic" /* 9 bytes, then buf's own zeros */);
	assert_int_equal(ring_used(&f->r[1]), 3);
}

static void console_has_no_input(void **state)
{
	struct fixture *f = *state;
	const struct seg buffer = { 0x8000, 64, true };

	guest_start(&f->g, 0, f->r, 2);
	ring_chain(&f->r[0], &buffer, 1);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 0);
}

/* ---- blk ---- */

static void attach(struct fixture *f, size_t bytes, bool readonly)
{
	f->file = memfd_create("blk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->file, (off_t)bytes), 0);
	assert_int_equal(dev_blk_attach(0, dup(f->file), readonly), 0);
}

/* A block request with `out` bytes to the device and `in` from it at 0x9000; returns its status. */
static uint8_t request(struct fixture *f, uint32_t type, uint64_t sector, uint32_t out, uint32_t in)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { .type = type, .sector = sector };
	const struct seg segs[] = { { 0x8000, 16, false }, { 0x9000, out, false },
		{ 0x9000, in, true }, { 0x8100, 1, true } };
	uint16_t before = ring_used(&f->r[0]);

	f->g.ram[0x8100] = 0xee;
	guest_put(&f->g, 0x8000, &h, sizeof(h));
	ring_chain(&f->r[0], segs, 4);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), before + 1);
	return f->g.ram[0x8100];
}

static void blk_moves_sectors(void **state)
{
	struct fixture *f = *state;
	char buf[512];

	attach(f, 8 * 512 + 100, false);
	guest_start(&f->g, 0, f->r, 1);
	assert_int_equal(reg_read(&f->g, 0x100), 8); /* whole sectors */
	memset(f->g.ram + 0x9000, 'w', 1024);
	assert_int_equal(request(f, 1, 2, 1024, 0), 0);
	assert_int_equal(ring_used_len(&f->r[0], 0), 1);
	assert_int_equal(pread(f->file, buf, 512, 3 * 512), 512);
	assert_int_equal(buf[511], 'w');
	memset(f->g.ram + 0x9000, 0, 1024);
	assert_int_equal(request(f, 0, 3, 0, 512), 0);
	assert_int_equal(ring_used_len(&f->r[0], 1), 513);
	assert_int_equal(f->g.ram[0x91ff], 'w');
	assert_int_equal(f->g.ram[0x9200], 0);
	assert_int_equal(request(f, 4, 0, 0, 0), 0);
	assert_int_equal(request(f, 8, 0, 0, 20), 0);
	assert_string_equal((char *)f->g.ram + 0x9000, "nestbox");
	assert_int_equal(request(f, 11, 0, 512, 0), 2);
}

static void blk_stays_within_its_capacity(void **state)
{
	struct fixture *f = *state;

	attach(f, 8 * 512, false);
	guest_start(&f->g, 0, f->r, 1);
	assert_int_equal(request(f, 0, 8, 0, 512), 1);
	assert_int_equal(request(f, 0, 7, 0, 1024), 1);
	assert_int_equal(request(f, 1, 7, 1024, 0), 1);
	assert_int_equal(request(f, 0, UINT64_MAX, 0, 512), 1);
	assert_int_equal(request(f, 1, UINT64_MAX / 512 + 1, 512, 0), 1);
	assert_int_equal(request(f, 0, 0, 0, 100), 1); /* no whole sectors */
	assert_int_equal(request(f, 1, 0, 511, 0), 1);
	assert_int_equal(request(f, 0, 8, 0, 0), 0); /* nothing, at the end */
	assert_int_equal(lseek(f->file, 0, SEEK_END), 8 * 512);
}

static void blk_read_only_is_not_written(void **state)
{
	struct fixture *f = *state;
	char byte = 1;

	attach(f, 8 * 512, true);
	reg_write(&f->g, 0x14, 0);
	assert_true(reg_read(&f->g, 0x10) & (1u << 5));
	guest_start(&f->g, 0, f->r, 1);
	memset(f->g.ram + 0x9000, 'w', 512);
	assert_int_equal(request(f, 1, 0, 512, 0), 1);
	assert_int_equal(pread(f->file, &byte, 1, 0), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(request(f, 0, 0, 0, 512), 0);
}

static void blk_without_a_file_answers_errors(void **state)
{
	struct fixture *f = *state;

	guest_start(&f->g, 0, f->r, 1);
	assert_int_equal(reg_read(&f->g, 0x100), 0);
	assert_int_equal(request(f, 0, 0, 0, 512), 1);
	assert_int_equal(request(f, 4, 0, 0, 0), 1);
	/* What is attached later is seen: capacity and a configuration interrupt. */
	reg_write(&f->g, 0x64, 3);
	attach(f, 4096, false);
	assert_true(reg_read(&f->g, 0x60) & 2);
	assert_int_equal(reg_read(&f->g, 0xfc), 1);
	assert_int_equal(reg_read(&f->g, 0x100), 8);
	assert_int_equal(request(f, 0, 0, 0, 512), 0);
}

static void blk_attaches_only_what_it_can_serve(void **state)
{
	struct fixture *f = *state;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(dev_blk_attach(0, p[0], false), -EINVAL);
	assert_int_equal(close(p[0]), -1); /* it was owned, also on error */
	(void)close(p[1]);
	f->file = memfd_create("small", MFD_CLOEXEC);
	assert_int_equal(dev_blk_attach(0, dup(f->file), false), -EINVAL);
	close_fd(&f->file);
	assert_int_equal(dev_blk_attach(VMM_MAX_BLK, -EBADF, false), -ENODEV);
	attach(f, 512, false);
	assert_int_equal(dev_blk_attach(0, dup(f->file), false), -EBUSY);
}

static void blk_breaks_on_headers_that_are_not_whole(void **state)
{
	struct fixture *f = *state;
	const struct seg no_header[] = { { 0x8000, 15, false }, { 0x8100, 1, true } };
	const struct seg no_status = { 0x8000, 16, false };

	attach(f, 512, false);
	guest_start(&f->g, 0, f->r, 1);
	ring_chain(&f->r[0], no_header, 2);
	ring_kick(&f->r[0], 0);
	assert_true(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET);
	ring_init(&f->r[0], &f->g, 0x20000, 256);
	guest_start(&f->g, 0, f->r, 1);
	assert_false(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET);
	ring_chain(&f->r[0], &no_status, 1);
	ring_kick(&f->r[0], 0);
	assert_true(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET);
	assert_int_equal(ring_used(&f->r[0]), 0);
}

/* The status byte is the last writable one, wherever segments end. */
static void blk_status_follows_the_last_byte(void **state)
{
	struct fixture *f = *state;
	const struct seg segs[] = { { 0x8000, 8, false }, { 0x8008, 8, false },
		{ 0x9000, 500, true }, { 0xa000, 13, true }, { 0xb000, 0, true } };

	attach(f, 512, false);
	assert_int_equal(pwrite(f->file, "x", 1, 511), 1);
	guest_start(&f->g, 0, f->r, 1);
	f->g.ram[0xa000 + 12] = 0xee;
	ring_chain(&f->r[0], segs, 5);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used_len(&f->r[0], 0), 513);
	assert_int_equal(f->g.ram[0xa000 + 11], 'x');
	assert_int_equal(f->g.ram[0xa000 + 12], 0);
}

static void configuration_is_read_within_its_bounds(void **state)
{
	struct fixture *f = *state;
	const uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	attach(f, 4096, false);
	for (uint32_t offset = 0x100; offset < VIRTIO_MMIO_SIZE; offset++) {
		for (uint32_t len = 1; len <= 8; len *= 2)
			virtio_mmio_write(&f->g.dev, offset, buf, len);
		if (offset >= 0x110)
			assert_int_equal(f->g.registers[offset], 0);
	}
	assert_int_equal(reg_read(&f->g, 0x10c), 126); /* seg_max */
}

#define RNG(f) cmocka_unit_test_setup_teardown(f, setup_rng, teardown)
#define CONSOLE(f) cmocka_unit_test_setup_teardown(f, setup_console, teardown)
#define BLK(f) cmocka_unit_test_setup_teardown(f, setup_blk, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RNG(registers_say_what_the_device_is),
		RNG(features_are_negotiated),
		RNG(a_device_without_features_ok_does_nothing),
		RNG(queues_that_are_not_valid_stay_off),
		RNG(a_live_queue_cannot_be_moved),
		RNG(a_reset_forgets_everything),
		RNG(interrupts_are_acknowledged),
		RNG(kicks_of_queues_that_are_not_there_are_ignored),
		RNG(a_broken_ring_needs_a_reset),
		RNG(a_full_ring_is_served_in_turns),
		RNG(rng_fills_what_it_says),
		CONSOLE(console_keeps_the_last_bytes),
		CONSOLE(console_has_no_input),
		BLK(blk_moves_sectors),
		BLK(blk_stays_within_its_capacity),
		BLK(blk_read_only_is_not_written),
		BLK(blk_without_a_file_answers_errors),
		BLK(blk_attaches_only_what_it_can_serve),
		BLK(blk_breaks_on_headers_that_are_not_whole),
		BLK(blk_status_follows_the_last_byte),
		BLK(configuration_is_read_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
