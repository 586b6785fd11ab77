/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free-memory.c - the kernel's free page reporting; see free-memory.h.
 *
 * It begins when the balloon's driver is bound (runtime/vmm/dev-balloon.c), and goes by itself from
 * then on: two seconds after a large block became free. Binding costs some hundred VM exits, and a
 * first report of all that is free: that is for containers that live long enough to have something
 * to give back, not for those that are gone by then.
 */
#include <stdbool.h>

#include "free-memory.h"
#include "io.h"
#include "slots.h"
#include "vmm-plan.h"

#define DELAY_MS 3000ull
#define NS_PER_MS 1000000ull

static bool asked;
static unsigned long long due; /* CLOCK_MONOTONIC; 0 = nothing is */

void free_memory_later(void)
{
	if (!asked)
		due = io_now_ns() + DELAY_MS * NS_PER_MS;
	asked = true;
}

int free_memory_turn(void)
{
	unsigned long long now = due ? io_now_ns() : 0;

	if (now < due)
		return (int)((due - now) / NS_PER_MS) + 1;
	if (!due)
		return -1;
	due = 0;
	(void)!slot_bind(VMM_BALLOON_SLOT);
	return -1;
}
