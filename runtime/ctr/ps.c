/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps.c - a container's processes: as the host has them, and as the guest has them.
 */
#include <errno.h>

#include "call.h"
#include "ctr.h"
#include "host-cgroup.h"
#include "running.h"

#define MAX_PIDS 8192

int running_open(const char *root, const char *id, struct arena *a, int *ret_fd,
	struct ctr_state *ret, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	int r = state_get(root, id, a, &fd, NULL, ret, e);

	if (r < 0)
		return r;
	if (ret->status == CTR_STOPPED || ret->status == CTR_CREATING)
		return err_set(e, -ESRCH, "container not running");
	*ret_fd = take_fd(&fd);
	return 0;
}

int ctr_pids(const char *root, const char *id, struct arena *a, pid_t **ret, size_t *ret_n,
	struct err *e)
{
	cleanup(close) int cgroup = -EBADF;
	struct ctr_state s;
	ssize_t n = 0;
	int r = ctr_get(root, id, a, &s, e);

	*ret = NULL;
	*ret_n = 0;
	/* One that has stopped has no processes, which is not an error. */
	if (r < 0 || s.status == CTR_STOPPED || !s.cgroup)
		return r;
	*ret = arena_alloc(a, MAX_PIDS, sizeof(**ret));
	if (!*ret)
		return err_set(e, -ENOMEM, "out of memory");
	cgroup = host_cgroup_open(s.cgroup);
	n = cgroup < 0 ? cgroup : host_cgroup_monitors(cgroup, *ret, MAX_PIDS);
	if (n < 0 && n != -ENOENT)
		return err_sys(e, (int)n, "cgroup %s", s.cgroup);
	*ret_n = n < 0 ? 0 : (size_t)n;
	return 0;
}

int ctr_processes(const char *root, const char *id, struct arena *a, struct ctr_process **ret,
	size_t *ret_n, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	struct agent_process *v = NULL;
	struct ctr_state s;
	size_t n = 0;
	int r = running_open(root, id, a, &fd, &s, e);

	if (r == 0)
		r = call_processes(fd, id, a, &v, &n, e);
	if (r < 0)
		return r;
	*ret = arena_alloc(a, n + 1, sizeof(**ret));
	if (!*ret)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = (struct ctr_process){ v[i].inner_pid, v[i].inner_parent, v[i].uid,
			v[i].cpu_ms, v[i].command };
	*ret_n = n;
	return 0;
}
