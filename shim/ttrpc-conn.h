/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc-conn.h - one connection of ttrpc in the event loop, whichever end of it we are.
 */
#ifndef NESTBOX_SHIM_TTRPC_CONN_H
#define NESTBOX_SHIM_TTRPC_CONN_H

#include "loop.h"
#include "ttrpc.h"

struct ttrpc_conn {
	struct loop *loop; /* borrowed: outlives us */
	int fd; /* owned; -EBADF = not connected */
	int source;
	struct ttrpc_input in;
	struct ttrpc_output out;
};

#define TTRPC_CONN_INIT ((struct ttrpc_conn){ .fd = -EBADF, .source = -1 })

/* Watches a connected socket, which it takes over, also on failure. fn has to call
 * ttrpc_conn_handle(). */
warn_unused int ttrpc_conn_open(
	struct ttrpc_conn *c, struct loop *loop, int fd, loop_fn fn, void *arg);

/* The frame is in c->in; event is TTRPC_FRAME or TTRPC_TOO_LARGE. Must not close c. */
typedef void (*ttrpc_frame_fn)(void *arg, enum ttrpc_event event);

/* Reads and writes what the event allows; 0, or the errno of a connection that is to be closed. */
warn_unused int ttrpc_conn_handle(
	struct ttrpc_conn *c, uint32_t events, ttrpc_frame_fn fn, void *arg);

/* As ttrpc_output_add(); it is written from the loop. */
warn_unused int ttrpc_conn_add(
	struct ttrpc_conn *c, uint8_t type, uint32_t stream, size_t len, uint8_t **ret_payload);

/* Nothing happens where it is not open. */
void ttrpc_conn_close(struct ttrpc_conn *c);

#endif
