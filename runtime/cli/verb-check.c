/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-check.c - check: whether this machine can run microVMs, and what is missing.
 */
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "install.h"
#include "kvm.h"

static const struct cli_option options[] = { { 0 } };

/* Prints one line; 1 when the file is missing. */
static int check_file(const char *name)
{
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };
	int r = install_open(name, &fd, &e);

	printf("%-16s %s\n", name, r == 0 ? "found" : e.msg);
	return r < 0;
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	static const char *const files[] = { "vmlinux", "initrd.cpio", "nestbox-monitor",
		"nestbox-vmm", "nestbox-fsd" };
	enum kvm_kind kind = kvm_probe();
	bool usable = kind == KVM_KIND_HARDWARE || kind == KVM_KIND_NESTED;
	bool root = geteuid() == 0;
	int missing = 0;

	(void)g;
	(void)argc;
	(void)argv;
	(void)e;
	printf("%-16s %s%s%s\n", "kvm", kvm_kind_name(kind), usable ? "" : ": ",
		usable ? "" : kvm_kind_remedy(kind));
	printf("%-16s %s\n", "user", root ? "root" : "not root: nestbox runs as root");
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		missing += check_file(files[i]);
	printf("%-16s %s\n", "result", usable && root && !missing ? "ready" : "not ready");
	return usable && root && !missing ? 0 : 1;
}

const struct cli_verb verb_check = {
	.name = "check",
	.operands = "",
	.summary = "tell whether this machine can run microVMs",
	.options = options,
	.max_operands = 0,
	.failure = 1,
	.run = run,
};
