/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-relay.c - bytes between two sockets: both ways, half-closes, slow and vanished ends.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "loop.h"
#include "relay.h"

struct fixture {
	struct loop loop;
	int a, b; /* our ends; owned */
	int done; /* calls of on_done() */
};

static void on_done(void *arg)
{
	struct fixture *f = arg;

	f->done++;
}

static int setup_with(void **state, const char *head)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int a[2], b[2];

	if (!f || loop_init(&f->loop, 8) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, a) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, b) < 0)
		return -1;
	f->a = a[0];
	f->b = b[0];
	*state = f;
	return relay_start(&f->loop, a[1], b[1], head, strlen(head), on_done, f);
}

static int setup(void **state)
{
	return setup_with(state, "");
}

static int setup_head(void **state)
{
	return setup_with(state, "head:");
}

static void run(struct fixture *f)
{
	for (int i = 0; i < 100; i++)
		assert_true(loop_once(&f->loop, 0) >= 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->a);
	close_fd(&f->b);
	run(f);
	assert_int_equal(f->done, 1);
	loop_done(&f->loop);
	free(f);
	return 0;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void hear(int fd, const char *text)
{
	char buf[64] = { 0 };

	assert_int_equal(read(fd, buf, sizeof(buf) - 1), strlen(text));
	assert_string_equal(buf, text);
}

static bool at_end(int fd)
{
	char c = 0;

	return read(fd, &c, 1) == 0;
}

static void both_ways_with_the_head_first(void **state)
{
	struct fixture *f = *state;

	say(f->a, "to b");
	run(f);
	hear(f->b, "head:to b");
	say(f->b, "to a");
	run(f);
	hear(f->a, "to a");
	assert_int_equal(f->done, 0);
}

static void half_closes_are_carried_over(void **state)
{
	struct fixture *f = *state;

	say(f->a, "question");
	assert_int_equal(shutdown(f->a, SHUT_WR), 0);
	run(f);
	hear(f->b, "question");
	assert_true(at_end(f->b));
	say(f->b, "answer");
	run(f);
	hear(f->a, "answer");
	assert_int_equal(f->done, 0);
	assert_int_equal(shutdown(f->b, SHUT_WR), 0);
	run(f);
	assert_true(at_end(f->a));
	assert_int_equal(f->done, 1);
}

static void what_a_vanished_end_sent_arrives(void **state)
{
	struct fixture *f = *state;

	say(f->a, "last words");
	close_fd(&f->a);
	run(f);
	hear(f->b, "last words");
	assert_true(at_end(f->b));
	assert_int_equal(f->done, 1);
}

static void an_end_that_vanishes_after_its_half_close_is_noticed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shutdown(f->b, SHUT_WR), 0);
	run(f);
	assert_int_equal(f->done, 0);
	close_fd(&f->b);
	run(f);
	assert_int_equal(f->done, 1);
}

/* A megabyte to an end that does not read: the writer waits, the other direction goes on, and no
 * byte is lost. */
static void a_slow_end_holds_up_its_direction_only(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[4096];
	size_t sent = 0, got = 0;
	ssize_t n = 0;

	memset(buf, 'x', sizeof(buf));
	while (sent < 1u << 20) {
		n = write(f->a, buf, sizeof(buf));
		if (n < 0)
			run(f);
		else
			sent += (size_t)n;
		if (n < 0 && write(f->a, buf, 1) < 0)
			break;
		sent += n < 0;
	}
	assert_true(sent < 1u << 20);
	say(f->b, "still here");
	run(f);
	hear(f->a, "still here");
	close_fd(&f->a);
	do {
		n = read(f->b, buf, sizeof(buf));
		got += n > 0 ? (size_t)n : 0;
		run(f);
	} while (n != 0);
	assert_int_equal(got, sent);
}

int main(void)
{
#define CASE(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
	const struct CMUnitTest tests[] = {
		CASE(both_ways_with_the_head_first, setup_head),
		CASE(half_closes_are_carried_over, setup),
		CASE(what_a_vanished_end_sent_arrives, setup),
		CASE(an_end_that_vanishes_after_its_half_close_is_noticed, setup),
		CASE(a_slow_end_holds_up_its_direction_only, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
