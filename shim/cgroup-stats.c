/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-stats.c - statistics of a cgroup; see cgroup-stats.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroup-stats.h"
#include "io.h"
#include "json.h"
#include "shim-api.pb-c.h"

#define CGROUPS "/sys/fs/cgroup"
#define FILE_MAX ((size_t)1 << 20)
#define IO_MAX_DEVICES 64

/* The file's text (owned by the caller), NULL when there is none. */
static char *read_text(int dir, const char *name)
{
	cleanup(close) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;

	return fd >= 0 && io_read_file(fd, FILE_MAX, &text, &len) == 0 ? text : NULL;
}

/* A file of one number; "max" is none. */
static uint64_t read_number(int dir, const char *name, uint64_t none)
{
	cleanup(free) char *text = read_text(dir, name);
	char *end = NULL;
	uint64_t value = text ? strtoull(text, &end, 10) : none;

	return text && end == text ? none : value;
}

uint64_t stats_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return 0;
}

/* Fields of a message that have the names of the file's keys: "uint64 NAME" all of them. */
static void fill_by_name(ProtobufCMessage *m, const char *text)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;

	for (unsigned i = 0; text && i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		uint64_t value = stats_value(text, f->name);

		if (f->type == PROTOBUF_C_TYPE_UINT64)
			memcpy((uint8_t *)m + f->offset, &value, sizeof(value));
	}
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" */
static bool fill_io(Pb__IOEntry *entry, const char *line)
{
	return sscanf(line,
		       "%" SCNu64 ":%" SCNu64 " rbytes=%" SCNu64 " wbytes=%" SCNu64 " rios=%" SCNu64
		       " wios=%" SCNu64,
		       &entry->major, &entry->minor, &entry->rbytes, &entry->wbytes, &entry->rios,
		       &entry->wios) == 6;
}

