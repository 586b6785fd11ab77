/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template-create.c - makes the template of a bundle's containers ahead of the first of them: boots
 * such a VM until its guest is up, and ends it; see templates.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "bundle.h"
#include "create.h"
#include "ctr.h"
#include "launch.h"
#include "templates.h"

/* In the caller's cgroup. */
static int stay(void *arg, pid_t pid, struct err *e)
{
	(void)arg;
	(void)pid;
	(void)e;
	return 0;
}

static int boot_once(const struct plan *p, int folder, struct template *t, struct err *e)
{
	bool clone = false;
	const struct launch_options options = { .state_fd = folder,
		.stdio = LAUNCH_INHERIT,
		.stdio_fd = -EBADF,
		.cgroup_fd = -EBADF,
		.place = stay,
		.template = t,
		.die_with_us = true };
	struct launch l = { .boot_fd = -EBADF, .go_fd = -EBADF };
	int r = launch_sandbox(p, &options, &l, e);

	if (r < 0) {
		template_done(t, TEMPLATE_UNTRIED);
		return r;
	}
	r = boot_hello(l.boot_fd, folder, &clone, e);
	template_done(t, template_outcome(r, clone));
	launch_abort(&l);
	return r;
}

/* A folder for the VM's socket and log, as a container's state has them. */
static int with_folder(const struct plan *p, struct template *t, struct err *e)
{
	static const char *const files[] = { "vmm.sock", "vmm.log" };
	char path[] = "/run/nestbox-template-XXXXXX";
	cleanup(close) int fd = -EBADF;
	int r = 0;

	if (!mkdtemp(path))
		return err_sys(e, -errno, "%s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? err_sys(e, -errno, "%s", path) : boot_once(p, fd, t, e);
	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(files); i++)
		(void)unlinkat(fd, files[i], 0);
	(void)rmdir(path);
	return r;
}

int ctr_template_create(const char *path, struct arena *a, const char **ret_name, struct err *e)
{
	const struct ctr_create_options o = { .id = "template", .bundle = path, .trace_fd = -1 };
	struct template t = TEMPLATE_NONE;
	struct bundle b;
	struct plan p;
	int r = bundle_read(path, a, &b, e);

	if (r < 0)
		return r;
	/* Nobody will see it. */
	b.spec.process.terminal = false;
	r = create_plan(&o, &b, &JOIN_NONE, a, &p, e);
	if (r < 0)
		return r;
	if (!template_wanted(&p, &b.spec.annotations))
		return err_set(e, -EINVAL,
			"this bundle's containers have no template: kernel or parameters of their own, "
			"too much memory, or templates are off");
	r = with_folder(&p, &t, e);
	if (r < 0)
		return r;
	*ret_name = arena_printf(a, "%.*s", (int)strcspn(t.name, "."), t.name);
	if (!*ret_name)
		return err_set(e, -ENOMEM, "out of memory");
	return template_find(t.name, e);
}
