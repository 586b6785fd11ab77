/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-elf.c - the kernel loader: any file into 4 MiB of guest memory, which alone is written.
 */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"

#include "layout.h"
#include "vmm/boot.h"

#define RAM ((uint64_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* In a static array, so that the sanitizer sees a byte before or after it. */
	static uint8_t ram[RAM];
	cleanup(close) int fd = memfd_create("vmlinux", MFD_CLOEXEC);
	struct boot_image image = { 0 };
	struct gmem m = { 0 };
	struct err e = { 0 };
	int r = 0;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || gmem_add(&m, 0, ram, RAM) < 0)
		abort();
	r = boot_load_elf(&m, fd, &image, &e);
	if (r < 0) {
		assert(e.code == r && e.msg[0]);
		return 0;
	}
	assert(image.entry >= LAYOUT_HIGH_START && image.entry < image.end && image.end <= RAM);
	if (boot_load_initrd(&m, fd, RAM, &image, &e) == 0)
		assert(image.initrd >= image.end && image.initrd + image.initrd_len <= RAM);
	return 0;
}
