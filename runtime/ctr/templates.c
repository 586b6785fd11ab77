/* SPDX-License-Identifier: Apache-2.0 */
/*
 * templates.c - the folder of templates; see templates.h.
 *
 * A file is called by a hash of its key and is put there by rename(2) when it is complete. Who
 * saves a VM holds a lock on the folder: of many first starts at a time one saves, and the others
 * boot. A file that is removed while it is in use lives on in the VMs that map it.
 *
 * Trust: the folder and its files must be ours alone, or they are not used.
 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "ram-layout.h"
#include "template-file.h"
#include "templates.h"

/* Memory of a VM in the template that serves small ones: what does not fit into it is added. */
#define SMALL_RAM PLAN_MIN_RAM
/* Each block takes the guest's kernel some time, which grows past that of a boot. */
#define MAX_ADDED ((uint64_t)8 << 30)
#define SUFFIX ".template"
#define NEW "new" /* being written, by who holds the lock */

/* ---- the key ------------------------------------------------------------------------------- */

struct key {
	char *text;
	size_t len, size;
};

static void add(struct key *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct key *k, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	va_start(ap, fmt);
	n = vsnprintf(k->text + k->len, k->size - k->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		k->len += (size_t)n < k->size - k->len ? (size_t)n : k->size - k->len - 1;
}

/* A file by what changes when it does, as reading a kernel for each start would take too long. */
static int add_file(struct key *k, const char *name, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	add(k, "%s %llx:%llu %llu bytes %lld.%09ld\n", name, (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		(long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return 0;
}

static int add_host(struct key *k)
{
	cleanup(close) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	struct utsname u;
	char boot_id[40] = "";
	unsigned a = 0, b[3] = { 0 }, c = 0, d = 0;

	if (fd < 0 || io_read_full(fd, boot_id, 36) != 36 || uname(&u) < 0)
		return -ENOENT;
	add(k, "host %s %s run %s\n", u.release, u.version, boot_id);
	(void)__get_cpuid(0, &a, &b[0], &b[2], &b[1]);
	add(k, "cpu %.12s", (const char *)b);
	for (unsigned leaf = 1; leaf <= 7; leaf += 6) {
		/* Without the bits that tell one processor of the machine from another. */
		if (__get_cpuid_count(leaf, 0, &a, &b[0], &c, &d))
			add(k, " %x %x %x", a, c, d);
	}
	add(k, "\n");
	return 0;
}

/* What all VMs of this run of the host share comes first: a template in whose key this differs is
 * of no use any more. The rest is the VM's own, and nestbox's, of which there may be two. */
static int make_key(const struct vmm_plan *v, int vmm_program, char *buf, size_t *ret_shared)
{
	struct key k = { buf, 0, TEMPLATE_MAX_KEY };
	int r = add_host(&k);

	*ret_shared = k.len;
	add(&k, "nestbox %s, template %d\n", NESTBOX_VERSION, TEMPLATE_VERSION);
	if (r == 0)
		r = add_file(&k, "vmm", vmm_program);
	if (r == 0)
		r = add_file(&k, "kernel", v->kernel_fd);
	if (r == 0)
		r = add_file(&k, "initrd", v->initrd_fd);
	add(&k, "memory %llu MiB\nvcpus %u of %u\ninterfaces %u\nfile systems %u\nparameters %s\n",
		(unsigned long long)(v->boot_bytes >> 20), v->boot_vcpus, v->max_vcpus, v->n_net,
		v->n_fs, v->cmdline);
	return k.len + 1 >= k.size ? -E2BIG : r;
}

static void name_of(const char *key, char name[CTR_TEMPLATE_NAME_MAX])
{
	(void)snprintf(name, CTR_TEMPLATE_NAME_MAX, "%016llx" SUFFIX,
		(unsigned long long)template_sum(TEMPLATE_SUM_START, key, strlen(key)));
}

/* ---- the folder ---------------------------------------------------------------------------- */

static const char *folder_path(void)
{
	const char *given = getenv("NESTBOX_TEMPLATES");

	return given && *given ? given : TEMPLATE_DEFAULT_FOLDER;
}

bool template_wanted(const struct plan *p, const struct oci_map *annotations)
{
	for (size_t i = 0; i < annotations->n; i++) {
		if (strcmp(annotations->v[i].key, TEMPLATE_ANNOTATION) == 0 &&
			strcmp(annotations->v[i].value, "off") == 0)
			return false;
	}
	return strcmp(folder_path(), "off") != 0 && !p->vm.kernel_path && !p->vm.initrd_path &&
		!*p->vm.parameters &&
		template_boot_bytes(p->vm.ram_bytes, p->vm.fs_slots) <= TEMPLATE_MAX_RAM;
}

uint64_t template_boot_bytes(uint64_t ram_bytes, unsigned fs_slots)
{
	uint64_t usual = fs_slots == VMM_MAX_FS ? PLAN_SANDBOX_RAM : PLAN_DEFAULT_RAM;
	uint64_t rest = ram_bytes % RAM_BLOCK;
	uint64_t small = SMALL_RAM + rest, large = usual + rest;

	if (ram_bytes % PLAN_RAM_STEP || ram_bytes < small || ram_bytes > large + MAX_ADDED)
		return ram_bytes;
	return ram_bytes < large ? small : large;
}

void template_vcpus(struct vmm_plan *v)
{
	bool shared = v->vcpus > 1 && v->vcpus <= TEMPLATE_SHARED_VCPUS;

	v->boot_vcpus = shared ? 1 : v->vcpus;
	v->max_vcpus = shared ? TEMPLATE_SHARED_VCPUS : v->vcpus;
}

/* Nobody else may have written there. */
static bool is_ours(int fd, mode_t kind)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind && st.st_uid == geteuid() &&
		!(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int make_folders(const char *path)
{
	char copy[PATH_MAX];

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_folder(bool make)
{
	const char *path = folder_path();
	cleanup(close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && make && make_folders(path) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return is_ours(fd, S_IFDIR) ? take_fd(&fd) : -EPERM;
}

static bool is_template_name(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(SUFFIX) && len < CTR_TEMPLATE_NAME_MAX &&
		strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

/* An fd of the file whose head is good; an error says what is wrong with it. */
static int open_template(int folder, const char *name, struct template_head *ret, struct err *e)
{
	cleanup(close) int fd =
		openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return err_sys(e, -errno, "%s", name);
	if (!is_ours(fd, S_IFREG))
		return err_set(e, -EPERM, "%s: somebody else may write to it", name);
	r = template_read_head(fd, ret, NULL, e);
	return r < 0 ? r : take_fd(&fd);
}

/* Removes what can never be used again, and makes room for one more. */
static void tidy(int folder, const char *key, size_t shared)
{
	static struct template_head head;
	cleanup(close) int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char oldest[CTR_TEMPLATE_NAME_MAX] = "";
	struct timespec when = { 0 };
	size_t n = 0;

	if (!d)
		return;
	(void)take_fd(&fd);
	for (struct dirent *entry; (entry = readdir(d));) {
		cleanup(close) int file = -EBADF;
		struct err ignored;
		struct stat st;

		if (!is_template_name(entry->d_name))
			continue;
		file = open_template(folder, entry->d_name, &head, &ignored);
		if (file < 0 || strncmp(head.key, key, shared) != 0) {
			(void)unlinkat(folder, entry->d_name, 0);
			continue;
		}
		n++;
		if (fstat(file, &st) == 0 &&
			(!*oldest || st.st_atim.tv_sec < when.tv_sec ||
				(st.st_atim.tv_sec == when.tv_sec &&
					st.st_atim.tv_nsec < when.tv_nsec))) {
			when = st.st_atim;
			(void)snprintf(oldest, sizeof(oldest), "%.31s", entry->d_name);
		}
	}
	(void)closedir(d);
	if (n >= TEMPLATE_MAX_FILES)
		(void)unlinkat(folder, oldest, 0);
}

/* ---- for a start --------------------------------------------------------------------------- */

/* The file for the key, if there is a good one. */
static int find(const struct template *t, const char *key)
{
	static struct template_head head;
	struct err e = { 0 };
	cleanup(close) int fd = open_template(t->folder, t->name, &head, &e);

	if (fd >= 0 && strcmp(head.key, key) == 0)
		return take_fd(&fd);
	log_debug("template %s: %s", t->name, fd < 0 ? e.msg : "of another VM");
	return -ENOENT;
}

static bool has_room(int folder)
{
	struct statvfs st;

	return fstatvfs(folder, &st) == 0 &&
		(uint64_t)st.f_bavail * st.f_frsize >= TEMPLATE_MIN_FREE;
}

/* A fresh file, with the lock on the folder; or what somebody else has saved meanwhile. */
static void begin_save(struct template *t, const char *key, size_t shared)
{
	if (!has_room(t->folder) || flock(t->folder, LOCK_EX | LOCK_NB) < 0)
		return;
	t->fd = find(t, key);
	if (t->fd >= 0)
		return;
	tidy(t->folder, key, shared);
	(void)unlinkat(t->folder, NEW, 0);
	t->save = openat(t->folder, NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static void look_for(struct template *t, struct vmm_plan *v, int vmm_program)
{
	const struct timespec used[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
	size_t shared = 0;

	if (make_key(v, vmm_program, v->template_key, &shared) < 0)
		return;
	name_of(v->template_key, t->name);
	t->folder = open_folder(true);
	if (t->folder < 0) {
		log_debug("templates: %s: %s", folder_path(), strerror(-t->folder));
		return;
	}
	t->fd = find(t, v->template_key);
	if (t->fd < 0)
		begin_save(t, v->template_key, shared);
	if (t->fd >= 0)
		(void)futimens(t->fd, used);
}

void template_choose(struct template *t, struct vmm_plan *v, int vmm_program)
{
	*t = TEMPLATE_NONE;
	v->boot_bytes = template_boot_bytes(v->ram_bytes, v->n_fs);
	template_vcpus(v);
	look_for(t, v, vmm_program);
	if (t->fd < 0 && t->save < 0) {
		v->boot_bytes = v->ram_bytes;
		v->boot_vcpus = v->max_vcpus = v->vcpus;
	}
	t->size = (struct gplan_size){
		.boot_bytes = v->boot_bytes,
		.ram_bytes = v->ram_bytes,
		.boot_vcpus = v->boot_vcpus,
		.vcpus = v->vcpus,
	};
	v->template_fd = t->fd < 0 ? -1 : t->fd;
	v->save_fd = t->save < 0 ? -1 : t->save;
}

static void keep(struct template *t)
{
	static struct template_head head;
	struct err e;

	if (template_seal(t->save) == 0 && template_read_head(t->save, &head, NULL, &e) == 0 &&
		renameat(t->folder, NEW, t->folder, t->name) == 0)
		return;
	(void)unlinkat(t->folder, NEW, 0);
}

/* Not one that somebody has put there since. */
static void drop(const struct template *t)
{
	struct stat ours, there;

	if (fstat(t->fd, &ours) == 0 &&
		fstatat(t->folder, t->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		(void)unlinkat(t->folder, t->name, 0);
}

void template_done(struct template *t, enum template_outcome outcome)
{
	if (t->save >= 0 && outcome == TEMPLATE_BOOTED)
		keep(t);
	else if (t->save >= 0)
		(void)unlinkat(t->folder, NEW, 0);
	else if (t->fd >= 0 && outcome != TEMPLATE_CLONED && outcome != TEMPLATE_UNTRIED)
		drop(t);
	close_fd(&t->save);
	close_fd(&t->fd);
	close_fd(&t->folder);
}

/* ---- for `nestbox template` ---------------------------------------------------------------- */

int template_find(const char *file, struct err *e)
{
	static struct template_head head;
	cleanup(close) int folder = open_folder(false);
	cleanup(close) int fd = -EBADF;

	if (folder < 0)
		return err_sys(e, folder, "%s", folder_path());
	fd = open_template(folder, file, &head, e);
	return fd < 0 ? err_wrap(e, "%s", folder_path()) : 0;
}

static int look_at(int folder, const char *name, struct arena *a, struct ctr_template *ret)
{
	static struct template_head head;
	struct err e;
	cleanup(close) int fd = open_template(folder, name, &head, &e);
	struct stat st;

	*ret = (struct ctr_template){ .key = "" };
	(void)snprintf(
		ret->name, sizeof(ret->name), "%.*s", (int)(strlen(name) - strlen(SUFFIX)), name);
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		ret->bytes = (uint64_t)st.st_blocks * 512;
		ret->made = st.st_mtim.tv_sec;
		ret->used = st.st_atim.tv_sec;
	}
	if (fd < 0) {
		ret->fault = arena_printf(a, "%s", e.msg);
		return ret->fault ? 0 : -ENOMEM;
	}
	ret->ram_bytes = head.ram_bytes;
	ret->key = arena_printf(a, "%s", head.key);
	return ret->key ? 0 : -ENOMEM;
}

int ctr_template_list(struct arena *a, struct ctr_template **ret, size_t *ret_n, struct err *e)
{
	cleanup(close) int folder = open_folder(false);
	struct dirent **names = NULL;
	int n = 0, r = 0;

	*ret_n = 0;
	if (folder == -ENOENT)
		return 0;
	n = folder < 0 ? -1 : scandirat(folder, ".", &names, NULL, alphasort);
	if (n < 0)
		return err_sys(e, folder < 0 ? folder : -errno, "%s", folder_path());
	*ret = arena_alloc(a, (size_t)n + 1, sizeof(**ret));
	for (int i = 0; i < n; i++) {
		if (*ret && r == 0 && is_template_name(names[i]->d_name))
			r = look_at(folder, names[i]->d_name, a, &(*ret)[(*ret_n)++]);
		free(names[i]);
	}
	free(names);
	return !*ret || r < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

static int remove_all(int folder)
{
	struct dirent **names = NULL;
	int n = scandirat(folder, ".", &names, NULL, alphasort);
	int r = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		if (is_template_name(names[i]->d_name) && unlinkat(folder, names[i]->d_name, 0) < 0)
			r = -errno;
		free(names[i]);
	}
	free(names);
	/* What a command that was killed left, if nobody is at it. */
	if (flock(folder, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(folder, NEW, 0);
	return r;
}

int ctr_template_remove(const char *name, struct err *e)
{
	cleanup(close) int folder = open_folder(false);
	char file[CTR_TEMPLATE_NAME_MAX];
	int r = folder;

	if (!name && folder == -ENOENT)
		return 0;
	if (folder >= 0 && !name)
		r = remove_all(folder);
	if (r < 0)
		return err_sys(e, r, "%s", folder_path());
	if (!name)
		return 0;
	if (strchr(name, '/') ||
		snprintf(file, sizeof(file), "%s" SUFFIX, name) >= (int)sizeof(file))
		return err_set(e, -ENOENT, "template %s does not exist", name);
	if (unlinkat(folder, file, 0) == 0)
		return 0;
	return errno == ENOENT ? err_set(e, -ENOENT, "template %s does not exist", name)
			       : err_sys(e, -errno, "template %s", name);
}
