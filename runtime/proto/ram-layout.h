/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ram-layout.h - where a VM's memory lies, for the VMM, which puts it there, and for guest init,
 * which tells its kernel of what came after boot.
 *
 * A kernel finds at boot what its e820 table says, and can be told of more later: whole blocks of
 * RAM_BLOCK, at multiples of it. So what is added begins at the first such place behind the memory
 * that was there at boot; where that ends within a block there is nothing in between.
 */
#ifndef NESTBOX_RAM_LAYOUT_H
#define NESTBOX_RAM_LAYOUT_H

#include <stdint.h>

#define RAM_GAP_START 0xc0000000ull
#define RAM_GAP_END 0x100000000ull
/* A section of Linux's memory model on x86-64 (SECTION_SIZE_BITS); its blocks are as large where
 * there are less than 64 GiB at boot. */
#define RAM_BLOCK ((uint64_t)128 << 20)
#define RAM_MAX_PIECES 3
#define RAM_MAX_ADDED 2 /* pieces of what comes later at a time */

struct ram_piece {
	uint64_t gpa, len;
};

/* Where ram_bytes lie, boot_bytes of them there at boot: their number. The pieces are in order, and
 * what touches in the guest is one. boot_bytes: not more than ram_bytes, and below the gap where it
 * is less. */
unsigned ram_layout(uint64_t boot_bytes, uint64_t ram_bytes, struct ram_piece ret[RAM_MAX_PIECES]);

/* Where the rest lies of a VM that had from_bytes and is to have ram_bytes: the pieces' number.
 * What it had and has beside boot_bytes are whole blocks. */
unsigned ram_added(uint64_t boot_bytes, uint64_t from_bytes, uint64_t ram_bytes,
	struct ram_piece ret[RAM_MAX_ADDED]);

/* The n-th block that was not there at boot, counted from 0. */
uint64_t ram_block(uint64_t boot_bytes, uint64_t n);

#endif
