/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.c - gives a new file the owner that the guest asked for; see owner.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "owner.h"

#define SET_IDS (S_ISUID | S_ISGID)

int owner_give(int at, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat folder;
	bool inherited = *name && fstat(at, &folder) == 0 && (folder.st_mode & S_ISGID);
	int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

	if (fchownat(at, name, uid, inherited ? (gid_t)-1 : gid, flags) < 0)
		return -errno;
	if (!(mode & SET_IDS) || S_ISDIR(mode) || S_ISLNK(mode))
		return 0;
	if (!*name)
		return fchmod(at, mode & 07777) < 0 ? -errno : 0;
	return fchmodat(at, name, mode & 07777, 0) < 0 ? -errno : 0;
}
