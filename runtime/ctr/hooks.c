/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.c - the hooks of a container at their places in its life; see hooks.h.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "bundle.h"
#include "hooks.h"
#include "io.h"

static int state_document(const struct ctr_state *s, enum ctr_status status, struct json_out *o,
	const char **ret, struct err *e)
{
	struct ctr_state shown = *s;

	shown.status = status;
	ctr_state_put(o, &shown);
	*ret = json_out_text(o);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* The document as a file: a hook need not read it, and it may be larger than a pipe. */
static int state_file(const struct ctr_state *s, enum ctr_status status, int *ret_fd, struct err *e)
{
	cleanup(json_out) struct json_out o = { 0 };
	const char *text = NULL;
	int r = state_document(s, status, &o, &text, e);

	if (r < 0)
		return r;
	r = io_memfd_sealed("nestbox-state", text, o.len);
	if (r < 0)
		return err_sys(e, r, "state for hooks");
	*ret_fd = r;
	return 0;
}

static struct hook_place place_of(const struct ctr_state *s)
{
	return (struct hook_place){ .dir = s->bundle, .root_fd = -EBADF, .env = environ };
}

int hooks_creating(const struct plan_hooks *h, const struct ctr_state *s, struct err *e)
{
	const struct hook_place place = place_of(s);
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!h->prestart.n && !h->create_runtime.n)
		return 0;
	r = state_file(s, CTR_CREATING, &fd, e);
	if (r == 0)
		r = hook_run_all(&h->prestart, "prestart", fd, &place, e);
	if (r == 0)
		r = hook_run_all(&h->create_runtime, "createRuntime", fd, &place, e);
	return r;
}

int hooks_started(const struct plan_hooks *h, const struct ctr_state *s, struct err *e)
{
	const struct hook_place place = place_of(s);
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!h->poststart.n)
		return 0;
	r = state_file(s, CTR_RUNNING, &fd, e);
	return r < 0 ? r : hook_run_all(&h->poststart, "poststart", fd, &place, e);
}

void hooks_stopped(const struct plan_hooks *h, const struct ctr_state *s, struct err *e)
{
	const struct hook_place place = place_of(s);
	cleanup(close) int fd = -EBADF;
	struct err failure;

	if (!h->poststop.n)
		return;
	if (state_file(s, CTR_STOPPED, &fd, &failure) < 0) {
		err_add(e, failure.msg);
		return;
	}
	for (size_t i = 0; i < h->poststop.n; i++) {
		if (hook_run(&h->poststop.v[i], "poststop", i, fd, &place, &failure) < 0)
			err_add(e, failure.msg);
	}
}

int hooks_kept(int state_fd, const struct ctr_state *s, struct arena *a, struct plan_hooks *ret,
	struct err *e)
{
	struct oci_spec spec;
	int r = 0;

	*ret = (struct plan_hooks){ 0 };
	if (!s->hooks)
		return 0;
	r = bundle_read_kept(state_fd, a, &spec, e);
	return r < 0 ? r : plan_hooks(&spec.hooks, a, ret, e);
}

int hooks_wait_ms(int base_ms, const struct hook_list *l)
{
	int64_t ms = base_ms;

	for (size_t i = 0; i < l->n && ms < INT_MAX; i++)
		ms += (int64_t)l->v[i].timeout_s * 1000;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* ---- for the guest ------------------------------------------------------------------------- */

/* What stands before and after the pid, which only its process will know: the number that the key
 * is followed by. No text can hold the key before it, as an id has no quotes. */
static int split_document(const struct ctr_state *s, enum ctr_status status, struct arena *a,
	struct gplan_hooks *h, struct err *e)
{
	static const char key[] = "\"pid\":";
	cleanup(json_out) struct json_out o = { 0 };
	const char *text = NULL, *digits = NULL, *rest = NULL;
	int r = h->list.n ? state_document(s, status, &o, &text, e) : 0;

	if (r < 0 || !h->list.n)
		return r;
	digits = strstr(text, key) + strlen(key);
	rest = digits + strspn(digits, "0123456789");
	if (strlen(rest) > GPLAN_MAX_STR)
		return err_set(e, -E2BIG, "config.json: annotations are too large");
	h->state_head = arena_strndup(a, text, (size_t)(digits - text));
	h->state_tail = arena_strndup(a, rest, strlen(rest));
	if (!h->state_head || !h->state_tail)
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

int hooks_for_guest(const struct ctr_state *s, struct arena *a, struct gplan *g, struct err *e)
{
	int r = split_document(s, CTR_CREATING, a, &g->create_container, e);

	return r < 0 ? r : split_document(s, CTR_CREATED, a, &g->start_container, e);
}
