/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.c - gives up everything that the VMM does not need once its files are open.
 *
 * The CLI started us in fresh mount, network, pid, ipc, uts and cgroup namespaces. Here the mount
 * namespace becomes an empty, read-only folder; uid, gid, groups and all capabilities go; nothing
 * can bring them back (no_new_privs). Seccomp follows per thread (seccomp.c).
 */
#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm.h"

/* An empty tmpfs as the only mount that can be seen. */
static int empty_root(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, -errno, "jail: private mounts");
	if (mount("nestbox", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    "size=0,mode=555") < 0)
		return err_sys(e, -errno, "jail: empty root");
	if (chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, -errno, "jail: pivot_root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, -errno, "jail: old root");
	if (mount(NULL, "/", NULL,
		    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_sys(e, -errno, "jail: read-only root");
	return 0;
}

static int drop_bounding_set(struct err *e)
{
	for (unsigned long cap = 0; cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return err_sys(e, -errno, "jail: bounding set");
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return 0;
}

static int become(uint32_t id, struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return err_sys(e, -errno, "jail: cannot become uid %u", id);
	if (syscall(SYS_capset, &h, none) < 0)
		return err_sys(e, -errno, "jail: capabilities");
	return 0;
}

static void limit_resources(void)
{
	const struct rlimit zero = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &zero); /* guest memory must not land in a core file */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int jail_enter(struct vm *vm, struct err *e)
{
	int r = 0;

	assert(vm->phase == VM_LOAD);
	vm_enter(vm, VM_JAIL);
	limit_resources();
	if (vm->plan.jail_uid) {
		r = empty_root(e);
		if (r == 0)
			r = drop_bounding_set(e);
		if (r == 0)
			r = become(vm->plan.jail_uid, e);
		if (r < 0)
			return r;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, -errno, "jail: no_new_privs");
	return 0;
}
