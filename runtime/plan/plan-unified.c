/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-unified.c - linux.resources.unified as far as it concerns the VM and the host's cgroup.
 *
 * The guest writes these files as they are (plan-resources.c). What they say in other words than
 * the fields of linux.resources do, of memory, quota and processors, counts for the VM's size and
 * for the host's limits all the same: the file has the last word, as it is written last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

/* Bytes as the kernel reads them, with K, M and G; "max" is -1, and so is what is no number: the
 * guest's kernel will refuse it. */
static int64_t bytes_of(const char *text)
{
	char *end = NULL;
	uint64_t n = strtoull(text, &end, 10);
	unsigned shift = *end == 'K' || *end == 'k' ? 10
		: *end == 'M' || *end == 'm'        ? 20
		: *end == 'G' || *end == 'g'        ? 30
						    : 0;

	return end == text || n > ((uint64_t)INT64_MAX >> shift) ? -1 : (int64_t)(n << shift);
}

/* "100000 200000", "max", "max 100000". */
static void take_quota(struct oci_cpu *c, const char *text)
{
	char *end = NULL;

	c->has_quota = true;
	c->quota = strtoll(text, &end, 10);
	if (end == text) {
		c->quota = -1;
		end += strcspn(text, " ");
	}
	if (*end == ' ') {
		c->has_period = true;
		c->period = strtoull(end, NULL, 10);
	}
}

struct oci_resources plan_with_unified(const struct oci_resources *given)
{
	struct oci_resources res = *given;

	for (size_t i = 0; i < res.unified.n; i++) {
		const char *key = res.unified.v[i].key, *value = res.unified.v[i].value;

		if (strcmp(key, "memory.max") == 0) {
			res.memory.has_limit = true;
			res.memory.limit = bytes_of(value);
		} else if (strcmp(key, "memory.low") == 0) {
			res.memory.has_reservation = true;
			res.memory.reservation = bytes_of(value);
		} else if (strcmp(key, "cpu.max") == 0) {
			take_quota(&res.cpu, value);
		} else if (strcmp(key, "cpu.max.burst") == 0) {
			res.cpu.has_burst = true;
			res.cpu.burst = strtoull(value, NULL, 10);
		} else if (strcmp(key, "cpuset.cpus") == 0) {
			res.cpu.cpus = value;
		} else if (strcmp(key, "cpuset.mems") == 0) {
			res.cpu.mems = value;
		}
	}
	return res;
}

bool plan_is_of_host(const char *file)
{
	return strcmp(file, "cpuset.cpus") == 0 || strcmp(file, "cpuset.mems") == 0;
}

int plan_host_unified(const struct plan_out *o, const struct oci_map *unified)
{
	static const char *const alike[] = { "cpu.weight", "cpu.weight.nice", "cpu.idle",
		"memory.swap.max" };
	int r = 0;

	for (size_t i = 0; i < unified->n && r == 0; i++) {
		for (size_t k = 0; k < ARRAY_LEN(alike) && r == 0; k++) {
			if (strcmp(unified->v[i].key, alike[k]) == 0)
				r = plan_add(o, alike[k], unified->v[i].value);
		}
	}
	return r;
}
