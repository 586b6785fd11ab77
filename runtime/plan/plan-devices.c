/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-devices.c - device nodes: those that every container has (runtime-spec 1.2, config-linux.md
 * "Default Devices") and those of linux.devices.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "parts.h"

static const struct gplan_device defaults[] = {
	{ "/dev/null", S_IFCHR | 0666, 1, 3, 0, 0 },
	{ "/dev/zero", S_IFCHR | 0666, 1, 5, 0, 0 },
	{ "/dev/full", S_IFCHR | 0666, 1, 7, 0, 0 },
	{ "/dev/random", S_IFCHR | 0666, 1, 8, 0, 0 },
	{ "/dev/urandom", S_IFCHR | 0666, 1, 9, 0, 0 },
	{ "/dev/tty", S_IFCHR | 0666, 5, 0, 0, 0 },
};

static uint32_t type_mode(const char *type)
{
	if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		return S_IFCHR;
	if (strcmp(type, "b") == 0)
		return S_IFBLK;
	return strcmp(type, "p") == 0 ? S_IFIFO : 0;
}

static bool listed(const struct oci_linux *l, const char *path)
{
	for (size_t i = 0; i < l->n_devices; i++) {
		if (strcmp(l->devices[i].path, path) == 0)
			return true;
	}
	return false;
}

int plan_devices(const struct oci_linux *l, struct arena *a, struct gplan *g, struct err *e)
{
	g->devices = arena_alloc(a, ARRAY_LEN(defaults) + l->n_devices + 1, sizeof(*g->devices));
	if (!g->devices)
		return plan_no_memory(e);
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		if (!listed(l, defaults[i].path))
			g->devices[g->n_devices++] = defaults[i];
	}
	for (size_t i = 0; i < l->n_devices; i++) {
		const struct oci_device *d = &l->devices[i];
		uint32_t type = type_mode(d->type);

		if (!type)
			return err_set(e, -EINVAL,
				"linux.devices[%zu].type: must be one of c, b, u, p", i);
		g->devices[g->n_devices++] = (struct gplan_device){
			.path = d->path,
			.mode = type | (d->has_file_mode ? d->file_mode & 07777 : 0666),
			.major = (uint32_t)d->major,
			.minor = (uint32_t)d->minor,
			.uid = d->uid,
			.gid = d->gid,
		};
	}
	return 0;
}
