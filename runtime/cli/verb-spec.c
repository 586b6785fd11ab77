/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-spec.c - spec: a config.json to begin with.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "io.h"
#include "oci-spec.h"

static const char *bundle = ".";
static bool rootless;

static const struct cli_option options[] = {
	{ "bundle", 'b', CLI_TEXT, &bundle, "DIR", "where to write it (default: .)" },
	{ "rootless", 0, CLI_FLAG, &rootless, NULL,
		"for a user without rights, as runc writes it" },
	{ 0 },
};

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(close) int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(close) int fd = -EBADF;
	const char *text = oci_spec_default;
	char own[OCI_SPEC_ROOTLESS_MAX];
	int r = 0;

	(void)g;
	(void)argc;
	(void)argv;
	if (dir < 0)
		return err_sys(e, -errno, "bundle %s", bundle);
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, -EEXIST, "File config.json exists. Remove it first");
	if (fd < 0)
		return err_sys(e, -errno, "config.json");
	if (rootless) {
		r = oci_spec_rootless(own, sizeof(own), geteuid(), getegid());
		text = own;
	}
	if (r == 0)
		r = io_write_full(fd, text, strlen(text));
	return r < 0 ? err_sys(e, r, "config.json") : 0;
}

const struct cli_verb verb_spec = {
	.name = "spec",
	.operands = "",
	.summary = "write a config.json that runs a shell",
	.options = options,
	.max_operands = 0,
	.failure = 1,
	.run = run,
};
