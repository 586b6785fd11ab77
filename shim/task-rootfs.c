/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task-rootfs.c - a container's root filesystem: mounted for its create, unmounted after its end.
 *
 * Each in a process of its own, so that a server of files that does not answer holds nothing but
 * the call that it is for, and that one for a while only.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "io.h"
#include "shim-log.h"
#include "snapshot-mount.h"
#include "task.h"

#define MOUNT_LIMIT (60 * SECONDS) /* journals may have to be read first */
#define UNMOUNT_LIMIT (20 * SECONDS)

static void path_of(const struct container *c, char to[PATH_MAX])
{
	(void)snprintf(to, PATH_MAX, "%s/rootfs", c->bundle);
}

static struct job_spec job_of(const char *name, int (*run)(void *arg), void *arg)
{
	return (struct job_spec){
		.argv = { name }, .run = run, .run_arg = arg, .fds = { -EBADF, -EBADF, -EBADF }
	};
}

int rootfs_mount(struct shim *s, struct container *c, const Pb__CreateTaskRequest *m,
	struct call *call, job_fn done, struct err *e)
{
	cleanup(free) struct snapshot_mount *mounts = calloc(m->n_rootfs + 1, sizeof(*mounts));
	char path[PATH_MAX];
	struct snapshot snapshot = { .mounts = mounts, .n = m->n_rootfs, .path = path };
	struct job_spec spec = job_of("mount", snapshot_mount_run, &snapshot);

	if (!mounts)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < m->n_rootfs; i++)
		mounts[i] = (struct snapshot_mount){ .type = m->rootfs[i]->type,
			.source = m->rootfs[i]->source,
			.target = m->rootfs[i]->target,
			.options = m->rootfs[i]->options,
			.n_options = m->rootfs[i]->n_options };
	path_of(c, path);
	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "%s", path);
	spec.deadline_ns = call_until(call, io_now_ns() + MOUNT_LIMIT);
	spec.done = done;
	spec.arg = call;
	c->mounted = true;
	return job_start(&s->jobs, &spec, e);
}

int rootfs_mount_failed(const struct job_end *end, struct err *e)
{
	return snapshot_mount_failed(end->status, end->timed_out, end->output, e);
}

static void on_unmounted(void *arg, const struct job_end *end)
{
	struct call *call = arg;

	/* The path is free by then (MNT_DETACH): the file system writes what it has to write. */
	if (end->timed_out)
		shim_log("rootfs: unmounting it took too long");
	call->unmounted(call);
}

void rootfs_unmount(
	struct shim *s, struct container *c, struct call *call, void (*fn)(struct call *call))
{
	char path[PATH_MAX];
	struct job_spec spec = job_of("unmount", snapshot_unmount_run, path);
	struct err e = { 0 };

	call->unmounted = fn;
	path_of(c, path);
	spec.deadline_ns = io_now_ns() + UNMOUNT_LIMIT;
	spec.done = on_unmounted;
	spec.arg = call;
	if (!c->mounted) {
		fn(call);
	} else if (job_start(&s->jobs, &spec, &e) < 0) {
		shim_log("rootfs: not unmounted: %s", e.msg);
		fn(call);
	}
}
