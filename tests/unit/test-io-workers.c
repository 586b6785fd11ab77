/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-io-workers.c - requests on files that wait: on workers, beside each other, while the device
 * goes on.
 *
 * What waits is a FALLOCATE or a flush that is held by a gate, but for calls of the device's own
 * thread (the test's), and reads that are told to wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit.h"

#include "dev-fs.h"
#include "devices.h"
#include "guest.h"

#define IN_AT 0x40000ull
#define OUT_AT 0x80000ull
#define SLOT 0x400ull /* of requests and replies */
#define REPLY_ROOM 256u
#define WORKERS 3u

struct fixture {
	struct guest g;
	struct ring r[2];
	unsigned asked; /* requests made since the start */
	int file;
	uint64_t fh;
	struct guest *disk; /* owned: the block device, where there is one */
	struct ring disk_ring;
};

/* ---- what waits ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	pthread_t device; /* whose calls are never held */
	bool open;
	unsigned waiting, flushes; /* the latter among the former */
	unsigned workers; /* so many work */
	ssize_t now; /* what a read without waiting gives: bytes or -errno; 0 = as the file does */
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

static void pass_gate(bool flush)
{
	if (pthread_equal(pthread_self(), gate.device))
		return;
	(void)pthread_mutex_lock(&gate.lock);
	gate.waiting++;
	gate.flushes += flush;
	(void)pthread_cond_broadcast(&gate.change);
	while (!gate.open)
		(void)pthread_cond_wait(&gate.change, &gate.lock);
	gate.waiting--;
	gate.flushes -= flush;
	(void)pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
	(void)pthread_mutex_lock(&gate.lock);
	gate.open = true;
	(void)pthread_cond_broadcast(&gate.change);
	(void)pthread_mutex_unlock(&gate.lock);
	io_workers_settle();
}

/* Until so many are held at the same moment. */
static void expect_waiting(unsigned n)
{
	(void)pthread_mutex_lock(&gate.lock);
	while (gate.waiting != n)
		(void)pthread_cond_wait(&gate.change, &gate.lock);
	(void)pthread_mutex_unlock(&gate.lock);
}

int __real_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len)
{
	pass_gate(false);
	return __real_fallocate64(fd, mode, offset, len);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	pass_gate(true);
	return __real_fdatasync(fd);
}

long __real_syscall(long n, ...);
long __wrap_syscall(long n, ...);
long __wrap_syscall(long n, ...)
{
	long a[6];
	struct iovec part;
	va_list l;

	va_start(l, n);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		a[i] = va_arg(l, long);
	va_end(l);
	if (n != SYS_preadv2 || !gate.now)
		return __real_syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (gate.now < 0) {
		errno = (int)-gate.now;
		return -1;
	}
	part = *(const struct iovec *)a[1];
	part.iov_len = (size_t)gate.now;
	gate.now = -EAGAIN;
	return preadv((int)a[0], &part, 1, a[3]);
}

/* ---- a device with a file and workers ---- */

static void *worker(void *arg)
{
	(void)pthread_mutex_lock(&gate.lock);
	while (gate.workers < (unsigned)(uintptr_t)arg)
		(void)pthread_cond_wait(&gate.change, &gate.lock);
	(void)pthread_mutex_unlock(&gate.lock);
	io_worker_main();
}

static void let_work(unsigned n)
{
	(void)pthread_mutex_lock(&gate.lock);
	gate.workers = n;
	(void)pthread_cond_broadcast(&gate.change);
	(void)pthread_mutex_unlock(&gate.lock);
}

static int start_workers(void **state)
{
	pthread_t t;

	(void)state;
	(void)alarm(120); /* instead of a test that never ends */
	gate.device = pthread_self();
	io_workers_init(WORKERS);
	for (uintptr_t i = 1; i <= WORKERS; i++) {
		if (pthread_create(&t, NULL, worker, (void *)i))
			return -1;
	}
	return 0;
}

static void on_lost(void)
{
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	gate.open = false;
	gate.now = 0;
	guest_init(&f->g);
	ring_init(&f->r[0], &f->g, 0x10000, 64);
	ring_init(&f->r[1], &f->g, 0x14000, 64);
	f->file = memfd_create("file", MFD_CLOEXEC);
	if (pwrite(f->file, "0123456789", 10, 0) != 10 ||
		dev_fs_init(&f->g.dev, &f->g.loop, -1, on_lost) < 0 ||
		virtio_mmio_init(&f->g.dev, f->g.registers) < 0)
		return -1;
	guest_start(&f->g, 0, f->r, 2);
	*state = f;
	return fs_file_add(dev_fs_files(), dup(f->file), &f->fh);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	open_gate();
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	guest_done(&f->g);
	close_fd(&f->file);
	free(f);
	return 0;
}

