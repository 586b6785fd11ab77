/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-check.c - check: whether this machine can run microVMs, and what is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "host-cgroup.h"
#include "install.h"
#include "io.h"
#include "kvm.h"

#define TUN "/dev/net/tun"
#define LIST_MAX ((size_t)16 << 20)

static const struct cli_option options[] = { { 0 } };

/* Prints one line; whether the file is there. */
static bool check_file(const char *name)
{
	cleanup(close) int fd = -EBADF;
	struct err e = { 0 };
	int r = install_open(name, &fd, &e);

	printf("%-16s %s\n", name, r == 0 ? "found" : e.msg);
	return r == 0;
}

/* Prints one line; whether containers can have their cgroups here. */
static bool check_cgroup(void)
{
	struct err e = { 0 };
	int r = host_cgroup_check(&e);

	printf("%-16s %s\n", "cgroup", r == 0 ? "v2" : e.msg);
	return r == 0;
}

/* Whether a list of the kernel's modules names this one. */
static bool is_listed(const char *list, const char *module)
{
	cleanup(close) int fd = -EBADF;
	cleanup(free) char *text = NULL;
	char path[PATH_MAX], wanted[64];
	struct utsname name;
	size_t len = 0;

	if (uname(&name) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "/lib/modules/%s/%s", name.release, list);
	(void)snprintf(wanted, sizeof(wanted), "/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && io_read_file(fd, LIST_MAX, &text, &len) == 0 && strstr(text, wanted);
}

/* Loaded, built in, or there to be loaded. */
static bool has_module(const char *module)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/sys/module/%s", module);
	return access(path, F_OK) == 0 || is_listed("modules.builtin", module) ||
		is_listed("modules.dep", module);
}

/* What containers with interfaces need; the others run without. */
static void check_network(void)
{
	static const char *const modules[] = { "sch_ingress", "cls_matchall", "act_mirred" };
	cleanup(close) int tun = open(TUN, O_RDWR | O_CLOEXEC);
	int error = errno;
	const char *missing = NULL;

	for (size_t i = 0; i < ARRAY_LEN(modules) && !missing; i++) {
		if (!has_module(modules[i]))
			missing = modules[i];
	}
	if (tun < 0)
		printf("%-16s " TUN " (kernel module tun): %s\n", "network", strerror(error));
	else if (missing)
		printf("%-16s kernel module %s is missing: no container with interfaces starts\n",
			"network", missing);
	else
		printf("%-16s ready\n", "network");
}

static int run(const struct cli_globals *g, int argc, char **argv, struct err *e)
{
	static const char *const files[] = { "vmlinux", "initrd.cpio", "nestbox-monitor",
		"nestbox-vmm", "nestbox-fsd", "nestbox-netd" };
	enum kvm_kind kind = kvm_probe();
	bool usable = kind == KVM_KIND_HARDWARE || kind == KVM_KIND_NESTED;
	bool root = geteuid() == 0;
	bool ready = usable && root;

	(void)g;
	(void)argc;
	(void)argv;
	(void)e;
	printf("%-16s %s%s%s\n", "kvm", kvm_kind_name(kind), usable ? "" : ": ",
		usable ? "" : kvm_kind_remedy(kind));
	printf("%-16s %s\n", "user", root ? "root" : "not root: nestbox runs as root");
	ready &= check_cgroup();
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		ready &= check_file(files[i]);
	check_network();
	printf("%-16s %s\n", "result", ready ? "ready" : "not ready");
	return ready ? 0 : 1;
}

const struct cli_verb verb_check = {
	.name = "check",
	.operands = "",
	.summary = "tell whether this machine can run microVMs",
	.options = options,
	.max_operands = 0,
	.own = true,
	.failure = 1,
	.run = run,
};
