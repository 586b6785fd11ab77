/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.c - changes a container's limits: in its guest, and of its cgroup on the host.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "ctr.h"
#include "host-limits.h"
#include "plan.h"

/* cpu.max is one file: what was not asked for is what it holds ("max 100000"). */
static int complete_quota(
	int state_fd, const char *id, struct arena *a, struct oci_cpu *c, struct err *e)
{
	static const char *const files[] = { "cpu.max" };
	bool quota = c->has_quota && c->quota, period = c->has_period && c->period;
	struct plan_files now = { 0 };
	char *end = NULL;
	int64_t old_quota = -1;
	int r = 0;

	if (quota == period)
		return 0;
	r = call_read_files(state_fd, id, files, 1, a, &now, e);
	if (r < 0 || now.n != 1)
		return r;
	end = (char *)(uintptr_t)now.v[0].value;
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
	return 0;
}

static int check_memory(const struct oci_memory *m, uint64_t ram_bytes, struct err *e)
{
	if (m->limit <= 0 || !ram_bytes || (uint64_t)m->limit + PLAN_RAM_OVERHEAD <= ram_bytes)
		return 0;
	return err_set(e, -ERANGE,
		"memory limit of %" PRId64 " bytes: the VM was made with %" PRIu64
		" bytes, of which %" PRIu64 " are its kernel's; it cannot grow yet",
		m->limit, ram_bytes, (uint64_t)PLAN_RAM_OVERHEAD);
}

/* Before start the quota is only noted: the boot is over, but so it is with create. */
static int limit_host(int state_fd, struct ctr_state *s, const struct plan_cgroup *host,
	struct arena *a, struct err *e)
{
	bool started =
		s->status == CTR_RUNNING || (s->status == CTR_PAUSED && s->thawed == CTR_RUNNING);
	int r = limits_write(s, &host->files, e);

	if (r < 0 || !host->start_files.n)
		return r;
	if (started)
		return limits_write(s, &host->start_files, e);
	r = limits_keep(&host->start_files, a, s, e);
	return r < 0 ? r : state_save(state_fd, s, e);
}

int ctr_update(const char *root, const char *id, const struct oci_resources *given, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct oci_resources res = *given;
	struct plan_cgroup host = { 0 };
	struct plan_files guest = { 0 };
	struct ctr_state s;
	int r = state_open(root, id, &fd, &lock, e);

	if (r == 0)
		r = state_load(fd, &a, &s, e);
	if (r < 0)
		return r;
	if (s.status == CTR_STOPPED || s.status == CTR_CREATING)
		return err_set(e, -ESRCH, "container not running");
	r = check_memory(&res.memory, s.ram_bytes, e);
	if (r == 0)
		r = complete_quota(fd, id, &a, &res.cpu, e);
	if (r == 0)
		r = plan_resources(&res, &a, &guest, e);
	if (r == 0)
		r = plan_host_resources(&res, s.ram_bytes, &a, &host, e);
	if (r == 0 && guest.n)
		r = call_write_files(fd, id, guest.v, guest.n, e);
	if (r == 0 && s.cgroup)
		r = limit_host(fd, &s, &host, &a, e);
	return r;
}
