/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clean-up.c - the delete action: containerd calls it when a shim has gone without a Delete. Takes
 * the VM, the mounts and the socket away; nothing that is not there is an error.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "actions.h"
#include "address.h"
#include "bundle-files.h"
#include "io.h"
#include "jobs.h"
#include "pb-text.h"
#include "snapshot-mount.h"

#define LIMIT_NS 20000000000ull
#define UNMOUNT_NS 5000000000ull

static char failure[ERR_MSG_MAX];

static void on_end(void *arg, const struct job_end *end)
{
	(void)arg;
	if (end->status != 0 && !strstr(end->error, "does not exist"))
		(void)snprintf(failure, sizeof(failure), "%s", end->error);
}

/* What nothing can be done about holds nobody up: the path is free, or nobody can free it. */
static void unmount(char *path)
{
	struct job_spec spec = { .argv = { "unmount" },
		.run = snapshot_unmount_run,
		.run_arg = path,
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + UNMOUNT_NS };
	struct err e;

	(void)!job_run(&spec, &e);
}

/* Runs nestbox delete --force to its end. */
static int remove_container(const struct shim_options *o, const char *bundle,
	const struct bundle_runtime *rt, struct err *e)
{
	char log[PATH_MAX];
	struct job_spec spec = { .argv = { rt->command, "--root", rt->root, "--log", log,
					 "--log-format", "json", "delete", "--force", o->id },
		.log = log,
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + LIMIT_NS,
		.done = on_end };
	int r = 0;

	if (snprintf(log, sizeof(log), "%s/log.json", bundle) >= (int)sizeof(log))
		return err_set(e, -ENAMETOOLONG, "%.200s: path is too long", bundle);
	r = job_run(&spec, e);
	if (r == 0 && *failure)
		return err_set(e, -EIO, "%s", failure);
	return r;
}

static int print_answer(pid_t pid, struct err *e)
{
	Pb__DeleteResponse answer = PB__DELETE_RESPONSE__INIT;
	Pb__Timestamp stamp = pb_now();
	uint8_t data[128];
	int r = 0;

	answer.pid = (uint32_t)pid;
	answer.exit_status = 128 + SIGKILL;
	answer.exited_at = &stamp;
	r = io_write_full(STDOUT_FILENO, data, pb__delete_response__pack(&answer, data));
	return r < 0 ? err_sys(e, r, "standard output") : 0;
}

int action_delete(const struct shim_options *o, const char *command, struct err *e)
{
	const char *bundle = *o->bundle ? o->bundle : ".";
	struct bundle_runtime rt;
	cleanup(free) char *address = NULL;
	char path[PATH_MAX], here[PATH_MAX];
	pid_t pid = 0;
	int r = 0;

	if (!id_is_usable(o->id))
		return err_set(e, -EINVAL, "invalid container ID \"%.128s\"", o->id);
	if (bundle[0] != '/') {
		if (!getcwd(here, sizeof(here)))
			return err_sys(e, -errno, "working folder");
		bundle = here;
	}
	if (bundle_runtime_read(bundle, command, o->ns, &rt) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	/* One whose create did not come so far has no pid. */
	if (snprintf(path, sizeof(path), "%s/" INIT_PID_FILE, bundle) < (int)sizeof(path))
		(void)!pid_file_read(path, &pid);
	r = remove_container(o, bundle, &rt, e);
	bundle_runtime_done(&rt);
	if (snprintf(path, sizeof(path), "%s/rootfs", bundle) < (int)sizeof(path))
		unmount(path);
	if (bundle_file_read(bundle, ADDRESS_FILE, &address) == 0)
		address_remove_stale(address);
	return r < 0 ? r : print_answer(pid, e);
}
