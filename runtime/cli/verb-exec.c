/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-exec.c - exec: one more process in a container.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ctr.h"

static struct ctr_exec_options given;
static struct cli_list env, gids, caps;
static const char *ignored_text, *preserve_fds;

static const struct cli_option options[] = {
	{ "process", 'p', CLI_TEXT, &given.process_file, "FILE", "the process object as JSON" },
	{ "detach", 'd', CLI_FLAG, &given.detach, NULL, "return when the process runs" },
	{ "tty", 't', CLI_FLAG, &given.tty, NULL, "with a terminal" },
	{ "console-socket", 0, CLI_TEXT, &given.console_socket, "PATH",
		"unix socket that receives the terminal's master" },
	{ "pid-file", 0, CLI_TEXT, &given.pid_file, "FILE",
		"write the pid that stands for the process" },
	{ "cwd", 0, CLI_TEXT, &given.cwd, "DIR", "working folder" },
	{ "env", 'e', CLI_LIST, &env, "KEY=VALUE", "one more variable (repeatable)" },
	{ "user", 'u', CLI_TEXT, &given.user, "UID[:GID]", "user, in numbers" },
	{ "additional-gids", 'g', CLI_LIST, &gids, "GID", "one more group (repeatable)" },
	{ "cap", 'c', CLI_LIST, &caps, "NAME", "one more capability (repeatable)" },
	{ "no-new-privs", 0, CLI_FLAG, &given.no_new_privs, NULL, "set no_new_privs" },
	{ "ignore-paused", 0, CLI_FLAG, &given.ignore_paused, NULL,
		"also in a paused container: waits for its resume" },
	{ "process-label", 0, CLI_TEXT, &ignored_text, "LABEL",
		"accepted: no SELinux in the guest" },
	{ "apparmor", 0, CLI_TEXT, &ignored_text, "PROFILE", "accepted: no AppArmor in the guest" },
	{ "pidfd-socket", 0, CLI_TEXT, &given.pidfd_socket, "PATH",
		"unix socket that receives a pidfd of that process" },
	{ "cgroup", 0, CLI_TEXT, &given.cgroup, "PATH",
		"cgroup below the container's, in the guest" },
	{ "preserve-fds", 0, CLI_TEXT, &preserve_fds, "N",
		"0 only: open files cannot be handed into a VM" },
	{ 0 },
};

static int parse_gids(uint32_t **ret, struct err *e)
{
	uint32_t *numbers = calloc(gids.n + 1, sizeof(*numbers));

	if (!numbers)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < gids.n; i++) {
		char *end = NULL;
		unsigned long gid = strtoul(gids.v[i], &end, 10);

		if (!*gids.v[i] || *end || gids.v[i][0] == '-' || gid >= UINT32_MAX) {
			free(numbers);
			return err_set(e, -EINVAL, "additional gid %.32s: not a number", gids.v[i]);
		}
		numbers[i] = (uint32_t)gid;
	}
	*ret = numbers;
	return 0;
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	cleanup(free) uint32_t *numbers = NULL;
	int r = cli_check_preserve_fds(preserve_fds, e);

	if (r == 0)
		r = parse_gids(&numbers, e);
	if (r < 0)
		return r;
	given.root = g->root;
	given.id = argv[0];
	given.env = env.v;
	given.caps = caps.v;
	given.additional_gids = numbers;
	given.n_additional_gids = gids.n;
	given.args = (const char *const *)(argv + 1);
	if (!given.process_file && argc < 2)
		return err_set(e, -EINVAL, "process args cannot be empty");
	return ctr_exec(&given, e);
}

const struct cli_verb verb_exec = {
	.name = "exec",
	.operands = "CONTAINER-ID COMMAND [ARG...]",
	.summary = "run one more process in a container",
	.options = options,
	.min_operands = 1,
	.max_operands = -1,
	.options_first = true,
	.failure = 255,
	.run = run,
};
