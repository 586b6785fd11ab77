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

/* The sooner of two timeouts; -1 = none. */
static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
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
		int timeout = sooner(jobs_tick(&s->jobs, now), events_tick(&s->events, now));
		int r = 0;

		timeout = sooner(timeout, shim_tick(s, now));
		if (s->stop_at_ns != 0)
			timeout = sooner(timeout, 100);
		r = loop_once(&s->loop, timeout);
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
