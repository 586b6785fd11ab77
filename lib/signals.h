/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - the set of all signals.
 */
#ifndef NESTBOX_SIGNALS_H
#define NESTBOX_SIGNALS_H

#include <signal.h>
#include <string.h>

/* Real-time ones too that the C library keeps for itself: sigfillset(3) of musl leaves 32 to 34
 * out, and callers' SIGRTMIN is 34. */
static inline void signals_all(sigset_t *ret)
{
	memset(ret, 0xff, sizeof(*ret));
}

#endif
