/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-vmm-ctl.c - the control socket, both ways: requests as the VMM reads them, replies as the
 * CLI does.
 */
#include <assert.h>

#include "fuzz.h"

#include "vmm-ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmm_info info;
	struct vmm_request m;
	int status = 0;

	if (vmm_ctl_get_request(data, size, &m) == 0)
		assert(m.op > 0 && m.op < VMM_CTL_OP_MAX && m.readonly <= 1);
	status = vmm_ctl_get_reply(data, size, &info);
	assert(status <= 0 && status >= -4095);
	if (status == 0)
		assert(info.console_len <= sizeof(info.console));
	status = vmm_ctl_get_reply(data, size, NULL);
	assert(status <= 0 && status >= -4095);
	return 0;
}
