/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - how an error reaches people (stderr) and programs (the log file).
 *
 * podman parses the JSON log as one object, containerd as a stream whose last error it shows: there
 * is exactly one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "json-out.h"

static void log_error(const struct cli_globals *g, const struct err *e)
{
	cleanup(close) int fd = open(g->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	cleanup(json_out) struct json_out o = { 0 };
	const char *level = e->code < 0 ? "error" : "warning";
	bool json = g->log_format && strcmp(g->log_format, "json") == 0;
	const char *text = NULL;
	time_t now = time(NULL);
	struct tm tm;
	char stamp[32] = "", line[ERR_MSG_MAX + 128];

	if (gmtime_r(&now, &tm))
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (json) {
		json_out_open(&o, NULL, '{');
		json_out_string(&o, "level", level);
		json_out_string(&o, "msg", e->msg);
		json_out_string(&o, "time", stamp);
		json_out_close(&o, '}');
		text = json_out_text(&o);
	} else {
		(void)snprintf(line, sizeof(line), "time=\"%s\" level=%s msg=\"%s\"\n", stamp,
			level, e->msg);
		text = line;
	}
	if (fd < 0 || !text || io_write_full(fd, text, strlen(text)) < 0)
		fprintf(stderr, "nestbox: cannot write the log %s\n", g->log);
}

void cli_report(const struct cli_globals *g, const struct err *e)
{
	fprintf(stderr, "nestbox: %s\n", e->msg);
	if (g->log && *g->log)
		log_error(g, e);
}

int cli_print(const char *text, struct err *e)
{
	int r = text ? io_write_full(STDOUT_FILENO, text, strlen(text)) : -ENOMEM;

	return r < 0 ? err_sys(e, r, "standard output") : 0;
}
