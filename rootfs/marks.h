/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks.h - moments on the way from the kernel's start to the container's program, for traces.
 *
 * They are kept here and go to the host with answers that are sent anyway: a mark costs no VM exit.
 */
#ifndef NESTBOX_MARKS_H
#define NESTBOX_MARKS_H

#include "wire.h"

/* What was done since the mark before (a literal) is done now. Past AGENT_MAX_MARKS nothing. */
void mark(const char *name);

/* Forgets all so far: they were another VM's, of which this one is a clone. */
void marks_restart(void);

/* All so far, as agent_put_marks() writes them. */
void marks_put(struct wire_out *w);

#endif
