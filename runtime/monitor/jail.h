/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - the monitor gives up what it does not need.
 */
#ifndef NESTBOX_MONITOR_JAIL_H
#define NESTBOX_MONITOR_JAIL_H

#include <stdbool.h>

#include "cleanup.h"

/* No capability but CAP_KILL (a VMM that does not end; it has another uid), no new privileges, no
 * core file, no debugger. 0 or a negative errno. */
warn_unused int jail_monitor(void);

/* Once the streams are attached: "/" as working folder; seccomp, nothing can be opened or run any
 * more. may_fork: for oom.c. 0 or a negative errno. */
warn_unused int jail_seal(bool may_fork);

#endif
