/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - what is remembered of a container: a folder below the root folder.
 *
 *   <root>/<id>/state.json   what this header holds
 *   <root>/<id>/config.json  the bundle's, as it was at create: for exec
 *   <root>/<id>/vmm.sock     the VMM's control socket
 *   <root>/<id>/vmm.log      what VMM and fs server had to say
 *   <root>/<id>/lock         held while the state changes; in it who waits for the guest meanwhile
 *
 * Only root may enter. Whether a container runs is never read from a file alone: its monitor lives,
 * or it has stopped.
 */
#ifndef NESTBOX_STATE_H
#define NESTBOX_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "cleanup.h"
#include "err.h"
#include "json-out.h"
#include "oci-spec.h"
#include "process.h"

#define STATE_ID_MAX 255

enum ctr_status { CTR_CREATING, CTR_CREATED, CTR_RUNNING, CTR_PAUSED, CTR_STOPPED, CTR_STATUS_MAX };

struct ctr_state {
	const char *id, *bundle, *rootfs;
	const char *created; /* RFC 3339 */
	const char *owner; /* name or number of the user */
	enum ctr_status status; /* as written; see state_load() */
	enum ctr_status thawed; /* of a paused one: what it is again after resume */
	bool transient; /* of `run` in the foreground: goes with it */
	bool hooks,
		poststop; /* it has any; it has some for its end, so that delete must come for it */
	bool interrupted; /* not stored: its create never came to an end */
	struct process_ref creator; /* the CLI, while CREATING */
	struct process_ref monitor, vmm, fsd;
	struct process_ref netd; /* of one that has interfaces, since its start */
	bool network; /* it has a network namespace of its own */
	bool network_given; /* … that somebody else made: interfaces may come at any time */
	uint64_t ram_bytes; /* of the VM */
	const char *sandbox; /* id of the container whose VM it is in; NULL = its own */
	bool pod_shm; /* … and it has its pod's IPC namespace and /dev/shm */
	uint64_t fs_slots; /* of its VM: how many may join at a time */
	const char *unit; /* of systemd, whose cgroup it is; NULL = ours */
	const char *cgroup; /* of these processes on the host; NULL = none was made */
	bool cgroup_shared; /* others were in it before: it is not ours to remove */
	struct oci_map start_limits; /* files of it that are written at start */
	struct oci_map annotations;
};

/* "created" …; as the specification names them. */
const char *ctr_status_name(enum ctr_status s);

/* The pid that stands for it: 0 when it has stopped. */
int64_t ctr_state_pid(const struct ctr_state *s);

/* Writes the state document (runtime-spec 1.2, runtime.md "State"), what runc adds to it included.
 */
void ctr_state_put(struct json_out *o, const struct ctr_state *s);

/* Whether a folder's entry is "." or "..": ids may begin with a dot otherwise. */
bool state_is_link(const char *name);

/* "invalid container ID format" unless it is a name that is safe as a file's. */
warn_unused int state_check_id(const char *id, struct err *e);

/* Makes the folder of a new container and takes its lock: *ret_fd, *ret_lock are owned by the
 * caller. -EEXIST "container with given ID already exists". What an interrupted create of the
 * same id left is removed first; the cost does not grow with the number of containers. */
warn_unused int state_new(
	const char *root, const char *id, int *ret_fd, int *ret_lock, struct err *e);

/* Opens a container's folder; "container does not exist". With lock (may be NULL) its state is kept
 * from changing by others while that fd is open; -EBUSY when another command holds it for 10 s. */
warn_unused int state_open(
	const char *root, const char *id, int *ret_fd, int *ret_lock, struct err *e);

/* Takes the lock of a folder that is open: as with state_open(). */
warn_unused int state_lock(int fd, int *ret_lock, struct err *e);

/* Says by the lock that we hold whether we wait for the guest now: who ends the container need not
 * wait for us then. */
void state_lock_waits(int lock, bool waits);

/* Who has said so of a folder that is open: pid 0 = nobody. */
struct process_ref state_lock_waiter(int fd);

/* Reads the state (memory of the arena) and looks whether it still holds: a container whose
 * processes are gone is CTR_STOPPED. */
warn_unused int state_load(int fd, struct arena *a, struct ctr_state *ret, struct err *e);

/* state_open() and state_load(): what most commands begin with. On error nothing is held. */
warn_unused int state_get(const char *root, const char *id, struct arena *a, int *ret_fd,
	int *ret_lock, struct ctr_state *ret, struct err *e);

/* Replaces the state in one step. */
warn_unused int state_save(int fd, const struct ctr_state *s, struct err *e);

/* Ends what still lives of it and removes the folder. Accepts a folder without a state. */
warn_unused int state_remove(const char *root, const char *id, int fd, struct err *e);

/* Removes what interrupted commands left below root, but for what has poststop hooks: these may
 * take their time, and are the business of delete. */
void state_sweep(const char *root);

#endif
