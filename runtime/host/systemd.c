/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.c - scopes of systemd; see systemd.h.
 *
 * Facts: org.freedesktop.systemd1(5), systemd.resource-control(5).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-cgroup.h"
#include "io.h"
#include "program.h"
#include "ranges.h"
#include "systemd.h"

#define MAX_WORDS 128
#define WORD_MAX 512
#define OUTPUT_MAX ((size_t)64 << 10)
#define SETTLE_MS 10000
#define LOOK_US 2000

/* A command line for busctl, put together word by word. */
struct call {
	char words[MAX_WORDS][WORD_MAX];
	char *argv[MAX_WORDS + 1];
	size_t n;
	bool full;
};

static void add(struct call *c, const char *word)
{
	if (c->n >= MAX_WORDS || strlen(word) >= WORD_MAX) {
		c->full = true;
		return;
	}
	(void)snprintf(c->words[c->n], WORD_MAX, "%s", word);
	c->argv[c->n] = c->words[c->n];
	c->argv[++c->n] = NULL;
}

static void add_all(struct call *c, const char *const *words)
{
	for (; *words; words++)
		add(c, *words);
}

static void add_number(struct call *c, const char *name, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_all(c, (const char *const[]){ name, "t", text, NULL });
}

static void begin(struct call *c, const char *method, const char *signature)
{
	static const char *const head[] = { "busctl", "--system", "--quiet", "--", "call",
		"org.freedesktop.systemd1", "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager", NULL };

	*c = (struct call){ 0 };
	add_all(c, head);
	add(c, method);
	add(c, signature);
}

/* ---- limits as properties ------------------------------------------------------------------ */

static uint64_t number(const char *text)
{
	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* "0-2,5" as an array of bytes, bit by bit. */
static void add_mask(struct call *c, const char *name, const char *list)
{
	unsigned char mask[128] = { 0 };
	unsigned long from = 0, to = 0;
	size_t len = 0;
	char text[16];

	while (ranges_next(&list, &from, &to)) {
		for (; from <= to && from < 8 * sizeof(mask); from++) {
			mask[from / 8] |= (unsigned char)(1u << (from % 8));
			len = from / 8 + 1 > len ? from / 8 + 1 : len;
		}
	}
	/* The call has room for some machines' worth of words, not for all. */
	if (len > 32)
		len = 32;
	add_all(c, (const char *const[]){ name, "ay", NULL });
	(void)snprintf(text, sizeof(text), "%zu", len);
	add(c, text);
	for (size_t i = 0; i < len; i++) {
		(void)snprintf(text, sizeof(text), "%u", mask[i]);
		add(c, text);
	}
}

static size_t add_quota(struct call *c, const char *value)
{
	char *end = NULL;
	uint64_t quota = number(value);
	uint64_t period = 0;

	end = strchr(value, ' ');
	period = end ? strtoull(end, NULL, 10) : 100000;
	if (!period)
		period = 100000;
	if (quota != UINT64_MAX) {
		/* Per second, and systemd takes no finer steps than 10 ms. */
		quota = quota * 1000000 / period;
		quota = (quota + 9999) / 10000 * 10000;
	}
	add_number(c, "CPUQuotaPerSecUSec", quota);
	add_number(c, "CPUQuotaPeriodUSec", period);
	return 2;
}

/* The properties of one file; how many. */
static size_t add_limit(struct call *c, const struct systemd_limit *l)
{
	static const struct {
		const char *file, *property;
	} plain[] = { { "memory.max", "MemoryMax" }, { "memory.low", "MemoryLow" },
		{ "memory.swap.max", "MemorySwapMax" }, { "cpu.weight", "CPUWeight" },
		{ "pids.max", "TasksMax" } };

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (strcmp(l->file, plain[i].file) == 0) {
			add_number(c, plain[i].property, number(l->value));
			return 1;
		}
	}
	if (strcmp(l->file, "io.weight") == 0) {
		add_number(c, "IOWeight",
			number(strchr(l->value, ' ') ? strchr(l->value, ' ') + 1 : l->value));
		return 1;
	}
	if (strcmp(l->file, "cpuset.cpus") == 0 || strcmp(l->file, "cpuset.mems") == 0) {
		add_mask(c, l->file[7] == 'c' ? "AllowedCPUs" : "AllowedMemoryNodes", l->value);
		return 1;
	}
	return strcmp(l->file, "cpu.max") == 0 ? add_quota(c, l->value) : 0;
}

