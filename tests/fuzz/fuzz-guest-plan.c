/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-guest-plan.c - the guest's decoder of plans: what it takes is written back byte for byte.
 */
#include <assert.h>

#include "fuzz.h"

#include "agent.h"
#include "guest-plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(arena) struct arena a = ARENA_INIT((size_t)64 << 20);
	struct gplan_process process = { 0 };
	struct gplan plan = { 0 };
	struct gplan again = { 0 };
	struct wire_out w;

	if (gplan_get(data, size, &a, &plan) == 0) {
		assert(plan.process.n_args > 0 && plan.process.cwd[0] == '/');
		wire_out_init(&w, AGENT_MAX_PAYLOAD);
		gplan_put(&w, &plan);
		assert(w.error || w.len == size);
		assert(w.error || gplan_get(w.data, w.len, &a, &again) == 0);
		wire_out_done(&w);
	}
	if (gplan_get_process(data, size, &a, &process) == 0)
		assert(process.n_args > 0 && process.args[process.n_args] == NULL);
	return 0;
}
