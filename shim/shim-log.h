/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-log.h - the server's log: the fifo `log` in its working folder, which containerd copies to
 * its own.
 */
#ifndef NESTBOX_SHIM_LOG_H
#define NESTBOX_SHIM_LOG_H

#include <stdbool.h>

/* Opens it; where there is none, nothing is logged. */
void shim_log_open(bool debug);

/* One line. It is lost when nobody reads: the log holds nobody up. */
void shim_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same with -debug only. */
void shim_log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
