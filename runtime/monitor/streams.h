/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams.h - our standard input, output and error as the session's streams.
 */
#ifndef NESTBOX_STREAMS_H
#define NESTBOX_STREAMS_H

#include <stdbool.h>

#include "cleanup.h"
#include "session.h"

/* Hands fds 0-2 to the session; with a terminal only 0 and 1, which are one. The
 * working folder is /proc/self/fd; what is handed over is replaced by null, an fd of /dev/null. */
warn_unused int streams_attach(struct session *s, bool tty, int null);

#endif
