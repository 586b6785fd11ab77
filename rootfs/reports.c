/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reports.c - what the host may ask about the container; see reports.h.
 *
 * Trust: names of processes are the container's; they are cut, and the host makes them printable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "agent.h"
#include "cgroups.h"
#include "io.h"
#include "reports.h"

#define MAX_PIDS 65536
#define MAX_COMMAND 256
#define ROOM (MAX_COMMAND + 64) /* bytes of one process at most */
#define FIELD_STATE 3
#define FIELD_UTIME 14

/* Reads the beginning of a file, as text; its length, 0 when there is none. */
static size_t peek(int dir, const char *name, char *buf, size_t size)
{
	cleanup(close) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : io_read_full(fd, buf, size - 1);

	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

/* ---- files --------------------------------------------------------------------------------- */

void report_files(int cgroup_fd, char *const *names, size_t n, struct arena *a, struct wire_out *w)
{
	static char buf[16 << 10];
	struct gplan_pair *found = arena_alloc(a, n + 1, sizeof(*found));
	size_t n_found = 0, left = AGENT_MAX_REPLY - 64;

	for (size_t i = 0; i < n && found; i++) {
		size_t len =
			strchr(names[i], '/') ? 0 : peek(cgroup_fd, names[i], buf, sizeof(buf));
		char *text = len ? arena_strndup(a, buf, len) : NULL;
		size_t cost = len + strlen(names[i]) + 2 * sizeof(uint32_t);

		if (!text || cost > left)
			continue;
		left -= cost;
		found[n_found++] = (struct gplan_pair){ names[i], text };
	}
	agent_put_files(w, found, n_found);
}

/* ---- processes ----------------------------------------------------------------------------- */

static const char *line_of(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? line + strlen(key) : "";
}

/* The pid in the innermost namespace (proc(5), NSpid). */
static uint32_t inner_pid(const char *status)
{
	const char *line = line_of(status, "\nNSpid:");
	uint32_t pid = 0;

	for (char *end = NULL; *line && *line != '\n'; line = end) {
		unsigned long value = strtoul(line, &end, 10);

		if (end == line)
			break;
		pid = (uint32_t)value;
	}
	return pid;
}

/* How many namespaces down it lives. */
static unsigned depth(const char *status)
{
	const char *line = line_of(status, "\nNSpid:");
	unsigned n = 0;

	for (; *line && *line != '\n'; line++)
		n += *line == '\t';
	return n;
}

static uint32_t inner_parent(const char *status, unsigned own_depth)
{
	char path[64], parent[4096];
	unsigned long pid = strtoul(line_of(status, "\nPPid:"), NULL, 10);

	(void)snprintf(path, sizeof(path), "/proc/%lu/status", pid);
	if (!pid || !peek(AT_FDCWD, path, parent, sizeof(parent)) || depth(parent) < own_depth)
		return 0;
	return inner_pid(parent);
}

static uint64_t cpu_ms(const char *stat)
{
	const char *at = strrchr(stat, ')');
	uint64_t ticks = 0;
	char *end = NULL;

	at = at && at[1] ? at + 2 : NULL;
	for (int field = FIELD_STATE; field < FIELD_UTIME && at; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return 0;
	ticks = strtoull(at, &end, 10);
	ticks += strtoull(end, NULL, 10);
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* The command line with blanks, or the name in brackets. */
static void command_of(const char *folder, const char *status, char ret[MAX_COMMAND])
{
	const char *name = line_of(status, "Name:\t");
	char path[64];
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/cmdline", folder);
	n = peek(AT_FDCWD, path, ret, MAX_COMMAND);
	while (n && !ret[n - 1])
		n--;
	for (size_t i = 0; i < n; i++) {
		if (!ret[i])
			ret[i] = ' ';
	}
	if (!n)
		(void)snprintf(ret, MAX_COMMAND, "[%.*s]", (int)strcspn(name, "\n"), name);
}

static void put_process(uint32_t pid, struct wire_out *w)
{
	static char status[8192];
	char folder[32], path[64], stat[1024], command[MAX_COMMAND];
	struct agent_process p = { .pid = pid, .command = command };

	(void)snprintf(folder, sizeof(folder), "/proc/%u", pid);
	(void)snprintf(path, sizeof(path), "%s/status", folder);
	/* One that has ended meanwhile still counts, as its number was given. */
	(void)!peek(AT_FDCWD, path, status, sizeof(status));
	(void)snprintf(path, sizeof(path), "%s/stat", folder);
	(void)!peek(AT_FDCWD, path, stat, sizeof(stat));
	p.inner_pid = inner_pid(status);
	p.inner_parent = inner_parent(status, depth(status));
	p.uid = (uint32_t)strtoul(line_of(status, "\nUid:"), NULL, 10);
	p.cpu_ms = cpu_ms(stat);
	command_of(folder, status, command);
	agent_put_process(w, &p);
}

static int compare_pids(const void *a, const void *b)
{
	const pid_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* Ascending, each once: one that moves between cgroups meanwhile is met twice. */
static ssize_t sort(pid_t *pids, ssize_t n)
{
	ssize_t kept = 0;

	qsort(pids, (size_t)n, sizeof(*pids), compare_pids);
	for (ssize_t i = 0; i < n; i++) {
		if (!kept || pids[i] != pids[kept - 1])
			pids[kept++] = pids[i];
	}
	return kept;
}

void report_processes(int cgroup_fd, uint32_t after, struct wire_out *w)
{
	static pid_t pids[MAX_PIDS];
	ssize_t n = cgroup_pids(cgroup_fd, pids, MAX_PIDS);
	size_t from = 0, count = 0;

	if (n > 0)
		n = sort(pids, n);
	while (n > 0 && from < (size_t)n && (uint32_t)pids[from] <= after)
		from++;
	if (n > 0)
		count = (size_t)n - from;
	if (count > (w->capacity - w->len - sizeof(uint32_t)) / ROOM)
		count = (w->capacity - w->len - sizeof(uint32_t)) / ROOM;
	wire_put_u32(w, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		put_process((uint32_t)pids[from + i], w);
}
