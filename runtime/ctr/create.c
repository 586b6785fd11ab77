/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create.c - from a bundle to a container that waits for start.
 *
 * Order matters: everything that can be refused is refused before a process is started, and until
 * the monitor is told to go, our end (by a signal, or by an error) undoes all but the state folder,
 * which the next create of that id, or list, sweeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "bundle.h"
#include "call.h"
#include "console.h"
#include "create.h"
#include "hooks.h"
#include "host-limits.h"
#include "image.h"
#include "io.h"
#include "log.h"
#include "plan.h"
#include "remove.h"
#include "send-fd.h"
#include "share.h"
#include "trace.h"
#include "vm-memory.h"
#include "vmm-plan.h"

static int check_rootfs(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, -errno, "invalid rootfs %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, -ENOTDIR, "invalid rootfs %s", path);
	return 0;
}

/* A bind that is read-only without what is mounted below it is one mount in the guest, where
 * read-only would hold for all of it. The fs server keeps it: there the mounts are apart. */
static void spare_mounts_below(struct plan *p)
{
	for (size_t i = 0; i < p->host.n_shares; i++) {
		const struct plan_share *s = &p->host.shares[i];

		if (!s->readonly || s->readonly_below || !s->recursive ||
			!share_has_mounts_below(s->path))
			continue;
		for (size_t j = 0; j < p->guest.n_mounts; j++) {
			if (p->guest.mounts[j].source == s->name)
				p->guest.mounts[j].flags &= ~(uint64_t)MS_RDONLY;
		}
	}
}

static bool is_own_namespace(const struct oci_namespace *ns)
{
	char own[32];
	struct stat a, b;

	(void)snprintf(own, sizeof(own), "/proc/self/ns/%s", ns->type);
	return ns->path && stat(ns->path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev &&
		a.st_ino == b.st_ino;
}

/* The path of a namespace that is the host's own means the same as none: the VM's. It is by such a
 * path that podman has the containers of a pod join the first one, whose monitor stands there. */
static int forget_own_namespaces(struct bundle *b, struct arena *a, struct err *e)
{
	struct oci_linux *l = &b->spec.linux_;
	struct oci_namespace *kept = arena_alloc(a, l->n_namespaces + 1, sizeof(*kept));
	size_t n = 0;

	if (!kept)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];

		if ((strcmp(ns->type, "ipc") != 0 && strcmp(ns->type, "uts") != 0) ||
			!is_own_namespace(ns))
			kept[n++] = *ns;
	}
	l->namespaces = kept;
	l->n_namespaces = n;
	return 0;
}

static const char *own_hostname(struct arena *a)
{
	struct utsname own;

	return uname(&own) == 0 ? arena_printf(a, "%s", own.nodename) : NULL;
}

int create_plan(const struct ctr_create_options *o, struct bundle *b, const struct join *j,
	struct arena *a, struct plan *ret, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const struct plan_facts facts = {
		.id = o->id,
		.bundle = b->path,
		.hostname = own_hostname(a),
		.systemd_cgroup = o->systemd_cgroup,
		.joins = j->joins,
		.n_joins = j->n_joins,
		.pod_shm = j->pod_shm,
		.cpus = cpus > 0 ? (unsigned)cpus : 1,
		.ram_bytes = vm_memory_of_host(),
	};
	int r = forget_own_namespaces(b, a, e);

	if (r == 0)
		r = plan_build(&b->spec, &facts, a, ret, e);
	if (r < 0)
		return err_wrap(e, "config.json");
	spare_mounts_below(ret);
	r = bundle_check_console(b->spec.process.terminal, o->detach, o->console_socket, e);
	if (r == 0 && b->spec.process.terminal && !o->detach)
		r = console_check_own(e);
	return r < 0 || ret->host.image.path ? r : check_rootfs(ret->host.shares[0].path, e);
}

/* ---- the state at its beginning ------------------------------------------------------------ */

static const char *time_now(struct arena *a)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return NULL;
	return arena_printf(a, "%s.%09ldZ", text, now.tv_nsec);
}

static const char *user_name(struct arena *a)
{
	struct passwd buffer, *pw = NULL;
	char names[4096];

	if (getpwuid_r(getuid(), &buffer, names, sizeof(names), &pw) == 0 && pw)
		return arena_printf(a, "%s", pw->pw_name);
	return arena_printf(a, "%u", (unsigned)getuid());
}

