/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.h - connections of the host to a port of a container's localhost.
 */
#ifndef NESTBOX_FORWARD_H
#define NESTBOX_FORWARD_H

#include <stdint.h>

#include "cleanup.h"
#include "loop.h"

/* Connects fd (owned from here on, also on error), as a stream of bytes, with who listens at that
 * port of 127.0.0.1 or else of ::1 in the network namespace ns_fd (borrowed). */
warn_unused int forward_begin(struct loop *loop, int ns_fd, uint16_t port, int fd);

#endif
