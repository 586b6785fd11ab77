/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join.c - which VM a container is to run in; see join.h.
 *
 * Trust: config.json is hostile. It can name a container only by an id or a pid, and both are
 * looked up among the states below the root: the pid together with the start time that is stored
 *        there. Nothing is opened by a path that it gives, but for the look at a network namespace.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctr.h"
#include "join.h"
#include "vmm-plan.h"

static const struct {
	const char *type, *file;
	uint64_t flag;
} joinable[] = {
	{ "network", "net", CLONE_NEWNET },
	{ "ipc", "ipc", CLONE_NEWIPC },
	{ "uts", "uts", CLONE_NEWUTS },
	{ "pid", "pid", CLONE_NEWPID },
};

void cleanup_join(struct join *j)
{
	close_fd(&j->fd);
}

pid_t join_pid_of_path(const char *path, const char *type)
{
	char expected[64];
	const char *digits = path + strlen("/proc/");
	long pid = 0;

	if (strncmp(path, "/proc/", strlen("/proc/")) != 0 || *digits < '1' || *digits > '9' ||
		strspn(digits, "0123456789") > 9)
		return 0;
	pid = strtol(digits, NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(joinable); i++) {
		if (strcmp(joinable[i].type, type) != 0)
			continue;
		(void)snprintf(
			expected, sizeof(expected), "/proc/%ld/ns/%s", pid, joinable[i].file);
		return strcmp(path, expected) == 0 ? (pid_t)pid : 0;
	}
	return 0;
}

/* The running container whose monitor has this pid: its state, and -ENOENT when it is none of ours.
 */
static int find_monitor(const char *root, pid_t pid, struct arena *a, struct ctr_state *ret)
{
	DIR *d = opendir(root);
	const struct dirent *entry = NULL;
	int r = -ENOENT;

	while (d && r < 0 && (entry = readdir(d))) {
		struct err ignored;

		if (!state_is_link(entry->d_name) &&
			ctr_get(root, entry->d_name, a, ret, &ignored) == 0 &&
			ret->status != CTR_STOPPED && ret->status != CTR_CREATING &&
			ret->monitor.pid == pid)
			r = 0;
	}
	if (d)
		(void)closedir(d);
	return r;
}

/* The container that the VM is of which this one runs in. */
static const char *owner_of(const struct ctr_state *s)
{
	return s->sandbox ? s->sandbox : s->id;
}

static int open_owner(
	const char *root, const char *id, struct arena *a, struct join *j, struct err *e)
{
	int r = state_check_id(id, e);

	if (r == 0)
		r = state_get(root, id, a, &j->fd, NULL, &j->owner, e);
	if (r == 0 && (j->owner.status == CTR_STOPPED || j->owner.status == CTR_CREATING))
		r = err_set(e, -ESRCH, "container not running");
	else if (r == 0 && j->owner.sandbox)
		r = err_set(e, -EINVAL, "it is in the VM of another container itself");
	else if (r == 0 && !j->owner.fs_slots)
		r = err_set(e, -EINVAL, "its VM was made for one container only");
	return r < 0 ? err_wrap(e, "cannot join the VM of %.64s", id) : 0;
}

static int add(struct join *j, const char *id, uint64_t flag, struct err *e)
{
	size_t i = 0;

	while (i < j->n_joins && strcmp(j->joins[i].id, id) != 0)
		i++;
	if (i == GPLAN_MAX_JOINS)
		return err_set(e, -E2BIG, "linux.namespaces: of too many containers");
	j->n_joins += i == j->n_joins;
	j->joins[i].id = id;
	j->joins[i].namespaces |= flag;
	return 0;
}

/* The container whose namespace the entry means, if it is one of ours in that VM (owner NULL: in
 * any). */
static int find_member(const char *root, const struct oci_namespace *ns, const char *owner,
	struct arena *a, struct ctr_state *ret)
{
	pid_t pid = ns->path ? join_pid_of_path(ns->path, ns->type) : 0;
	int r = pid ? find_monitor(root, pid, a, ret) : -ENOENT;

	return r == 0 && owner && strcmp(owner_of(ret), owner) != 0 ? -ENOENT : r;
}

