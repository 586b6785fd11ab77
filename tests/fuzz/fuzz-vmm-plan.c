/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-vmm-plan.c - the VMM's boot plan: what is taken is in range and written back as it was.
 */
#include <assert.h>

#include "fuzz.h"

#include "vmm-plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_plan p;
	struct wire_out w;

	if (vmm_plan_get(data, size, &p) < 0)
		return 0;
	assert(p.vcpus >= 1 && p.vcpus <= VMM_MAX_VCPUS);
	assert(p.ram_bytes >= VMM_MIN_RAM && p.ram_bytes <= VMM_MAX_RAM);
	assert(memchr(p.id, 0, sizeof(p.id)) && memchr(p.cmdline, 0, sizeof(p.cmdline)));
	wire_out_init(&w, VMM_PLAN_MAX_BYTES);
	vmm_plan_put(&w, &p);
	assert(w.error == 0 && w.len == size && memcmp(w.data, data, size) == 0);
	wire_out_done(&w);
	return 0;
}
