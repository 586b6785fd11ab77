/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace-svg.c - draws a timeline; see trace-svg.h.
 *
 * One row per event: its name, a bar where it lies in time, how long it took. The rows of a lane
 * (a process of the trace) stand below the lane's name, by time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "trace-svg.h"

#define MAX_US 1e12 /* eleven days */

#define LEFT 190.0
#define CHART 640.0
#define RIGHT 110.0
#define LINE 18.0
#define TOP 40.0

/* ---- reading ------------------------------------------------------------------------------- */

static const struct json *member(const struct json *object, const char *key)
{
	for (const struct json *j = object->first; j; j = j->next) {
		if (strcmp(j->key, key) == 0)
			return j;
	}
	return NULL;
}

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *j = member(object, key);

	return j && j->kind == JSON_STRING ? j->text : "";
}

/* A number from 0 to max, else fallback. */
static double number_of(const struct json *object, const char *key, double max, double fallback)
{
	const struct json *j = member(object, key);
	double v = j && j->kind == JSON_NUMBER ? strtod(j->text, NULL) : -1;

	return v >= 0 && v <= max ? v : fallback;
}

static int add_lane(struct trace_picture *p, uint32_t pid, const char *name, struct err *e)
{
	size_t i = 0;

	while (i < p->n_lanes && p->lane[i].pid != pid)
		i++;
	if (i == TRACE_MAX_LANES)
		return err_set(e, -E2BIG, "more than %u processes", TRACE_MAX_LANES);
	if (i == p->n_lanes)
		p->lane[p->n_lanes++] = (struct trace_lane){ pid, "" };
	if (*name)
		p->lane[i].name = name;
	return 0;
}

static int add_row(struct trace_picture *p, const struct json *event, uint32_t pid, struct err *e)
{
	struct trace_row row = { pid, text_of(event, "name"), number_of(event, "ts", MAX_US, -1),
		number_of(event, "dur", MAX_US, 0) };

	if (row.begin < 0)
		return 0;
	if (p->n_rows == TRACE_MAX_ROWS)
		return err_set(e, -E2BIG, "more than %u events", TRACE_MAX_ROWS);
	p->row[p->n_rows++] = row;
	if (row.begin + row.length > p->end)
		p->end = row.begin + row.length;
	return add_lane(p, pid, "", e);
}

static void set_counts(
	struct trace_picture *p, const struct json *event, struct arena *a, struct err *e)
{
	const struct json *args = member(event, "args");
	struct trace_count *v = NULL;
	size_t n = 0;

	if (!args || args->kind != JSON_OBJECT)
		return;
	v = arena_alloc(a, args->n + 1, sizeof(*v));
	if (!v) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return;
	}
	for (const struct json *j = args->first; j; j = j->next) {
		if (j->kind == JSON_NUMBER)
			v[n++] = (struct trace_count){ j->key, number_of(args, j->key, 1e18, 0) };
	}
	p->count = v;
	p->n_counts = n;
}

static int add_event(
	struct trace_picture *p, const struct json *event, struct arena *a, struct err *e)
{
	const char *phase = event->kind == JSON_OBJECT ? text_of(event, "ph") : "";
	const struct json *args = NULL;
	uint32_t pid = 0;

	if (!*phase)
		return 0;
	pid = (uint32_t)number_of(event, "pid", 4e9, 0);
	if (strcmp(phase, "X") == 0)
		return add_row(p, event, pid, e);
	if (strcmp(phase, "C") == 0) {
		set_counts(p, event, a, e);
		return e->code;
	}
	args = member(event, "args");
	if (strcmp(phase, "M") == 0 && strcmp(text_of(event, "name"), "process_name") == 0 &&
		args && args->kind == JSON_OBJECT)
		return add_lane(p, pid, text_of(args, "name"), e);
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct trace_row *x = a, *y = b;

	if (x->begin < y->begin || x->begin > y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->length < y->length) - (x->length > y->length);
}

int trace_read(const char *text, size_t len, const char *name, struct arena *a,
	struct trace_picture *ret, struct err *e)
{
	struct trace_picture p = { 0 };
	struct json *top = NULL;
	const struct json *events = NULL;
	int r = json_parse(text, len, name, a, &top, e);

