/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - containerd-shim-nestbox-v1: the runtime io.containerd.nestbox.v1 of containerd.
 *
 *   containerd-shim-nestbox-v1 -namespace NS -id ID -address SOCKET [-debug] start | delete
 *   containerd-shim-nestbox-v1 -v | -info | -help
 *
 * Every verb that needs rights is a run of the nestbox command; this program answers containerd,
 * holds the ends of stdio, and is the parent of the monitors.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "actions.h"
#include "bundle-files.h"

static const char help[] =
	"containerd-shim-nestbox-v1: the runtime " SHIM_NAME " of containerd, which starts it\n"
	"\n"
	"usage: containerd-shim-nestbox-v1 -namespace NAME -id ID [options] start | delete\n"
	"       containerd-shim-nestbox-v1 -v | -info | -h\n"
	"\n"
	"  start    makes the server of a container, or of a sandbox, and prints its address\n"
	"  delete   takes away what a server that is gone has left\n"
	"\n"
	"  -namespace NAME        containerd's namespace\n"
	"  -id ID                 the container's id\n"
	"  -address SOCKET        containerd's socket\n"
	"  -bundle FOLDER         the bundle, where it is not the working folder (delete)\n"
	"  -publish-binary FILE   not used: events go to $TTRPC_ADDRESS\n"
	"  -debug                 more lines in the log\n"
	"  -v, -version           print the version\n"
	"  -info                  write a RuntimeInfo message (protobuf)\n"
	"  -h, -help              print this\n";

/* nestbox beside ourselves; where it is not there, the one in PATH. */
static const char *find_command(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("nestbox"));
	char *slash = NULL;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return "nestbox";
	(void)snprintf(slash + 1, sizeof("nestbox"), "nestbox");
	return access(path, X_OK) == 0 ? path : "nestbox";
}

static int run(int argc, char **argv, struct err *e)
{
	struct shim_options o;
	int r = shim_options_parse(argc, argv, &o, e);

	if (r < 0)
		return r;
	if (o.help) {
		(void)fputs(help, stdout);
		return 0;
	}
	if (o.version) {
		(void)printf("containerd-shim-nestbox-v1:\n  Version:  %s\n", NESTBOX_VERSION);
		return 0;
	}
	if (o.info)
		return action_info(find_command(), e);
	if (!*o.ns)
		return err_set(e, -EINVAL, "shim namespace cannot be empty");
	if (!id_is_usable(o.ns))
		return err_set(e, -EINVAL, "invalid namespace \"%.128s\"", o.ns);
	if (strcmp(o.action, "start") == 0)
		return action_start(&o, e);
	if (strcmp(o.action, "delete") == 0)
		return action_delete(&o, find_command(), e);
	if (*o.action)
		return err_set(e, -EINVAL, "unknown action \"%.64s\"", o.action);
	return action_serve(&o, find_command(), e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };

	if (run(argc, argv, &e) == 0)
		return 0;
	(void)fprintf(stderr, SHIM_NAME ": %s\n", e.msg);
	return 1;
}
