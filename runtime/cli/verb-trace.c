/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-trace.c - trace: a timeline as a picture.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "trace-svg.h"

#define MAX_BYTES ((size_t)16 << 20)

static const char *output;

static const struct cli_option options[] = {
	{ "output", 'o', CLI_TEXT, &output, "FILE", "where the SVG goes (default: stdout)" },
	{ 0 },
};

static int read_trace(const char *name, struct arena *a, struct trace_picture *ret, struct err *e)
{
	cleanup(close) int fd = open(name, O_RDONLY | O_CLOEXEC);
	cleanup(free) char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : io_read_file(fd, MAX_BYTES, &text, &len);

	return r < 0 ? err_sys(e, r, "%s", name) : trace_read(text, len, name, a, ret, e);
}

/* Whole or not at all: a picture that is cut off is no picture. */
static int draw(const struct trace_picture *p, char **ret, size_t *ret_len, struct err *e)
{
	FILE *f = open_memstream(ret, ret_len);

	if (!f)
		return err_sys(e, -errno, "picture");
	trace_draw(f, p);
	return fclose(f) == 0 ? 0 : err_sys(e, -ENOMEM, "picture");
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(free) char *svg = NULL;
	cleanup(close) int fd = -EBADF;
	struct trace_picture p;
	size_t len = 0;
	int r = read_trace(argv[0], &a, &p, e);

	(void)g;
	(void)argc;
	if (r == 0)
		r = draw(&p, &svg, &len, e);
	if (r < 0)
		return r;
	if (!output)
		return cli_print(svg, e);
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	r = fd < 0 ? -errno : io_write_full(fd, svg, len);
	return r < 0 ? err_sys(e, r, "%s", output) : 0;
}

const struct cli_verb verb_trace = {
	.name = "trace",
	.operands = "FILE",
	.summary = "draw the timeline that `run --trace` wrote, as SVG",
	.options = options,
	.min_operands = 1,
	.max_operands = 1,
	.own = true,
	.failure = 1,
	.run = run,
};
