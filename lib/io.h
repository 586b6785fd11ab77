/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - whole reads and writes, files small enough to hold, fds over sockets, anonymous files.
 *
 * All return 0 or more on success, a negative errno on failure. EINTR is retried.
 */
#ifndef NESTBOX_IO_H
#define NESTBOX_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"

#define IO_MAX_FDS 8 /* fds in one message */

/* Reads up to len bytes, less only at end of file; returns the count. */
warn_unused ssize_t io_read_full(int fd, void *buf, size_t len);

/* Writes all len bytes. SIGPIPE is the caller's business (EPIPE where it is ignored). */
warn_unused int io_write_full(int fd, const void *buf, size_t len);

/* Reads the whole of an open file of at most max bytes into malloc'ed memory (owned by the caller)
 * with a NUL after it; -EFBIG when it is larger. */
warn_unused int io_read_file(int fd, size_t max, char **ret_data, size_t *ret_len);

/* Opens name below dirfd, writes text, closes; for /proc, /sys and cgroup files. */
warn_unused int io_write_at(int dirfd, const char *name, const char *text);

/* Sends one message with n fds (n <= IO_MAX_FDS). Never raises SIGPIPE. Returns bytes sent. */
warn_unused ssize_t io_send_fds(int sock, const void *buf, size_t len, const int *fds, size_t n);

/* Receives one message and up to max fds (CLOEXEC; owned by the caller). Fds beyond max are closed
 * and -EMSGSIZE is returned, as for a truncated message. Returns its length, 0 at end of file. */
warn_unused ssize_t io_recv_fds(
	int sock, void *buf, size_t len, int *fds, size_t max, size_t *ret_n);

/* Sets or clears O_NONBLOCK. */
warn_unused int io_set_nonblock(int fd, bool on);

/* A sealed, anonymous, read-only file with these bytes (owned by the caller). */
warn_unused int io_memfd_sealed(const char *name, const void *buf, size_t len);

/* Waits until fd has input or a hang-up: 1, or 0 when timeout_ms (>= 0) has passed. */
warn_unused int io_wait_readable(int fd, int timeout_ms);

/* The same for room to write. */
warn_unused int io_wait_writable(int fd, int timeout_ms);

/* ioctl(2) with an unsigned request on every libc (musl's takes an int); -1 and errno on error. */
int io_ioctl(int fd, unsigned long request, void *arg);

/* CLOCK_MONOTONIC in nanoseconds. */
unsigned long long io_now_ns(void);

#endif
