/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-config.c - config.json: parsed, and made into a plan whose guest part its decoder must take.
 */
#include <assert.h>

#include "fuzz.h"

#include "agent.h"
#include "oci-spec.h"
#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct plan_facts facts = { .id = "fuzz", .bundle = "/bundle", .cpus = 2 };
	cleanup(arena) struct arena a = ARENA_INIT((size_t)64 << 20);
	struct oci_spec spec = { 0 };
	struct plan plan = { 0 };
	struct gplan out = { 0 };
	struct err e = { 0 };
	struct wire_out w;

	if (oci_spec_parse((const char *)data, size, "config.json", &a, &spec, &e) < 0 ||
		plan_build(&spec, &facts, &a, &plan, &e) < 0) {
		assert(e.code < 0 && e.msg[0]);
		return 0;
	}
	assert(plan.vm.ram_bytes % ((uint64_t)2 << 20) == 0 && plan.vm.vcpus > 0);
	wire_out_init(&w, AGENT_MAX_PAYLOAD);
	gplan_put(&w, &plan.guest);
	if (w.error == 0 && gplan_get(w.data, w.len, &a, &out) < 0)
		assert(a.used > a.limit / 2); /* only memory may be short */
	wire_out_done(&w);
	return 0;
}
