/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - starts the processes of a sandbox: monitor, fs server and VMM; or the first two alone
 * for a container that joins another one's VM.
 *
 * The monitor becomes our child and the others its children; everything that they need is opened
 * here and inherited. Until launch_go() the monitor waits, and our end undoes it all.
 */
#ifndef NESTBOX_LAUNCH_H
#define NESTBOX_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "join.h"
#include "plan.h"
#include "process.h"
#include "socket-key.h"
#include "templates.h"

enum launch_stdio {
	LAUNCH_INHERIT, /* our own fds 0-2 are the container's */
	LAUNCH_RAW_TTY, /* our fd 0 is a terminal that the container takes over */
	LAUNCH_CONSOLE, /* a terminal of its own: stdio_fd */
};

struct launch_options {
	int state_fd; /* the container's folder (borrowed) */
	enum launch_stdio stdio;
	int stdio_fd; /* slave of the terminal (borrowed), for LAUNCH_CONSOLE */
	int cgroup_fd; /* the host's cgroup for all of them (borrowed); -1: */
	/* Puts the process, which is to be the monitor, into its cgroup: others will be born there.
	 */
	int (*place)(void *arg, pid_t pid, struct err *e);
	void *place_arg;
	struct template *template; /* (borrowed) NULL = the VM boots; else see template_choose() */
	const struct join *join; /* (borrowed) NULL, or whose VM it joins */
	bool die_with_us; /* the monitor shall not outlive us (`run` in the foreground) */
};

struct launch {
	pid_t monitor, vmm, fsd; /* vmm: 0 in another one's VM */
	uint32_t fs_slot; /* in the VM that it joins (guest-plan.h) */
	struct socket_key socket_key; /* guest init is to have the same */
	int boot_fd; /* owned: the connection to guest init */
	int go_fd; /* owned: write end of the monitor's pipe */
};

/* On error nothing is left running. */
warn_unused int launch_sandbox(
	const struct plan *p, const struct launch_options *o, struct launch *ret, struct err *e);

/* Hands the container over to its monitor. Closes both fds. */
warn_unused int launch_go(struct launch *l);

/* Ends what was launched and waits for it. Closes both fds. */
void launch_abort(struct launch *l);

/* A monitor for one more process: session_fd is its connection; first is the container's monitor.
 * Replaces this process; returns only on failure. stdio as above. */
int launch_exec_monitor(const struct process_ref *first, int session_fd, enum launch_stdio stdio,
	int stdio_fd, struct err *e);

/* /dev/null, before a child enters a cgroup that may have no devices, or loses sight of it. */
warn_unused int launch_open_null(int *ret_fd, struct err *e);

/* In a child: becomes the program (an fd), with null as stdin and stdout; its last words go to log.
 */
_Noreturn void launch_exec_quiet(int program, char *const argv[], int null, int log);

#endif
