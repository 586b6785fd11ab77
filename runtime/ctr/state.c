/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - what is remembered of a container: a folder below the root folder; see state.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decode.h"
#include "host-cgroup.h"
#include "io.h"
#include "state.h"
#include "systemd.h"

#define STATE_MAX ((size_t)16 << 20)
#define END_MS 10000
#define NETD_MS 3000
#define LOCK_MS 10000
#define LOOK_US 2000

static const char *const status_names[CTR_STATUS_MAX] = {
	[CTR_CREATING] = "creating",
	[CTR_CREATED] = "created",
	[CTR_RUNNING] = "running",
	[CTR_PAUSED] = "paused",
	[CTR_STOPPED] = "stopped",
};

const char *ctr_status_name(enum ctr_status s)
{
	return status_names[s];
}

int64_t ctr_state_pid(const struct ctr_state *s)
{
	return s->status == CTR_STOPPED ? 0 : s->monitor.pid;
}

void ctr_state_put(struct json_out *o, const struct ctr_state *s)
{
	json_out_open(o, NULL, '{');
	json_out_string(o, "ociVersion", OCI_VERSION);
	json_out_string(o, "id", s->id);
	json_out_int(o, "pid", ctr_state_pid(s));
	json_out_string(o, "status", ctr_status_name(s->status));
	json_out_string(o, "bundle", s->bundle);
	json_out_string(o, "rootfs", s->rootfs);
	json_out_string(o, "created", s->created);
	if (s->annotations.n) {
		json_out_open(o, "annotations", '{');
		for (size_t i = 0; i < s->annotations.n; i++)
			json_out_string(o, s->annotations.v[i].key, s->annotations.v[i].value);
		json_out_close(o, '}');
	}
	json_out_string(o, "owner", s->owner);
	json_out_close(o, '}');
}

bool state_is_link(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int state_check_id(const char *id, struct err *e)
{
	size_t len = strlen(id);

	if (len == 0)
		return err_set(e, -EINVAL, "container id cannot be empty");
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)id[i]) && !strchr("_+-.", id[i]))
			return err_set(e, -EINVAL, "invalid container ID format: %.64s", id);
	}
	if (len > STATE_ID_MAX || state_is_link(id))
		return err_set(e, -EINVAL, "invalid container ID format: %.64s", id);
	return 0;
}

/* ---- the document -------------------------------------------------------------------------- */

/* As it is in the file: status is still a word. */
struct stored {
	struct ctr_state s;
	const char *status, *thawed;
};

#define FIELD(key_, type_, member_) \
	{ \
		.key = key_, .type = DECODE_##type_, .offset = offsetof(struct stored, member_) \
	}

static const struct decode_field process_table[] = {
	{ .key = "pid", .type = DECODE_I64, .offset = offsetof(struct process_ref, pid) },
	{ .key = "start", .type = DECODE_U64, .offset = offsetof(struct process_ref, start) },
	{ .key = NULL },
};

#define PROCESS(key_, member_) \
	{ \
		.key = key_, .type = DECODE_OBJECT, .table = process_table, \
		.offset = offsetof(struct stored, member_) \
	}

static const struct decode_field state_table[] = {
	FIELD("id", STR, s.id),
	FIELD("bundle", STR, s.bundle),
	FIELD("rootfs", STR, s.rootfs),
	FIELD("created", STR, s.created),
	FIELD("owner", STR, s.owner),
	FIELD("status", STR, status),
	FIELD("thawed", STR, thawed),
	FIELD("transient", BOOL, s.transient),
	FIELD("hooks", BOOL, s.hooks),
	FIELD("poststop", BOOL, s.poststop),
	PROCESS("creator", s.creator),
	PROCESS("monitor", s.monitor),
	PROCESS("vmm", s.vmm),
	PROCESS("fsd", s.fsd),
	PROCESS("netd", s.netd),
	FIELD("network", BOOL, s.network),
	FIELD("networkGiven", BOOL, s.network_given),
	FIELD("ramBytes", U64, s.ram_bytes),
	FIELD("sandbox", STR, s.sandbox),
	FIELD("podShm", BOOL, s.pod_shm),
	FIELD("fsSlots", U64, s.fs_slots),
	FIELD("unit", STR, s.unit),
	FIELD("cgroup", STR, s.cgroup),
	FIELD("cgroupShared", BOOL, s.cgroup_shared),
	FIELD("startLimits", MAP, s.start_limits),
	FIELD("annotations", MAP, s.annotations),
	{ .key = NULL },
};

