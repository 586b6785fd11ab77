/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-lib.c - errors, arenas, whole reads and writes, fds over sockets, the event loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "arena.h"
#include "err.h"
#include "io.h"
#include "loop.h"
#include "ranges.h"

static void err_keeps_code_and_prefixes(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "mounts[%d]: bad", 3), -EINVAL);
	assert_int_equal(err_wrap(&e, "config.json"), -EINVAL);
	assert_string_equal(e.msg, "config.json: mounts[3]: bad");
	assert_int_equal(err_sys(&e, -ENOENT, "open %s", "x"), -ENOENT);
	assert_string_equal(e.msg, "open x: no such file or directory");
}

static void err_cuts_long_text(void **state)
{
	struct err e = { 0 };
	char big[2 * ERR_MSG_MAX];

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&e, -EINVAL, "%s", big);
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
	(void)err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.msg), ERR_MSG_MAX - 1);
}

static void err_sanitizes_terminal_escapes(void **state)
{
	char text[] = "a\033[2Jb\x80\n";

	(void)state;
	err_sanitize(text, sizeof(text));
	assert_string_equal(text, "a?[2Jb??");
}

static void arena_keeps_its_limit(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(1000);

	(void)state;
	assert_non_null(arena_alloc(&a, 1, 900));
	assert_null(arena_alloc(&a, 1, 200));
	assert_null(arena_alloc(&a, SIZE_MAX / 2, 4));
	assert_null(arena_alloc(&a, SIZE_MAX, 1));
	assert_non_null(arena_alloc(&a, 1, 50));
}