static int first_state(const struct ctr_create_options *o, const struct bundle *b,
	const struct plan *p, const struct join *j, struct arena *a, struct ctr_state *ret,
	struct err *e)
{
	*ret = (struct ctr_state){
		.id = o->id,
		.bundle = b->path,
		.rootfs = p->host.image.path ? p->host.image.path : p->host.shares[0].path,
		.created = time_now(a),
		.owner = user_name(a),
		.status = CTR_CREATING,
		.transient = !o->detach && !o->keep,
		.hooks = p->hooks.start_container.n || p->hooks.poststart.n || p->hooks.poststop.n,
		.poststop = p->hooks.poststop.n > 0,
		.creator = process_ref_of(getpid()),
		.ram_bytes = p->vm.ram_bytes,
		.fs_slots = p->vm.fs_slots,
		.network = p->host.new_netns || p->host.netns_path,
		.network_given = p->host.netns_path != NULL,
		.annotations = b->spec.annotations,
	};
	/* The VM is another one's, and so is its network. */
	if (j->fd >= 0) {
		ret->sandbox = j->owner.id;
		ret->pod_shm = j->pod_shm;
		ret->ram_bytes = j->owner.ram_bytes;
		ret->fs_slots = 0;
		ret->network = ret->network_given = false;
	}
	if (!ret->created || !ret->owner)
		return err_set(e, -ENOMEM, "out of memory");
	return limits_plan(&p->host.cgroup, a, ret, e);
}

/* For exec, which must not see what somebody made of the bundle's file since. */
static int keep_config(int state_fd, const struct bundle *b, struct err *e)
{
	cleanup(close) int fd =
		openat(state_fd, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, b->text, b->len);

	return r < 0 ? err_sys(e, r, "writing the state") : 0;
}

/* ---- the sandbox --------------------------------------------------------------------------- */

/* For systemd, which makes a cgroup around a process that is there. */
struct placing {
	const struct plan_cgroup *cgroup;
	struct arena *a;
	struct ctr_state *state;
};

static int place(void *arg, pid_t pid, struct err *e)
{
	const struct placing *p = arg;

	return limits_place(p->cgroup, pid, p->a, p->state, e);
}

static int launch(const struct ctr_create_options *o, const struct plan *p, const struct join *j,
	struct arena *a, struct created *c, struct template *t, struct err *e)
{
	const struct gplan_process *process = &p->guest.process;
	struct placing placing = { &p->host.cgroup, a, &c->state };
	cleanup(close) int cgroup = -EBADF;
	cleanup(close) int slave = -EBADF;
	struct launch_options options = { .state_fd = c->fd,
		.place = place,
		.place_arg = &placing,
		.stdio = process->terminal ? LAUNCH_RAW_TTY : LAUNCH_INHERIT,
		.template = template_wanted(p, &c->state.annotations) ? t : NULL,
		.join = j->fd >= 0 ? j : NULL,
		.die_with_us = !o->detach };
	int r = limits_make(&p->host.cgroup, &c->state, &cgroup, e);

	trace_step("cgroup");
	options.cgroup_fd = cgroup;
	if (r == 0 && o->console_socket) {
		r = console_open(o->console_socket, process->rows, process->cols, &slave, e);
		options.stdio = LAUNCH_CONSOLE;
		options.stdio_fd = slave;
	}
	if (r == 0)
		r = launch_sandbox(p, &options, &c->launch, e);
	return r;
}

static int run_hooks(struct plan *p, const struct ctr_state *s, struct arena *a, struct err *e)
{
	int r = hooks_creating(&p->hooks, s, e);

	if (r < 0)
		return err_wrap(
			e, "unable to start container process: error during container init");
	return hooks_for_guest(s, a, &p->guest, e);
}

/* The first words with the guest: of a VM that has booted for this container, or of one where
 * others are. */
static int greet(const struct join *j, struct arena *a, struct created *c, struct plan *p,
	struct template *t, struct err *e)
{
	bool clone = false;
	int r = 0;

	p->guest.socket_key = c->launch.socket_key;
	if (j->fd >= 0) {
		p->guest.fs_slot = c->launch.fs_slot;
		/* Not the slot alone: what was left of one before has its limits and its count of
		 * OOM kills. */
		p->guest.cgroup = arena_printf(
			a, "%s-%u-%d", p->guest.cgroup, p->guest.fs_slot, (int)c->launch.monitor);
		return p->guest.cgroup ? 0 : err_set(e, -ENOMEM, "out of memory");
	}
	r = boot_hello(c->launch.boot_fd, c->fd, &clone, e);
	p->guest.size = t->size;
	template_done(t, template_outcome(r, clone));
	return r;
}

