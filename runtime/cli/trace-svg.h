/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace-svg.h - a timeline of Chrome trace events, and its picture.
 */
#ifndef NESTBOX_TRACE_SVG_H
#define NESTBOX_TRACE_SVG_H

#include <stdint.h>
#include <stdio.h>

#include "arena.h"
#include "err.h"

#define TRACE_MAX_ROWS 2000u
#define TRACE_MAX_LANES 64u

struct trace_row {
	uint32_t pid; /* which lane */
	const char *name;
	double begin, length; /* µs */
};

struct trace_lane {
	uint32_t pid;
	const char *name;
};

struct trace_count {
	const char *name;
	double value;
};

struct trace_picture {
	struct trace_row *row;
	struct trace_lane lane[TRACE_MAX_LANES];
	size_t n_rows, n_lanes;
	struct trace_count *count; /* of the last sample of counters */
	size_t n_counts;
	double end; /* of the last row, µs; > 0 */
};

/* Reads complete events ("X"), names of processes ("M") and counters ("C"); others are passed over.
 * name stands for the file in messages. All memory is the arena's. */
warn_unused int trace_read(const char *text, size_t len, const char *name, struct arena *a,
	struct trace_picture *ret, struct err *e);

/* Writes it as SVG. */
void trace_draw(FILE *f, const struct trace_picture *p);

#endif
