/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - makes a bare kernel into a system in which a container can be built; see boot.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "boot.h"
#include "io.h"
#include "slots.h"
#include "vmm-plan.h"
#include "warm.h"

#define READ_AHEAD_KIB "512"

static const struct system_mount {
	const char *type, *dest;
	unsigned long flags;
	const char *data;
} system_mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=755" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "cgroup2", BOOT_CGROUP, MS_NOSUID | MS_NODEV | MS_NOEXEC,
		"nsdelegate,memory_recursiveprot" },
};

/* The initramfs cannot be pivoted away from, as it has no parent mount; a tmpfs on top of it can.
 */
static int leave_initramfs(struct err *e)
{
	if (mkdir("/root", 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "mkdir /root");
	if (mount("root", "/root", "tmpfs", MS_NODEV | MS_NOSUID, "mode=755") < 0)
		return err_sys(e, -errno, "mount root");
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
		chdir("/") < 0)
		return err_sys(e, -errno, "move root");
	return 0;
}

static int mount_all(struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(system_mounts); i++) {
		const struct system_mount *m = &system_mounts[i];

		if (mkdir(m->dest, 0755) < 0 && errno != EEXIST)
			return err_sys(e, -errno, "mkdir %s", m->dest);
		if (mount(m->type, m->dest, m->type, m->flags, m->data) < 0)
			return err_sys(e, -errno, "mount %s", m->dest);
	}
	return 0;
}

