/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - how errors, warnings and debug messages reach people (stderr) and programs (the log
 * file).
 *
 * podman parses the JSON log as one object, containerd as a stream whose last error it shows: there
 * is exactly one, unless there is something to warn of, or --debug asks for more.
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
#include "log.h"

#define LINE_MAX_BYTES (2 * ERR_MSG_MAX + 128)

static const struct cli_globals *log_globals; /* borrowed: main's, for the program's life */

/* One line without control characters, whatever a name or a value held; on request as a reader of
 * key="value" expects it between the quotes. */
static void one_line(char *to, size_t size, const char *text, bool quoted)
{
	size_t n = 0;

	for (; *text && n + 2 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (quoted && (c == '"' || c == '\\'))
			to[n++] = '\\';
		to[n++] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
	to[n] = '\0';
}

/* One entry in the format that was asked for. */
static int write_entry(int fd, const struct cli_globals *g, const char *level, const char *message)
{
	cleanup(json_out) struct json_out o = { 0 };
	bool json = g->log_format && strcmp(g->log_format, "json") == 0;
	char stamp[32] = "", quoted[2 * ERR_MSG_MAX], line[LINE_MAX_BYTES];
	const char *text = line;
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (json) {
		json_out_open(&o, NULL, '{');
		json_out_string(&o, "level", level);
		json_out_string(&o, "msg", message);
		json_out_string(&o, "time", stamp);
		json_out_close(&o, '}');
		text = json_out_text(&o);
	} else {
		one_line(quoted, sizeof(quoted), message, true);
		(void)snprintf(line, sizeof(line), "time=\"%s\" level=%s msg=\"%s\"\n", stamp,
			level, quoted);
	}
	return text ? io_write_full(fd, text, strlen(text)) : -ENOMEM;
}

static void log_entry(const struct cli_globals *g, const char *level, const char *message)
{
	cleanup(close) int fd = open(g->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : write_entry(fd, g, level, message);
	struct err e = { 0 };

	if (r < 0) {
		(void)err_sys(&e, r, "cannot write the log %s", g->log);
		fprintf(stderr, "nestbox: %s\n", e.msg);
	}
}

/* Into the log file where there is one, else to stderr. */
static void report_on_the_way(const char *level, const char *text)
{
	if (log_globals->log && *log_globals->log)
		log_entry(log_globals, level, text);
	else
		(void)!write_entry(STDERR_FILENO, log_globals, level, text);
}

void cli_log(const struct cli_globals *g)
{
	log_globals = g;
	log_to(report_on_the_way, g->debug);
}

void cli_report(const struct cli_globals *g, const struct err *e)
{
	char line[ERR_MSG_MAX + 2];

	one_line(line, sizeof(line), e->msg, false);
	fprintf(stderr, "nestbox: %s\n", line);
	if (g->log && *g->log)
		log_entry(g, e->code < 0 ? "error" : "warning", e->msg);
}

int cli_print(const char *text, struct err *e)
{
	int r = text ? io_write_full(STDOUT_FILENO, text, strlen(text)) : -ENOMEM;

	return r < 0 ? err_sys(e, r, "standard output") : 0;
}
