/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr.h - the life of a container: what the verbs do.
 *
 * Each function takes the root folder of states and returns 0 or a negative errno with a message
 * that is ready for the user.
 */
#ifndef NESTBOX_CTR_H
#define NESTBOX_CTR_H

#include <stdbool.h>

#include "err.h"
#include "json-out.h"
#include "oci-spec.h"
#include "state.h"

struct ctr_create_options {
	const char *root, *id, *bundle;
	const char *pid_file; /* NULL = none */
	const char *console_socket; /* NULL = none */
	const char *pidfd_socket; /* receives the monitor's pidfd; NULL = none */
	bool detach; /* create, and run --detach: somebody else waits for the container */
	bool systemd_cgroup; /* systemd makes the cgroup; cgroupsPath is "slice:prefix:name" */
	int trace_fd; /* run: where the timeline of its start goes (borrowed); -1 = nowhere */
	bool keep; /* run: leave the stopped container in the list */
};

struct ctr_exec_options {
	const char *root, *id;
	const char *pid_file, *console_socket, *pidfd_socket;
	bool detach;
	const char *process_file; /* NULL = the members below */
	const char *const *args; /* ends with NULL */
	const char *const *env; /* added to the container's; ends with NULL */
	const char *cwd, *user; /* NULL = the container's; "uid[:gid]" */
	const uint32_t *additional_gids;
	size_t n_additional_gids;
	const char *const *caps; /* added; ends with NULL */
	const char *cgroup; /* below the container's; NULL = the container's own */
	bool tty, no_new_privs;
	bool ignore_paused;
};

/* A process as the container sees it; command is printable. */
struct ctr_process {
	uint32_t pid, parent; /* parent: 0 = none that it sees */
	uint32_t uid;
	uint64_t cpu_ms;
	const char *command;
};

/* Up to the point before the program runs. */
warn_unused int ctr_create(const struct ctr_create_options *o, struct err *e);

warn_unused int ctr_start(const char *root, const char *id, struct err *e);

/* create and start; waits for the end unless detached: *ret_status is then the exit status. When
 * the VM died under the container, or a poststop hook failed, 0 is returned all the same, and *e
 * has the text with code 0; otherwise it is left alone. */
warn_unused int ctr_run(const struct ctr_create_options *o, int *ret_status, struct err *e);

/* Foreground: does not return but on failure, as this process becomes the monitor. */
warn_unused int ctr_exec(const struct ctr_exec_options *o, struct err *e);

warn_unused int ctr_kill(const char *root, const char *id, int signal, bool all, struct err *e);

/* Stops all processes of the container, and lets them go on. "container not running", "container
 * not paused". */
warn_unused int ctr_pause(const char *root, const char *id, struct err *e);
warn_unused int ctr_resume(const char *root, const char *id, struct err *e);

/* Changes limits, in the guest and on the host. What is not set stays. */
warn_unused int ctr_update(
	const char *root, const char *id, const struct oci_resources *r, struct err *e);

/* Pids of the host that stand for the container's processes: its monitors. Memory of the arena. */
warn_unused int ctr_pids(const char *root, const char *id, struct arena *a, pid_t **ret,
	size_t *ret_n, struct err *e);

/* The processes as the container has them, told by its guest. Memory of the arena. */
warn_unused int ctr_processes(const char *root, const char *id, struct arena *a,
	struct ctr_process **ret, size_t *ret_n, struct err *e);

/* Prints statistics as runc's events, one JSON object a line: once, or every interval_ms with the
 * OOM killer's strikes between them until the container ends. */
warn_unused int ctr_stats(const char *root, const char *id, struct err *e);
warn_unused int ctr_events(const char *root, const char *id, int interval_ms, struct err *e);

/* With 0 *e is empty, or has what the poststop hooks said, with code 0. */
warn_unused int ctr_delete(const char *root, const char *id, bool force, struct err *e);

/* The state now; memory of the arena. */
warn_unused int ctr_get(
	const char *root, const char *id, struct arena *a, struct ctr_state *ret, struct err *e);

/* All states, in order of their ids; those that cannot be read are left out. */
warn_unused int ctr_list(
	const char *root, struct arena *a, struct ctr_state **ret, size_t *ret_n, struct err *e);

#define CTR_TEMPLATE_NAME_MAX 32

/* A VM that containers are cloned from. */
struct ctr_template {
	char name[CTR_TEMPLATE_NAME_MAX];
	uint64_t bytes; /* on disk */
	uint64_t ram_bytes; /* of the VM */
	int64_t made, used; /* seconds since 1970 */
	const char *key; /* what its clones have in common, as lines; the arena's */
	const char *fault; /* NULL, or why it cannot be used; the arena's */
};

/* All templates. None, when there is no folder of them. */
warn_unused int ctr_template_list(
	struct arena *a, struct ctr_template **ret, size_t *ret_n, struct err *e);

/* Removes one by its name, or all (NULL). -ENOENT when there is none of that name. */
warn_unused int ctr_template_remove(const char *name, struct err *e);

/* Sees to it that there is a template for the bundle's containers (path NULL = "."): its name, the
 * arena's. One that is there already is tried. */
warn_unused int ctr_template_create(
	const char *path, struct arena *a, const char **ret_name, struct err *e);

/* The document that `features` prints (runtime-spec 1.2, features.md). */
void ctr_features(struct json_out *o);

#endif