/* image_fd: of the root filesystem; -EBADF = it is a share. */
static int bring_up(const struct ctr_create_options *o, const struct bundle *b,
	const struct join *j, struct plan *p, int image_fd, struct arena *a, struct created *c,
	struct err *e)
{
	struct template template = TEMPLATE_NONE;
	int r = first_state(o, b, p, j, a, &c->state, e);

	if (r == 0)
		r = state_save(c->fd, &c->state, e);
	if (r == 0)
		r = keep_config(c->fd, b, e);
	if (r == 0)
		r = launch(o, p, j, a, c, &template, e);
	if (r < 0) {
		template_done(&template, TEMPLATE_UNTRIED);
		return r;
	}
	trace_step("launch");
	c->state.monitor = process_ref_of(c->launch.monitor);
	if (c->launch.vmm)
		c->state.vmm = process_ref_of(c->launch.vmm);
	c->state.fsd = process_ref_of(c->launch.fsd);
	/* Still "creating": whoever finds this after our death knows whom to end. */
	r = state_save(c->fd, &c->state, e);
	/* The guest boots meanwhile; of the container there is nothing yet but its namespace. */
	if (r == 0)
		r = run_hooks(p, &c->state, a, e);
	trace_step("hooks");
	if (r < 0)
		template_done(&template, TEMPLATE_UNTRIED);
	else
		r = greet(j, a, c, p, &template, e);
	if (r == 0 && j->fd >= 0)
		r = vm_memory_reach_of(j->fd, p->vm.memory_limit, e);
	if (r == 0 && image_fd >= 0)
		r = call_attach_disk(c->fd, 0, image_fd, e);
	if (r == 0)
		r = boot_container(c->launch.boot_fd, c->fd, &p->guest, e);
	if (r == 0 && o->pidfd_socket)
		r = send_pidfd(o->pidfd_socket, "standard", c->launch.monitor, e);
	if (r == 0)
		r = bundle_write_pid(o->pid_file, c->launch.monitor, e);
	if (r == 0) {
		r = launch_go(&c->launch);
		if (r < 0)
			r = err_sys(e, r, "monitor");
		log_debug("init: closing the pipe to signal completion: the monitor goes on alone");
	}
	if (r == 0) {
		c->state.status = CTR_CREATED;
		r = state_save(c->fd, &c->state, e);
	}
	if (r < 0)
		launch_abort(&c->launch);
	trace_step("hand over");
	return r;
}

/* The image that holds the root filesystem, if one does. */
static int open_image(struct plan *p, const struct join *j, int *ret_fd, struct err *e)
{
	if (!p->host.image.path)
		return 0;
	if (j->fd >= 0)
		return err_set(
			e, -ENOTSUP, "an image as the root of a container in another one's VM");
	return image_open(&p->host.image, ret_fd, &p->guest.root_fstype, e);
}

int create_container(
	const struct ctr_create_options *o, struct arena *a, struct created *ret, struct err *e)
{
	struct created c = { .fd = -EBADF, .lock = -EBADF };
	cleanup(close) int image = -EBADF;
	cleanup(join) struct join j = JOIN_NONE;
	struct bundle b;
	struct plan p;
	struct err warning;
	int r = state_check_id(o->id, e);

	if (r == 0)
		r = bundle_read(o->bundle, a, &b, e);
	if (r == 0)
		trace_begin_if_asked(&b.spec.annotations);
	trace_step("config.json");
	if (r == 0)
		r = join_find(o->root, o->id, &b.spec, a, &j, e);
	if (r == 0)
		r = create_plan(o, &b, &j, a, &p, e);
	if (r == 0)
		r = open_image(&p, &j, &image, e);
	trace_step("plan");
	if (r == 0 && geteuid() != 0)
		r = err_set(e, -EPERM, "nestbox runs as root: it makes namespaces and mounts");
	if (r == 0)
		r = state_new(o->root, o->id, &c.fd, &c.lock, e);
	if (r < 0)
		return r;
	trace_step("state");
	r = bring_up(o, &b, &j, &p, image, a, &c, e);
	if (r < 0) {
		if (container_remove(o->root, o->id, &c.fd, &c.lock, &warning) == 0)
			err_add(e, warning.msg);
		return r;
	}
	*ret = c;
	return 0;
}

int ctr_create(const struct ctr_create_options *o, struct err *e)
{
	cleanup(arena) struct arena a = ARENA_INIT(0);
	struct created c;
	int r = create_container(o, &a, &c, e);

	if (r == 0) {
		trace_keep(c.fd, "trace.json");
		close_fd(&c.lock);
		close_fd(&c.fd);
	}
	return r;
}
