/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - the monitor gives up what it does not need; see jail.h.
 *
 * It stays root by uid, as callers expect of a runtime's process, but without root's capabilities.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail.h"

int jail_monitor(void)
{
	const struct rlimit none = { 0, 0 };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	struct __user_cap_data_struct had[2];

	(void)setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_capget, &head, had) < 0)
		return -errno;
	data[0].effective = data[0].permitted = had[0].permitted & (1u << CAP_KILL);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}
