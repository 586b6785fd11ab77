/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-pod.c - what CRI's annotations say of a container's place in its pod: those of containerd,
 * and of CRI-O, which podman writes too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static const struct {
	const char *role, *sandbox;
} keys[] = {
	/* First, as CRI-O and podman hand on what a pod or an image has under the other names. */
	{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
	{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
};

static const char *find(const struct oci_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->v[i].key, key) == 0)
			return m->v[i].value;
	}
	return NULL;
}

/* A whole positive number; 0 when it is none, as where there is no limit. */
static uint64_t find_number(const struct oci_map *m, const char *key)
{
	const char *text = find(m, key);
	unsigned long long n = 0;
	char *end = NULL;

	if (!text || *text < '1' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return *end || errno || n > INT64_MAX ? 0 : n;
}

int plan_pod(const struct oci_map *annotations, struct plan_pod *ret, struct err *e)
{
	struct plan_pod p = { .role = PLAN_ALONE };

	for (size_t i = 0; i < ARRAY_LEN(keys) && p.role == PLAN_ALONE; i++) {
		const char *role = find(annotations, keys[i].role);

		if (role && strcmp(role, "sandbox") == 0) {
			p.role = PLAN_SANDBOX;
		} else if (role && strcmp(role, "container") == 0) {
			p.role = PLAN_MEMBER;
			p.sandbox_id = find(annotations, keys[i].sandbox);
			if (!p.sandbox_id)
				return err_set(
					e, -EINVAL, "annotations: %s is missing", keys[i].sandbox);
		}
	}
	p.memory = find_number(annotations, "io.kubernetes.cri.sandbox-memory");
	p.cpu_quota = find_number(annotations, "io.kubernetes.cri.sandbox-cpu-quota");
	p.cpu_period = find_number(annotations, "io.kubernetes.cri.sandbox-cpu-period");
	*ret = p;
	return 0;
}

/* Its program, unless somebody chose another one: then there are fewer places in its VM. */
bool plan_is_podmans_infra(const struct oci_spec *s)
{
	const char *manager = find(&s->annotations, "io.container.manager");
	const struct oci_strv *args = &s->process.args;

	return manager && strcmp(manager, "libpod") == 0 && args->n == 2 &&
		strcmp(args->v[0], "/catatonit") == 0 && strcmp(args->v[1], "-P") == 0;
}
