/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.c - gives a new file the owner that the guest asked for; see owner.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inode.h"
#include "owner.h"

#define SET_IDS (S_ISUID | S_ISGID)

int owner_give(int folder, int fd, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;
	bool inherited = fstat(folder, &st) == 0 && (st.st_mode & S_ISGID);
	char path[16];

	/* Nobody's, of a caller that an idmapped mount has no id for: -1 would leave it root's. */
	if (uid == (uid_t)-1 || gid == (gid_t)-1)
		return -EOVERFLOW;
	if (fchownat(fd, "", uid, inherited ? (gid_t)-1 : gid,
		    AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return -errno;
	if (!(mode & SET_IDS) || S_ISDIR(mode) || S_ISLNK(mode))
		return 0;
	/* By its number, as an O_PATH fd does not take fchmod(2). */
	return fchmodat(AT_FDCWD, inode_path(fd, path), mode & 07777, 0) < 0 ? -errno : 0;
}
