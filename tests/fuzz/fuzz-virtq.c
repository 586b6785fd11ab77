/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-virtq.c - the ring walker over any guest memory, with rings anywhere in it: what it gives
 * lies in guest memory, and it ends.
 *
 * Input: queue size (as a power of two), event index or not, places of the three rings, memory.
 */
#include <assert.h>

#include "fuzz.h"

#include "virtq.h"

#define RAM 0x10000u

static uint8_t ram[RAM] __attribute__((aligned(4096)));

static void check(const struct iovec *iov, unsigned n, uint32_t sum, uint8_t fill)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = iov[i].iov_base;

		assert(p >= ram && p <= ram + RAM && iov[i].iov_len <= (size_t)(ram + RAM - p));
		total += iov[i].iov_len;
		if (fill && iov[i].iov_len)
			p[0] = p[iov[i].iov_len - 1] = fill; /* as a device would */
	}
	assert(total == sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vq_chain c;
	struct input in = { data, size };
	uint16_t n = (uint16_t)(1u << (input_u8(&in) % 10));
	uint8_t how = input_u8(&in);
	gpa_t desc = input_u16(&in) * 16ull, avail = input_u16(&in), used = input_u16(&in);
	struct gmem m = { 0 };
	struct vq q;

	if (gmem_add(&m, 0, ram, RAM) < 0)
		return 0;
	input_take(&in, ram, RAM);
	if (vq_init(&q, &m, n, desc, avail, used, how & 1) < 0)
		return 0;
	for (int i = 0; i < 600; i++) {
		int r = vq_pop(&q, &c);

		assert(r == 0 || r == 1 || q.broken);
		if (r <= 0)
			break;
		assert(c.head < q.size && c.n_out + c.n_in <= VQ_MAX_SEGS);
		check(c.out, c.n_out, c.out_len, 0);
		check(c.in, c.n_in, c.in_len, how);
		vq_push(&q, c.head, c.in_len);
		(void)vq_should_signal(&q);
	}
	return 0;
}
