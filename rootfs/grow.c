/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow.c - memory and processors that came after boot; see grow.h.
 *
 * The kernel is told of each block by its address (CONFIG_ARCH_MEMORY_PROBE), as there is no ACPI
 * that would announce it, and uses it at once. What a kernel makes as large as the memory that it
 * finds at boot it does not make larger by itself: limits are raised here, in proportion, to what
 * they would be had the VM booted with all of its memory. Its hash tables stay as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "grow.h"
#include "io.h"
#include "ram-layout.h"

#define MEMORY "/sys/devices/system/memory/"
#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"
/* Below it Linux boots without huge pages (hugepage_init()). */
#define HUGE_PAGES_FROM ((uint64_t)512 << 20)
#define MAX_TEXT ((size_t)4096)

static int read_text(const char *path, char **ret)
{
	cleanup(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	return fd < 0 ? -errno : io_read_file(fd, MAX_TEXT, ret, &len);
}

/* ---- memory -------------------------------------------------------------------------------- */

static int check_block_size(struct err *e)
{
	cleanup(free) char *text = NULL;
	int r = read_text(MEMORY "block_size_bytes", &text);

	if (r < 0)
		return err_sys(e, r, "size of memory blocks");
	if (strtoull(text, NULL, 16) != RAM_BLOCK)
		return err_set(e, -ENOTSUP, "memory blocks of 0x%.32s bytes", text);
	return 0;
}

int grow_memory(uint64_t boot_bytes, uint64_t ram_bytes, struct err *e)
{
	static uint64_t taken; /* blocks */
	int r = check_block_size(e);

	/* The default of ours, not of every kernel. */
	(void)!io_write_at(AT_FDCWD, MEMORY "auto_online_blocks", "online");
	for (; taken < (ram_bytes - boot_bytes) / RAM_BLOCK && r == 0; taken++) {
		uint64_t at = ram_block(boot_bytes, taken);
		char text[24];

		(void)snprintf(text, sizeof(text), "0x%" PRIx64, at);
		r = io_write_at(AT_FDCWD, MEMORY "probe", text);
		if (r < 0)
			return err_sys(e, r, "memory at %s", text);
	}
	if (r == 0 && boot_bytes <= HUGE_PAGES_FROM && ram_bytes > HUGE_PAGES_FROM)
		(void)!io_write_at(AT_FDCWD, HUGE_PAGES, "madvise");
	return r;
}

/* ---- what the kernel has made of its memory at boot ---------------------------------------- */

/* A limit that is a share of the memory: all of its numbers, or the last one alone. */
static const struct limit {
	const char *path;
	bool last;
	uint64_t most;
} limits[] = {
	{ "/proc/sys/kernel/threads-max", false, 0x3fffffff }, /* FUTEX_TID_MASK */
	{ "/proc/sys/fs/file-max", false, INT64_MAX },
	{ "/proc/sys/fs/epoll/max_user_watches", false, INT64_MAX },
	{ "/proc/sys/fs/inotify/max_user_watches", false, 1048576 },
	{ "/proc/sys/fs/fanotify/max_user_marks", false, 1048576 },
	{ "/proc/sys/net/ipv4/tcp_mem", false, INT64_MAX },
	{ "/proc/sys/net/ipv4/udp_mem", false, INT64_MAX },
	{ "/proc/sys/net/ipv4/tcp_wmem", true, (uint64_t)4 << 20 },
	{ "/proc/sys/net/ipv4/tcp_rmem", true, (uint64_t)6 << 20 },
	{ "/proc/sys/net/netfilter/nf_conntrack_max", false, 262144 },
	{ "/proc/sys/user/max_user_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_pid_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_uts_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_ipc_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_net_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_mnt_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_cgroup_namespaces", false, INT32_MAX },
	{ "/proc/sys/user/max_time_namespaces", false, INT32_MAX },
};

static uint64_t share(const struct gplan_size *s, uint64_t n, uint64_t most)
{
	uint64_t more = 0;

	/* In steps of a MiB, so that the product is a small one. */
	if (__builtin_mul_overflow(n, s->ram_bytes >> 20, &more))
		return n > most ? n : most;
	more /= s->boot_bytes >> 20;
	return more > most ? (n > most ? n : most) : more;
}

void grow_numbers(const struct gplan_size *s, const char *text, bool last, uint64_t most,
	char ret[GROW_NUMBERS_MAX])
{
	size_t len = 0;
	char *end = NULL;

	ret[0] = '\0';
	/* The longest number and the blank behind it. */
	for (const char *at = text; len < GROW_NUMBERS_MAX - 22; at = end) {
		uint64_t n = strtoull(at, &end, 10);

		if (end == at)
			break;
		if (!last || !end[strspn(end, " \t\n")])
			n = share(s, n, most);
		len += (size_t)snprintf(ret + len, GROW_NUMBERS_MAX - len, "%" PRIu64 " ", n);
	}
}

static void raise_limit(const struct gplan_size *s, const struct limit *l)
{
	cleanup(free) char *text = NULL;
	char now[GROW_NUMBERS_MAX];

	if (read_text(l->path, &text) < 0)
		return;
	grow_numbers(s, text, l->last, l->most, now);
	if (*now)
		(void)!io_write_at(AT_FDCWD, l->path, now);
}

/* Of init, and so of all processes to come: they are equal. */
static void raise_own(const struct gplan_size *s)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NPROC, &r) < 0 || r.rlim_max == RLIM_INFINITY)
		return;
	r.rlim_cur = share(s, r.rlim_cur, INT32_MAX);
	r.rlim_max = share(s, r.rlim_max, INT32_MAX);
	(void)setrlimit(RLIMIT_NPROC, &r);
	(void)setrlimit(RLIMIT_SIGPENDING, &r);
}

/* What fails leaves the smaller limit. */
static void raise_limits(const struct gplan_size *s)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		raise_limit(s, &limits[i]);
	raise_own(s);
}

/* ---- processors ---------------------------------------------------------------------------- */

static int add_vcpus(const struct gplan_size *s, struct err *e)
{
	for (uint32_t i = s->boot_vcpus; i < s->vcpus; i++) {
		char path[64];
		int r = 0;

		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", i);
		r = io_write_at(AT_FDCWD, path, "1");
		if (r < 0)
			return err_sys(e, r, "processor %u", i);
	}
	return 0;
}

int grow(const struct gplan_size *s, struct err *e)
{
	int r = 0;

	if (s->ram_bytes > s->boot_bytes) {
		r = grow_memory(s->boot_bytes, s->ram_bytes, e);
		if (r == 0)
			raise_limits(s);
	}
	return r < 0 ? r : add_vcpus(s, e);
}
