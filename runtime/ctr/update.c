/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.c - changes a container's limits: in its guest, and of its cgroup on the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "ctr.h"
#include "host-cgroup.h"
#include "host-limits.h"
#include "io.h"
#include "plan.h"
#include "vm-memory.h"

static bool is_started(const struct ctr_state *s)
{
	return s->status == CTR_RUNNING || (s->status == CTR_PAUSED && s->thawed == CTR_RUNNING);
}

/* What the host's cpu.max holds, or will from start on. */
static void read_quota(const struct ctr_state *s, char *buf, size_t size)
{
	limits_read(s, "cpu.max", buf, size);
	for (size_t i = 0; i < s->start_limits.n && !is_started(s); i++) {
		if (strcmp(s->start_limits.v[i].key, "cpu.max") == 0)
			(void)snprintf(buf, size, "%s", s->start_limits.v[i].value);
	}
}

/* cpu.max is one file ("max 100000"): what was not asked for is what it holds. The host's, as the
 * guest must not have a say in it. */
static void complete_quota(const struct ctr_state *s, struct oci_cpu *c)
{
	bool quota = c->has_quota && c->quota, period = c->has_period && c->period;
	char now[64], *end = now;
	int64_t old_quota = -1;

	if (quota == period)
		return;
	read_quota(s, now, sizeof(now));
	if (strncmp(end, "max", 3) == 0)
		end += 3;
	else
		old_quota = strtoll(end, &end, 10);
	if (quota) {
		c->period = strtoull(end, NULL, 10);
		c->has_period = true;
	} else {
		c->quota = old_quota;
		c->has_quota = true;
	}
}

/* The VM can hold as much: its own, or that of the container that it is in. */
static int reach_memory(
	const char *root, int state_fd, struct ctr_state *s, int64_t limit, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!s->sandbox)
		return vm_memory_reach(state_fd, s, limit, e);
	r = state_open(root, s->sandbox, &fd, NULL, e);
	return r < 0 ? err_wrap(e, "sandbox %s", s->sandbox) : vm_memory_reach_of(fd, limit, e);
}

/* Before start the quota is only noted: the boot is over, but so it is with create. */
static int limit_host(int state_fd, struct ctr_state *s, const struct plan_cgroup *host,
	struct arena *a, struct err *e)
{
	int r = limits_write(s, &host->files, e);

	if (r < 0 || !host->start_files.n)
		return r;
	if (is_started(s))
		return limits_write(s, &host->start_files, e);
	r = limits_keep(&host->start_files, a, s, e);
	return r < 0 ? r : state_save(state_fd, s, e);
}

int ctr_update(const char *root, const char *id, const struct oci_resources *given, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct oci_resources res = *given, last;
	struct plan_cgroup host = { 0 };
	struct plan_files guest = { 0 };
	struct ctr_state s;
	int r = state_get(root, id, &a, &fd, &lock, &s, e);

	if (r < 0)
		return r;
	if (s.status == CTR_STOPPED || s.status == CTR_CREATING)
		return err_set(e, -ESRCH, "container not running");
	last = plan_with_unified(&res);
	complete_quota(&s, &res.cpu);
	/* What is refused is refused before anything is done. */
	r = plan_resources(&res, &a, &guest, e);
	state_lock_waits(lock, true);
	if (r == 0)
		r = reach_memory(root, fd, &s, last.memory.limit, e);
	if (r == 0)
		r = plan_host_resources(&res, s.ram_bytes, &a, &host, e);
	if (r == 0 && guest.n)
		r = call_write_files(fd, id, guest.v, guest.n, e);
	if (r == 0 && s.cgroup)
		r = limit_host(fd, &s, &host, &a, e);
	return r;
}
