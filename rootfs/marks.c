/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks.c - moments of a start; see marks.h.
 */
#include "marks.h"
#include "agent.h"
#include "io.h"

static struct agent_mark marks[AGENT_MAX_MARKS];
static size_t n_marks;

void mark(const char *name)
{
	if (n_marks < AGENT_MAX_MARKS)
		marks[n_marks++] = (struct agent_mark){ name, io_now_ns() };
}

void marks_restart(void)
{
	n_marks = 0;
}

void marks_put(struct wire_out *w)
{
	agent_put_marks(w, io_now_ns(), marks, n_marks);
}
