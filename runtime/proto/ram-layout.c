/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ram-layout.c - where a VM's memory lies; see ram-layout.h.
 */
#include "ram-layout.h"

static void add(struct ram_piece *p, unsigned *n, uint64_t gpa, uint64_t len)
{
	if (!len)
		return;
	if (*n && p[*n - 1].gpa + p[*n - 1].len == gpa)
		p[*n - 1].len += len;
	else
		p[(*n)++] = (struct ram_piece){ gpa, len };
}

/* len bytes from `at` on, which counts as if there were no gap. */
static void add_around_gap(struct ram_piece *p, unsigned *n, uint64_t at, uint64_t len)
{
	uint64_t low = at < RAM_GAP_START ? RAM_GAP_START - at : 0;

	if (low > len)
		low = len;
	add(p, n, at, low);
	add(p, n, at + low - RAM_GAP_START + RAM_GAP_END, len - low);
}

static uint64_t first_block(uint64_t boot_bytes)
{
	return (boot_bytes + RAM_BLOCK - 1) / RAM_BLOCK * RAM_BLOCK;
}

unsigned ram_layout(uint64_t boot_bytes, uint64_t ram_bytes, struct ram_piece ret[RAM_MAX_PIECES])
{
	unsigned n = 0;

	add_around_gap(ret, &n, 0, boot_bytes);
	if (ram_bytes > boot_bytes)
		add_around_gap(ret, &n, first_block(boot_bytes), ram_bytes - boot_bytes);
	return n;
}

unsigned ram_added(uint64_t boot_bytes, uint64_t from_bytes, uint64_t ram_bytes,
	struct ram_piece ret[RAM_MAX_ADDED])
{
	unsigned n = 0;

	add_around_gap(
		ret, &n, first_block(boot_bytes) + from_bytes - boot_bytes, ram_bytes - from_bytes);
	return n;
}

uint64_t ram_block(uint64_t boot_bytes, uint64_t n)
{
	uint64_t at = first_block(boot_bytes) + n * RAM_BLOCK;

	return at < RAM_GAP_START ? at : at - RAM_GAP_START + RAM_GAP_END;
}
