/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm.c - a container that runs nothing, before a template is saved; see warm.h.
 *
 * A kernel does many things when they are wanted for the first time: it patches its own text where
 * cgroups or filters are in use, compiles filters into memory that it gets for that, fills its
 * caches, makes the roots of file systems. Done here, every clone finds them done: its text stays
 * the one that all clones share, and its container is built in half the time. The container is
 * made by the code that makes all others, with what engines ask for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "cgroups.h"
#include "io.h"
#include "spawn.h"
#include "warm.h"

#define NAME "nestbox-warm"
#define ROOT BOOT_SHARES "/rootfs"
#define PROGRAM "/bin/" NAME
#define STEP_MS 5000

#define PLAIN (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define FILE_SYSTEM(where, what, how, options) \
	{ \
		.kind = GPLAN_MOUNT_FS, .dest = where, .type = what, .source = what, .flags = how, \
		.data = options \
	}

static struct gplan_mount mounts[] = {
	FILE_SYSTEM("/proc", "proc", 0, ""),
	FILE_SYSTEM("/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"),
	FILE_SYSTEM(
		"/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"),
	FILE_SYSTEM("/dev/shm", "tmpfs", PLAIN, "mode=1777,size=65536k"),
	FILE_SYSTEM("/dev/mqueue", "mqueue", PLAIN, ""),
	FILE_SYSTEM("/sys", "sysfs", PLAIN | MS_RDONLY, ""),
	{ .kind = GPLAN_MOUNT_CGROUP,
		.dest = "/sys/fs/cgroup",
		.type = "cgroup",
		.source = "cgroup",
		.flags = PLAIN | MS_RDONLY,
		.data = "" },
};
static struct gplan_device devices[] = {
	{ .path = "/dev/null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3 },
	{ .path = "/dev/urandom", .mode = S_IFCHR | 0666, .major = 1, .minor = 9 },
};
static char masked_file[] = "/proc/kcore", masked_folder[] = "/proc/scsi",
	    readonly_folder[] = "/proc/sys";
static char *masked[] = { masked_file, masked_folder };
static char *readonly[] = { readonly_folder };
static char program[] = PROGRAM;
static char *args[] = { program };
static const struct bpf_insn all_devices[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
	{ .code = BPF_JMP | BPF_EXIT },
};
static const struct sock_filter all_calls[] = {
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static const struct gplan container = {
	.id = NAME,
	.hostname = NAME,
	.domainname = "",
	.root_kind = GPLAN_ROOT_SHARE,
	.root_source = "rootfs",
	.root_fstype = "",
	.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
	.mounts = mounts,
	.n_mounts = ARRAY_LEN(mounts),
	.devices = devices,
	.n_devices = ARRAY_LEN(devices),
	.masked_paths = masked,
	.n_masked = ARRAY_LEN(masked),
	.readonly_paths = readonly,
	.n_readonly = ARRAY_LEN(readonly),
	.cgroup = NAME,
	.device_filter = all_devices,
	.device_filter_len = sizeof(all_devices),
	.process = { .args = args,
		.n_args = ARRAY_LEN(args),
		.cwd = "/",
		.cgroup = "",
		.no_new_privs = true,
		.seccomp = all_calls,
		.seccomp_len = sizeof(all_calls) },
};

/* ---- its root: a tmpfs with our own program ------------------------------------------------ */

static int copy_program(struct err *e)
{
	cleanup(close) int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup(close) int to = open(ROOT PROGRAM, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	struct stat st;

	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return err_sys(e, -errno, "program");
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n <= 0)
			return err_sys(e, n < 0 ? -errno : -EIO, "program");
		left -= n;
	}
	return 0;
}

static int make_root(struct err *e)
{
	static const char *const folders[] = { BOOT_SHARES, ROOT };

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (mkdir(folders[i], 0755) < 0 && errno != EEXIST)
			return err_sys(e, -errno, "mkdir %s", folders[i]);
	}
	if (mount("tmpfs", ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
		return err_sys(e, -errno, "mount %s", ROOT);
	if (mkdir(ROOT "/bin", 0755) < 0)
		return err_sys(e, -errno, "mkdir");
	return copy_program(e);
}

static void remove_root(void)
{
	(void)umount2(ROOT, MNT_DETACH);
	(void)rmdir(ROOT);
}

/* ---- its life ------------------------------------------------------------------------------ */

static int wait_for(struct spawn *s, enum spawn_event wanted, struct err *e)
{
	enum spawn_event event = SPAWN_NOTHING;

	while (event != wanted) {
		if (io_wait_readable(s->sync_fd, STEP_MS) == 0)
			return err_set(e, -ETIMEDOUT, "it does not come");
		event = spawn_read(s, e);
		if (event == SPAWN_FAILED)
			return e->code;
		if (event == SPAWN_GONE && wanted != SPAWN_GONE)
			return err_set(e, -ECHILD, "it is gone");
	}
	return 0;
}

static int live(int cgroup, struct err *e)
{
	struct spawn s;
	int status = 0;
	char byte = 0;
	int r = spawn_init(&container, NULL, 0, cgroup, &s, e);

	if (r < 0)
		return r;
	r = wait_for(&s, SPAWN_READY, e);
	if (r == 0 && spawn_go(&s) < 0)
		r = err_set(e, -EPIPE, "it cannot be started");
	if (r == 0)
		r = wait_for(&s, SPAWN_GONE, e);
	/* Its output, to the end. */
	while (r == 0 && io_wait_readable(s.std_fd[1], STEP_MS) > 0 &&
		read(s.std_fd[1], &byte, 1) > 0)
		;
	if (r < 0)
		(void)kill(s.pid, SIGKILL);
	(void)waitpid(s.pid, &status, 0);
	spawn_done(&s);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = err_set(e, -ECHILD, "it failed (%#x)", (unsigned)status);
	return r;
}

/* Compiled filters lie together in 2 MiB of memory, which the kernel fills when the first one comes
 * and gives back with the last: one that is never used stays. */
static void keep_filter(void)
{
	static int kept = -EBADF; /* owned */
	const union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = ARRAY_LEN(all_devices),
		.insns = (uintptr_t)all_devices,
		.license = (uintptr_t) "",
	};

	if (kept < 0)
		kept = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, (unsigned)sizeof(load));
}

void warm_up(void)
{
	cleanup(close) int cgroup = -EBADF;
	struct err e = { 0 };
	int r = make_root(&e);

	keep_filter();
	if (r == 0)
		r = cgroup_make(&container, &cgroup, &e);
	if (r == 0)
		r = live(cgroup, &e);
	if (cgroup >= 0)
		(void)rmdir(BOOT_CGROUP "/" NAME);
	remove_root();
	if (r < 0)
		(void)fprintf(stderr, "nestbox init: warming up: %s\n", e.msg);
}

bool warm_is_program(const char *argv0)
{
	if (strcmp(argv0, PROGRAM) != 0)
		return false;
	(void)!write(STDOUT_FILENO, ".", 1);
	return true;
}