void boot_hand_down_controllers(int cgroup)
{
	static const char *const controllers[] = { "+cpu", "+cpuset", "+memory", "+pids", "+io",
		"+hugetlb" };

	/* At once, as each change goes through all that is below; one by one where one of them
	 * is missing, which refuses them all. */
	if (io_write_at(cgroup, "cgroup.subtree_control",
		    "+cpu +cpuset +memory +pids +io +hugetlb") == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		(void)!io_write_at(cgroup, "cgroup.subtree_control", controllers[i]);
}

static void enable_controllers(void)
{
	cleanup(close) int root = open(BOOT_CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);

	boot_hand_down_controllers(root);
}

int boot_loopback(struct err *e)
{
	cleanup(close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (fd < 0 || io_ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(e, -errno, "loopback");
	return 0;
}

int boot_system(struct err *e)
{
	/* What a container without rlimits of its own gets: Docker's engine has the same. */
	const struct rlimit files = { 1048576, 1048576 };
	int r = leave_initramfs(e);

	umask(0);
	if (r == 0)
		r = mount_all(e);
	if (r < 0)
		return r;
	umask(022);
	/* Here, as root of a container's user namespace may not make folders of ours. */
	if (mkdir(BOOT_NEW_ROOT, 0755) < 0)
		return err_sys(e, -errno, "mkdir " BOOT_NEW_ROOT);
	enable_controllers();
	/* As systemd sets it: engines ask for limits of that order. */
	(void)!io_write_at(AT_FDCWD, "/proc/sys/fs/nr_open", "1073741816");
	(void)setrlimit(RLIMIT_NOFILE, &files);
	/* Else a thread of the kernel looks twice a second, also in a guest where nothing happens,
	 * whether free memory is in pieces. Who needs a large block still has it put together. */
	(void)!io_write_at(AT_FDCWD, "/proc/sys/vm/compaction_proactiveness", "0");
	/* And another one each second whether a processor's share of the counters in /proc/vmstat
	 * is to be added to the others'. They are late by some pages instead. */
	(void)!io_write_at(AT_FDCWD, "/proc/sys/vm/stat_interval", "60");
	/* Then too it takes free pages from where each processor keeps some, up to an eighth of all
	 * memory, unseen by free page reporting: it keeps a MiB or so. */
	(void)!io_write_at(AT_FDCWD, "/proc/sys/vm/percpu_pagelist_high_fraction", "1000");
	/* As distributions have it, by their kernels or by this: the containers of a VM share one,
	 * and who has no capability for it puts no programs there. */
	(void)!io_write_at(AT_FDCWD, "/proc/sys/kernel/unprivileged_bpf_disabled", "2");
	return boot_loopback(e);
}

bool boot_ready(void)
{
	uint8_t answer = 0xff;

	/* A kernel without ports for programs: there are no templates then. */
	if (ioperm(AGENT_READY_PORT, 1, 1) < 0)
		return false;
	answer = inb(AGENT_READY_PORT);
	while (answer == AGENT_READY_WARM) {
		warm_up();
		answer = inb(AGENT_READY_PORT);
	}
	(void)ioperm(AGENT_READY_PORT, 1, 0);
	return answer == AGENT_READY_CLONE;
}

int boot_freshen(const struct gplan *g, struct err *e)
{
	static const uint8_t none[GPLAN_ENTROPY];
	struct {
		struct rand_pool_info head;
		uint8_t bytes[GPLAN_ENTROPY];
	} pool = { .head = { .entropy_count = 8 * GPLAN_ENTROPY, .buf_size = GPLAN_ENTROPY } };
	const struct timespec now = { .tv_sec = (time_t)(g->now_ns / 1000000000u),
		.tv_nsec = (long)(g->now_ns % 1000000000u) };
	cleanup(close) int fd = open("/dev/random", O_RDWR | O_CLOEXEC);

	memcpy(pool.bytes, g->entropy, sizeof(pool.bytes));
	if (memcmp(pool.bytes, none, sizeof(none)) == 0)
		return err_set(e, -EINVAL, "the host sent no entropy");
	if (fd < 0 || io_ioctl(fd, RNDADDENTROPY, &pool) < 0 ||
		io_ioctl(fd, RNDRESEEDCRNG, NULL) < 0)
		return err_sys(e, -errno, "fresh entropy");
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return err_sys(e, -errno, "time of day");
	return 0;
}

/* Mounts on a folder of its own, once. */
static int mount_once(bool *mounted, const char *source, const char *dest, const char *type,
	unsigned long flags, struct err *e)
{
	if (*mounted)
		return 0;
	if (mkdir(dest, 0755) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "mkdir %s", dest);
	if (mount(source, dest, type, flags, NULL) < 0)
		return err_sys(e, -errno, "mount %s", dest);
	*mounted = true;
	return 0;
}

const char *boot_folder(const char *base, uint32_t fs_slot, char buf[BOOT_FOLDER_MAX])
{
	if (fs_slot)
		(void)snprintf(buf, BOOT_FOLDER_MAX, "%s-%u", base, fs_slot);
	else
		(void)snprintf(buf, BOOT_FOLDER_MAX, "%s", base);
	return buf;
}

/* A program's file is read as it runs: with few, large requests, several at a time. */
static void read_ahead(const char *dest)
{
	char path[64];
	struct stat st;

	if (stat(dest, &st) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev),
		minor(st.st_dev));
	(void)!io_write_at(AT_FDCWD, path, READ_AHEAD_KIB);
}

int boot_shares(const struct gplan *g, struct err *e)
{
	char tag[BOOT_FOLDER_MAX], dest[BOOT_FOLDER_MAX];
	bool mounted = false;
	int r = g->fs_slot ? slot_bind(VMM_FIRST_FS + g->fs_slot - 1) : 0;

	if (r < 0)
		return err_sys(e, r, "file system device %u", g->fs_slot);
	r = mount_once(&mounted, boot_folder(VMM_FS_TAG, g->fs_slot, tag),
		boot_folder(BOOT_SHARES, g->fs_slot, dest), "virtiofs", 0, e);
	if (r == 0)
		read_ahead(dest);
	return r < 0 ? err_wrap(e, "shared folders") : 0;
}

/* The device answers in order, and this question of what is not cached comes last. That there is an
 * answer is enough: the server may be gone. */
void boot_shares_wait(uint32_t fs_slot)
{
	char dest[BOOT_FOLDER_MAX];
	struct statfs any;

	(void)statfs(boot_folder(BOOT_SHARES, fs_slot, dest), &any);
}

void boot_shares_gone(uint32_t fs_slot)
{
	char dest[BOOT_FOLDER_MAX];

	(void)umount2(boot_folder(BOOT_SHARES, fs_slot, dest), MNT_DETACH);
	(void)rmdir(dest);
	slot_unbind(VMM_FIRST_FS + fs_slot - 1);
}

int boot_shm(struct err *e)
{
	static bool mounted;
	int r = mount_once(&mounted, "shm", BOOT_SHM, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, e);

	if (r == 0 && chmod(BOOT_SHM, 01777) < 0)
		r = err_sys(e, -errno, "mode of %s", BOOT_SHM);
	return r;
}

int boot_plain_sysfs(struct err *e)
{
	static bool mounted;

	return mount_once(
		&mounted, "sysfs", BOOT_PLAIN_SYS, "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, e);
}
