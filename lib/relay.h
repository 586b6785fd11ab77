/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - carries bytes between two stream sockets, both ways, until both are done.
 *
 * Half-closes are carried over. A side that is gone altogether ends the relay when the other has
 * got what it sent. Nothing blocks: each direction holds RELAY_BUFFER bytes and then waits.
 */
#ifndef NESTBOX_RELAY_H
#define NESTBOX_RELAY_H

#include <stddef.h>

#include "cleanup.h"
#include "loop.h"

#define RELAY_BUFFER ((size_t)16 << 10)

/* Starts a relay between a and b (both owned from here on, also on error; made not blocking). b may
 * still be connecting. What is in head goes to b first. done(arg) is called once, when the relay
 * has ended; not when this returns an error. */
warn_unused int relay_start(struct loop *loop, int a, int b, const void *head, size_t head_len,
	void (*done)(void *arg), void *arg);

#endif
