/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-hooks.c - hooks: which run on the host and which in the guest, with what limits.
 *
 * The specification's "runtime namespace" is the host for hooks that the command line runs; for
 * those in the container's namespaces it can only be the guest, which holds no programs but the
 * container's own.
 */
#include "parts.h"

/* A hook of the guest that names no limit: who waits for a guest must not wait for ever. */
#define GUEST_DEFAULT_SECONDS 600u

static const char *const names[] = { "prestart", "createRuntime", "createContainer",
	"startContainer", "poststart", "poststop" };

static int copy_hooks(const struct oci_hook_list *from, uint32_t default_seconds, struct arena *a,
	struct hook_list *ret, struct err *e)
{
	struct hook *v = arena_alloc(a, from->n + 1, sizeof(*v));

	if (!v)
		return plan_no_memory(e);
	for (size_t i = 0; i < from->n; i++) {
		const struct oci_hook *h = &from->v[i];

		v[i] = (struct hook){
			.path = h->path,
			/* Nobody changes them; execve's type is not const. */
			.args = (char **)(uintptr_t)h->args.v,
			.n_args = h->args.n,
			.has_env = h->has_env,
			.env = (char **)(uintptr_t)h->env.v,
			.n_env = h->env.n,
			.timeout_s = h->has_timeout ? (uint32_t)h->timeout : default_seconds,
		};
	}
	*ret = (struct hook_list){ .v = v, .n = from->n };
	return 0;
}

int plan_hooks(const struct oci_hooks *h, struct arena *a, struct plan_hooks *ret, struct err *e)
{
	const struct {
		const struct oci_hook_list *from;
		uint32_t default_seconds;
		struct hook_list *to;
	} all[] = {
		{ &h->prestart, 0, &ret->prestart },
		{ &h->create_runtime, 0, &ret->create_runtime },
		{ &h->create_container, GUEST_DEFAULT_SECONDS, &ret->create_container },
		{ &h->start_container, GUEST_DEFAULT_SECONDS, &ret->start_container },
		{ &h->poststart, 0, &ret->poststart },
		{ &h->poststop, 0, &ret->poststop },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++)
		r = copy_hooks(all[i].from, all[i].default_seconds, a, all[i].to, e);
	return r;
}

const char *plan_hook_name(size_t i)
{
	return i < ARRAY_LEN(names) ? names[i] : NULL;
}
