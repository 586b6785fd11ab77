/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - puts a kernel into guest memory, ready to be entered in 64-bit mode.
 *
 * All of it runs before the first vCPU does. The kernel and initrd files are trusted as much as
 * their owner is, but not to be well-formed: every offset and length in them is checked.
 */
#ifndef NESTBOX_BOOT_H
#define NESTBOX_BOOT_H

#include <stdint.h>

#include "err.h"
#include "gmem.h"

struct boot_image {
	gpa_t entry; /* 64-bit entry point */
	gpa_t end; /* first byte after the kernel */
	gpa_t initrd;
	uint64_t initrd_len; /* 0 = none */
};

/* Loads a 64-bit x86 ELF kernel; -ENOEXEC with the reason when it is none or is damaged. */
warn_unused int boot_load_elf(const struct gmem *m, int fd, struct boot_image *ret, struct err *e);

/* Loads the initrd at the end of low RAM; -ENOMEM when it does not fit behind the kernel. */
warn_unused int boot_load_initrd(
	const struct gmem *m, int fd, uint64_t ram_bytes, struct boot_image *image, struct err *e);

/* Writes boot_params (Linux 64-bit boot protocol), command line, page tables and GDT; -E2BIG when
 * the command line is longer than the kernel takes. */
warn_unused int boot_write_params(const struct gmem *m, uint64_t ram_bytes, const char *cmdline,
	const struct boot_image *image, struct err *e);

/* Writes the MP table (Intel MultiProcessor Specification 1.4, chapter 4): CPUs, one bus, one
 * IOAPIC, the interrupt lines. */
warn_unused int boot_write_mptable(const struct gmem *m, unsigned vcpus);

#endif
