/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-agent.c - frames of the host-guest link into a session, as the monitor has it and as guest
 * init has it, and every payload through its reader.
 *
 * The first byte says which side we are and how its streams are; the rest is what the peer sends.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "fuzz.h"

#include "agent.h"
#include "io.h"
#include "session.h"

#define SIDE_GUEST 1u /* streams 1 and 2 are sources, 0 is a sink: otherwise the reverse */
#define POLITE 2u
#define FULL 4u /* nobody reads what the sinks get */

static void read_marks(const uint8_t *p, size_t len)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct agent_mark *v = NULL;
	uint64_t now = 0;
	struct wire_in r;
	size_t n = 0;

	wire_in_init(&r, p, len);
	if (agent_get_marks(&r, &a, &now, &v, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		assert(v[i].ns <= now && v[i].name);
}

static int on_message(void *arg, const struct agent_frame *f, const uint8_t *p)
{
	struct agent_winsize size;
	struct agent_hello hello;
	struct agent_exit end;
	struct err e;

	(void)arg;
	assert(f->type && f->type < AGENT_TYPE_MAX && f->len <= AGENT_MAX_REPLY);
	if (agent_get_hello(p, f->len, &hello) == 0)
		assert(memchr(hello.release, 0, sizeof(hello.release)));
	if (agent_get_exit(p, f->len, &end) == 0)
		assert(end.code <= 255 && end.signal <= 64);
	if (agent_get_error(p, f->len, &e) == 0)
		assert(e.code < 0 && memchr(e.msg, 0, sizeof(e.msg)));
	(void)!agent_get_winsize(p, f->len, &size);
	read_marks(p, f->len);
	return f->type == AGENT_SIGNAL ? -1 : 0;
}

static void on_closed(void *arg, int error)
{
	int *closed = arg;

	(void)error;
	assert(!*closed);
	*closed = 1;
}

static const struct session_ops ops = { on_message, on_closed, NULL, NULL };

static void add_streams(struct session *s, uint8_t how, int (*pipes)[2])
{
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		bool source = (i == AGENT_STDIN) != !!(how & SIDE_GUEST);

		if (pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK) < 0)
			abort();
		if (source) {
			(void)!write(pipes[i][1], "input", 5);
			(void)!session_source(s, i, take_fd(&pipes[i][0]));
		} else {
			(void)!session_sink(s, i, take_fd(&pipes[i][1]), how & POLITE);
		}
	}
}

static void drain(int fd)
{
	static uint8_t buf[65536];

	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	int pipes[AGENT_STREAM_MAX][2];
	struct session s;
	struct loop l;
	int closed = 0;
	int sv[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0 ||
		loop_init(&l, 16) < 0 || session_init(&s, &l, sv[0], &ops, &closed) < 0)
		abort();
	add_streams(&s, how, pipes);
	while (in.left && !closed) {
		ssize_t n = write(sv[1], in.p, in.left);

		if (n > 0) {
			in.p += n;
			in.left -= (size_t)n;
		}
		for (int i = 0; i < 8 && !closed; i++) {
			if (loop_once(&l, 0) <= 0)
				break;
			drain(sv[1]);
		}
		for (unsigned i = 0; i < AGENT_STREAM_MAX && !(how & FULL); i++)
			drain(pipes[i][0]);
	}
	(void)shutdown(sv[1], SHUT_WR);
	for (int i = 0; i < 64 && !closed; i++) {
		(void)!loop_once(&l, 0);
		drain(sv[1]);
	}
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++)
		assert(s.stream[i].held_len <= AGENT_WINDOW && s.stream[i].credit <= AGENT_WINDOW);
	session_done(&s);
	loop_done(&l);
	(void)close(sv[1]);
	for (unsigned i = 0; i < AGENT_STREAM_MAX; i++) {
		close_fd(&pipes[i][0]);
		close_fd(&pipes[i][1]);
	}
	return 0;
}
