/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what every fuzz target includes: its entry, and an input that is taken piece by piece.
 *
 * A target leaves nothing behind: the same input does the same thing each time.
 */
#ifndef NESTBOX_FUZZ_H
#define NESTBOX_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
};

/* The next len bytes, as far as there are any; the rest is zero. */
static inline void input_take(struct input *in, void *buf, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(buf, 0, len);
	if (n)
		memcpy(buf, in->p, n);
	in->p += n;
	in->left -= n;
}

static inline uint8_t input_u8(struct input *in)
{
	uint8_t v = 0;

	input_take(in, &v, sizeof(v));
	return v;
}

static inline uint16_t input_u16(struct input *in)
{
	uint16_t v = 0;

	input_take(in, &v, sizeof(v));
	return v;
}

#endif