/* By its paths alone: the first one that leads to a VM which others may join. */
static int find_by_paths(
	const char *root, const struct oci_linux *l, struct arena *a, struct join *j, struct err *e)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		struct ctr_state s, owner;

		if (find_member(root, &l->namespaces[i], NULL, a, &s) < 0 ||
			ctr_get(root, owner_of(&s), a, &owner, e) < 0 || !owner.fs_slots)
			continue;
		return open_owner(root, owner.id, a, j, e);
	}
	*e = (struct err){ 0 };
	return 0;
}

/* All containers of a VM are in one network, as there is one set of interfaces. */
static int check_network(const struct oci_namespace *ns, const struct join *j, struct err *e)
{
	char path[64];
	struct stat its, theirs;

	(void)snprintf(path, sizeof(path), "/proc/%lld/ns/net", (long long)j->owner.monitor.pid);
	if (ns->path && *ns->path && stat(path, &theirs) == 0 && stat(ns->path, &its) == 0 &&
		its.st_ino == theirs.st_ino && its.st_dev == theirs.st_dev)
		return 0;
	return err_set(e, -ENOTSUP,
		"linux.namespaces: a container in the VM of %.64s has that one's network, and no other",
		j->owner.id);
}

/* Which namespaces are whose. What is joined leaves the spec; the network stays, as its sysctls may
 * be set where it is named. */
static int join_namespaces(
	const char *root, struct oci_linux *l, struct arena *a, struct join *j, struct err *e)
{
	struct oci_namespace *kept = arena_alloc(a, l->n_namespaces + 1, sizeof(*kept));
	bool has_network = false;
	size_t n = 0;
	int r = kept ? add(j, j->owner.id, CLONE_NEWNET, e) : err_set(e, -ENOMEM, "out of memory");

	for (size_t i = 0; i < l->n_namespaces && r == 0; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];
		struct ctr_state s;
		size_t k = 0;

		while (k < ARRAY_LEN(joinable) && strcmp(joinable[k].type, ns->type) != 0)
			k++;
		if (k < ARRAY_LEN(joinable) && joinable[k].flag == CLONE_NEWNET) {
			has_network = true;
			r = check_network(ns, j, e);
		}
		if (r == 0 && k < ARRAY_LEN(joinable) && joinable[k].flag != CLONE_NEWNET &&
			find_member(root, ns, j->owner.id, a, &s) == 0) {
			r = add(j, s.id, joinable[k].flag, e);
			/* By way of another member, perhaps, which may have one of its own. */
			if (joinable[k].flag == CLONE_NEWIPC)
				j->pod_shm = j->owner.fs_slots == VMM_MAX_FS &&
					(!s.sandbox || s.pod_shm);
		} else {
			kept[n++] = *ns;
		}
	}
	/* Without one it asks for the host's. */
	if (r == 0 && !has_network && j->owner.network)
		r = err_set(e, -ENOTSUP,
			"linux.namespaces: a container in the VM of %.64s has that one's network, and no other",
			j->owner.id);
	if (r < 0)
		return r;
	l->namespaces = kept;
	l->n_namespaces = n;
	return 0;
}

int join_find(const char *root, const char *id, struct oci_spec *s, struct arena *a,
	struct join *ret, struct err *e)
{
	cleanup(join) struct join j = JOIN_NONE;
	struct plan_pod pod;
	int r = plan_pod(&s->annotations, &pod, e);

	if (r == 0 && pod.role == PLAN_MEMBER && strcmp(pod.sandbox_id, id) == 0)
		r = err_set(e, -EINVAL, "annotations: a container cannot be its own sandbox");
	else if (r == 0 && pod.role == PLAN_MEMBER)
		r = open_owner(root, pod.sandbox_id, a, &j, e);
	else if (r == 0 && pod.role == PLAN_ALONE)
		r = find_by_paths(root, &s->linux_, a, &j, e);
	if (r == 0 && j.fd >= 0)
		r = join_namespaces(root, &s->linux_, a, &j, e);
	if (r < 0)
		return r;
	*ret = j;
	j.fd = -EBADF;
	return 0;
}
