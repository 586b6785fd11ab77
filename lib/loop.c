/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - epoll event loop over a fixed table of sources; see loop.h.
 *
 * The event's data holds the table index and the entry's generation, so that an event fetched for a
 * source that was removed (and whose entry may be in use again) is recognised and dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io.h"
#include "loop.h"

#define LOOP_BATCH 16
#define NS_PER_MS 1000000ull
#define REST_NS (200 * NS_PER_MS)

static uint64_t event_data(const struct loop *l, size_t i)
{
	return ((uint64_t)l->sources[i].generation << 32) | (uint32_t)i;
}

int loop_init(struct loop *l, size_t max)
{
	*l = (struct loop){ .epoll_fd = -EBADF };
	if (max == 0 || max > 65535)
		return -EINVAL;
	l->sources = calloc(max, sizeof(*l->sources));
	if (!l->sources)
		return -ENOMEM;
	l->max = max;
	for (size_t i = 0; i < max; i++)
		l->sources[i].fd = -EBADF;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		int r = -errno;

		loop_done(l);
		return r;
	}
	return 0;
}

void loop_done(struct loop *l)
{
	if (l->sources)
		close_fd(&l->epoll_fd);
	free(l->sources);
	l->sources = NULL;
	l->max = 0;
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_fn fn, void *arg)
{
	for (size_t i = 0; i < l->max; i++) {
		struct loop_source *s = &l->sources[i];
		struct epoll_event ev = { .events = events };

		if (s->fd >= 0)
			continue;
		ev.data.u64 = event_data(l, i);
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
			return -errno;
		s->fd = fd;
		s->events = events;
		s->rest_until_ns = 0;
		s->fn = fn;
		s->arg = arg;
		return (int)i;
	}
	return -ENOSPC;
}

/* Has epoll watch these of a source's events. */
static int watch(struct loop *l, size_t i, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.u64 = event_data(l, i);
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, l->sources[i].fd, &ev) < 0 ? -errno : 0;
}

int loop_mod(struct loop *l, int source, uint32_t events)
{
	struct loop_source *s = NULL;
	int r = 0;

	if (source < 0 || (size_t)source >= l->max || l->sources[source].fd < 0)
		return -ENOENT;
	s = &l->sources[source];
	if (s->events == events)
		return 0;
	/* One that rests gets them at its end. */
	if (s->rest_until_ns == 0)
		r = watch(l, (size_t)source, events);
	if (r == 0)
		s->events = events;
	return r;
}

void loop_del(struct loop *l, int source)
{
	struct loop_source *s = NULL;

	if (source < 0 || (size_t)source >= l->max || l->sources[source].fd < 0)
		return;
	s = &l->sources[source];
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	l->n_resting -= s->rest_until_ns != 0;
	s->fd = -EBADF;
	s->generation++;
}

/* ---- clients that wait --------------------------------------------------------------------- */

static void rest(struct loop *l, int fd)
{
	for (size_t i = 0; i < l->max; i++) {
		struct loop_source *s = &l->sources[i];

		if (s->fd != fd || s->rest_until_ns != 0 || watch(l, i, 0) < 0)
			continue;
		s->rest_until_ns = io_now_ns() + REST_NS;
		l->n_resting++;
	}
}

static void end_rests(struct loop *l)
{
	uint64_t now = l->n_resting ? io_now_ns() : 0;

	for (size_t i = 0; l->n_resting && i < l->max; i++) {
		struct loop_source *s = &l->sources[i];

		if (s->fd < 0 || s->rest_until_ns == 0 || s->rest_until_ns > now)
			continue;
		s->rest_until_ns = 0;
		l->n_resting--;
		(void)!watch(l, i, s->events);
	}
}

int loop_accept(struct loop *l, int listen_fd, struct sockaddr *address, socklen_t *len, int flags)
{
	int fd = accept4(listen_fd, address, len, flags);
	int r = fd < 0 ? -errno : fd;

	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS)
		rest(l, listen_fd);
	return r;
}

/* ---- the loop ------------------------------------------------------------------------------ */

void loop_later(struct loop *l, unsigned ms, void (*fn)(void *arg), void *arg)
{
	if (l->due_fn)
		return;
	l->due_ns = io_now_ns() + ms * NS_PER_MS;
	l->due_fn = fn;
	l->due_arg = arg;
}

/* How long may be waited for events. */
static int until_due(const struct loop *l, int timeout_ms)
{
	uint64_t due = l->due_fn ? l->due_ns : UINT64_MAX;
	uint64_t now = 0, ms = 0;

	for (size_t i = 0; l->n_resting && i < l->max; i++) {
		const struct loop_source *s = &l->sources[i];

		if (s->fd >= 0 && s->rest_until_ns != 0 && s->rest_until_ns < due)
			due = s->rest_until_ns;
	}
	if (due == UINT64_MAX)
		return timeout_ms;
	now = io_now_ns();
	if (now < due)
		ms = (due - now + NS_PER_MS - 1) / NS_PER_MS;
	return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)ms : timeout_ms;
}

static void do_due(struct loop *l)
{
	void (*fn)(void *arg) = l->due_fn;

	if (!fn || io_now_ns() < l->due_ns)
		return;
	l->due_fn = NULL;
	fn(l->due_arg);
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[LOOP_BATCH];
	int n = epoll_wait(l->epoll_fd, ev, LOOP_BATCH, until_due(l, timeout_ms));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		size_t index = (uint32_t)ev[i].data.u64;
		const struct loop_source *s = &l->sources[index];

		if (s->fd >= 0 && s->generation == (uint32_t)(ev[i].data.u64 >> 32))
			s->fn(s->arg, ev[i].events);
	}
	end_rests(l);
	do_due(l);
	return n;
}

int loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int r = loop_once(l, -1);

		if (r < 0)
			return r;
	}
	return 0;
}