static void put_process(struct json_out *o, const char *key, const struct process_ref *p)
{
	json_out_open(o, key, '{');
	json_out_int(o, "pid", p->pid);
	json_out_uint(o, "start", p->start);
	json_out_close(o, '}');
}

static void put_map(struct json_out *o, const char *key, const struct oci_map *m)
{
	json_out_open(o, key, '{');
	for (size_t i = 0; i < m->n; i++)
		json_out_string(o, m->v[i].key, m->v[i].value);
	json_out_close(o, '}');
}

static const char *format(struct json_out *o, const struct ctr_state *s)
{
	json_out_open(o, NULL, '{');
	json_out_string(o, "id", s->id);
	json_out_string(o, "bundle", s->bundle);
	json_out_string(o, "rootfs", s->rootfs);
	json_out_string(o, "created", s->created);
	json_out_string(o, "owner", s->owner);
	json_out_string(o, "status", status_names[s->status]);
	if (s->status == CTR_PAUSED)
		json_out_string(o, "thawed", status_names[s->thawed]);
	json_out_bool(o, "transient", s->transient);
	json_out_bool(o, "hooks", s->hooks);
	json_out_bool(o, "poststop", s->poststop);
	put_process(o, "creator", &s->creator);
	put_process(o, "monitor", &s->monitor);
	put_process(o, "vmm", &s->vmm);
	put_process(o, "fsd", &s->fsd);
	put_process(o, "netd", &s->netd);
	json_out_bool(o, "network", s->network);
	json_out_bool(o, "networkGiven", s->network_given);
	json_out_uint(o, "ramBytes", s->ram_bytes);
	if (s->sandbox)
		json_out_string(o, "sandbox", s->sandbox);
	if (s->pod_shm)
		json_out_bool(o, "podShm", true);
	json_out_uint(o, "fsSlots", s->fs_slots);
	if (s->unit)
		json_out_string(o, "unit", s->unit);
	if (s->cgroup)
		json_out_string(o, "cgroup", s->cgroup);
	json_out_bool(o, "cgroupShared", s->cgroup_shared);
	put_map(o, "startLimits", &s->start_limits);
	put_map(o, "annotations", &s->annotations);
	json_out_close(o, '}');
	return json_out_text(o);
}

/* CTR_STATUS_MAX when it is none, or not there. */
static enum ctr_status status_of_name(const char *name)
{
	enum ctr_status status = CTR_CREATING;

	while (status < CTR_STATUS_MAX && (!name || strcmp(name, status_names[status]) != 0))
		status++;
	return status;
}

/* A container whose processes are gone has stopped, whatever the file says. */
static enum ctr_status status_now(const struct ctr_state *s, enum ctr_status stored)
{
	if (stored == CTR_CREATING)
		return process_alive(&s->creator) ? CTR_CREATING : CTR_STOPPED;
	return process_alive(&s->monitor) ? stored : CTR_STOPPED;
}

