/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c - a container's statistics and OOM kills, as runc's `events` prints them.
 *
 * Memory, processor time and processes are the container's own, told by its guest's cgroup. Block
 * I/O is what the host's cgroup counts, as that is where the disks are.
 *
 * Trust: the guest's text is parsed as numbers and words that are looked for; nothing else of it is
 * printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "ctr.h"
#include "host-cgroup.h"
#include "io.h"
#include "network.h"
#include "ranges.h"
#include "running.h"

#define IO_STAT_MAX ((size_t)256 << 10)
#define MAX_KEY 64

static const char *const guest_files[] = { "cpu.stat", "memory.current", "memory.max",
	"memory.peak", "memory.stat", "memory.events", "memory.swap.current", "memory.swap.max",
	"pids.current", "pids.max", "cpuset.cpus.effective", "cpuset.mems.effective",
	"hugetlb.2MB.current", "hugetlb.2MB.max", "hugetlb.2MB.events" };

/* ---- reading ------------------------------------------------------------------------------- */

static const char *text_of(const struct plan_files *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->v[i].key, name) == 0)
			return f->v[i].value;
	}
	return "";
}

/* "max" is no limit: all bits set, as runc has it. */
static uint64_t number_of(const struct plan_files *f, const char *name)
{
	const char *text = text_of(f, name);

	return strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* The number after a word at the beginning of a line. */
static uint64_t keyed(const struct plan_files *f, const char *name, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text_of(f, name); *line; line += strspn(line, "\n")) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
		line += strcspn(line, "\n");
	}
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void put_cpu(struct json_out *o, const struct plan_files *f)
{
	json_out_open(o, "cpu", '{');
	json_out_open(o, "usage", '{');
	json_out_uint(o, "total", keyed(f, "cpu.stat", "usage_usec") * 1000);
	json_out_uint(o, "kernel", keyed(f, "cpu.stat", "system_usec") * 1000);
	json_out_uint(o, "user", keyed(f, "cpu.stat", "user_usec") * 1000);
	json_out_close(o, '}');
	json_out_open(o, "throttling", '{');
	json_out_uint(o, "periods", keyed(f, "cpu.stat", "nr_periods"));
	json_out_uint(o, "throttledPeriods", keyed(f, "cpu.stat", "nr_throttled"));
	json_out_uint(o, "throttledTime", keyed(f, "cpu.stat", "throttled_usec") * 1000);
	json_out_close(o, '}');
	json_out_close(o, '}');
}

/* "0-2,5" as [0,1,2,5]. */
static void put_numbers(struct json_out *o, const char *key, const char *list)
{
	unsigned long from = 0, to = 0, next = 0;

	json_out_open(o, key, '[');
	while (ranges_next(&list, &from, &to)) {
		/* Ascending, as the kernel writes them. */
		for (from = from < next ? next : from; from <= to && from < 1024; from++)
			json_out_uint(o, NULL, from);
		next = from;
	}
	json_out_close(o, ']');
}

static void put_cpuset(struct json_out *o, const struct plan_files *f)
{
	static const char *const unused[] = { "cpu_exclusive", "mem_hardwall", "mem_exclusive",
		"memory_migrate", "memory_spread_page", "memory_spread_slab", "memory_pressure",
		"sched_load_balance", "sched_relax_domain_level" };

	json_out_open(o, "cpuset", '{');
	put_numbers(o, "cpus", text_of(f, "cpuset.cpus.effective"));
	put_numbers(o, "mems", text_of(f, "cpuset.mems.effective"));
	for (size_t i = 0; i < ARRAY_LEN(unused); i++)
		json_out_uint(o, unused[i], 0);
	json_out_close(o, '}');
}

static void put_entry(struct json_out *o, const char *key, uint64_t limit, uint64_t usage,
	uint64_t max, uint64_t failures)
{
	json_out_open(o, key, '{');
	json_out_uint(o, "limit", limit);
	json_out_uint(o, "usage", usage);
	json_out_uint(o, "max", max);
	json_out_uint(o, "failcnt", failures);
	json_out_close(o, '}');
}