/* Makes a request; returns its number. */
static unsigned post(struct fixture *f, uint32_t op, const void *body, size_t len)
{
	unsigned i = f->asked++;
	struct fuse_in_header h = {
		.len = (uint32_t)(sizeof(h) + len), .opcode = op, .unique = 100 + i
	};
	const gpa_t in = IN_AT + i * SLOT, out = OUT_AT + i * SLOT;
	const struct seg segs[] = { { in, sizeof(h), false }, { in + 0x100, (uint32_t)len, false },
		{ out, REPLY_ROOM, true } };

	guest_put(&f->g, in, &h, sizeof(h));
	guest_put(&f->g, in + 0x100, body, len);
	ring_chain(&f->r[1], segs, 3);
	ring_kick(&f->r[1], 1);
	return i;
}

/* The error of request i's reply. */
static int reply(const struct fixture *f, unsigned i)
{
	struct fuse_out_header out;

	memcpy(&out, f->g.ram + OUT_AT + i * SLOT, sizeof(out));
	assert_true(out.unique == 100 + i);
	return out.error;
}

static unsigned post_fallocate(struct fixture *f, uint64_t len)
{
	const struct fuse_fallocate_in in = { .fh = f->fh, .length = len };

	return post(f, FUSE_FALLOCATE, &in, sizeof(in));
}

static unsigned post_read(struct fixture *f, uint32_t size)
{
	const struct fuse_read_in in = { .fh = f->fh, .size = size };

	return post(f, FUSE_READ, &in, sizeof(in));
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- tests ---- */

static void several_wait_beside_each_other_and_the_device_goes_on(void **state)
{
	struct fixture *f = *state;
	unsigned first = post_fallocate(f, 1000), read = 0;

	(void)post_fallocate(f, 2000);
	(void)post_fallocate(f, 3000);
	expect_waiting(3);
	assert_int_equal(ring_used(&f->r[1]), 0);
	read = post_read(f, 4);
	assert_int_equal(ring_used(&f->r[1]), 1);
	assert_int_equal(reply(f, read), 0);
	assert_memory_equal(f->g.ram + OUT_AT + read * SLOT + 16, "0123", 4);
	open_gate();
	assert_int_equal(ring_used(&f->r[1]), 4);
	for (unsigned i = first; i < read; i++)
		assert_int_equal(reply(f, i), 0);
	assert_int_equal(lseek(f->file, 0, SEEK_END), 3000);
}

static void more_than_there_are_workers_wait_for_their_turn(void **state)
{
	struct fixture *f = *state;
	unsigned n = WORKERS + 2;

	for (unsigned i = 0; i < n; i++)
		(void)post_fallocate(f, 1000 * (i + 1));
	expect_waiting(WORKERS);
	assert_int_equal(ring_used(&f->r[1]), 0);
	assert_int_equal(reply(f, post_read(f, 4)), 0);
	open_gate();
	assert_int_equal(ring_used(&f->r[1]), n + 1);
	assert_int_equal(lseek(f->file, 0, SEEK_END), 1000 * n);
}

static void a_file_that_is_released_stays_open_while_it_is_used(void **state)
{
	struct fixture *f = *state;
	struct fuse_release_in end = { .fh = f->fh };
	struct fuse_copy_file_range_in copy = { .fh_in = f->fh, .fh_out = f->fh, .len = 1 };
	uint64_t other = 0;
	int before = count_fds();

	(void)post_fallocate(f, 1000);
	(void)post_fallocate(f, 2000);
	expect_waiting(2);
	assert_int_equal(reply(f, post(f, FUSE_RELEASE, &end, sizeof(end))), 0);
	assert_int_equal(count_fds(), before);
	/* For the guest it is gone. */
	assert_int_equal(reply(f, post(f, FUSE_RELEASE, &end, sizeof(end))), -EBADF);
	assert_int_equal(reply(f, post_read(f, 4)), -EBADF);
	assert_int_equal(reply(f, post_fallocate(f, 9000)), -EBADF);
	assert_int_equal(reply(f, post(f, FUSE_COPY_FILE_RANGE, &copy, sizeof(copy))), -EBADF);
	/* Nor is its place another's. */
	assert_int_equal(fs_file_add(dev_fs_files(), dup(f->file), &other), 0);
	assert_int_not_equal((uint32_t)other, (uint32_t)f->fh);
	open_gate();
	assert_int_equal(count_fds(), before);
	assert_int_equal(lseek(f->file, 0, SEEK_END), 2000);
	assert_int_equal(fs_file_add(dev_fs_files(), dup(f->file), &other), 0);
	assert_int_equal((uint32_t)other, (uint32_t)f->fh);
}

static void after_a_reset_the_ring_gets_no_reply(void **state)
{
	struct fixture *f = *state;
	int before = count_fds();
	unsigned held = post_fallocate(f, 1000);

	expect_waiting(1);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	assert_int_equal(count_fds(), before);
	memset(f->g.ram + 0x10000, 0, 0x8000);
	memset(f->g.ram + OUT_AT + held * SLOT, 'z', 16);
	ring_init(&f->r[0], &f->g, 0x10000, 64);
	ring_init(&f->r[1], &f->g, 0x14000, 64);
	guest_start(&f->g, 0, f->r, 2);
	open_gate();
	assert_int_equal(ring_used(&f->r[1]), 0);
	assert_memory_equal(f->g.ram + OUT_AT + held * SLOT, "zzzzzzzzzzzzzzzz", 16);
	assert_int_equal(count_fds(), before - 1);
}

static void after_a_reset_nothing_waits_behind_what_was_before(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < WORKERS; i++)
		(void)post_fallocate(f, 1000);
	(void)post_fallocate(f, 9000);
	expect_waiting(WORKERS);
	reg_write(&f->g, 0x70, 0);
	guest_run(&f->g);
	memset(f->g.ram + 0x10000, 0, 0x8000);
	ring_init(&f->r[0], &f->g, 0x10000, 64);
	ring_init(&f->r[1], &f->g, 0x14000, 64);
	guest_start(&f->g, 0, f->r, 2);
	assert_int_equal(fs_file_add(dev_fs_files(), dup(f->file), &f->fh), 0);
	assert_int_equal(reply(f, post_fallocate(f, 2000)), 0);
	assert_int_equal(ring_used(&f->r[1]), 1);
	open_gate();
	assert_int_equal(ring_used(&f->r[1]), 1);
	/* What no worker had begun is not done any more. */
	assert_int_equal(lseek(f->file, 0, SEEK_END), 2000);
}

