/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot-mount.c - mounts of a snapshotter; see snapshot-mount.h.
 *
 * A deep image's overlay names more folders than a page holds. As containerd does it, the lower
 * folders are then named from the folder that all of them lie in, where the process stands for the
 * moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "mount-options.h"
#include "snapshot-mount.h"

#define MAX_AT_ONE_PLACE 64 /* mounts upon each other, before unmounting gives up */

static int add_data(struct mount_options *ret, const char *option, struct err *e)
{
	size_t have = strlen(ret->data), len = strlen(option);

	if (have + len + 2 > sizeof(ret->data))
		return err_set(e, -E2BIG, "mount options are longer than a page");
	(void)snprintf(ret->data + have, sizeof(ret->data) - have, "%s%s", have ? "," : "", option);
	return 0;
}

int mount_options_parse(char *const *options, size_t n, struct mount_options *ret, struct err *e)
{
	*ret = (struct mount_options){ 0 };
	for (size_t i = 0; i < n; i++) {
		if (strcmp(options[i], "loop") == 0)
			return err_set(e, -EOPNOTSUPP,
				"mount option loop: image files are not mounted; "
				"name a block device");
		if (!mount_option_apply(options[i], &ret->flags)) {
			int r = add_data(ret, options[i], e);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- long lists of lower folders ----------------------------------------------------------- */

#define LOWER "lowerdir="

/* How much of the text, up to a '/', all entries of a list of paths begin with; 0 = nothing. */
static size_t common_folder(const char *list)
{
	size_t common = strcspn(list, ":");

	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ":"), same = 0;

		while (same < len && same < common && at[same] == list[same])
			same++;
		common = same;
		at += len + (at[len] == ':');
	}
	while (common > 0 && list[common - 1] != '/')
		common--;
	return common;
}

/* The list without its first `cut` bytes of each entry, as an option. */
static char *relative_list(const char *list, size_t cut)
{
	char *to = malloc(strlen(list) + sizeof(LOWER));
	size_t n = 0;

	if (!to)
		return NULL;
	n = (size_t)snprintf(to, sizeof(LOWER), LOWER);
	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ":");

		memcpy(to + n, at + cut, len - cut);
		n += len - cut;
		at += len;
		if (*at)
			to[n++] = *at++;
	}
	to[n] = '\0';
	return to;
}

/* The same options with short names, and the folder that they are to be read from (owned, both). */
static int shorten(
	const struct snapshot_mount *m, char ***ret_options, char **ret_short, char **ret_folder)
{
	char **options = calloc(m->n_options + 1, sizeof(*options));

	*ret_options = options;
	if (!options)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_options; i++) {
		const char *list = m->options[i] + strlen(LOWER);
		size_t cut = 0;

		options[i] = m->options[i];
		if (strncmp(m->options[i], LOWER, strlen(LOWER)) != 0 || *ret_short)
			continue;
		cut = common_folder(list);
		if (cut < 2)
			continue;
		*ret_folder = strndup(list, cut);
		*ret_short = relative_list(list, cut);
		if (!*ret_folder || !*ret_short)
			return -ENOMEM;
		options[i] = *ret_short;
	}
	return *ret_short ? 0 : -E2BIG;
}

static int mount_plain(const struct snapshot_mount *m, const char *path,
	const struct mount_options *o, struct err *e)
{
	uint64_t bind_flags = o->flags & (MS_BIND | MS_REC);
	bool bind = (bind_flags & MS_BIND) != 0;

	/* A bind takes no other flags the first time: mount(2), "Creating a bind mount". */
	if (mount(m->source, path, bind ? NULL : m->type, bind ? bind_flags : o->flags,
		    bind || !*o->data ? NULL : o->data) < 0)
		return err_sys(e, -errno, "mount %s at %s", *m->source ? m->source : m->type, path);
	if (bind && o->flags != bind_flags &&
		mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | (o->flags & ~(uint64_t)MS_REC),
			NULL) < 0) {
		int r = err_sys(e, -errno, "remount %s", path);

		(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		return r;
	}
	return 0;
}

static int mount_shortened(const struct snapshot_mount *m, const char *path, struct err *e)
{
	cleanup(close) int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup(free) char **options = NULL;
	cleanup(free) char *list = NULL, *folder = NULL;
	struct mount_options parsed;
	int r = shorten(m, &options, &list, &folder);

	if (r < 0)
		return err_sys(e, r, "mount options of %s", path);
	r = mount_options_parse(options, m->n_options, &parsed, e);
	if (r < 0)
		return r;
	if (here < 0 || chdir(folder) < 0)
		return err_sys(e, -errno, "enter %s", folder);
	r = mount_plain(m, path, &parsed, e);
	if (fchdir(here) < 0 && r == 0)
		r = err_sys(e, -errno, "leave %s", folder);
	return r;
}

static int mount_one(const struct snapshot_mount *m, const char *path, struct err *e)
{
	struct mount_options parsed;
	int r = 0;

	if (*m->target && strcmp(m->target, "/") != 0)
		return err_set(e, -EOPNOTSUPP,
			"mount target \"%.200s\" inside the root filesystem: not supported",
			m->target);
	r = mount_options_parse(m->options, m->n_options, &parsed, e);
	if (r == -E2BIG && strcmp(m->type, "overlay") == 0)
		return mount_shortened(m, path, e);
	return r < 0 ? r : mount_plain(m, path, &parsed, e);
}

/* One line on stdout, where the one who waits finds it. */
static void say(const char *text)
{
	char line[ERR_MSG_MAX];

	(void)snprintf(line, sizeof(line), "%s", text);
	err_flatten(line);
	(void)dprintf(STDOUT_FILENO, "\n%s", line);
}

static void say_what(const struct snapshot_mount *m, const char *path)
{
	struct err what = { 0 };

	(void)err_set(&what, 0, "mount %s at %s", *m->source ? m->source : m->type, path);
	say(what.msg);
}

int snapshot_mount_run(void *snapshot)
{
	const struct snapshot *s = snapshot;
	struct err e = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		int r = 0;

		say_what(&s->mounts[i], s->path);
		r = mount_one(&s->mounts[i], s->path, &e);
		if (r < 0) {
			say(e.msg);
			while (i-- > 0)
				(void)umount2(s->path, MNT_DETACH | UMOUNT_NOFOLLOW);
			return -r;
		}
	}
	return 0;
}

int snapshot_mount_failed(int status, bool timed_out, const char *output, struct err *e)
{
	const char *line = strrchr(output, '\n');

	line = line ? line + 1 : "mount";
	if (timed_out)
		return err_set(e, -ETIMEDOUT, "%s: no answer, given up", line);
	/* It did not come to say why: killed, or there was no memory for it. */
	if (status >= 127)
		return err_set(e, -EIO, "%s: ended with status %d", line, status);
	return err_set(e, -status, "%s", line);
}

int snapshot_unmount_run(void *path)
{
	for (unsigned i = 0; i < MAX_AT_ONE_PLACE; i++) {
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			break;
	}
	return 0;
}
