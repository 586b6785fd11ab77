/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-net-device.c - the network device over a pair of sockets that stands for a tap: one datagram
 * a frame, with its header.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "devices.h"
#include "guest.h"

#define STATUS_NEEDS_RESET 64u
#define MRG_RXBUF (1u << 15)
#define CTRL_VQ (1u << 17)
#define MQ (1u << 22)
#define MAX_PAIRS 2
#define QUEUES (2 * MAX_PAIRS + 1)

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

struct fixture {
	struct guest g;
	struct ring r[QUEUES];
	int wire[MAX_PAIRS]; /* our ends */
};

static int attach(struct fixture *f, size_t n)
{
	int taps[MAX_PAIRS] = { -EBADF, -EBADF };
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
		close_fd(&f->wire[i]);
		f->wire[i] = sv[0];
		taps[i] = sv[1];
	}
	r = dev_net_attach(0, mac, taps, n);
	for (size_t i = 0; i < n; i++)
		close_fd(&taps[i]);
	return r;
}

static int make(void **state, unsigned pairs)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	guest_init(&f->g);
	for (unsigned q = 0; q < QUEUES; q++)
		ring_init(&f->r[q], &f->g, 0x10000 + 0x4000ull * q, 256);
	f->wire[0] = f->wire[1] = -EBADF;
	dev_net_init(&f->g.dev, &f->g.loop, 0, pairs);
	*state = f;
	return virtio_mmio_init(&f->g.dev, f->g.registers);
}

static int setup(void **state)
{
	return make(state, 1);
}

static int setup_two(void **state)
{
	return make(state, 2);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	(void)!dev_net_detach(0);
	close_fd(&f->wire[0]);
	close_fd(&f->wire[1]);
	guest_done(&f->g);
	free(f);
	return 0;
}

static void start(struct fixture *f, uint32_t features)
{
	assert_int_equal(attach(f, 1), 0);
	guest_start(&f->g, features, f->r, 2);
}

/* A buffer for frames at a place of guest memory. */
static void post(struct fixture *f, gpa_t at, uint32_t len)
{
	ring_chain(&f->r[0], &(struct seg){ at, len, true }, 1);
}

/* A frame on the wire: a header and so many bytes of a pattern. */
static void arrives(struct fixture *f, size_t len)
{
	static uint8_t frame[70000];

	for (size_t i = 0; i < len; i++)
		frame[12 + i] = (uint8_t)(i * 7);
	assert_int_equal(send(f->wire[0], frame, 12 + len, 0), 12 + len);
	guest_run(&f->g);
}

static void a_slot_is_empty_until_a_tap_is_attached(void **state)
{
	struct fixture *f = *state;
	uint8_t seen[6];

	assert_int_equal(reg_read(&f->g, 0x08), 0);
	assert_int_equal(attach(f, 2), -EINVAL);
	assert_int_equal(attach(f, 1), 0);
	assert_int_equal(reg_read(&f->g, 0x08), 1);
	assert_int_equal(attach(f, 1), -EBUSY);
	for (uint32_t i = 0; i < 6; i++)
		guest_config(&f->g, 0x100 + i, &seen[i], 1);
	assert_memory_equal(seen, mac, sizeof(mac));
	assert_int_equal(dev_net_attach(3, mac, NULL, 0), -ENODEV);
	assert_int_equal(dev_net_attach(99, mac, NULL, 0), -ENODEV);
}

static void frames_go_to_the_tap_with_their_header(void **state)
{
	struct fixture *f = *state;
	const struct seg parts[] = { { 0x40000, 12, false }, { 0x41000, 60, false } };
	uint8_t got[128];

	start(f, MRG_RXBUF);
	memset(f->g.ram + 0x41000, 'x', 60);
	ring_chain(&f->r[1], parts, 2);
	ring_kick(&f->r[1], 1);
	assert_int_equal(recv(f->wire[0], got, sizeof(got), MSG_DONTWAIT), 72);
	assert_int_equal(got[71], 'x');
	assert_int_equal(ring_used(&f->r[1]), 1);
	/* One without bytes is given back, and nothing is sent. */
	ring_chain(&f->r[1], parts, 1);
	ring_kick(&f->r[1], 1);
	assert_int_equal(ring_used(&f->r[1]), 2);
	assert_int_equal(recv(f->wire[0], got, sizeof(got), MSG_DONTWAIT), -1);
}

static void a_frame_fills_several_buffers(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	for (gpa_t i = 0; i < 4; i++)
		post(f, 0x40000 + 0x1000 * i, 512);
	ring_kick(&f->r[0], 0);
	arrives(f, 1200);
	assert_int_equal(ring_used(&f->r[0]), 3);
	assert_int_equal(guest_u16(&f->g, 0x40000 + 10), 3);
	assert_int_equal(ring_used_len(&f->r[0], 0), 512);
	assert_int_equal(ring_used_len(&f->r[0], 1), 512);
	assert_int_equal(ring_used_len(&f->r[0], 2), 1212 - 1024);
	/* Byte 600 of the frame is byte 100 of the second. */
	assert_int_equal(f->g.ram[0x41000 + 100], (uint8_t)(600 * 7));
	/* The fourth waits for the next. */
	arrives(f, 20);
	assert_int_equal(ring_used(&f->r[0]), 4);
	assert_int_equal(ring_used_len(&f->r[0], 3), 32);
	assert_int_equal(guest_u16(&f->g, 0x43000 + 10), 1);
}

