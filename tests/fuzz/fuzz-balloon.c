/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-balloon.c - the balloon's device over any guest memory: what lies beside that memory keeps
 * its content, and the VMM its own.
 */
#include <assert.h>

#include "fuzz-guest.h"

#include "devices.h"

#define REPORTING (1u << 5)

static uint8_t neighbour[2 * 4096] __attribute__((aligned(4096)));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	struct guest g;

	memset(neighbour, 'x', sizeof(neighbour));
	guest_init(&g);
	dev_balloon_init(&g.dev, &g.loop);
	if (virtio_mmio_init(&g.dev, g.registers) < 0)
		abort();
	if (how & 1)
		dev_balloon_offer();
	fuzz_start(&g, (how & 2 ? GUEST_FEATURES_EVENT_IDX : 0) | REPORTING);
	fuzz_load(&g, &in);
	fuzz_kick(&g);
	fuzz_stop(&g);
	for (size_t i = 0; i < sizeof(neighbour); i++)
		assert(neighbour[i] == 'x');
	assert(g.dev.loop == &g.loop);
	guest_done(&g);
	return 0;
}
