/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boxes.c - the containers of this VM; see boxes.h.
 *
 * Trust: plans are the host's. The containers are hostile to each other: one's end must not wait
 * for another, so what may take its time is done by a child.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot.h"
#include "boxes.h"
#include "bridges.h"
#include "cgroups.h"
#include "devices.h"
#include "grow.h"
#include "image.h"
#include "io.h"
#include "marks.h"
#include "tasks.h"

#define REST_MS 50 /* until the next try to give back what a container had */
#define REMOVE_TRIES 1000 /* of 10 ms: until its processes are gone */

static struct box *boxes[BOX_MAX]; /* owned */

struct box *box_at(size_t i)
{
	return boxes[i];
}

struct box *box_find(const char *id, struct err *e)
{
	for (size_t i = 0; i < BOX_MAX; i++) {
		if (boxes[i] && !boxes[i]->ended && strcmp(id, boxes[i]->plan.id) == 0)
			return boxes[i];
	}
	(void)err_set(e, -ENOENT, "container does not exist");
	return NULL;
}

/* The first is alone on the VM's own file system, and every other one on one of the slots. */
static int check(const struct box *b, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < BOX_MAX; i++) {
		any = any || boxes[i];
		if (!boxes[i] || boxes[i]->ended)
			continue;
		if (strcmp(boxes[i]->plan.id, b->plan.id) == 0)
			return err_set(e, -EEXIST, "container with given ID already exists");
		if (boxes[i]->plan.fs_slot == b->plan.fs_slot)
			return err_set(e, -EEXIST, "file system %u is in use", b->plan.fs_slot);
	}
	if (b->first == any || b->first != (b->plan.fs_slot == 0))
		return err_set(e, -EINVAL, "a container cannot come in this way");
	return 0;
}

int box_new(const void *plan, size_t len, bool joined, struct box **ret, struct err *e)
{
	struct box *b = calloc(1, sizeof(*b));
	size_t i = 0;
	int r = 0;

	while (i < BOX_MAX && boxes[i])
		i++;
	if (!b || i == BOX_MAX) {
		free(b);
		return err_set(e, -ENOMEM, "too many containers");
	}
	b->first = !joined;
	b->cgroup_fd = b->pidfd = -EBADF;
	r = gplan_get(plan, len, &b->arena, &b->plan);
	r = r < 0 ? err_sys(e, r, "guest plan") : check(b, e);
	if (r < 0) {
		box_free(b);
		return r;
	}
	boxes[i] = *ret = b;
	return 0;
}

int box_prepare(struct box *b, struct loop *loop, struct err *e)
{
	const struct gplan *g = &b->plan;
	/* Where others are, time has gone on as it should. */
	int r = b->first ? boot_freshen(g, e) : 0;

	if (r == 0 && b->first)
		r = grow(&g->size, e);
	mark("grown");
	if (r == 0)
		r = boot_shares(g, e);
	mark("shares");
	/* There is one disk for it. */
	if (r == 0 && !b->first && g->root_kind == GPLAN_ROOT_BLOCK)
		r = err_set(e, -ENOTSUP, "an image as the root of a container that joined");
	if (r == 0)
		r = image_mount(g, e);
	if (r == 0)
		r = bridges_make(g, e);
	for (size_t i = 0; i < g->n_mounts && r == 0; i++) {
		if (g->mounts[i].kind == GPLAN_MOUNT_SHM)
			r = boot_shm(e);
	}
	if (r == 0 && (g->namespaces & CLONE_NEWUSER))
		r = boot_plain_sysfs(e);
	if (r == 0 && (g->namespaces & CLONE_NEWUSER))
		r = devices_prepare(g, e);
	if (r == 0)
		r = cgroup_make(g, &b->cgroup_fd, e);
	if (r == 0)
		r = oom_init(&b->oom, loop, b->cgroup_fd, e);
	mark("cgroup");
	return r;
}

int box_joins(const struct box *b, struct spawn_join *ret, size_t *ret_n, struct err *e)
{
	*ret_n = 0;
	for (size_t i = 0; i < b->plan.n_joins; i++) {
		const struct gplan_join *j = &b->plan.joins[i];
		const struct box *other = box_find(j->id, e);

		if (!other || !other->init || other->pidfd < 0)
			return err_set(e, -ESRCH, "container %s is not running", j->id);
		ret[(*ret_n)++] = (struct spawn_join){ other->pidfd, j->namespaces };
	}
	return 0;
}

static bool remove_cgroup(const struct box *b)
{
	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (cgroup_remove(b->plan.cgroup) == 0)
			return true;
		(void)usleep(10000);
	}
	return false;
}

/* What init had open would keep others waiting for their ends. A process that waits for a share of
 * the host that hangs ends when that answers, and has then its files to close. */
static _Noreturn void remove_rest(const struct box *b)
{
	bool removed = false;

	(void)syscall(SYS_close_range, 3u, ~0u, 0u);
	removed = remove_cgroup(b);
	boot_shares_wait(b->plan.fs_slot);
	if (!removed) {
		(void)remove_cgroup(b);
		boot_shares_wait(b->plan.fs_slot);
	}
	boot_shares_gone(b->plan.fs_slot);
	_exit(0);
}

/* There may be no room for one more process, at the limit of the guest's memory or pids: those of
 * this container were just killed. */
static void give_back(struct box *b)
{
	pid_t pid = fork();

	if (pid == 0)
		remove_rest(b);
	b->rest = pid < 0;
}

void box_end(struct box *b)
{
	if (b->first || b->ended)
		return;
	b->ended = true;
	if (b->cgroup_fd >= 0)
		cgroup_signal(b->cgroup_fd, SIGKILL);
	oom_done(&b->oom);
	bridges_gone(b->plan.fs_slot);
	b->rest = true;
	give_back(b);
}

int boxes_turn(void)
{
	int left = -1;

	for (size_t i = 0; i < BOX_MAX; i++) {
		if (boxes[i] && boxes[i]->rest)
			give_back(boxes[i]);
		if (boxes[i] && boxes[i]->rest)
			left = REST_MS;
	}
	return left;
}

void box_free(struct box *b)
{
	for (size_t i = 0; i < BOX_MAX; i++) {
		if (boxes[i] == b)
			boxes[i] = NULL;
	}
	oom_done(&b->oom);
	close_fd(&b->cgroup_fd);
	close_fd(&b->pidfd);
	arena_done(&b->arena);
	free(b);
}