/* memory.stat as it is: names that are words, and their numbers. */
static void put_raw(struct json_out *o, const char *text)
{
	json_out_open(o, "raw", '{');
	while (*text) {
		size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
		char key[MAX_KEY];

		if (len && len < MAX_KEY && text[len] == ' ') {
			memcpy(key, text, len);
			key[len] = '\0';
			json_out_uint(o, key, strtoull(text + len, NULL, 10));
		}
		text += strcspn(text, "\n");
		text += strspn(text, "\n");
	}
	json_out_close(o, '}');
}

static void put_memory(struct json_out *o, const struct plan_files *f)
{
	uint64_t usage = number_of(f, "memory.current");
	uint64_t limit = number_of(f, "memory.max");
	uint64_t swap = number_of(f, "memory.swap.max");

	json_out_open(o, "memory", '{');
	json_out_uint(o, "cache", keyed(f, "memory.stat", "file"));
	put_entry(o, "usage", limit, usage, number_of(f, "memory.peak"),
		keyed(f, "memory.events", "max"));
	/* Both together, as runc shows them. */
	put_entry(o, "swap",
		limit == UINT64_MAX || swap > UINT64_MAX - limit ? UINT64_MAX : limit + swap,
		usage + number_of(f, "memory.swap.current"), 0, 0);
	put_entry(o, "kernel", 0, 0, 0, 0);
	put_entry(o, "kernelTCP", 0, 0, 0, 0);
	put_raw(o, text_of(f, "memory.stat"));
	json_out_close(o, '}');
}

static void put_pids(struct json_out *o, const struct plan_files *f)
{
	uint64_t limit = number_of(f, "pids.max");

	json_out_open(o, "pids", '{');
	json_out_uint(o, "current", number_of(f, "pids.current"));
	json_out_uint(o, "limit", limit == UINT64_MAX ? 0 : limit);
	json_out_close(o, '}');
}

/* One list out of io.stat ("8:0 rbytes=1 wbytes=2 rios=3 …"), of what is read and written. */
static void put_io(struct json_out *o, const char *key, const char *text, const char *read,
	const char *written)
{
	const char *const names[] = { read, written };
	static const char *const ops[] = { "Read", "Write" };

	json_out_open(o, key, '[');
	for (const char *line = text; *line; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");
		char *end = NULL;
		uint64_t major = strtoull(line, &end, 10);
		uint64_t minor = *end == ':' ? strtoull(end + 1, NULL, 10) : 0;

		for (size_t i = 0; i < 2; i++) {
			const char *at = memmem(line, len, names[i], strlen(names[i]));

			if (!at)
				continue;
			json_out_open(o, NULL, '{');
			json_out_uint(o, "major", major);
			json_out_uint(o, "minor", minor);
			json_out_string(o, "op", ops[i]);
			json_out_uint(o, "value", strtoull(at + strlen(names[i]), NULL, 10));
			json_out_close(o, '}');
		}
		line += len;
	}
	json_out_close(o, ']');
}

