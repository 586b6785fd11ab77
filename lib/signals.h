/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - all signals: their set, and all of them as a program expects them at its start.
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

/* Every signal with its default action, none blocked: before a program is run. */
static inline void signals_reset(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

#endif
