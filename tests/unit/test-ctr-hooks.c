/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-ctr-hooks.c - hooks in the life of a container: what the guest is told, how long it may
 * take, and what runs when a container is removed, from the config.json that was kept.
 */
#include "unit.h"

#include "hooks.h"
#include "json.h"
#include "remove.h"
#include "state-folder.h"

#define CONFIG(hooks_) \
	"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"}," \
	"\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]},\"hooks\":{" hooks_ "}}"

static const struct oci_pair tricky = { "k", "a\"pid\":7,\"" };

static struct ctr_state stopped_state(void)
{
	struct ctr_state s = some_state("c");

	s.bundle = "/tmp";
	s.status = CTR_RUNNING;
	s.monitor = dead();
	s.hooks = s.poststop = true;
	s.annotations = (struct oci_map){ &tricky, 1 };
	return s;
}

/* ---- the guest ----------------------------------------------------------------------------- */

static void the_guest_puts_its_pid_into_the_document(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	struct hook one[] = { { .path = "/h" } };
	struct gplan g = { .create_container.list = { one, 1 },
		.start_container.list = { one, 1 } };
	const struct gplan_hooks *const all[] = { &g.create_container, &g.start_container };
	static const char *const statuses[] = { "creating", "created" };
	struct err e = { 0 };

	s.annotations = (struct oci_map){ &tricky, 1 };
	assert_int_equal(hooks_for_guest(&s, &f->a, &g, &e), 0);
	for (size_t i = 0; i < 2; i++) {
		char *text =
			arena_printf(&f->a, "%s12345%s", all[i]->state_head, all[i]->state_tail);
		struct json *root = NULL;
		bool seen = false;

		assert_int_equal(json_parse(text, strlen(text), "state", &f->a, &root, &e), 0);
		for (const struct json *v = root->first; v; v = v->next) {
			if (strcmp(v->key, "pid") == 0)
				assert_string_equal(v->text, "12345");
			if (strcmp(v->key, "status") == 0)
				assert_string_equal(v->text, statuses[i]);
			seen = seen || strcmp(v->key, "pid") == 0;
		}
		assert_true(seen);
	}
	/* Without hooks nothing is sent. */
	g = (struct gplan){ 0 };
	assert_int_equal(hooks_for_guest(&s, &f->a, &g, &e), 0);
	assert_null(g.create_container.state_head);
}

static void annotations_past_the_plans_limit_are_refused(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = some_state("c");
	struct hook one[] = { { .path = "/h" } };
	struct gplan g = { .create_container.list = { one, 1 } };
	struct oci_pair large = { "k", NULL };
	char *text = arena_alloc(&f->a, 2u << 20, 1);
	struct err e = { 0 };

	memset(text, 'x', (2u << 20) - 1);
	large.value = text;
	s.annotations = (struct oci_map){ &large, 1 };
	assert_int_equal(hooks_for_guest(&s, &f->a, &g, &e), -E2BIG);
	assert_string_equal(e.msg, "config.json: annotations are too large");
}

static void waiting_is_longer_by_what_the_hooks_may_take(void **state)
{
	struct hook hooks[] = { { .timeout_s = 3 }, { .timeout_s = 600 },
		{ .timeout_s = INT32_MAX } };
	struct hook_list l = { hooks, 0 };

	(void)state;
	assert_int_equal(hooks_wait_ms(10000, &l), 10000);
	l.n = 2;
	assert_int_equal(hooks_wait_ms(10000, &l), 613000);
	l.n = 3;
	assert_int_equal(hooks_wait_ms(10000, &l), INT_MAX);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* A container that has stopped, with this config.json; its folder's fd. */
static int make_stopped(const struct fixture *f, const struct ctr_state *s, const char *config)
{
	int fd = -EBADF;
	struct err e;

	make(f, s);
	assert_int_equal(state_open(f->root, s->id, &fd, NULL, &e), 0);
	if (config)
		put_file(fd, "config.json", config, strlen(config));
	return fd;
}

static void poststop_hooks_run_after_the_state_is_gone(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = stopped_state();
	char *config = arena_printf(&f->a,
		CONFIG("\"poststop\":[{\"path\":\"/bin/false\"},{\"path\":\"/bin/sh\",\"args\":[\"sh\","
		       "\"-c\",\"pwd >%s/seen; ls -a %s >>%s/seen; cat >>%s/seen; exit 3\"]}]"),
		f->root, f->root, f->root, f->root);
	int fd = make_stopped(f, &s, config), lock = -EBADF;
	cleanup(close) int seen = -EBADF;
	cleanup(free) char *text = NULL;
	struct err e = { .msg = "of another matter" };
	size_t len = 0;

	assert_int_equal(container_remove(f->root, "c", &fd, &lock, &e), 0);
	assert_int_equal(fd, -EBADF);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.msg,
		"error running poststop hook #0: error running hook: exit status 1, stdout: , stderr: ; "
		"error running poststop hook #1: error running hook: exit status 3, stdout: , stderr: ");
	seen = open(arena_printf(&f->a, "%s/seen", f->root), O_RDONLY | O_CLOEXEC);
	assert_int_equal(io_read_file(seen, 65536, &text, &len), 0);
	assert_true(strncmp(text, "/tmp\n.\n..\nseen\n{", 16) == 0);
	assert_non_null(strstr(text, "\"status\":\"stopped\""));
	assert_non_null(strstr(text, "\"pid\":0,"));
}

static void removal_does_not_depend_on_hooks(void **state)
{
	static const char *const configs[] = { CONFIG("\"poststop\":[{\"path\":\"/bin/true\"}]"),
		CONFIG(""), "{", NULL };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		struct ctr_state s = stopped_state();
		int fd = make_stopped(f, &s, configs[i]), lock = -EBADF;
		struct err e = { .msg = "of another matter" };

		assert_int_equal(container_remove(f->root, "c", &fd, &lock, &e), 0);
		assert_int_equal(e.code, 0);
		/* What cannot be read is told. */
		assert_int_equal(*e.msg != '\0', i >= 2);
		assert_false(exists(f, "c"));
	}
}

static void only_a_container_that_has_some_is_looked_at(void **state)
{
	struct fixture *f = *state;
	struct ctr_state s = stopped_state();
	struct plan_hooks hooks;
	struct err e = { 0 };
	int fd = -EBADF, lock = -EBADF;

	s.hooks = s.poststop = false;
	fd = make_stopped(f, &s, "{");
	assert_int_equal(hooks_kept(fd, &s, &f->a, &hooks, &e), 0);
	assert_int_equal(hooks.poststop.n, 0);
	s.hooks = true;
	assert_true(hooks_kept(fd, &s, &f->a, &hooks, &e) < 0);
	assert_int_equal(container_remove(f->root, "c", &fd, &lock, &e), 0);
	assert_string_equal(e.msg, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guest_puts_its_pid_into_the_document),
		TEST(annotations_past_the_plans_limit_are_refused),
		TEST(waiting_is_longer_by_what_the_hooks_may_take),
		TEST(poststop_hooks_run_after_the_state_is_gone),
		TEST(removal_does_not_depend_on_hooks),
		TEST(only_a_container_that_has_some_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
