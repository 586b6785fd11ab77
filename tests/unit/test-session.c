/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-session.c - streams over a connection: two sessions back to back, and a hostile peer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#include "io.h"
#include "session.h"

struct end {
	struct session s;
	int closed; /* times */
	int error;
	unsigned source_ends, sink_ends; /* bit per stream */
	struct agent_exit exit;
	bool got_exit;
};

/* guest: stdout is a source fed by pipe out[1]. host: stdout is a sink read from pipe in[0]. */
struct pair {
	struct loop loop;
	struct end host, guest;
	int out[2];
	int in[2];
};

static int on_message(void *arg, const struct agent_frame *f, const uint8_t *p)
{
	struct end *e = arg;

	if (f->type != AGENT_EXIT)
		return -EPROTO;
	e->got_exit = agent_get_exit(p, f->len, &e->exit) == 0;
	return 0;
}

static void on_closed(void *arg, int error)
{
	struct end *e = arg;

	e->closed++;
	e->error = error;
}

static void on_source_end(void *arg, unsigned i)
{
	((struct end *)arg)->source_ends |= 1u << i;
}

static void on_sink_end(void *arg, unsigned i)
{
	((struct end *)arg)->sink_ends |= 1u << i;
}

static const struct session_ops ops = { on_message, on_closed, on_source_end, on_sink_end };

