/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount-options.c - options of mount(8); see mount-options.h. Those that runtime-spec 1.2
 * (config.md, "Linux mount options") lists.
 */
#include <sys/mount.h>

#include "mount-options.h"

/* mount(8) knows these, musl's and glibc's headers not always. */
#define FLAG_LAZYTIME (1u << 25)
#define FLAG_NOSYMFOLLOW (1u << 8)

const struct mount_option mount_flag_options[] = {
	{ "acl", false, MS_POSIXACL },
	{ "async", true, MS_SYNCHRONOUS },
	{ "atime", true, MS_NOATIME },
	{ "bind", false, MS_BIND },
	{ "defaults", false, 0 },
	{ "dev", true, MS_NODEV },
	{ "diratime", true, MS_NODIRATIME },
	{ "dirsync", false, MS_DIRSYNC },
	{ "exec", true, MS_NOEXEC },
	{ "iversion", false, MS_I_VERSION },
	{ "lazytime", false, FLAG_LAZYTIME },
	{ "loud", true, MS_SILENT },
	{ "mand", false, MS_MANDLOCK },
	{ "noacl", true, MS_POSIXACL },
	{ "noatime", false, MS_NOATIME },
	{ "nodev", false, MS_NODEV },
	{ "nodiratime", false, MS_NODIRATIME },
	{ "noexec", false, MS_NOEXEC },
	{ "noiversion", true, MS_I_VERSION },
	{ "nolazytime", true, FLAG_LAZYTIME },
	{ "nomand", true, MS_MANDLOCK },
	{ "norelatime", true, MS_RELATIME },
	{ "nostrictatime", true, MS_STRICTATIME },
	{ "nosuid", false, MS_NOSUID },
	{ "nosymfollow", false, FLAG_NOSYMFOLLOW },
	{ "rbind", false, MS_BIND | MS_REC },
	{ "relatime", false, MS_RELATIME },
	{ "remount", false, MS_REMOUNT },
	{ "ro", false, MS_RDONLY },
	{ "rw", true, MS_RDONLY },
	{ "silent", false, MS_SILENT },
	{ "strictatime", false, MS_STRICTATIME },
	{ "suid", true, MS_NOSUID },
	{ "symfollow", true, FLAG_NOSYMFOLLOW },
	{ "sync", false, MS_SYNCHRONOUS },
};

const size_t n_mount_flag_options = ARRAY_LEN(mount_flag_options);

const struct mount_option *mount_option_find(
	const struct mount_option *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

bool mount_option_apply(const char *name, uint64_t *flags)
{
	const struct mount_option *o =
		mount_option_find(mount_flag_options, n_mount_flag_options, name);

	if (o)
		*flags = o->clear ? *flags & ~o->flag : *flags | o->flag;
	return o != NULL;
}
