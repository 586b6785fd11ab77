/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c - the server: one thread, one loop, from its start to Shutdown.
 *
 * It is a subreaper: the monitors that commands leave behind become its children, and their exits
 * the containers'. Nothing that it knows is needed after it: when it is killed, containerd calls
 * `delete`.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actions.h"
#include "address.h"
#include "io.h"
#include "shim-log.h"
#include "task.h"

#define STOP_LOOK (SECONDS / 10) /* how often is_over() is asked for at least */

static int child_fd = -EBADF; /* SIGCHLD as something to read; for the program's life */

static void on_child(void *arg, uint32_t events)
{
	struct shim *s = arg;
	struct signalfd_siginfo si;

	(void)events;
	/* First read, then reap: a child that ends in between is reaped now or tells again. */
	(void)!read(child_fd, &si, sizeof(si));
	jobs_reap(&s->jobs);
}

static int watch_children(struct shim *s, struct err *e)
{
	sigset_t child;
	int r = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	child_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (child_fd < 0)
		return err_sys(e, -errno, "signalfd");
	r = loop_add(&s->loop, child_fd, EPOLLIN, on_child, s);
	if (r < 0)
		return err_sys(e, r, "signalfd");
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? err_sys(e, -errno, "subreaper") : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* For the loop, which waits a little too long rather than too short; -1 = for ever. */
static int milliseconds_until(uint64_t at_ns, uint64_t now_ns)
{
	if (at_ns == UINT64_MAX)
		return -1;
	return at_ns <= now_ns ? 0 : (int)((at_ns - now_ns) / 1000000) + 1;
}

static bool is_over(const struct shim *s)
{
	if (s->stop_at_ns == 0)
		return false;
	return (server_idle(&s->server) && events_idle(&s->events)) || io_now_ns() >= s->stop_at_ns;
}

static int run(struct shim *s)
{
	while (!is_over(s)) {
		uint64_t now = io_now_ns();
		uint64_t next = sooner(jobs_tick(&s->jobs, now), events_tick(&s->events, now));
		int r = 0;

		next = sooner(next, shim_tick(s, now));
		if (s->stop_at_ns != 0)
			next = sooner(next, now + STOP_LOOK);
		r = loop_once(&s->loop, milliseconds_until(next, now));
		if (r < 0)
			return r;
	}
	return 0;
}

int action_serve(const struct shim_options *o, const char *command, struct err *e)
{
	static struct shim s;
	const char *events = getenv("TTRPC_ADDRESS");
	int listening = 0, r = 0;
	socklen_t size = sizeof(listening);

	if (getsockopt(SERVE_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
		return err_set(e, -EINVAL,
			"the server is made by start, with a socket as descriptor %d", SERVE_FD);
	if (fcntl(SERVE_FD, F_SETFD, FD_CLOEXEC) < 0 || io_set_nonblock(SERVE_FD, true) < 0)
		return err_sys(e, -errno, "descriptor %d", SERVE_FD);
	(void)unsetenv("NOTIFY_SOCKET");
	s.ns = o->ns;
	s.id = o->id;
	s.command = command;
	shim_log_open(o->debug);
	r = loop_init(&s.loop, SHIM_MAX_SOURCES);
	if (r < 0)
		return err_sys(e, r, "event loop");
	r = watch_children(&s, e);
	if (r < 0)
		return r;
	jobs_init(&s.jobs, shim_on_exit, &s);
	events_init(&s.events, &s.loop, o->ns, events ? events : "");
	r = server_init(&s.server, &s.loop, SERVE_FD, methods_dispatch, &s);
	if (r < 0)
		return err_sys(e, r, "server");
	shim_log("serving %s", o->socket);
	r = run(&s);
	if (*o->socket)
		(void)unlink(address_path(o->socket));
	server_done(&s.server);
	events_done(&s.events);
	loop_done(&s.loop);
	return r < 0 ? err_sys(e, r, "event loop") : 0;
}