	if (r < 0)
		return r;
	events = top->kind == JSON_OBJECT ? member(top, "traceEvents") : top;
	if (!events || events->kind != JSON_ARRAY)
		return err_set(e, -EINVAL, "%s: no list of traceEvents", name);
	p.row = arena_alloc(a, TRACE_MAX_ROWS, sizeof(*p.row));
	if (!p.row)
		return err_sys(e, -ENOMEM, "%s", name);
	for (const struct json *j = events->first; j && r == 0; j = j->next)
		r = add_event(&p, j, a, e);
	if (r < 0)
		return err_wrap(e, "%s", name);
	if (p.end <= 0)
		return err_set(e, -EINVAL, "%s: no event has a duration", name);
	qsort(p.row, p.n_rows, sizeof(*p.row), by_time);
	*ret = p;
	return 0;
}

/* ---- drawing ------------------------------------------------------------------------------- */

static void put_text(FILE *f, double x, double y, const char *style, const char *text)
{
	(void)fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
	for (const char *c = text; *c; c++) {
		if (*c == '<' || *c == '>' || *c == '&' || *c == '"')
			(void)fprintf(f, "&#%d;", *c);
		else
			(void)fputc((unsigned char)*c < ' ' ? ' ' : *c, f);
	}
	(void)fprintf(f, "</text>\n");
}

static double x_of(const struct trace_picture *p, double us)
{
	return LEFT + CHART * us / p->end;
}

/* 1, 2 or 5 times a power of ten: at most ten lines. */
static double tick(double range)
{
	double step = 1;

	while (range / step > 100)
		step *= 10;
	if (range / step > 50)
		return 10 * step;
	if (range / step > 20)
		return 5 * step;
	return range / step > 10 ? 2 * step : step;
}

static void draw_axis(FILE *f, const struct trace_picture *p, double height)
{
	double step = tick(p->end);

	for (unsigned i = 0; i * step <= p->end; i++) {
		double t = i * step;
		char label[32];

		(void)snprintf(label, sizeof(label), "%g ms", t / 1000);
		(void)fprintf(f,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
			"stroke=\"#ddd\"/>\n",
			x_of(p, t), TOP - 8, x_of(p, t), height);
		put_text(f, x_of(p, t), TOP - 14, "text-anchor=\"middle\" fill=\"#777\"", label);
	}
}

static void draw_row(FILE *f, const struct trace_picture *p, const struct trace_row *row, double y,
	const char *color)
{
	double width = CHART * row->length / p->end;
	char label[48];

	put_text(f, LEFT - 8, y + 13, "text-anchor=\"end\"", row->name);
	(void)fprintf(f,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\" "
		"fill=\"%s\"/>\n",
		x_of(p, row->begin), y + 3, width < 1 ? 1 : width, color);
	(void)snprintf(label, sizeof(label), "%.1f ms", row->length / 1000);
	put_text(f, LEFT + CHART + 8, y + 13, "fill=\"#777\"", label);
}

static double draw_lanes(FILE *f, const struct trace_picture *p, double y)
{
	static const char *const colors[] = { "#4c78a8", "#f58518", "#54a24b", "#b279a2" };

	for (size_t i = 0; i < p->n_lanes; i++) {
		const struct trace_lane *lane = &p->lane[i];

		put_text(f, 8, y + 13, "font-weight=\"bold\"", lane->name);
		y += LINE;
		for (size_t k = 0; k < p->n_rows; k++) {
			if (p->row[k].pid != lane->pid)
				continue;
			draw_row(f, p, &p->row[k], y, colors[i % ARRAY_LEN(colors)]);
			y += LINE;
		}
	}
	return y;
}

static void draw_counts(FILE *f, const struct trace_picture *p, double y)
{
	for (size_t i = 0; i < p->n_counts; i++) {
		char value[32];

		(void)snprintf(value, sizeof(value), "%.0f", p->count[i].value);
		put_text(f, LEFT - 8, y + 13, "text-anchor=\"end\"", p->count[i].name);
		put_text(f, LEFT, y + 13, "", value);
		y += LINE;
	}
}

void trace_draw(FILE *f, const struct trace_picture *p)
{
	double chart = TOP + LINE * (double)(p->n_rows + p->n_lanes);
	double height = chart + LINE * (double)(p->n_counts ? p->n_counts + 1 : 0) + 8;

	(void)fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		LEFT + CHART + RIGHT, height);
	draw_axis(f, p, chart);
	(void)draw_lanes(f, p, TOP);
	if (p->n_counts) {
		put_text(f, 8, chart + 13, "font-weight=\"bold\"", "VM exits, by KVM's counters");
		draw_counts(f, p, chart + LINE);
	}
	(void)fprintf(f, "</svg>\n");
}