static void *settle(void *settled)
{
	io_workers_settle();
	__atomic_store_n((bool *)settled, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void who_needs_the_memory_waits_for_the_workers(void **state)
{
	struct fixture *f = *state;
	bool settled = false;
	pthread_t t;

	io_workers_settle();
	for (unsigned i = 0; i < WORKERS + 1; i++)
		(void)post_fallocate(f, 1000);
	expect_waiting(WORKERS);
	assert_int_equal(pthread_create(&t, NULL, settle, &settled), 0);
	(void)usleep(10000);
	assert_false(__atomic_load_n(&settled, __ATOMIC_SEQ_CST));
	open_gate();
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_true(settled);
	assert_int_equal(ring_used(&f->r[1]), WORKERS + 1);
	assert_false(io_workers_busy());
}

static void a_broken_ring_gets_no_reply(void **state)
{
	struct fixture *f = *state;
	const struct seg cut = { IN_AT, 39, false };

	(void)post_fallocate(f, 1000);
	expect_waiting(1);
	ring_chain(&f->r[1], &cut, 1);
	ring_kick(&f->r[1], 1);
	assert_true(reg_read(&f->g, 0x70) & 64);
	open_gate();
	assert_int_equal(ring_used(&f->r[1]), 0);
}

static void a_read_that_would_wait_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;
	unsigned i = 0;

	open_gate();
	gate.now = 3;
	i = post_read(f, 8);
	io_workers_settle();
	assert_int_equal(gate.now, -EAGAIN);
	assert_int_equal(ring_used(&f->r[1]), 1);
	assert_int_equal(ring_used_len(&f->r[1], 0), 16 + 8);
	assert_int_equal(reply(f, i), 0);
	assert_memory_equal(f->g.ram + OUT_AT + i * SLOT + 16, "01234567", 8);
	/* Where that cannot be asked, small ones are done at once. */
	gate.now = -EOPNOTSUPP;
	i = post_read(f, 8);
	assert_int_equal(ring_used(&f->r[1]), 2);
	assert_memory_equal(f->g.ram + OUT_AT + i * SLOT + 16, "01234567", 8);
	gate.now = -EIO;
	assert_int_equal(reply(f, post_read(f, 8)), -EIO);
}

/* ---- block devices ---- */

/* Beside the file system, with rings of its own in the same memory. */
static int setup_blk(void **state)
{
	struct guest *disk = calloc(1, sizeof(*disk));
	struct fixture *f = NULL;

	if (!disk)
		return -1;
	guest_init(disk);
	if (setup(state) < 0)
		return -1;
	f = *state;
	f->disk = disk;
	ring_init(&f->disk_ring, disk, 0x18000, 64);
	dev_blk_init(&disk->dev, &disk->loop, 0);
	if (ftruncate(f->file, 65536) < 0 || virtio_mmio_init(&disk->dev, disk->registers) < 0 ||
		dev_blk_attach(0, dup(f->file), false) < 0)
		return -1;
	guest_start(disk, 0, &f->disk_ring, 1);
	return 0;
}

static int teardown_blk(void **state)
{
	struct fixture *f = *state;

	open_gate();
	dev_blk_done(0);
	guest_done(f->disk);
	free(f->disk);
	return teardown(state);
}

/* A block request; its status byte is at the start of its slot. */
static unsigned post_blk(struct fixture *f, uint32_t type, uint32_t bytes)
{
	unsigned i = f->asked++;
	const struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { .type = type };
	const struct seg segs[] = { { IN_AT + i * SLOT, sizeof(h), false },
		{ OUT_AT + i * SLOT + 16, bytes, true }, { OUT_AT + i * SLOT, 1, true } };

	f->g.ram[OUT_AT + i * SLOT] = 0xee;
	guest_put(&f->g, IN_AT + i * SLOT, &h, sizeof(h));
	ring_chain(&f->disk_ring, segs, 3);
	ring_kick(&f->disk_ring, 0);
	return i;
}

static void a_flush_does_not_hold_up_reads(void **state)
{
	struct fixture *f = *state;
	unsigned flush = post_blk(f, 4, 0), read = 0;

	expect_waiting(1);
	read = post_blk(f, 0, 512);
	assert_int_equal(ring_used(&f->disk_ring), 1);
	assert_int_equal(f->g.ram[OUT_AT + read * SLOT], 0);
	assert_int_equal(f->g.ram[OUT_AT + flush * SLOT], 0xee);
	open_gate();
	assert_int_equal(ring_used(&f->disk_ring), 2);
	assert_int_equal(ring_used_len(&f->disk_ring, 1), 1);
	assert_int_equal(f->g.ram[OUT_AT + flush * SLOT], 0);
	/* A read that waits: the same bytes, the same count. */
	gate.now = -EAGAIN;
	assert_int_equal(pwrite(f->file, "abc", 3, 0), 3);
	read = post_blk(f, 0, 512);
	io_workers_settle();
	assert_int_equal(ring_used(&f->disk_ring), 3);
	assert_int_equal(ring_used_len(&f->disk_ring, 2), 513);
	assert_memory_equal(f->g.ram + OUT_AT + read * SLOT + 16, "abc", 3);
}

static void a_device_without_a_worker_waits_itself(void **state)
{
	struct fixture *f = *state;
	unsigned flush = 0;

	for (unsigned i = 0; i < WORKERS + 1; i++)
		(void)post_fallocate(f, 1000);
	expect_waiting(WORKERS);
	flush = post_blk(f, 4, 0);
	assert_int_equal(ring_used(&f->disk_ring), 1);
	assert_int_equal(f->g.ram[OUT_AT + flush * SLOT], 0);
	assert_int_equal(ring_used(&f->r[1]), 0);
}

/* The workers have not woken yet when the requests come. */
static void a_device_that_has_no_worker_comes_before_one_that_has(void **state)
{
	struct fixture *f = *state;
	unsigned first = post_fallocate(f, 1000), flush = 0;

	let_work(1);
	expect_waiting(1);
	(void)post_fallocate(f, 2000);
	flush = post_blk(f, 4, 0);
	assert_int_equal(ring_used(&f->disk_ring), 0);
	(void)post_fallocate(f, 3000);
	let_work(2);
	expect_waiting(2);
	assert_int_equal(gate.flushes, 1);
	let_work(WORKERS);
	expect_waiting(3);
	assert_int_equal(gate.flushes, 1);
	open_gate();
	assert_int_equal(ring_used(&f->r[1]), 3);
	assert_int_equal(reply(f, first), 0);
	assert_int_equal(f->g.ram[OUT_AT + flush * SLOT], 0);
}

#define BLK(f) cmocka_unit_test_setup_teardown(f, setup_blk, teardown_blk)
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* The first: workers begin in it. */
		BLK(a_device_that_has_no_worker_comes_before_one_that_has),
		CASE(several_wait_beside_each_other_and_the_device_goes_on),
		CASE(more_than_there_are_workers_wait_for_their_turn),
		CASE(a_file_that_is_released_stays_open_while_it_is_used),
		CASE(after_a_reset_the_ring_gets_no_reply),
		CASE(after_a_reset_nothing_waits_behind_what_was_before),
		CASE(who_needs_the_memory_waits_for_the_workers),
		CASE(a_broken_ring_gets_no_reply),
		CASE(a_read_that_would_wait_goes_on_where_it_was),
		BLK(a_flush_does_not_hold_up_reads),
		BLK(a_device_without_a_worker_waits_itself),
	};

	return cmocka_run_group_tests(tests, start_workers, NULL);
}