static size_t fill_ios(Pb__IOEntry *entries, Pb__IOEntry **list, const char *text)
{
	size_t n = 0;

	for (const char *line = text; line && *line && n < IO_MAX_DEVICES;) {
		pb__ioentry__init(&entries[n]);
		if (fill_io(&entries[n], line)) {
			list[n] = &entries[n];
			n++;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return n;
}

static int open_cgroup(pid_t pid, struct err *e)
{
	char path[64], *line = NULL;
	cleanup(free) char *text = NULL;
	cleanup(free) char *dir = NULL;
	int fd = -EBADF;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	text = read_text(AT_FDCWD, path);
	line = text ? strstr(text, "0::/") : NULL;
	if (!line)
		return err_set(e, -ESRCH, "process %d: no cgroup", (int)pid);
	line[strcspn(line, "\n")] = '\0';
	if (asprintf(&dir, CGROUPS "%s", line + 3) < 0) {
		dir = NULL;
		return err_set(e, -ENOMEM, "out of memory");
	}
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, -errno, "%s", dir) : fd;
}

static int pack(const Pb__Metrics *m, uint8_t **ret, size_t *ret_len, struct err *e)
{
	*ret = malloc(pb__metrics__get_packed_size(m) + 1);
	if (!*ret)
		return err_set(e, -ENOMEM, "out of memory");
	*ret_len = pb__metrics__pack(m, *ret);
	return 0;
}

int cgroup_memory_events(pid_t pid)
{
	struct err e;
	cleanup(close) int dir = open_cgroup(pid, &e);
	int fd = dir < 0 ? dir : openat(dir, "memory.events", O_RDONLY | O_CLOEXEC);

	return dir >= 0 && fd < 0 ? -errno : fd;
}

uint64_t cgroup_oom_kills(int fd)
{
	char text[512];
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return stats_value(text, "oom_kill");
}

int cgroup_stats(pid_t pid, uint8_t **ret, size_t *ret_len, struct err *e)
{
	cleanup(close) int dir = open_cgroup(pid, e);
	Pb__Metrics m = PB__METRICS__INIT;
	Pb__PidsStat pids = PB__PIDS_STAT__INIT;
	Pb__CPUStat cpu = PB__CPUSTAT__INIT;
	Pb__MemoryStat memory = PB__MEMORY_STAT__INIT;
	Pb__MemoryEvents events = PB__MEMORY_EVENTS__INIT;
	Pb__IOStat io = PB__IOSTAT__INIT;
	Pb__IOEntry entries[IO_MAX_DEVICES], *list[IO_MAX_DEVICES];
	cleanup(free) char *cpu_text = NULL, *memory_text = NULL, *events_text = NULL,
			   *io_text = NULL;

	if (dir < 0)
		return dir;
	cpu_text = read_text(dir, "cpu.stat");
	memory_text = read_text(dir, "memory.stat");
	events_text = read_text(dir, "memory.events");
	io_text = read_text(dir, "io.stat");
	pids.current = read_number(dir, "pids.current", 0);
	pids.limit = read_number(dir, "pids.max", 0);
	fill_by_name(&cpu.base, cpu_text);
	fill_by_name(&memory.base, memory_text);
	fill_by_name(&events.base, events_text);
	memory.anon_thp = stats_value(memory_text, "anon_thp");
	memory.usage = read_number(dir, "memory.current", 0);
	memory.usage_limit = read_number(dir, "memory.max", UINT64_MAX);
	memory.swap_usage = read_number(dir, "memory.swap.current", 0);
	memory.swap_limit = read_number(dir, "memory.swap.max", UINT64_MAX);
	io.n_usage = fill_ios(entries, list, io_text);
	io.usage = list;
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	m.memory_events = &events;
	m.io = &io;
	return pack(&m, ret, ret_len, e);
}

/* ---- by the guest -------------------------------------------------------------------------- */

/* The value at a path of keys; NULL when it is not there. */
static const struct json *member(const struct json *v, const char *const *path)
{
	for (; v && *path; path++) {
		v = v->kind == JSON_OBJECT ? v->first : NULL;
		while (v && strcmp(v->key, *path) != 0)
			v = v->next;
	}
	return v;
}

#define NUMBER(v, ...) number(v, (const char *const[]){ __VA_ARGS__, NULL })

static uint64_t number(const struct json *v, const char *const *path)
{
	v = member(v, path);
	return v && v->kind == JSON_NUMBER ? strtoull(v->text, NULL, 10) : 0;
}

int guest_stats(const char *text, uint8_t **ret, size_t *ret_len, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(1 << 20);
	Pb__Metrics m = PB__METRICS__INIT;
	Pb__PidsStat pids = PB__PIDS_STAT__INIT;
	Pb__CPUStat cpu = PB__CPUSTAT__INIT;
	Pb__MemoryStat memory = PB__MEMORY_STAT__INIT;
	const ProtobufCMessageDescriptor *d = memory.base.descriptor;
	struct json *root = NULL;
	const struct json *data = NULL;
	int r = json_parse(text, strlen(text), "events", &a, &root, e);

	if (r < 0)
		return r;
	data = member(root, (const char *const[]){ "data", NULL });
	if (!data)
		return err_set(e, -EIO, "events: no data");
	/* Names as in memory.stat. */
	for (unsigned i = 0; i < d->n_fields; i++) {
		uint64_t value = NUMBER(data, "memory", "raw", d->fields[i].name);

		if (d->fields[i].type == PROTOBUF_C_TYPE_UINT64)
			memcpy((uint8_t *)&memory + d->fields[i].offset, &value, sizeof(value));
	}
	memory.usage = NUMBER(data, "memory", "usage", "usage");
	memory.usage_limit = NUMBER(data, "memory", "usage", "limit");
	memory.swap_usage = NUMBER(data, "memory", "swap", "usage") - memory.usage;
	pids.current = NUMBER(data, "pids", "current");
	pids.limit = NUMBER(data, "pids", "limit");
	cpu.usage_usec = NUMBER(data, "cpu", "usage", "total") / 1000;
	cpu.user_usec = NUMBER(data, "cpu", "usage", "user") / 1000;
	cpu.system_usec = NUMBER(data, "cpu", "usage", "kernel") / 1000;
	cpu.nr_periods = NUMBER(data, "cpu", "throttling", "periods");
	cpu.nr_throttled = NUMBER(data, "cpu", "throttling", "throttledPeriods");
	cpu.throttled_usec = NUMBER(data, "cpu", "throttling", "throttledTime") / 1000;
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	return pack(&m, ret, ret_len, e);
}