static void spin(struct loop *l, int turns)
{
	for (int i = 0; i < turns; i++) {
		if (loop_once(l, 0) <= 0)
			break;
	}
}

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int sv[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (!p || loop_init(&p->loop, 16) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 ||
		pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->in, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	if (session_init(&p->host.s, &p->loop, sv[0], &ops, &p->host) < 0 ||
		session_init(&p->guest.s, &p->loop, sv[1], &ops, &p->guest) < 0)
		return -1;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	session_done(&p->host.s);
	session_done(&p->guest.s);
	loop_done(&p->loop);
	for (int i = 0; i < 2; i++) {
		close_fd(&p->out[i]);
		close_fd(&p->in[i]);
	}
	free(p);
	return 0;
}

static void connect_stdout(struct pair *p, bool polite)
{
	assert_int_equal(session_sink(&p->host.s, AGENT_STDOUT, take_fd(&p->in[1]), polite), 0);
	assert_int_equal(session_source(&p->guest.s, AGENT_STDOUT, take_fd(&p->out[0])), 0);
}

/* Far more than window and pipes together, with a reader that is slower than the writer. */
static void carry_much(struct pair *p, bool polite)
{
	const size_t total = (size_t)3 << 20;
	size_t sent = 0;
	size_t got = 0;
	uint8_t buf[5000];

	connect_stdout(p, polite);
	assert_int_equal(io_set_nonblock(p->out[1], true), 0);
	for (int guard = 0; got < total && guard < 200000; guard++) {
		ssize_t n = 0;

		if (sent < total) {
			size_t want = total - sent < sizeof(buf) ? total - sent : sizeof(buf);

			for (size_t i = 0; i < want; i++)
				buf[i] = (uint8_t)((sent + i) * 31 >> 3);
			n = write(p->out[1], buf, want);
			sent += n > 0 ? (size_t)n : 0;
			if (sent == total)
				close_fd(&p->out[1]);
		}
		spin(&p->loop, 3);
		n = read(p->in[0], buf, sizeof(buf));
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buf[i], (uint8_t)((got + (size_t)i) * 31 >> 3));
		got += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(got, total);
	spin(&p->loop, 20);
	assert_int_equal(p->guest.source_ends, 1u << AGENT_STDOUT);
	assert_int_equal(p->host.sink_ends, 1u << AGENT_STDOUT);
	assert_int_equal(read(p->in[0], buf, 1), 0); /* end of file arrived, the sink is closed */
	assert_int_equal(p->host.closed + p->guest.closed, 0);
}

static void large_streams_arrive_whole(void **state)
{
	carry_much(*state, false);
}

static void polite_sinks_carry_the_same(void **state)
{
	carry_much(*state, true);
}

static void a_blocked_stream_blocks_no_message(void **state)
{
	struct pair *p = *state;
	uint8_t buf[4096] = { 0 };
	struct agent_exit x = { .code = 3 };
	uint8_t payload[16];
	struct wire_out w;

	connect_stdout(p, false);
	assert_int_equal(io_set_nonblock(p->out[1], true), 0);
	for (int i = 0; i < 1000; i++) { /* nobody reads p->in[0] */
		(void)!write(p->out[1], buf, sizeof(buf));
		spin(&p->loop, 4);
	}
	assert_false(session_sinks_idle(&p->host.s));
	assert_true(p->host.s.stream[AGENT_STDOUT].held_len <= AGENT_WINDOW);
	wire_out_fixed(&w, payload, sizeof(payload));
	agent_put_exit(&w, &x);
	assert_int_equal(session_send(&p->guest.s, AGENT_EXIT, 0, payload, w.len), 0);
	spin(&p->loop, 20);
	assert_true(p->host.got_exit);
	assert_int_equal(p->host.exit.code, 3);
	/* And the loop is asleep: nothing spins on the full pipe. */
	assert_int_equal(loop_once(&p->loop, 0), 0);
}

static void a_broken_sink_closes_the_source(void **state)
{
	struct pair *p = *state;

	connect_stdout(p, false);
	close_fd(&p->in[0]);
	assert_int_equal(write(p->out[1], "x", 1), 1);
	spin(&p->loop, 20);
	assert_int_equal(write(p->out[1], "y", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(p->guest.source_ends, 1u << AGENT_STDOUT);
	assert_int_equal(p->host.closed + p->guest.closed, 0);
}

static void finishing_sends_the_rest_then_ends(void **state)
{
	struct pair *p = *state;
	char buf[16] = { 0 };

	connect_stdout(p, false);
	assert_int_equal(write(p->out[1], "last words", 10), 10);
	session_finish_sources(&p->guest.s); /* p->out[1] stays open, as by a daemon's child */
	spin(&p->loop, 20);
	assert_true(session_sources_ended(&p->guest.s));
	assert_int_equal(read(p->in[0], buf, sizeof(buf)), 10);
	assert_string_equal(buf, "last words");
	assert_int_equal(read(p->in[0], buf, sizeof(buf)), 0);
}

static void a_regular_file_is_a_source(void **state)
{
	struct pair *p = *state;
	int file = io_memfd_sealed("input", "from a file", 11);
	char buf[32] = { 0 };

	close_fd(&p->out[0]);
	p->out[0] = file;
	connect_stdout(p, false);
	spin(&p->loop, 20);
	assert_int_equal(read(p->in[0], buf, sizeof(buf)), 11);
	assert_string_equal(buf, "from a file");
}

/* What a hostile peer may send in place of the guest's session. */
static void hostile(struct pair *p, uint16_t type, uint16_t stream, size_t len, int frames)
{
	uint8_t header[AGENT_HEADER];
	cleanup(free) uint8_t *body = calloc(1, len + 1);

	assert_non_null(body);
	assert_int_equal(session_sink(&p->host.s, AGENT_STDOUT, take_fd(&p->in[1]), false), 0);
	for (int i = 0; i < frames; i++) {
		agent_put_header(header, type, stream, (uint32_t)len);
		(void)!write(p->guest.s.fd, header, sizeof(header));
		(void)!write(p->guest.s.fd, body, len);
		for (int n = 0; n < 10 && !p->host.closed; n++)
			spin(&p->loop, 1);
	}
}

static void data_past_the_window_ends_the_session(void **state)
{
	struct pair *p = *state;

	hostile(p, AGENT_DATA, AGENT_STDOUT, AGENT_MAX_DATA, 64);
	assert_int_equal(p->host.closed, 1);
	assert_int_equal(p->host.error, -EPROTO);
}

static void data_for_no_stream_ends_the_session(void **state)
{
	struct pair *p = *state;

	hostile(p, AGENT_DATA, AGENT_STDERR, 5, 1);
	assert_int_equal(p->host.closed, 1);
	assert_int_equal(p->host.error, -EPROTO);
}

static void credit_for_a_sink_ends_the_session(void **state)
{
	struct pair *p = *state;

	hostile(p, AGENT_CREDIT, AGENT_STDOUT, 4, 1);
	assert_int_equal(p->host.closed, 1);
	assert_int_equal(p->host.error, -EPROTO);
}

static void oversized_frames_end_the_session(void **state)
{
	struct pair *p = *state;

	hostile(p, AGENT_EXEC, 0, AGENT_MAX_REPLY + 1, 1);
	assert_int_equal(p->host.closed, 1);
	assert_int_equal(p->host.error, -EPROTO);
}

static void an_orderly_end_has_no_error(void **state)
{
	struct pair *p = *state;

	session_done(&p->guest.s);
	spin(&p->loop, 5);
	assert_int_equal(p->host.closed, 1);
	assert_int_equal(p->host.error, 0);
	assert_int_equal(session_send(&p->host.s, AGENT_SIGNAL, 0, "", 0), -ENOTCONN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(large_streams_arrive_whole),
		CASE(polite_sinks_carry_the_same),
		CASE(a_blocked_stream_blocks_no_message),
		CASE(a_broken_sink_closes_the_source),
		CASE(finishing_sends_the_rest_then_ends),
		CASE(a_regular_file_is_a_source),
		CASE(data_past_the_window_ends_the_session),
		CASE(data_for_no_stream_ends_the_session),
		CASE(credit_for_a_sink_ends_the_session),
		CASE(oversized_frames_end_the_session),
		CASE(an_orderly_end_has_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
