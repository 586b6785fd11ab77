/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-create.c - create and run: a bundle becomes a container.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli.h"
#include "ctr.h"
#include "trace.h"

static struct ctr_create_options given;
static bool ignored;
static const char *preserve_fds, *trace;

/* The same for both; run has more. */
#define COMMON_OPTIONS \
	{ "bundle", 'b', CLI_TEXT, &given.bundle, "DIR", "the bundle (default: .)" }, \
		{ "console-socket", 0, CLI_TEXT, &given.console_socket, "PATH", \
			"unix socket that receives the terminal's master" }, \
		{ "pid-file", 0, CLI_TEXT, &given.pid_file, "FILE", \
			"write the pid that stands for the container" }, \
		{ "no-pivot", 0, CLI_FLAG, &ignored, NULL, "accepted: concerns the host only" }, \
		{ "no-new-keyring", 0, CLI_FLAG, &ignored, NULL, \
			"accepted: each guest has its own keyrings" }, \
		{ "pidfd-socket", 0, CLI_TEXT, &given.pidfd_socket, "PATH", \
			"unix socket that receives a pidfd of that process" }, \
	{ \
		"preserve-fds", 0, CLI_TEXT, &preserve_fds, "N", \
			"0 only: open files cannot be handed into a VM" \
	}

static const struct cli_option create_options[] = {
	COMMON_OPTIONS,
	{ "detach", 'd', CLI_FLAG, &ignored, NULL, "accepted: create always does" },
	{ 0 },
};

static const struct cli_option run_options[] = {
	COMMON_OPTIONS,
	{ "detach", 'd', CLI_FLAG, &given.detach, NULL, "return when the container runs" },
	{ "keep", 0, CLI_FLAG, &given.keep, NULL, "do not delete the container when it has ended" },
	{ "trace", 0, CLI_TEXT, &trace, "FILE",
		"write a timeline of the start (Chrome trace JSON; `nestbox trace` draws it)" },
	{ "no-subreaper", 0, CLI_FLAG, &ignored, NULL, "accepted: there is none" },
	{ 0 },
};

static int create(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	int r = cli_check_preserve_fds(preserve_fds, e);

	(void)argc;
	given.root = g->root;
	given.systemd_cgroup = g->systemd_cgroup;
	given.id = argv[0];
	given.detach = true;
	given.trace_fd = -1;
	return r < 0 ? r : ctr_create(&given, e);
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(close) int trace_fd = -EBADF;
	int status = 0;
	int r = cli_check_preserve_fds(preserve_fds, e);

	(void)argc;
	if (r == 0 && trace) {
		trace_fd = open(trace, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		r = trace_fd < 0 ? err_sys(e, -errno, "--trace %s", trace) : 0;
		trace_begin();
	}
	given.trace_fd = trace_fd;
	given.root = g->root;
	given.systemd_cgroup = g->systemd_cgroup;
	given.id = argv[0];
	if (r == 0)
		r = ctr_run(&given, &status, e);
	if (r == 0 && *e->msg)
		cli_report(g, e);
	return r < 0 ? r : status;
}

const struct cli_verb verb_create = {
	.name = "create",
	.operands = "CONTAINER-ID",
	.summary = "build a container from a bundle, up to its start",
	.options = create_options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = create,
};

const struct cli_verb verb_run = {
	.name = "run",
	.operands = "CONTAINER-ID",
	.summary = "create and start a container, and wait for its end",
	.options = run_options,
	.min_operands = 1,
	.max_operands = 1,
	.failure = 1,
	.run = run,
};
