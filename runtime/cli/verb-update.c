/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-update.c - update: other limits for a container.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "ctr.h"
#include "io.h"
#include "json.h"

static const char *resources_file;
static const char *weight, *period, *quota, *burst, *share, *rt_period, *rt_runtime, *idle;
static const char *cpus, *mems, *kernel_memory, *kernel_tcp, *memory, *reservation, *swap, *pids;
static const char *l3_cache, *mem_bw;

static const struct cli_option options[] = {
	{ "resources", 'r', CLI_TEXT, &resources_file, "FILE",
		"a linux.resources object as JSON; - is standard input. Other options are ignored" },
	{ "blkio-weight", 0, CLI_TEXT, &weight, "N", "share of block I/O, 10 to 1000" },
	{ "cpu-period", 0, CLI_TEXT, &period, "US", "period of the CPU quota" },
	{ "cpu-quota", 0, CLI_TEXT, &quota, "US", "CPU time in a period; -1 = no limit" },
	{ "cpu-burst", 0, CLI_TEXT, &burst, "US", "CPU time that may be saved up" },
	{ "cpu-share", 0, CLI_TEXT, &share, "N", "share of CPU time, 2 to 262144" },
	{ "cpu-rt-period", 0, CLI_TEXT, &rt_period, "US", "accepted: cgroup v2 has none" },
	{ "cpu-rt-runtime", 0, CLI_TEXT, &rt_runtime, "US", "accepted: cgroup v2 has none" },
	{ "cpu-idle", 0, CLI_TEXT, &idle, "N", "1 = only when nobody else wants the CPU" },
	{ "cpuset-cpus", 0, CLI_TEXT, &cpus, "LIST", "processors of the host" },
	{ "cpuset-mems", 0, CLI_TEXT, &mems, "LIST", "memory nodes of the host" },
	{ "kernel-memory", 0, CLI_TEXT, &kernel_memory, "BYTES", "accepted: obsolete" },
	{ "kernel-memory-tcp", 0, CLI_TEXT, &kernel_tcp, "BYTES", "accepted: obsolete" },
	{ "memory", 0, CLI_TEXT, &memory, "BYTES", "limit; 64M and the like; -1 = none" },
	{ "memory-reservation", 0, CLI_TEXT, &reservation, "BYTES", "soft limit" },
	{ "memory-swap", 0, CLI_TEXT, &swap, "BYTES", "memory and swap together; -1 = no limit" },
	{ "pids-limit", 0, CLI_TEXT, &pids, "N", "processes; -1 = no limit" },
	{ "l3-cache-schema", 0, CLI_TEXT, &l3_cache, "SCHEMA", "refused: host hardware" },
	{ "mem-bw-schema", 0, CLI_TEXT, &mem_bw, "SCHEMA", "refused: host hardware" },
	{ 0 },
};

