/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-trace.c - timelines: what of a trace is read, what is refused, and that its picture is one.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "io.h"
#include "trace-svg.h"
#include "trace.h"

static int read_text(const char *text, struct arena *a, struct trace_picture *ret, struct err *e)
{
	*e = (struct err){ 0 };
	return trace_read(text, strlen(text), "t.json", a, ret, e);
}

static void events_are_read_by_time(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct trace_picture p;
	struct err e;

	(void)state;
	assert_int_equal(
		read_text("{\"traceEvents\":[{\"ph\":\"X\",\"name\":\"b\",\"pid\":2,\"ts\":7.5,"
			  "\"dur\":2},{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"ts\":1,\"dur\":2},"
			  "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":2,\"args\":{\"name\":"
			  "\"two\"}},{\"ph\":\"C\",\"args\":{\"exits\":12,\"x\":\"y\"}},"
			  "{\"ph\":\"X\",\"name\":\"bad\",\"ts\":-1,\"dur\":2},{\"ph\":5},{},3]}",
			&a, &p, &e),
		0);
	assert_int_equal(p.n_rows, 2);
	assert_string_equal(p.row[0].name, "a");
	assert_true(p.end > 9.4 && p.end < 9.6);
	assert_int_equal(p.n_lanes, 2);
	assert_string_equal(p.lane[0].name, "two");
	assert_int_equal(p.n_counts, 1);
	assert_true(p.count[0].value > 11 && p.count[0].value < 13);
	/* A bare list is a trace too. */
	assert_int_equal(read_text("[{\"ph\":\"X\",\"ts\":1,\"dur\":1}]", &a, &p, &e), 0);
}

static void what_is_no_trace_is_refused(void **state)
{
	static const char *const texts[] = { "", "{", "3", "{}", "{\"traceEvents\":3}", "[]",
		"[{\"ph\":\"X\",\"ts\":0,\"dur\":0}]", "[{\"ph\":\"X\",\"ts\":1e300,\"dur\":1}]" };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(free) char *many = calloc(1, 64 * (TRACE_MAX_ROWS + 2));
	struct trace_picture p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_true(read_text(texts[i], &a, &p, &e) < 0);
		assert_int_equal(strncmp(e.msg, "t.json", 6), 0);
	}
	assert_non_null(many);
	many[0] = '[';
	for (unsigned i = 0; i <= TRACE_MAX_ROWS; i++)
		(void)snprintf(many + strlen(many), 64, "%s{\"ph\":\"X\",\"ts\":1,\"dur\":1}",
			i ? "," : "");
	many[strlen(many)] = ']';
	assert_true(read_text(many, &a, &p, &e) < 0);
	assert_non_null(strstr(e.msg, "more than 2000 events"));
}

static void names_cannot_leave_the_picture(void **state)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(free) char *svg = NULL;
	struct trace_picture p;
	size_t len = 0;
	struct err e;
	FILE *f = NULL;

	(void)state;
	assert_int_equal(
		read_text(
			"[{\"ph\":\"X\",\"name\":\"</text><script>&\\u0007\",\"ts\":1,\"dur\":1}]",
			&a, &p, &e),
		0);
	f = open_memstream(&svg, &len);
	assert_non_null(f);
	trace_draw(f, &p);
	assert_int_equal(fclose(f), 0);
	assert_null(strstr(svg, "script>"));
	assert_null(strchr(svg, 7));
	assert_non_null(strstr(svg, "&#60;/text&#62;"));
	assert_non_null(strstr(svg, "</svg>"));
}

/* The guest's marks, sent now, into a trace file; that as a picture. */
static void a_trace_keeps_hostile_guests_within_its_time(void **state)
{
	const struct agent_mark marks[] = { { "before the command", 5 },
		{ "long ago", UINT64_MAX / 2 }, { "now", UINT64_MAX - 1 } };
	cleanup(arena) struct arena a = ARENA_INIT(0);
	char path[] = "/tmp/test-trace.XXXXXX";
	cleanup(close) int fd = mkstemp(path);
	cleanup(free) char *text = NULL;
	struct trace_picture p;
	bool found = false;
	uint8_t buf[512];
	struct wire_out w;
	size_t len = 0;
	struct err e;

	(void)state;
	assert_true(fd >= 0 && unlink(path) == 0);
	trace_clock();
	trace_step("not recorded");
	trace_begin();
	(void)usleep(2000);
	trace_step("first");
	wire_out_fixed(&w, buf, sizeof(buf));
	agent_put_marks(&w, UINT64_MAX, marks, ARRAY_LEN(marks));
	(void)usleep(2000);
	trace_guest(buf, w.len);
	trace_guest(buf, 3);
	trace_write(fd);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_file(fd, 1 << 20, &text, &len), 0);
	assert_int_equal(trace_read(text, len, "t.json", &a, &p, &e), 0);
	assert_int_equal(p.n_lanes, 3);
	for (size_t i = 0; i < p.n_rows; i++) {
		assert_true(p.row[i].begin >= 0 && p.row[i].begin + p.row[i].length < 1e9);
		assert_string_not_equal(p.row[i].name, "not recorded");
		found = found || strcmp(p.row[i].name, "first") == 0;
	}
	assert_true(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_read_by_time),
		cmocka_unit_test(what_is_no_trace_is_refused),
		cmocka_unit_test(names_cannot_leave_the_picture),
		cmocka_unit_test(a_trace_keeps_hostile_guests_within_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
