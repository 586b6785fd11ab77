/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - kill, delete, and what is known of containers.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "ctr.h"
#include "remove.h"

#define END_MS 10000

/* ---- kill ---------------------------------------------------------------------------------- */

int ctr_kill(const char *root, const char *id, int signal, bool all, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	struct ctr_state s;
	int r = state_get(root, id, &a, &fd, NULL, &s, e);

	if (r < 0)
		return r;
	/* With --all runc finds no processes, and says nothing. */
	if (s.status == CTR_STOPPED && all)
		return 0;
	if (s.status == CTR_STOPPED || s.status == CTR_CREATING)
		return err_set(e, -ESRCH, "container not running");
	r = call_kill(fd, id, signal, all, e);
	/* A guest that does not answer loses its VM. */
	if (r < 0 && signal == SIGKILL && process_signal(&s.monitor, SIGKILL) == 0)
		return 0;
	return r;
}

/* ---- delete -------------------------------------------------------------------------------- */

/* What may hold the lock: a create under way is ended, and undoes its part; what waits for its
 * guest fails at once when that is gone. In another one's VM it is not: so it is ended too. */
static void end_holders(int fd)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct process_ref waiter = state_lock_waiter(fd);
	struct ctr_state s;
	struct err ignored;

	if (state_load(fd, &a, &s, &ignored) < 0)
		return;
	if (s.status == CTR_CREATING) {
		(void)!process_end(&s.creator, END_MS);
		return;
	}
	(void)!process_end(&s.monitor, END_MS);
	(void)!process_end(&s.vmm, END_MS);
	if (s.sandbox)
		(void)!process_end(&waiter, END_MS);
}

/* As good as deleted: no error, and no warning either. */
static int no_container(struct err *e)
{
	*e = (struct err){ 0 };
	return 0;
}

static int delete_forced(const char *root, const char *id, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	cleanup(close) int again = -EBADF;
	cleanup(close) int lock = -EBADF;
	int r = state_open(root, id, &fd, NULL, e);

	if (r == -ENOENT)
		return no_container(e);
	if (r < 0)
		return r;
	end_holders(fd);
	r = state_open(root, id, &again, &lock, e);
	if (r == -ENOENT)
		return no_container(e);
	return r < 0 ? r : container_remove(root, id, &again, &lock, e);
}

int ctr_delete(const char *root, const char *id, bool force, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct ctr_state s;
	int r = 0;

	if (force)
		return delete_forced(root, id, e);
	r = state_get(root, id, &a, &fd, &lock, &s, e);
	if (r < 0)
		return r;
	if (s.status != CTR_STOPPED && s.status != CTR_CREATED)
		return err_set(e, -EBUSY, "cannot delete container %s that is not stopped: %s", id,
			ctr_status_name(s.status));
	return container_remove(root, id, &fd, &lock, e);
}

/* ---- state and list ------------------------------------------------------------------------ */

int ctr_get(const char *root, const char *id, struct arena *a, struct ctr_state *ret, struct err *e)
{
	cleanup(close) int fd = -EBADF;

	return state_get(root, id, a, &fd, NULL, ret, e);
}

static int compare_ids(const void *a, const void *b)
{
	const struct ctr_state *left = a, *right = b;

	return strcmp(left->id, right->id);
}

int ctr_list(
	const char *root, struct arena *a, struct ctr_state **ret, size_t *ret_n, struct err *e)
{
	struct ctr_state *list = NULL;
	struct dirent *entry = NULL;
	DIR *d = NULL;
	struct err ignored;
	size_t n = 0;

	*ret = NULL;
	*ret_n = 0;
	state_sweep(root);
	d = opendir(root);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, -errno, "state folder %s", root);
	while ((entry = readdir(d))) {
		struct ctr_state s;

		if (state_is_link(entry->d_name) ||
			ctr_get(root, entry->d_name, a, &s, &ignored) < 0)
			continue;
		list = arena_grow(a, list, n, sizeof(*list));
		if (!list)
			break;
		list[n++] = s;
	}
	(void)closedir(d);
	if (n && !list)
		return err_set(e, -ENOMEM, "out of memory");
	if (n)
		qsort(list, n, sizeof(*list), compare_ids);
	*ret = list;
	*ret_n = n;
	return 0;
}