static void without_buffers_frames_wait_and_without_room_they_are_lost(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	arrives(f, 100);
	assert_int_equal(ring_used(&f->r[0]), 0);
	post(f, 0x40000, 512);
	ring_kick(&f->r[0], 0);
	assert_int_equal(ring_used(&f->r[0]), 1);
	assert_int_equal(ring_used_len(&f->r[0], 0), 112);
	post(f, 0x41000, 512);
	ring_kick(&f->r[0], 0);
	arrives(f, 600);
	assert_int_equal(ring_used(&f->r[0]), 1);
	arrives(f, 50);
	assert_int_equal(ring_used(&f->r[0]), 2);
	assert_int_equal(ring_used_len(&f->r[0], 1), 62);
}

static void the_largest_frame_has_room(void **state)
{
	struct fixture *f = *state;
	const int size = 1 << 20;

	start(f, MRG_RXBUF);
	(void)setsockopt(f->wire[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (gpa_t i = 0; i < 60; i++)
		post(f, 0x40000 + 0x600 * i, 0x600);
	ring_kick(&f->r[0], 0);
	arrives(f, 65535);
	assert_int_equal(ring_used(&f->r[0]), 43);
	assert_int_equal(guest_u16(&f->g, 0x40000 + 10), 43);
}

static void a_driver_that_spreads_nothing_has_one_chain_a_frame(void **state)
{
	struct fixture *f = *state;
	const struct seg parts[] = { { 0x40000, 12, true }, { 0x41000, 300, true } };

	start(f, 0);
	ring_chain(&f->r[0], parts, 2);
	ring_chain(&f->r[0], parts, 2);
	ring_kick(&f->r[0], 0);
	arrives(f, 200);
	assert_int_equal(ring_used(&f->r[0]), 1);
	assert_int_equal(ring_used_len(&f->r[0], 0), 212);
	assert_int_equal(f->g.ram[0x41000 + 100], (uint8_t)(100 * 7));
	arrives(f, 301);
	assert_int_equal(ring_used(&f->r[0]), 1);
}

static void a_buffer_without_room_for_the_header_breaks_it(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	post(f, 0x40000, 11);
	ring_kick(&f->r[0], 0);
	arrives(f, 100);
	assert_true(reg_read(&f->g, 0x70) & STATUS_NEEDS_RESET);
	assert_int_equal(ring_used(&f->r[0]), 0);
}

static void a_reset_gives_up_what_was_held(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	post(f, 0x40000, 512);
	post(f, 0x41000, 512);
	ring_kick(&f->r[0], 0);
	arrives(f, 10);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	ring_init(&f->r[0], &f->g, 0x60000, 256);
	guest_start(&f->g, MRG_RXBUF, f->r, 2);
	post(f, 0x45000, 512);
	ring_kick(&f->r[0], 0);
	arrives(f, 30);
	assert_int_equal(ring_used(&f->r[0]), 1);
	assert_int_equal(guest_u16(&f->g, 0x45000 + 10), 1);
}

/* Interrupts since the last call. */
static uint64_t interrupts(struct fixture *f)
{
	uint64_t n = 0;

	return read(f->g.dev.irq_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void sends(struct fixture *f, uint32_t len)
{
	ring_chain(&f->r[1], &(struct seg){ 0x40000, len, false }, 1);
	ring_kick(&f->r[1], 1);
}

static void nothing(void *arg)
{
	(void)arg;
}

/* As if the time did not pass: a loop has one call that is to come. */
static void stop_the_clock(struct fixture *f)
{
	guest_run(&f->g);
	(void)interrupts(f);
	loop_later(&f->g.loop, 1000000, nothing, NULL);
}

static void that_a_frame_was_sent_is_told_in_a_while(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	guest_run(&f->g);
	(void)interrupts(f);
	sends(f, 100);
	assert_int_equal(ring_used(&f->r[1]), 1);
	while (f->g.loop.due_fn)
		assert_int_equal(loop_once(&f->g.loop, -1), 0);
	assert_int_equal(interrupts(f), 1);
	assert_int_equal(loop_once(&f->g.loop, 5), 0);
	assert_int_equal(interrupts(f), 0);
}

static void that_a_frame_was_sent_is_told_with_one_that_comes(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	post(f, 0x60000, 1600);
	ring_kick(&f->r[0], 0);
	stop_the_clock(f);
	sends(f, 100);
	assert_int_equal(ring_used(&f->r[1]), 1);
	assert_int_equal(interrupts(f), 0);
	arrives(f, 100);
	assert_int_equal(interrupts(f), 1);
	/* Nothing is owed any more: so many are too few again. */
	for (int i = 0; i < 15; i++)
		sends(f, 100);
	assert_int_equal(interrupts(f), 0);
}

static void a_sender_that_may_wait_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	start(f, MRG_RXBUF);
	stop_the_clock(f);
	for (int i = 0; i < 16; i++)
		sends(f, 100);
	assert_int_equal(interrupts(f), 1);
	sends(f, 65548);
	assert_int_equal(interrupts(f), 1);
}

static void a_tap_goes_when_no_driver_has_it(void **state)
{
	struct fixture *f = *state;
	char byte = 0;

	start(f, MRG_RXBUF);
	assert_int_equal(dev_net_detach(0), -EBUSY);
	reg_write(&f->g, 0x70, 0);
	assert_int_equal(dev_net_detach(0), -EAGAIN);
	guest_run(&f->g);
	/* Linux knows that there is a device, without a driver. */
	reg_write(&f->g, 0x70, 1 | 2);
	assert_int_equal(dev_net_detach(0), -EBUSY);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	reg_write(&f->g, 0x70, 1);
	assert_int_equal(dev_net_detach(0), 0);
	assert_int_equal(reg_read(&f->g, 0x08), 0);
	/* Its fd is closed. */
	assert_int_equal(send(f->wire[0], &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
	assert_int_equal(dev_net_detach(0), -ENODEV);
	assert_int_equal(attach(f, 1), 0);
}

/* Sends a command; its answer. */
static uint8_t command(struct fixture *f, uint32_t q, uint8_t class, uint8_t cmd, uint16_t pairs)
{
	const struct seg parts[] = { { 0x50000, 2, false }, { 0x50010, 2, false },
		{ 0x50020, 1, true } };
	const uint8_t head[] = { class, cmd };

	guest_put(&f->g, 0x50000, head, 2);
	guest_put(&f->g, 0x50010, &pairs, 2);
	f->g.ram[0x50020] = 0xff;
	ring_chain(&f->r[q], parts, 3);
	ring_kick(&f->r[q], q);
	return f->g.ram[0x50020];
}

static void pairs_are_used_as_the_driver_says(void **state)
{
	struct fixture *f = *state;
	const struct seg frame = { 0x40000, 60, false };
	uint8_t got[128];

	assert_int_equal(attach(f, 2), 0);
	guest_start(&f->g, MRG_RXBUF | CTRL_VQ | MQ, f->r, 5);
	assert_int_equal(command(f, 4, 4, 0, 2), 0);
	assert_int_equal(command(f, 4, 4, 0, 3), 1);
	assert_int_equal(command(f, 4, 4, 0, 0), 1);
	assert_int_equal(command(f, 4, 1, 0, 1), 1);
	ring_chain(&f->r[3], &frame, 1);
	ring_kick(&f->r[3], 3);
	assert_int_equal(recv(f->wire[1], got, sizeof(got), MSG_DONTWAIT), 60);
	assert_int_equal(recv(f->wire[0], got, sizeof(got), MSG_DONTWAIT), -1);
}

/* A driver that does not ask for many finds the control queue behind the first pair. */
static void the_control_queue_is_third_for_one_pair(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(attach(f, 2), 0);
	guest_start(&f->g, MRG_RXBUF | CTRL_VQ, f->r, 5);
	assert_int_equal(command(f, 2, 4, 0, 1), 0);
	ring_chain(&f->r[3], &(struct seg){ 0x40000, 60, false }, 1);
	ring_kick(&f->r[3], 3);
	assert_int_equal(ring_used(&f->r[3]), 0);
}

/* Its end is told without end, whatever is listened for: as of a tap's interface that is deleted.
 */
static void a_tap_that_is_no_more_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dev_net_attach(0, mac, ends, 1), 0);
	guest_start(&f->g, MRG_RXBUF, f->r, 2);
	post(f, 0x40000, 4096);
	ring_kick(&f->r[0], 0);
	close_fd(&ends[1]);
	guest_run(&f->g);
	assert_int_equal(loop_once(&f->g.loop, 0), 0);
	/* Nor does the next kick of the guest's hear of it. */
	post(f, 0x42000, 4096);
	ring_kick(&f->r[0], 0);
	assert_int_equal(loop_once(&f->g.loop, 0), 0);
	assert_int_equal(ring_used(&f->r[0]), 0);
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TWO(f) cmocka_unit_test_setup_teardown(f, setup_two, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(a_slot_is_empty_until_a_tap_is_attached),
		ONE(frames_go_to_the_tap_with_their_header),
		ONE(a_frame_fills_several_buffers),
		ONE(without_buffers_frames_wait_and_without_room_they_are_lost),
		ONE(the_largest_frame_has_room),
		ONE(a_driver_that_spreads_nothing_has_one_chain_a_frame),
		ONE(a_buffer_without_room_for_the_header_breaks_it),
		ONE(a_reset_gives_up_what_was_held),
		ONE(that_a_frame_was_sent_is_told_in_a_while),
		ONE(that_a_frame_was_sent_is_told_with_one_that_comes),
		ONE(a_sender_that_may_wait_is_told_at_once),
		ONE(a_tap_goes_when_no_driver_has_it),
		ONE(a_tap_that_is_no_more_is_left_alone),
		TWO(pairs_are_used_as_the_driver_says),
		TWO(the_control_queue_is_third_for_one_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
