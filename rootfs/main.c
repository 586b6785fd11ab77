/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - nestbox's init: PID 1 of the microVM and the host's agent in it.
 *
 * It boots the system, says HELLO, and then does what the host asks: builds the container, starts
 * its processes, carries their streams, reaps and reports (peers.c, tasks.c). When it cannot go on
 * it writes one line to the console and ends the VM.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "boot.h"
#include "boxes.h"
#include "bridges.h"
#include "free-memory.h"
#include "io.h"
#include "loop.h"
#include "marks.h"
#include "peers.h"
#include "signals.h"
#include "tasks.h"
#include "warm.h"

#define MAX_SOURCES 8192

static struct loop loop;
static int signal_fd = -EBADF;

static _Noreturn void give_up(const struct err *e)
{
	(void)fprintf(stderr, "nestbox init: %s\n", e->msg);
	(void)reboot(RB_AUTOBOOT);
	_exit(1);
}

static void on_signal(void *arg, uint32_t events)
{
	struct signalfd_siginfo info[16];

	(void)arg;
	(void)events;
	(void)!read(signal_fd, info, sizeof(info));
	tasks_reap();
}

static int start(struct err *e)
{
	sigset_t all;
	bool clone = false;
	int r = 0;

	/* Before anything else: PID 1 must not be interrupted, only told. */
	signals_all(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	mark("kernel");
	r = boot_system(e);
	if (r < 0)
		return r;
	mark("mounts");
	r = loop_init(&loop, MAX_SOURCES);
	if (r < 0)
		return err_sys(e, r, "event loop");
	signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	r = signal_fd < 0 ? -errno : loop_add(&loop, signal_fd, EPOLLIN, on_signal, NULL);
	if (r < 0)
		return err_sys(e, r, "signals");
	tasks_init(&loop);
	r = bridges_init(&loop, e);
	if (r < 0)
		return r;
	clone = boot_ready();
	if (clone) {
		marks_restart();
		mark("resumed");
	}
	return peers_init(&loop, clone, e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int r = 0;

	if (argc == 1 && warm_is_program(argv[0]))
		return 0;

	if (getpid() != 1) {
		(void)fprintf(stderr, "nestbox init: runs as PID 1 of a microVM only\n");
		return 1;
	}
	if (start(&e) < 0)
		give_up(&e);
	while (r >= 0) {
		int memory_ms = free_memory_turn(), rest_ms = boxes_turn();

		r = loop_once(&loop, rest_ms < 0 ? memory_ms : rest_ms);
		tasks_sweep();
	}
	(void)err_sys(&e, r, "event loop");
	give_up(&e);
}
