/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb-text.h - texts and times as protobuf-c's messages hold them.
 */
#ifndef NESTBOX_SHIM_PB_TEXT_H
#define NESTBOX_SHIM_PB_TEXT_H

#include <time.h>

#include "shim-api.pb-c.h"

/* Messages hold texts as not constant, and only read them. */
static inline char *pb_text(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { .in = text };

	return u.out;
}

static inline Pb__Timestamp pb_time(const struct timespec *t)
{
	Pb__Timestamp stamp = PB__TIMESTAMP__INIT;

	stamp.seconds = t->tv_sec;
	stamp.nanos = (int32_t)t->tv_nsec;
	return stamp;
}

static inline Pb__Timestamp pb_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return pb_time(&now);
}

#endif