static void arena_grow_keeps_elements(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	int *v = NULL;

	(void)state;
	for (size_t n = 0; n < 1000; n++) {
		v = arena_grow(&a, v, n, sizeof(*v));
		assert_non_null(v);
		v[n] = (int)n;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
}

static void io_files_are_bounded(void **state)
{
	cleanup(close) int fd = memfd_create("t", MFD_CLOEXEC);
	cleanup(free) char *data = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(io_write_full(fd, "0123456789", 10), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_file(fd, 9, &data, &len), -EFBIG);
	assert_null(data);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_file(fd, 10, &data, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(data, "0123456789");
}

static void io_memfd_cannot_change(void **state)
{
	cleanup(close) int fd = io_memfd_sealed("t", "plan", 4);
	char buf[8];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void io_refuses_more_fds_than_wanted(void **state)
{
	int pair[2];
	int fds[3] = { 0, 1, 2 };
	int got[2];
	char buf[4];
	size_t n = 0;
	int before = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	before = count_fds();
	assert_int_equal(io_send_fds(pair[0], "ab", 2, fds, 3), 2);
	assert_int_equal(io_recv_fds(pair[1], buf, sizeof(buf), got, 2, &n), -EMSGSIZE);
	assert_int_equal(count_fds(), before);
	assert_int_equal(io_send_fds(pair[0], "ab", 2, fds, 2), 2);
	assert_int_equal(io_recv_fds(pair[1], buf, sizeof(buf), got, 2, &n), 2);
	assert_int_equal(n, 2);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	(void)close(got[0]);
	(void)close(got[1]);
	/* A message longer than the buffer is an error, not half a message. */
	assert_int_equal(io_send_fds(pair[0], "abcdef", 6, NULL, 0), 6);
	assert_int_equal(io_recv_fds(pair[1], buf, sizeof(buf), got, 2, &n), -EMSGSIZE);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

struct loop_case {
	struct loop loop;
	int victim; /* source to remove */
	int calls;
};

static void remove_victim(void *arg, uint32_t events)
{
	struct loop_case *c = arg;

	(void)events;
	c->calls++;
	loop_del(&c->loop, c->victim);
}

static void loop_drops_events_of_removed_sources(void **state)
{
	struct loop_case c = { 0 };
	int a[2];
	int b[2];
	int first = 0;

	(void)state;
	assert_int_equal(loop_init(&c.loop, 4), 0);
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	first = loop_add(&c.loop, a[0], EPOLLIN, remove_victim, &c);
	c.victim = loop_add(&c.loop, b[0], EPOLLIN, remove_victim, &c);
	assert_true(first >= 0 && c.victim >= 0);
	assert_int_equal(write(a[1], "x", 1), 1);
	assert_int_equal(write(b[1], "x", 1), 1);
	assert_int_equal(loop_once(&c.loop, 0), 2);
	/* Whichever came first removed the second source: it got at most its own call. */
	assert_in_range(c.calls, 1, 2);
	c.calls = 0;
	assert_int_equal(loop_once(&c.loop, 0), 1);
	assert_int_equal(c.calls, 1);
	loop_done(&c.loop);
	for (int i = 0; i < 2; i++) {
		(void)close(a[i]);
		(void)close(b[i]);
	}
}

static void count_up(void *arg)
{
	(*(unsigned *)arg)++;
}

/* Without an event, and once. */
static void loop_calls_later(void **state)
{
	unsigned calls = 0, others = 0;
	struct loop l;

	(void)state;
	assert_int_equal(loop_init(&l, 1), 0);
	loop_later(&l, 20, count_up, &calls);
	loop_later(&l, 0, count_up, &others);
	assert_int_equal(loop_once(&l, 0), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(loop_once(&l, -1), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(loop_once(&l, 30), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(others, 0);
	loop_later(&l, 0, count_up, &others);
	assert_int_equal(loop_once(&l, -1), 0);
	assert_int_equal(others, 1);
	loop_done(&l);
}

struct accept_case {
	struct loop loop;
	int listener, got;
	unsigned calls;
};

static void accept_one(void *arg, uint32_t events)
{
	struct accept_case *c = arg;

	(void)events;
	c->calls++;
	c->got = loop_accept(&c->loop, c->listener, NULL, NULL, SOCK_CLOEXEC);
}

/* A client for whom there is no fd does not keep the loop busy, and is served when there is one. */
static void loop_rests_without_fds(void **state)
{
	struct accept_case c = { .got = -EBADF };
	struct sockaddr_storage any = { .ss_family = AF_UNIX };
	socklen_t size = sizeof(any.ss_family);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), source = -1;
	struct rlimit all, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = all;
	c.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* An address that the kernel picks (unix(7), "Autobind feature"). */
	assert_int_equal(bind(c.listener, (struct sockaddr *)&any, size), 0);
	assert_int_equal(listen(c.listener, 1), 0);
	size = sizeof(any);
	assert_int_equal(getsockname(c.listener, (struct sockaddr *)&any, &size), 0);
	assert_int_equal(loop_init(&c.loop, 2), 0);
	source = loop_add(&c.loop, c.listener, EPOLLIN, accept_one, &c);
	assert_true(source >= 0);
	assert_int_equal(connect(client, (struct sockaddr *)&any, size), 0);
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(loop_once(&c.loop, -1), 1);
	assert_int_equal(c.got, -EMFILE);
	/* Nothing is told of it, whatever is asked for meanwhile, until the rest is over. */
	assert_int_equal(c.loop.n_resting, 1);
	c.loop.sources[source].rest_until_ns = UINT64_MAX;
	assert_int_equal(loop_once(&c.loop, 0), 0);
	assert_int_equal(loop_mod(&c.loop, source, 0), 0);
	assert_int_equal(loop_mod(&c.loop, source, EPOLLIN), 0);
	assert_int_equal(loop_once(&c.loop, 0), 0);
	c.loop.sources[source].rest_until_ns = 1;
	assert_int_equal(loop_once(&c.loop, -1), 0);
	assert_int_equal(c.calls, 1);
	assert_int_equal(loop_once(&c.loop, -1), 1);
	assert_int_equal(c.calls, 2);
	assert_int_equal(c.got, -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	/* Without any event it ends by itself. */
	while (c.got < 0)
		assert_true(loop_once(&c.loop, -1) >= 0);
	assert_int_equal(c.calls, 3);
	/* One that goes while it rests leaves nothing to wait for. */
	close_fd(&c.got);
	close_fd(&client);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&any, size), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(loop_once(&c.loop, -1), 1);
	loop_del(&c.loop, source);
	assert_int_equal(c.loop.n_resting, 0);
	assert_int_equal(loop_once(&c.loop, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	loop_done(&c.loop);
	close_fd(&client);
	close_fd(&c.listener);
}

static void loop_is_bounded(void **state)
{
	struct loop l;
	int p[2];

	(void)state;
	assert_int_equal(loop_init(&l, 0), -EINVAL);
	assert_int_equal(loop_init(&l, 1), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(loop_add(&l, p[0], EPOLLIN, remove_victim, NULL), 0);
	assert_int_equal(loop_add(&l, p[1], EPOLLOUT, remove_victim, NULL), -ENOSPC);
	assert_int_equal(loop_mod(&l, 7, 0), -ENOENT);
	loop_done(&l);
	(void)close(p[0]);
	(void)close(p[1]);
}

static void ranges_are_taken_one_by_one(void **state)
{
	static const struct {
		const char *list;
		unsigned long sum; /* of all ends */
		const char *left;
	} cases[] = { { "", 0, "" }, { "5", 10, "" }, { "0-2,5", 12, "" }, { "3-1", 4, "" },
		{ "1,", 2, "," }, { "1,,2", 2, ",,2" }, { "1-", 2, "-" }, { "-1", 0, "-1" },
		{ " 1", 0, " 1" }, { "1-2-3", 3, "-3" }, { "7x", 14, "x" }, { "1\n", 2, "\n" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *at = cases[i].list;
		unsigned long from = 0, to = 0, sum = 0;

		while (ranges_next(&at, &from, &to))
			sum += from + to;
		assert_int_equal(sum, cases[i].sum);
		assert_string_equal(at, cases[i].left);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_taken_one_by_one),
		cmocka_unit_test(err_keeps_code_and_prefixes),
		cmocka_unit_test(err_cuts_long_text),
		cmocka_unit_test(err_sanitizes_terminal_escapes),
		cmocka_unit_test(arena_keeps_its_limit),
		cmocka_unit_test(arena_grow_keeps_elements),
		cmocka_unit_test(io_files_are_bounded),
		cmocka_unit_test(io_memfd_cannot_change),
		cmocka_unit_test(io_refuses_more_fds_than_wanted),
		cmocka_unit_test(loop_drops_events_of_removed_sources),
		cmocka_unit_test(loop_calls_later),
		cmocka_unit_test(loop_rests_without_fds),
		cmocka_unit_test(loop_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