int state_load(int fd, struct arena *a, struct ctr_state *ret, struct err *e)
{
	cleanup(close) int file = openat(fd, "state.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup(free) char *text = NULL;
	struct decode_source source = { .name = "state.json", .arena = a };
	struct stored stored = { 0 };
	struct json *root = NULL;
	enum ctr_status status = CTR_STATUS_MAX;
	size_t len = 0;
	int r = file < 0 ? -errno : io_read_file(file, STATE_MAX, &text, &len);

	/* A folder that is being made, or removed. */
	if (r == -ENOENT)
		return err_set(e, r, "container does not exist");
	if (r < 0)
		return err_sys(e, r, "state.json");
	source.data = text;
	r = json_parse(text, len, source.name, a, &root, e);
	if (r == 0)
		r = decode_object(&source, root, state_table, &stored, e);
	if (r < 0)
		return r;
	status = status_of_name(stored.status);
	if (status == CTR_STATUS_MAX || !stored.s.id || !stored.s.bundle || !stored.s.created)
		return err_set(e, -EBADMSG, "state.json is damaged");
	*ret = stored.s;
	ret->status = status_now(&stored.s, status);
	ret->thawed = status_of_name(stored.thawed);
	if (ret->thawed != CTR_CREATED)
		ret->thawed = CTR_RUNNING;
	ret->interrupted = status == CTR_CREATING && ret->status == CTR_STOPPED;
	return 0;
}

int state_save(int fd, const struct ctr_state *s, struct err *e)
{
	cleanup(json_out) struct json_out o = { .pretty = true };
	cleanup(close) int file = -EBADF;
	const char *text = format(&o, s);
	int r = 0;

	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	/* What cannot be read again must not be written: its processes could not be found. */
	if (o.len > STATE_MAX)
		return err_set(e, -E2BIG, "config.json: annotations are too large");
	file = openat(fd, "state.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = file < 0 ? -errno : io_write_full(file, text, o.len);
	if (r == 0 && renameat(fd, "state.json.new", fd, "state.json") < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "writing the state") : 0;
}

/* ---- the folder ---------------------------------------------------------------------------- */

static int make_root(const char *root, int *ret_fd, struct err *e)
{
	int fd = -EBADF;

	/* Its parents too, as a caller's --root may be new. */
	for (const char *at = root; at && *at; at = strchr(at + 1, '/')) {
		char part[4096];
		size_t len = (size_t)(at - root);

		if (len == 0)
			continue;
		if (len >= sizeof(part))
			return err_set(e, -ENAMETOOLONG, "state folder: path is too long");
		memcpy(part, root, len);
		part[len] = '\0';
		if (mkdir(part, 0711) < 0 && errno != EEXIST)
			return err_sys(e, -errno, "state folder %s", root);
	}
	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return err_sys(e, -errno, "state folder %s", root);
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "state folder %s", root);
	*ret_fd = fd;
	return 0;
}

static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

int state_lock(int fd, int *ret_lock, struct err *e)
{
	cleanup(close) int lock = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unsigned long long deadline = io_now_ns() + LOCK_MS * 1000000ULL;

	/* Deleted by somebody else since the folder was opened. */
	if (lock < 0 && errno == ENOENT)
		return err_set(e, -ENOENT, "container does not exist");
	if (lock < 0)
		return err_sys(e, -errno, "lock of the state");
	/* Not for ever: a create may be in a hook that never ends, or that calls us. */
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, -errno, "lock of the state");
		if (io_now_ns() > deadline)
			return err_set(e, -EBUSY, "container is busy: another command works on it");
		(void)usleep(LOOK_US);
	}
	if (is_removed(lock))
		return err_set(e, -ENOENT, "container does not exist");
	*ret_lock = take_fd(&lock);
	return 0;
}

void state_lock_waits(int lock, bool waits)
{
	struct process_ref own;

	/* Without it somebody waits a little longer. */
	if (lock < 0 || ftruncate(lock, 0) < 0 || !waits)
		return;
	own = process_ref_of(getpid());
	(void)!pwrite(lock, &own, sizeof(own), 0);
}

struct process_ref state_lock_waiter(int fd)
{
	cleanup(close) int lock = openat(fd, "lock", O_RDONLY | O_CLOEXEC);
	struct process_ref ref = { 0 };

	if (lock < 0 || pread(lock, &ref, sizeof(ref), 0) != (ssize_t)sizeof(ref))
		return (struct process_ref){ 0 };
	return ref;
}

int state_open(const char *root, const char *id, int *ret_fd, int *ret_lock, struct err *e)
{
	cleanup(close) int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(close) int fd = -EBADF;
	int r = root_fd < 0 && errno != ENOENT ? err_sys(e, -errno, "state folder %s", root) : 0;

	if (r == 0)
		r = state_check_id(id, e);
	if (r < 0)
		return r;
	errno = ENOENT;
	if (root_fd >= 0)
		fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, -ENOENT, "container does not exist");
	if (fd < 0)
		return err_sys(e, -errno, "container %s", id);
	if (ret_lock) {
		r = state_lock(fd, ret_lock, e);
		if (r < 0)
			return r;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int state_get(const char *root, const char *id, struct arena *a, int *ret_fd, int *ret_lock,
	struct ctr_state *ret, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	int r = state_open(root, id, &fd, ret_lock ? &lock : NULL, e);

	if (r == 0)
		r = state_load(fd, a, ret, e);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	if (ret_lock)
		*ret_lock = take_fd(&lock);
	return 0;
}

/* Whether its create was cut short, or its foreground `run` was: nobody will come for it. */
static bool is_abandoned(int fd)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct ctr_state s;
	struct err e;
	struct stat st;

	if (state_load(fd, &a, &s, &e) < 0) {
		/* A create that has just made its folder writes the file in no time. */
		return e.code == -ENOENT && fstat(fd, &st) == 0 && time(NULL) - st.st_mtime > 10;
	}
	if (s.status != CTR_STOPPED || s.poststop || process_alive(&s.creator))
		return false;
	return s.transient || s.interrupted;
}

