/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h - requests to a running sandbox: to its VMM, and through it to guest init.
 *
 * Every call has a deadline: a guest that hangs makes an error, never a wait without end.
 */
#ifndef NESTBOX_CALL_H
#define NESTBOX_CALL_H

#include <stdbool.h>

#include "agent.h"
#include "err.h"
#include "plan.h"
#include "vmm-ctl.h"

#define CALL_MS 10000

/* A connection (owned by the caller) to the VMM's control socket. */
warn_unused int call_vmm(int state_fd, int *ret_fd, struct err *e);

/* The VMM's state: console tail, last exit, counters. */
warn_unused int call_vmm_info(int state_fd, struct vmm_info *ret, struct err *e);

/* Gives block device `slot` of the VM its file, read-only. */
warn_unused int call_attach_disk(int state_fd, uint32_t slot, int fd, struct err *e);

/* Gives the VM an fs server's two sockets (borrowed) for a container that joins: *ret_slot, from 0,
 * is where they went. Waits for a slot whose container has just gone. */
warn_unused int call_attach_fs(int state_fd, const int fds[2], const struct socket_key *key,
	unsigned slots, unsigned *ret_slot, struct err *e);

/* The VM has so much memory from now on, or more. -ERANGE: it cannot grow so far. */
warn_unused int call_grow(int state_fd, uint64_t ram_bytes, struct err *e);

/* Its kernel uses what it has now, of which boot_bytes were there at boot. */
warn_unused int call_use_memory(
	int state_fd, uint64_t boot_bytes, uint64_t ram_bytes, struct err *e);

/* A new connection to guest init (owned by the caller). */
warn_unused int call_connect(int state_fd, int *ret_fd, struct err *e);

/* START, and KILL: connect, call, close. */
warn_unused int call_start(int state_fd, const char *id, int timeout_ms, struct err *e);
warn_unused int call_kill(int state_fd, const char *id, int signal, bool all, struct err *e);

/* Files of the container's cgroup in the guest, written in order. */
warn_unused int call_write_files(
	int state_fd, const char *id, const struct gplan_pair *files, size_t n, struct err *e);

/* What these files hold; memory of the arena. Files that are not there are left out. */
warn_unused int call_read_files(int state_fd, const char *id, const char *const *names, size_t n,
	struct arena *a, struct plan_files *ret, struct err *e);

/* The container's processes in the guest, by ascending pid; memory of the arena. */
warn_unused int call_processes(int state_fd, const char *id, struct arena *a,
	struct agent_process **ret, size_t *ret_n, struct err *e);

/* A connection (owned by the caller) on which a message OOM comes for each strike of the OOM
 * killer, and its end with the VM's. */
warn_unused int call_watch(int state_fd, const char *id, int *ret_fd, struct err *e);

#endif
