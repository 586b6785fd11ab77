/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-blk.c - the block device over any guest memory: the file keeps its size, and its content
 * when it is read-only.
 */
#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz-guest.h"

#include "devices.h"

#define SECTORS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	int fd = memfd_create("blk", MFD_CLOEXEC);
	struct guest g;
	struct stat st;
	char first = 0;

	guest_init(&g);
	if (fd < 0 || ftruncate(fd, SECTORS * 512) < 0 || pwrite(fd, "content", 7, 0) != 7)
		abort();
	dev_blk_init(&g.dev, &g.loop, 0);
	if (virtio_mmio_init(&g.dev, g.registers) < 0 || dev_blk_attach(0, dup(fd), how & 1) < 0)
		abort();
	fuzz_start(&g, how & 2 ? GUEST_FEATURES_EVENT_IDX : 0);
	fuzz_load(&g, &in);
	fuzz_kick(&g);
	assert(fstat(fd, &st) == 0 && st.st_size == SECTORS * 512);
	if (how & 1)
		assert(pread(fd, &first, 1, 0) == 1 && first == 'c');
	fuzz_stop(&g);
	dev_blk_done(0);
	guest_done(&g);
	(void)close(fd);
	return 0;
}
