/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb-text.h - texts for protobuf-c, whose messages hold them as not constant and only read them.
 */
#ifndef NESTBOX_SHIM_PB_TEXT_H
#define NESTBOX_SHIM_PB_TEXT_H

static inline char *pb_text(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { .in = text };

	return u.out;
}

#endif
