/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one process's streams and messages over one connection, with flow control per stream.
 *
 * Used by both ends: the monitor (its stdio on one side, the VM on the other) and guest init (the
 * process's pipes or pty on one side, the host on the other). See agent.h for the protocol.
 *
 * A *source* is a local fd that is read and sent as DATA; a *sink* is a local fd that DATA is
 * written to. A terminal is both. A sink that breaks (EPIPE) answers END, so that the peer closes
 * its source and the writer there gets SIGPIPE, as it would with one pipe.
 *
 * Threads: all on the loop's. Memory: fixed after session_init() but for sinks that fall behind,
 * which hold at most AGENT_WINDOW bytes each. Trust: the peer is hostile; a broken frame or more
 * data than the window allows ends the session with -EPROTO.
 */
#ifndef NESTBOX_SESSION_H
#define NESTBOX_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "loop.h"

#define SESSION_OUT_MAX ((size_t)160 << 10)

struct session_ops {
	/* A whole message other than DATA, END and CREDIT. Non-zero (negative errno) ends the
	 * session. */
	int (*message)(void *arg, const struct agent_frame *f, const uint8_t *payload);
	/* The connection is over: error is 0 for an orderly end of file, else a negative errno.
	 * Called once, with the session's sources and sinks still open; the callee may call
	 * session_done(). */
	void (*closed)(void *arg, int error);
	/* A source reached its end (or was finished, or refused by the peer), END was queued and
	 * the fd closed. May be NULL. */
	void (*source_end)(void *arg, unsigned stream);
	/* The peer ended a stream, everything was written to the sink and the fd closed. May be
	 * NULL. */
	void (*sink_end)(void *arg, unsigned stream);
};

enum session_kind { SESSION_UNUSED, SESSION_SOURCE, SESSION_SINK };

struct session_stream {
	enum session_kind kind;
	int fd; /* owned; -EBADF when closed */
	int src; /* loop source, -1 = the fd cannot be polled (a regular file): always ready */
	bool polite; /* sink whose fd may block: written in pieces that poll(2) allows */
	bool finishing; /* source: an empty fd counts as its end */
	bool ended; /* source: END was sent; sink: END was received */
	uint32_t credit; /* source: bytes that may be sent */
	uint32_t consumed; /* sink: bytes written, not yet given back as credit */
	uint8_t *held; /* sink: owned, AGENT_WINDOW bytes when it fell behind */
	uint32_t held_start, held_len;
};

struct session {
	struct loop *loop; /* borrowed */
	int fd; /* owned */
	int src;
	const struct session_ops *ops; /* borrowed */
	void *arg;
	bool dead; /* closed() was called */
	struct session_stream stream[AGENT_STREAM_MAX];
	uint8_t *in; /* owned: header and payload of the frame being received */
	size_t in_len;
	uint8_t *out; /* owned: bytes to be sent, SESSION_OUT_MAX */
	size_t out_start, out_len;
};

/* Takes the connection (owned from here on; set non-blocking). */
warn_unused int session_init(
	struct session *s, struct loop *l, int fd, const struct session_ops *ops, void *arg);

/* Reads fd (owned from here on) and sends it as the stream. fd is best non-blocking; a blocking one
 * is read only when poll says that there is something. */
warn_unused int session_source(struct session *s, unsigned stream, int fd);

/* Writes the stream to fd (owned from here on). polite: fd is in blocking mode and shared with
 * others, so it is not switched to non-blocking but written in small pieces. */
warn_unused int session_sink(struct session *s, unsigned stream, int fd, bool polite);

/* Queues a message; -ENOBUFS when SESSION_OUT_MAX is reached (the peer does not read). */
warn_unused int session_send(
	struct session *s, uint16_t type, uint16_t stream, const void *p, size_t len);

/* The process behind the sources is gone: what they still hold is sent, then they end even if
 * others keep the write ends open. source_end() comes for each. */
void session_finish_sources(struct session *s);

/* Whether all sources have ended (or there are none). */
bool session_sources_ended(const struct session *s);

/* Whether all sinks have written what arrived. */
bool session_sinks_idle(const struct session *s);

/* Closes everything; accepts a zeroed or half-built session. */
void session_done(struct session *s);

#endif
