/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - ownership by scope: a cleanup(x) variable releases what it holds unless it was taken.
 */
#ifndef NESTBOX_CLEANUP_H
#define NESTBOX_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(how) __attribute__((cleanup(cleanup_##how)))
#define warn_unused __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Closes *fd if it holds one; keeps errno, so that a failing caller can still report it. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd);
		errno = saved;
	}
	*fd = -EBADF;
}

/* Hands the fd to the caller and empties the variable. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

static inline void cleanup_close(int *fd)
{
	close_fd(fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

/* Hands the pointer to the caller and empties the variable. */
#define take_ptr(p) \
	({ \
		__typeof__(p) taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})

#endif
