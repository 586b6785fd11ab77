/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share-folder.h - the fs server over a temporary folder, for unit tests and the fuzzer: no root
 * needed.
 *
 * The folder "share" is what is served; what lies beside it in `base` must never be reached.
 */
#ifndef NESTBOX_TEST_SHARE_FOLDER_H
#define NESTBOX_TEST_SHARE_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsd.h"

struct share_dir {
	char path[64]; /* of base */
	int base, root; /* owned; root is the share */
	int cwd; /* owned; where the process was */
};

static inline int share_remove(const char *p, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(p);
}

/* Makes the folder and the server in it, which keeps max_fds inodes open. Aborts on failure. */
static inline void share_init(struct share_dir *s, unsigned max_fds)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(s->path, sizeof(s->path), "%s/nestbox-test-XXXXXX", tmp ? tmp : "/tmp");
	(void)umask(0);
	s->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!mkdtemp(s->path))
		abort();
	s->base = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->base < 0 || mkdirat(s->base, "share", 0755) < 0)
		abort();
	s->root = openat(s->base, "share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* inode_path() names fds from there. */
	if (s->root < 0 || chdir("/proc/self/fd") < 0 ||
		fsd_init(openat(s->base, "share", O_PATH | O_DIRECTORY | O_CLOEXEC), max_fds) < 0)
		abort();
}

static inline void share_done(struct share_dir *s)
{
	fsd_done();
	(void)close(s->base);
	(void)close(s->root);
	if (fchdir(s->cwd) < 0)
		abort();
	(void)close(s->cwd);
	(void)nftw(s->path, share_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
