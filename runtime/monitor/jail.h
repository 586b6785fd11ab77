/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - the monitor gives up what it does not need.
 */
#ifndef NESTBOX_MONITOR_JAIL_H
#define NESTBOX_MONITOR_JAIL_H

#include "cleanup.h"

/* No capability but CAP_KILL (a VMM that does not end; it has another uid), no new privileges, no
 * core file, no debugger, "/" as working folder. 0 or a negative errno. */
warn_unused int jail_monitor(void);

/* Once the streams are attached: seccomp, nothing can be opened or run any more. 0 or a negative
 * errno. */
warn_unused int jail_seal(void);

#endif