/* The array of properties, behind its count. */
static void add_limits(struct call *c, size_t already, const struct systemd_limit *limits, size_t n)
{
	static struct call scratch;
	size_t count = already;
	char text[16];

	scratch = (struct call){ 0 };
	for (size_t i = 0; i < n; i++)
		count += add_limit(&scratch, &limits[i]);
	(void)snprintf(text, sizeof(text), "%zu", count);
	add(c, text);
	for (size_t i = 0; i < scratch.n; i++)
		add(c, scratch.words[i]);
	c->full |= scratch.full;
}

/* ---- the call ------------------------------------------------------------------------------ */

static int run(struct call *c, const char *unit, struct err *e)
{
	cleanup(free) char *text = NULL;
	int r = c->full ? err_set(e, -E2BIG, "too long")
			: program_output(c->argv, OUTPUT_MAX, &text, e);

	return r < 0 ? err_wrap(e, "systemd: %.256s", unit) : 0;
}

/* systemd carries it out by a job: it is done when the process is there. */
static int wait_moved(const char *unit, pid_t pid, char ret[PATH_MAX], struct err *e)
{
	unsigned long long deadline = io_now_ns() + SETTLE_MS * 1000000ULL;

	while (io_now_ns() < deadline) {
		const char *last = NULL;
		int r = host_cgroup_of(pid, ret);

		if (r < 0)
			return err_sys(e, r, "systemd: %s", unit);
		last = strrchr(ret, '/');
		if (last && strcmp(last + 1, unit) == 0)
			return 0;
		(void)usleep(LOOK_US);
	}
	return err_set(e, -ETIMEDOUT, "systemd did not make %s in time", unit);
}

int systemd_start_scope(const char *unit, const char *slice, pid_t pid,
	const struct systemd_limit *limits, size_t n, char ret[PATH_MAX], struct err *e)
{
	static struct call c;
	char number_text[16];
	int r = 0;

	begin(&c, "StartTransientUnit", "ssa(sv)a(sa(sv))");
	add_all(&c, (const char *const[]){ unit, "replace", NULL });
	(void)snprintf(number_text, sizeof(number_text), "%d", (int)pid);
	add_limits(&c, 6, limits, n);
	add_all(&c, (const char *const[]){ "Description", "s", "nestbox container", NULL });
	add_all(&c, (const char *const[]){ "Slice", "s", *slice ? slice : "system.slice", NULL });
	add_all(&c, (const char *const[]){ "PIDs", "au", "1", number_text, NULL });
	add_all(&c, (const char *const[]){ "Delegate", "b", "true", NULL });
	add_all(&c, (const char *const[]){ "DefaultDependencies", "b", "false", NULL });
	add_all(&c, (const char *const[]){ "CollectMode", "s", "inactive-or-failed", NULL });
	add(&c, "0");
	r = run(&c, unit, e);
	return r < 0 ? r : wait_moved(unit, pid, ret, e);
}

int systemd_set(const char *unit, const struct systemd_limit *limits, size_t n, struct err *e)
{
	static struct call c;

	begin(&c, "SetUnitProperties", "sba(sv)");
	add_all(&c, (const char *const[]){ unit, "true", NULL });
	add_limits(&c, 0, limits, n);
	return run(&c, unit, e);
}

void systemd_stop(const char *unit)
{
	static struct call c;
	struct err ignored;

	begin(&c, "StopUnit", "ss");
	add_all(&c, (const char *const[]){ unit, "replace", NULL });
	/* One that is gone already is as good. */
	(void)!run(&c, unit, &ignored);
}