static void sweep_one(const char *root, const char *id)
{
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e;

	if (state_open(root, id, &fd, NULL, &e) < 0 || !is_abandoned(fd))
		return;
	lock = openat(fd, "lock", O_RDWR | O_CLOEXEC);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
		return;
	/* Somebody may have done it, or come back to life under that name, meanwhile. */
	if (is_removed(fd) || !is_abandoned(fd))
		return;
	(void)!state_remove(root, id, fd, &e);
}

void state_sweep(const char *root)
{
	DIR *d = opendir(root);
	struct dirent *entry = NULL;

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (!state_is_link(entry->d_name))
			sweep_one(root, entry->d_name);
	}
	(void)closedir(d);
}

static int make_folder(int root_fd, const char *id)
{
	return mkdirat(root_fd, id, 0700) < 0 ? -errno : 0;
}

int state_new(const char *root, const char *id, int *ret_fd, int *ret_lock, struct err *e)
{
	cleanup(close) int root_fd = -EBADF;
	cleanup(close) int fd = -EBADF;
	int r = state_check_id(id, e);

	if (r == 0)
		r = make_root(root, &root_fd, e);
	if (r < 0)
		return r;
	r = make_folder(root_fd, id);
	if (r == -EEXIST) {
		/* Of its own name only: with many containers a look at each would be slow. */
		sweep_one(root, id);
		r = make_folder(root_fd, id);
	}
	if (r == -EEXIST)
		return err_set(e, r, "container with given ID already exists");
	if (r < 0)
		return err_sys(e, r, "state folder %s/%s", root, id);
	fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, -errno, "state folder %s/%s", root, id);
	r = state_lock(fd, ret_lock, e);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int state_remove(const char *root, const char *id, int fd, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	cleanup(close) int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const char *const files[] = { "vmm.sock", "vmm.log", "trace.json",
		"trace-start.json", "config.json", "state.json.new", "state.json", "lock" };
	struct ctr_state s;
	struct err why;
	int loaded = state_load(fd, &a, &s, &why);

	/* A damaged state names no process; one that could not be read might. */
	if (loaded == -EFBIG || loaded == -ENOMEM || loaded == -EIO || loaded == -EACCES)
		return err_set(e, loaded, "container %s: %s", id, why.msg);
	if (loaded == 0) {
		const struct process_ref *const all[] = { &s.monitor, &s.vmm, &s.fsd };

		for (size_t i = 0; i < ARRAY_LEN(all); i++) {
			int r = process_end(all[i], END_MS);

			if (r < 0)
				return err_sys(e, r, "container %s: process %lld does not end", id,
					(long long)all[i]->pid);
		}
		/* It ends with the VMM, and leaves the interfaces as they were. */
		if (process_wait(&s.netd, NETD_MS) < 0 && process_end(&s.netd, END_MS) < 0)
			return err_set(
				e, -ETIMEDOUT, "container %s: nestbox-netd does not end", id);
		if (s.cgroup && !s.cgroup_shared)
			host_cgroup_remove(s.cgroup);
		if (s.unit)
			systemd_stop(s.unit);
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (unlinkat(fd, files[i], 0) < 0 && errno != ENOENT)
			return err_sys(e, -errno, "removing %s/%s/%s", root, id, files[i]);
	}
	/* Removed by somebody else: the name may be a new container's. */
	if (is_removed(fd))
		return 0;
	if (root_fd < 0 || (unlinkat(root_fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT))
		return err_sys(e, -errno, "removing %s/%s", root, id);
	return 0;
}