static void put_blkio(struct json_out *o, const char *cgroup)
{
	cleanup(close) int dir = cgroup ? host_cgroup_open(cgroup) : -EBADF;
	cleanup(close) int fd = dir < 0 ? -1 : openat(dir, "io.stat", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	size_t len = 0;

	json_out_open(o, "blkio", '{');
	if (fd >= 0 && io_read_file(fd, IO_STAT_MAX, &text, &len) == 0) {
		put_io(o, "ioServiceBytesRecursive", text, " rbytes=", " wbytes=");
		put_io(o, "ioServicedRecursive", text, " rios=", " wios=");
	}
	json_out_close(o, '}');
}

static void put_hugetlb(struct json_out *o, const struct plan_files *f)
{
	json_out_open(o, "hugetlb", '{');
	if (*text_of(f, "hugetlb.2MB.current")) {
		json_out_open(o, "2MB", '{');
		json_out_uint(o, "usage", number_of(f, "hugetlb.2MB.current"));
		json_out_uint(o, "failcnt", keyed(f, "hugetlb.2MB.events", "max"));
		json_out_close(o, '}');
	}
	json_out_close(o, '}');
}

/* As runc has it, in names that begin with capital letters. */
static void put_network(struct json_out *o, const struct ctr_state *s)
{
	struct network_counters all = { 0 };
	struct err ignored;

	json_out_open(o, "network_interfaces", '[');
	if (network_count(s, &all, &ignored) < 0)
		all.n = 0;
	for (size_t i = 0; i < all.n; i++) {
		const struct network_counter *c = &all.v[i];

		json_out_open(o, NULL, '{');
		json_out_string(o, "Name", c->name);
		json_out_uint(o, "RxBytes", c->rx_bytes);
		json_out_uint(o, "RxPackets", c->rx_packets);
		json_out_uint(o, "RxErrors", c->rx_errors);
		json_out_uint(o, "RxDropped", c->rx_dropped);
		json_out_uint(o, "TxBytes", c->tx_bytes);
		json_out_uint(o, "TxPackets", c->tx_packets);
		json_out_uint(o, "TxErrors", c->tx_errors);
		json_out_uint(o, "TxDropped", c->tx_dropped);
		json_out_close(o, '}');
	}
	json_out_close(o, ']');
}

static int print_line(struct json_out *o, struct err *e)
{
	const char *text = json_out_text(o);
	int r = text ? io_write_full(STDOUT_FILENO, text, strlen(text)) : -ENOMEM;

	return r < 0 ? err_sys(e, r, "standard output") : 0;
}

static int print_stats(int state_fd, const struct ctr_state *s, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(json_out) struct json_out o = { 0 };
	struct plan_files f = { 0 };
	int r = call_read_files(state_fd, s->id, guest_files, ARRAY_LEN(guest_files), &a, &f, e);

	if (r < 0)
		return r;
	json_out_open(&o, NULL, '{');
	json_out_string(&o, "type", "stats");
	json_out_string(&o, "id", s->id);
	json_out_open(&o, "data", '{');
	put_cpu(&o, &f);
	put_cpuset(&o, &f);
	put_memory(&o, &f);
	put_pids(&o, &f);
	put_blkio(&o, s->cgroup);
	put_hugetlb(&o, &f);
	json_out_open(&o, "intel_rdt", '{');
	json_out_close(&o, '}');
	put_network(&o, s);
	json_out_close(&o, '}');
	json_out_close(&o, '}');
	return print_line(&o, e);
}

static int print_oom(const struct ctr_state *s, struct err *e)
{
	cleanup(json_out) struct json_out o = { 0 };

	json_out_open(&o, NULL, '{');
	json_out_string(&o, "type", "oom");
	json_out_string(&o, "id", s->id);
	json_out_close(&o, '}');
	return print_line(&o, e);
}

/* ---- public -------------------------------------------------------------------------------- */

static int open_alive(const char *root, const char *id, struct arena *a, int *ret_fd,
	struct ctr_state *ret, struct err *e)
{
	int r = running_open(root, id, a, ret_fd, ret, e);

	return r == -ESRCH ? err_set(e, r, "container with id %s is not running", id) : r;
}

int ctr_stats(const char *root, const char *id, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	struct ctr_state s;
	int r = open_alive(root, id, &a, &fd, &s, e);

	return r < 0 ? r : print_stats(fd, &s, e);
}

/* What the guest says while we wait: 1 = a strike, 0 = nothing, negative = it is gone. */
static int read_oom(int watch)
{
	cleanup(free) uint8_t *payload = NULL;
	struct agent_frame frame;
	int r = agent_recv(watch, CALL_MS, &frame, &payload);

	if (r < 0)
		return r;
	return frame.type == AGENT_OOM ? 1 : -EPROTO;
}

int ctr_events(const char *root, const char *id, int interval_ms, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int fd = -EBADF;
	cleanup(close) int watch = -EBADF;
	unsigned long long next = io_now_ns() + (unsigned long long)interval_ms * 1000000;
	struct ctr_state s;
	int r = open_alive(root, id, &a, &fd, &s, e);

	if (r == 0)
		r = call_watch(fd, id, &watch, e);
	while (r == 0) {
		unsigned long long now = io_now_ns();
		int wait = now >= next ? 0 : (int)((next - now) / 1000000) + 1;
		int ready = io_wait_readable(watch, wait);
		int oom = ready > 0 ? read_oom(watch) : ready;

		/* The container has ended: so do we. */
		if (oom < 0)
			return 0;
		if (oom > 0)
			r = print_oom(&s, e);
		/* A guest that tells of one after another does not keep us from the rest. */
		if (ready > 0 && io_now_ns() < next)
			continue;
		next = io_now_ns() + (unsigned long long)interval_ms * 1000000;
		if (print_stats(fd, &s, e) < 0 && e->code != -ESRCH)
			r = e->code;
	}
	return r;
}