/* "64M", "1.5g", "512kb", "1024": powers of 1024. */
static int parse_bytes(const char *name, const char *text, int64_t *ret, struct err *e)
{
	static const char units[] = "bkmgtp";
	char *end = NULL;
	double value = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end | 0x20) : units;

	if (strcmp(text, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	if (*end == ' ')
		unit = strchr(units, *++end | 0x20);
	if (end == text || !unit || !isdigit((unsigned char)*text))
		return err_set(
			e, -EINVAL, "invalid value for %s: invalid size: '%.64s'", name, text);
	for (; unit > units; unit--)
		value *= 1024;
	if (*end)
		end++;
	if (*end && strcasecmp(end, "b") != 0 && strcasecmp(end, "ib") != 0)
		return err_set(
			e, -EINVAL, "invalid value for %s: invalid suffix: '%.64s'", name, end);
	if (value > (double)INT64_MAX / 2)
		return err_set(e, -ERANGE, "invalid value for %s: too large", name);
	*ret = (int64_t)value;
	return 0;
}

static int parse_number(
	const char *name, const char *text, bool negative, int64_t *ret, struct err *e)
{
	char *end = NULL;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (end == text || *end || errno || strchr(" \t", *text) || (*ret < 0 && !negative))
		return err_set(e, -EINVAL,
			"invalid value for %s: parsing \"%.64s\": invalid syntax", name, text);
	return 0;
}

static int parse_memory(struct oci_memory *m, struct err *e)
{
	const struct {
		const char *name, *text;
		int64_t *to;
		bool *has;
	} all[] = {
		{ "memory", memory, &m->limit, &m->has_limit },
		{ "memory-swap", swap, &m->swap, &m->has_swap },
		{ "memory-reservation", reservation, &m->reservation, &m->has_reservation },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
		if (!all[i].text || !*all[i].text)
			continue;
		r = parse_bytes(all[i].name, all[i].text, all[i].to, e);
		*all[i].has = true;
	}
	return r;
}

static int parse_cpu(struct oci_cpu *c, struct err *e)
{
	int64_t n_period = 0, n_share = 0, n_burst = 0, ignored = 0;
	const struct {
		const char *name, *text;
		bool negative;
		int64_t *to;
		bool *has;
	} all[] = {
		{ "cpu-period", period, false, &n_period, &c->has_period },
		{ "cpu-rt-period", rt_period, false, &ignored, NULL },
		{ "cpu-share", share, false, &n_share, &c->has_shares },
		{ "cpu-quota", quota, true, &c->quota, &c->has_quota },
		{ "cpu-rt-runtime", rt_runtime, true, &ignored, NULL },
		{ "cpu-burst", burst, false, &n_burst, &c->has_burst },
		{ "cpu-idle", idle, false, &c->idle, &c->has_idle },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
		if (!all[i].text || !*all[i].text)
			continue;
		r = parse_number(all[i].name, all[i].text, all[i].negative, all[i].to, e);
		if (all[i].has)
			*all[i].has = true;
	}
	c->period = (uint64_t)n_period;
	c->shares = (uint64_t)n_share;
	c->burst = (uint64_t)n_burst;
	c->cpus = cpus;
	c->mems = mems;
	return r;
}

static int parse_options(struct oci_resources *res, struct err *e)
{
	int64_t n = 0;
	int r = parse_memory(&res->memory, e);

	if (r == 0)
		r = parse_cpu(&res->cpu, e);
	if (r == 0 && weight) {
		r = parse_number("blkio-weight", weight, false, &n, e);
		if (r == 0 && n && (n < 10 || n > 1000))
			return err_set(
				e, -ERANGE, "invalid value for blkio-weight: must be 10 to 1000");
		res->blkio_weight = (uint32_t)n;
		res->has_blkio_weight = true;
	}
	if (r == 0 && pids) {
		r = parse_number("pids-limit", pids, true, &res->pids_limit, e);
		res->has_pids_limit = true;
	}
	return r;
}

static int read_resources(struct arena *a, struct oci_resources *res, struct err *e)
{
	bool is_stdin = strcmp(resources_file, "-") == 0;
	const char *name = is_stdin ? "standard input" : resources_file;
	cleanup(close) int fd =
		is_stdin ? STDIN_FILENO : open(resources_file, O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : io_read_file(fd, JSON_MAX_BYTES, &text, &len);

	if (r < 0)
		return err_sys(e, r, "%s", name);
	/* The numbers point into it. */
	return oci_spec_parse_resources(arena_strndup(a, text, len), len, name, a, res, e);
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct oci_resources res = { 0 };
	int r = 0;

	(void)argc;
	if (l3_cache && *l3_cache)
		return err_set(e, -ENOTSUP, "Intel RDT/CAT: l3 cache schema is not enabled");
	if (mem_bw && *mem_bw)
		return err_set(
			e, -ENOTSUP, "Intel RDT/MBA: memory bandwidth schema is not enabled");
	r = resources_file && *resources_file ? read_resources(&a, &res, e)
					      : parse_options(&res, e);
	if (r == 0 && ((kernel_memory && *kernel_memory) || (kernel_tcp && *kernel_tcp)))
		fprintf(stderr, "nestbox: kernel memory settings are ignored\n");
	return r < 0 ? r : ctr_update(g->root, argv[0], &res, e);
}

const struct cli_verb verb_update = {
	.name = "update",
	.operands = "CONTAINER-ID",
	.summary = "change a container's limits",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = run,
};
