/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join.h - which VM a container is to run in, when it is another container's.
 *
 * A container joins when it says so by the annotations of CRI, or when it shares a namespace with a
 * container of ours by the path /proc/PID/ns/TYPE of that one's monitor.
 */
#ifndef NESTBOX_CTR_JOIN_H
#define NESTBOX_CTR_JOIN_H

#include "plan.h"
#include "state.h"

struct join {
	int fd; /* owned: state folder of the container that the VM is of; -EBADF = a VM of its own
		 */
	struct ctr_state owner; /* of that container */
	struct gplan_join joins[GPLAN_MAX_JOINS];
	size_t n_joins;
	bool pod_shm; /* it shares the IPC namespace that a pod is made with */
};

#define JOIN_NONE ((struct join){ .fd = -EBADF })

void cleanup_join(struct join *j);

/* Finds it for the container of that spec, and takes those of its namespaces that are joined out of
 * the spec. Memory of the arena. What cannot be joined is refused, or left in the spec where it
 * means something else. */
warn_unused int join_find(const char *root, const char *id, struct oci_spec *s, struct arena *a,
	struct join *ret, struct err *e);

/* The pid of a path such as /proc/123/ns/net of that type; 0 when it is none. */
pid_t join_pid_of_path(const char *path, const char *type);

#endif
