/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers.h - connections of the host: requests come in, answers go out, or they become sessions.
 */
#ifndef NESTBOX_PEERS_H
#define NESTBOX_PEERS_H

#include "cleanup.h"
#include "err.h"
#include "loop.h"

/* Connects to the host, says HELLO, and listens for further connections. */
warn_unused int peers_init(struct loop *loop, bool clone, struct err *e);

#endif
