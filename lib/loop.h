/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - a small epoll event loop: level-triggered, one thread, no allocation after loop_init().
 *
 * A source's callback may add, change and remove any source, its own too. A removed source gets no
 * further call, even when its event was already fetched.
 */
#ifndef NESTBOX_LOOP_H
#define NESTBOX_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cleanup.h"

/* events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll reports them. */
typedef void (*loop_fn)(void *arg, uint32_t events);

struct loop_source {
	int fd; /* borrowed from the caller; -EBADF = free entry */
	uint32_t generation;
	uint32_t events;
	uint64_t rest_until_ns; /* not watched until then: see loop_accept(); 0 = it is */
	loop_fn fn;
	void *arg; /* borrowed */
};

struct loop {
	int epoll_fd; /* owned */
	bool stop;
	size_t max;
	struct loop_source *sources; /* owned, max entries */
	size_t n_resting;
	/* See loop_later(); due_fn is NULL when nothing is due. */
	uint64_t due_ns;
	void (*due_fn)(void *arg);
	void *due_arg; /* borrowed */
};

/* Makes room for max sources (1…65535). */
warn_unused int loop_init(struct loop *l, size_t max);

/* Closes what the loop owns, not the sources' fds. Accepts a zeroed or half-built loop. */
void loop_done(struct loop *l);

/* Watches fd; returns the source's number (>= 0). -ENOSPC when full. */
warn_unused int loop_add(struct loop *l, int fd, uint32_t events, loop_fn fn, void *arg);

/* Changes the watched events of a source; 0 keeps it silent but for EPOLLHUP and EPOLLERR. */
warn_unused int loop_mod(struct loop *l, int source, uint32_t events);

/* Stops watching; call it before the fd is closed. */
void loop_del(struct loop *l, int source);

/* accept4(2) from a socket that is watched; -errno. A client for whom there is no fd or no memory
 * waits, and epoll would tell of him again and again: the socket is not watched for a fifth of a
 * second then. */
warn_unused int loop_accept(
	struct loop *l, int listen_fd, struct sockaddr *address, socklen_t *len, int flags);

/* Calls fn once, so many milliseconds from now: from loop_once(), after the events that it handles.
 * There is one such call at a time; while one is to come this does nothing. */
void loop_later(struct loop *l, unsigned ms, void (*fn)(void *arg), void *arg);

/* Handles events once; waits timeout_ms at most (-1 = for ever). Returns how many were handled. */
warn_unused int loop_once(struct loop *l, int timeout_ms);

/* Handles events until a callback sets l->stop. */
warn_unused int loop_run(struct loop *l);

#endif
