/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - the timeline of a start; see trace.h.
 *
 * The guest's clock is told with the guest's answer, as the time at which that was sent; it is
 * taken to be the time of its arrival. So the guest's lane lies late by the way of one message.
 *
 * Trust: names and times in marks are the guest's: cut, made printable, and kept within the trace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "call.h"
#include "io.h"
#include "json-out.h"
#include "log.h"
#include "trace.h"

#define MAX_SPANS 160
#define MAX_SAMPLES 8

enum lane { LANE_COMMAND = 1, LANE_VMM, LANE_GUEST, LANE_END };

struct span {
	enum lane lane;
	char name[AGENT_MARK_NAME];
	uint64_t begin, end;
};

static struct {
	bool on, asked; /* at all; by an annotation */
	uint64_t start, last;
	struct span span[MAX_SPANS];
	size_t n_spans;
	struct {
		uint64_t at;
		struct vmm_info info;
	} sample[MAX_SAMPLES];
	size_t n_samples;
} trace;

static void add(enum lane lane, const char *name, uint64_t begin, uint64_t end)
{
	struct span *s = &trace.span[trace.n_spans];

	/* What lies before the command is none of its time. */
	if (begin < trace.start)
		begin = trace.start;
	if (trace.n_spans == MAX_SPANS || end <= begin)
		return;
	trace.n_spans++;
	s->lane = lane;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->begin = begin;
	s->end = end;
}

void trace_clock(void)
{
	trace.start = trace.last = io_now_ns();
}

void trace_begin(void)
{
	trace.on = true;
}

void trace_begin_if_asked(const struct oci_map *annotations)
{
	for (size_t i = 0; i < annotations->n; i++) {
		if (strcmp(annotations->v[i].key, TRACE_ANNOTATION) == 0 &&
			strcmp(annotations->v[i].value, "true") == 0)
			trace.on = trace.asked = true;
	}
}

void trace_step(const char *name)
{
	uint64_t now = 0;

	if (!trace.on)
		return;
	now = io_now_ns();
	add(LANE_COMMAND, name, trace.last, now);
	trace.last = now;
}

void trace_vmm(int state_fd)
{
	struct err ignored;

	/* A VM that has ended meanwhile has told what it could. */
	if (!trace.on || trace.n_samples == MAX_SAMPLES ||
		call_vmm_info(state_fd, &trace.sample[trace.n_samples].info, &ignored) < 0)
		return;
	trace.sample[trace.n_samples++].at = io_now_ns();
}

/* For what is told again, as far as it is known by then. */
static void forget(enum lane lane)
{
	size_t kept = 0;

	for (size_t i = 0; i < trace.n_spans; i++) {
		if (trace.span[i].lane != lane)
			trace.span[kept++] = trace.span[i];
	}
	trace.n_spans = kept;
}

void trace_guest(const void *marks, size_t len)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	uint64_t arrival = io_now_ns();
	struct agent_mark *v = NULL;
	uint64_t now = 0, begin = 0;
	struct wire_in r;
	size_t n = 0;

	wire_in_init(&r, marks, len);
	if (!trace.on || agent_get_marks(&r, &a, &now, &v, &n) < 0)
		return;
	forget(LANE_GUEST);
	/* Before the command there was no guest, whatever it says. */
	begin = arrival - (now < arrival - trace.start ? now : arrival - trace.start);
	for (size_t i = 0; i < n; i++) {
		uint64_t ago = now - v[i].ns;
		uint64_t end = ago < arrival - begin ? arrival - ago : begin;

		add(LANE_GUEST, v[i].name, begin, end);
		begin = end;
	}
}

/* ---- the VMM's lane ------------------------------------------------------------------------ */

static void add_phases(void)
{
	static const char *const names[VMM_CTL_PHASES] = { NULL, "build", "load", "jail", "run",
		"drain" };
	const struct vmm_info *last = NULL;

	if (!trace.n_samples)
		return;
	forget(LANE_VMM);
	last = &trace.sample[trace.n_samples - 1].info;
	for (size_t i = 1; i < VMM_CTL_PHASES; i++) {
		uint64_t end = i + 1 < VMM_CTL_PHASES && last->phase_ns[i + 1]
			? last->phase_ns[i + 1]
			: trace.sample[trace.n_samples - 1].at;

		if (last->phase_ns[i])
			add(LANE_VMM, names[i], last->phase_ns[i], end);
	}
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* The format counts microseconds; fractions are left out, as the parts are longer than that. */
static uint64_t us(uint64_t ns)
{
	return (ns - trace.start) / 1000u;
}

static void put_event(struct json_out *o, const char *name, const char *phase, enum lane lane)
{
	json_out_open(o, NULL, '{');
	json_out_string(o, "name", name);
	json_out_string(o, "ph", phase);
	json_out_uint(o, "pid", (uint64_t)lane);
	json_out_uint(o, "tid", 1);
}

static void put_lanes(struct json_out *o)
{
	static const char *const names[] = {
		[LANE_COMMAND] = "nestbox", [LANE_VMM] = "nestbox-vmm", [LANE_GUEST] = "guest"
	};

	for (enum lane i = LANE_COMMAND; i < LANE_END; i++) {
		put_event(o, "process_name", "M", i);
		json_out_open(o, "args", '{');
		json_out_string(o, "name", names[i]);
		json_out_close(o, '}');
		json_out_close(o, '}');
	}
}

static void put_span(struct json_out *o, const struct span *s)
{
	put_event(o, s->name, "X", s->lane);
	json_out_uint(o, "ts", us(s->begin));
	json_out_uint(o, "dur", us(s->end) - us(s->begin));
	json_out_close(o, '}');
}

static void put_sample(struct json_out *o, uint64_t at, const struct vmm_info *info)
{
	put_event(o, "VM exits", "C", LANE_VMM);
	json_out_uint(o, "ts", us(at));
	json_out_open(o, "args", '{');
	for (size_t i = 0; i < info->n_counters; i++)
		json_out_uint(o, info->counter[i].name, info->counter[i].value);
	json_out_uint(o, "to nestbox-vmm", info->user_exits);
	json_out_close(o, '}');
	json_out_close(o, '}');
}

void trace_write(int fd)
{
	cleanup(json_out) struct json_out o = { .pretty = true };
	const char *text = NULL;
	int r = 0;

	add_phases();
	json_out_open(&o, NULL, '{');
	json_out_string(&o, "displayTimeUnit", "ms");
	json_out_open(&o, "traceEvents", '[');
	put_lanes(&o);
	for (size_t i = 0; i < trace.n_spans; i++)
		put_span(&o, &trace.span[i]);
	for (size_t i = 0; i < trace.n_samples; i++)
		put_sample(&o, trace.sample[i].at, &trace.sample[i].info);
	json_out_close(&o, ']');
	json_out_close(&o, '}');
	text = json_out_text(&o);
	r = text ? io_write_full(fd, text, strlen(text)) : -ENOMEM;
	if (r < 0)
		log_warning("trace: %s", strerror(-r));
}

void trace_keep(int state_fd, const char *name)
{
	cleanup(close) int fd = -EBADF;

	if (!trace.asked)
		return;
	fd = openat(state_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		log_warning("trace: %s", strerror(errno));
	else
		trace_write(fd);
}
