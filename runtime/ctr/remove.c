/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove.c - the end of a container; see remove.h.
 *
 * Hooks come last, when nothing is left of it (runtime-spec 1.2, "Lifecycle"): neither a hook that
 * hangs nor our end while one runs keeps anything alive or the name taken.
 */
#include <errno.h>

#include "hooks.h"
#include "remove.h"
#include "state.h"

int container_remove(const char *root, const char *id, int *fd, int *lock, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state s = { 0 };
	struct plan_hooks hooks = { 0 };
	struct err warning = { 0 }, ignored;
	int r = 0;

	/* A damaged state has no hooks, and shall be removed all the same. */
	if (state_load(*fd, &a, &s, &ignored) == 0 && s.poststop &&
		hooks_kept(*fd, &s, &a, &hooks, &warning) < 0)
		warning.code = 0;
	r = state_remove(root, id, *fd, e);
	close_fd(lock);
	close_fd(fd);
	if (r < 0)
		return r;
	hooks_stopped(&hooks, &s, &warning);
	*e = warning;
	return 0;
}
