/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause.c - pause and resume: the container's processes are frozen inside the guest.
 *
 * Guest init goes on, so that exec --ignore-paused, update and SIGKILL work as they do under runc.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "ctr.h"
#include "io.h"

#define SETTLE_MS 10000
#define LOOK_MS 5

/* A process in the middle of a system call stops when it is through with that. */
static int wait_frozen(int state_fd, const char *id, struct err *e)
{
	static const char *const files[] = { "cgroup.events" };
	unsigned long long deadline = io_now_ns() + SETTLE_MS * 1000000ULL;

	while (io_now_ns() < deadline) {
		cleanup(arena) struct arena a = ARENA_INIT(0);
		struct plan_files f = { 0 };
		int r = call_read_files(state_fd, id, files, 1, &a, &f, e);

		if (r < 0)
			return r;
		if (f.n == 1 && strstr(f.v[0].value, "frozen 1"))
			return 0;
		(void)usleep(LOOK_MS * 1000);
	}
	return err_set(e, -ETIMEDOUT, "unable to freeze: processes of the container do not stop");
}

static bool is_frozen(int state_fd, const struct ctr_state *s)
{
	static const char *const files[] = { "cgroup.freeze" };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct plan_files f = { 0 };
	struct err ignored;

	return (s->status == CTR_RUNNING || s->status == CTR_CREATED) &&
		call_read_files(state_fd, s->id, files, 1, &a, &f, &ignored) == 0 && f.n == 1 &&
		f.v[0].value[0] == '1';
}

static int freeze(int state_fd, const char *id, bool on, struct err *e)
{
	const struct gplan_pair setting = { "cgroup.freeze", on ? "1" : "0" };
	struct err ignored;
	int r = call_write_files(state_fd, id, &setting, 1, e);

	if (r < 0 || !on)
		return r;
	r = wait_frozen(state_fd, id, e);
	if (r < 0)
		(void)!freeze(state_fd, id, false, &ignored);
	return r;
}

static int change(const char *root, const char *id, bool on, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct ctr_state s;
	int r = state_get(root, id, &a, &fd, &lock, &s, e);

	if (r < 0)
		return r;
	state_lock_waits(lock, true);
	if (on && s.status != CTR_RUNNING && s.status != CTR_CREATED)
		return err_set(e, -EBUSY, "container not running");
	/* Frozen all the same: a pause was killed before it noted that. */
	if (!on && s.status != CTR_PAUSED && is_frozen(fd, &s)) {
		s.thawed = s.status;
		s.status = CTR_PAUSED;
	}
	if (!on && s.status != CTR_PAUSED)
		return err_set(e, -EBUSY, "container not paused");
	r = freeze(fd, id, on, e);
	if (r < 0)
		return r;
	s.thawed = on ? s.status : s.thawed;
	s.status = on ? CTR_PAUSED : s.thawed;
	return state_save(fd, &s, e);
}

int ctr_pause(const char *root, const char *id, struct err *e)
{
	return change(root, id, true, e);
}

int ctr_resume(const char *root, const char *id, struct err *e)
{
	return change(root, id, false, e);
}
