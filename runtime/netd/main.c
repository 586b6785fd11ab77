/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - nestbox-netd CONTROL_FD REPORT_FD ID: the container's network, as long as its VM lives.
 *
 * Started by `start` in the container's network namespace, with a connection to the VMM's control
 * socket. Gives the guest what interfaces the namespace has, tells through REPORT_FD how that went
 * (a struct err), and then follows what changes. Ends with the VMM, or by SIGTERM, and leaves the
 * interfaces as it found them. Standard error is the sandbox's log.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "forward.h"
#include "io.h"
#include "jail.h"
#include "loop.h"
#include "netlink.h"
#include "ports.h"
#include "resolver.h"
#include "signals.h"

#define SOURCES 256
/* Changes come in crowds. */
#define LOOKS 5
#define SETTLE_NS 50000000L
#define GROUPS \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | \
		RTMGRP_IPV6_ROUTE)

static struct loop loop;
static int control = -EBADF, events = -EBADF, timer = -EBADF, signals = -EBADF;
static unsigned looks; /* for a resolver, a second apart */
static struct err told; /* the last thing that was written to the log */

static int fd_of(const char *arg)
{
	char *end = NULL;
	long fd = strtol(arg, &end, 10);

	return *end || fd < 3 || fd > INT_MAX ? -EBADF : (int)fd;
}

/* What does not change is told once. */
static void tell(const struct err *e)
{
	if (e->code < 0 && strcmp(e->msg, told.msg) != 0)
		(void)fprintf(stderr, "nestbox-netd: %s\n", e->msg);
	told = *e;
}

static void on_timer(void *arg, uint32_t what)
{
	const struct itimerspec later = { .it_value = { .tv_sec = 1 } };
	struct err e = { 0 };
	uint64_t n = 0;

	(void)arg;
	(void)what;
	if (read(timer, &n, sizeof(n)) != sizeof(n))
		return;
	(void)!ports_update(&e);
	tell(&e);
	/* A resolver may begin a little after the interface that it is for. */
	if (resolver_look())
		looks = 0;
	if (looks > 0 && looks--)
		(void)timerfd_settime(timer, 0, &later, NULL);
}

static void on_event(void *arg, uint32_t what)
{
	const struct itimerspec soon = { .it_value = { .tv_nsec = SETTLE_NS } };
	static uint8_t ignored[16384];

	(void)arg;
	(void)what;
	/* Everything is looked at anew anyway; lost messages are no loss. */
	while (recv(events, ignored, sizeof(ignored), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
	looks = LOOKS;
	(void)timerfd_settime(timer, 0, &soon, NULL);
}

static void on_end(void *arg, uint32_t what)
{
	(void)arg;
	(void)what;
	loop.stop = true;
}

static int open_all(const char *control_arg, struct err *e)
{
	sigset_t all, term;

	control = fd_of(control_arg);
	if (control < 0)
		return err_set(e, -EINVAL, "bad control fd");
	signals_all(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	signals = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
	events = nl_open(GROUPS);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (signals < 0 || events < 0 || timer < 0 || loop_init(&loop, SOURCES) < 0)
		return err_set(e, -ENOMEM, "event loop");
	if (loop_add(&loop, control, EPOLLRDHUP, on_end, NULL) < 0 ||
		loop_add(&loop, signals, EPOLLIN, on_end, NULL) < 0 ||
		loop_add(&loop, events, EPOLLIN, on_event, NULL) < 0 ||
		loop_add(&loop, timer, EPOLLIN, on_timer, NULL) < 0)
		return err_set(e, -ENOMEM, "event loop");
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int nl = -EBADF, report = -EBADF;
	int r = 0;

	if (argc != 4 || (report = fd_of(argv[2])) < 0) {
		(void)fprintf(stderr,
			"usage: nestbox-netd CONTROL_FD REPORT_FD ID (started by nestbox)\n");
		return 1;
	}
	(void)prctl(PR_SET_NAME, "nestbox-netd", 0, 0, 0);
	r = open_all(argv[1], &e);
	nl = nl_open(0);
	if (r == 0 && nl < 0)
		r = err_sys(&e, nl, "network: netlink");
	if (r == 0)
		r = ports_init(control, argv[3], nl, &e);
	if (r == 0)
		r = resolver_init(&loop, argv[3], nl, &e);
	if (r == 0)
		r = forward_init(&loop, argv[3], &e);
	if (r == 0)
		r = jail_enter(&e);
	if (r == 0)
		r = ports_update(&e);
	if (r == 0)
		(void)resolver_look();
	(void)!write(report, &e, sizeof(e));
	(void)close(report);
	if (r == 0)
		r = loop_run(&loop);
	resolver_done();
	ports_done();
	return r < 0;
}
