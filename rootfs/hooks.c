/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.c - the hooks that run in a container's namespaces; see hooks.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook.h"
#include "hooks.h"
#include "io.h"

static int open_state(const struct gplan_hooks *h, int *ret_fd, struct err *e)
{
	cleanup(free) char *text = NULL;
	int len = 0, r = 0;

	*ret_fd = -EBADF;
	if (!h->list.n)
		return 0;
	len = asprintf(&text, "%s%d%s", h->state_head, (int)getpid(), h->state_tail);
	if (len < 0) {
		text = NULL;
		return err_sys(e, -ENOMEM, "state for hooks");
	}
	r = io_memfd_sealed("state", text, (size_t)len);
	if (r < 0)
		return err_sys(e, r, "state for hooks");
	*ret_fd = r;
	return 0;
}

int hooks_create_container(const struct gplan *g, int root_fd, struct err *e)
{
	static char *no_env[] = { NULL };
	const struct hook_place place = { .root_fd = root_fd, .env = no_env };
	cleanup(close) int fd = -EBADF;
	int r = open_state(&g->create_container, &fd, e);

	if (r == 0)
		r = hook_run_all(&g->create_container.list, "createContainer", fd, &place, e);
	return r;
}

int hooks_open_start(const struct gplan *g, int *ret_fd, struct err *e)
{
	return open_state(&g->start_container, ret_fd, e);
}

int hooks_start_container(
	const struct gplan *g, const struct gplan_process *p, int state_fd, struct err *e)
{
	const struct hook_place place = { .root_fd = -EBADF, .env = p->env };

	return hook_run_all(&g->start_container.list, "startContainer", state_fd, &place, e);
}
