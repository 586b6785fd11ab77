/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template-file.c - head of a template; see template-file.h.
 *
 * In the file, little-endian: 8 bytes magic, u32 version, u64 sum of what follows, u64 file size,
 * u64 seconds of its last change, u64 ram_bytes, u32 state_len, the key with its padding, the bits
 * of the blocks; then the state.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "template-file.h"
#include "wire.h"

#define MAGIC "nestVM\r\n" /* a transfer as text would show */
#define MAGIC_BYTES 8u
#define FIXED (MAGIC_BYTES + 4 + 8) /* what is not summed up */
#define HEAD (FIXED + 8 + 8 + 8 + 4 + TEMPLATE_MAX_KEY + TEMPLATE_MAX_BLOCKS / 8)

_Static_assert(HEAD + TEMPLATE_MAX_STATE <= TEMPLATE_RAM_AT, "the state ends before the memory");

uint64_t template_sum(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len) {
		size_t n = len < sizeof(sum) ? len : sizeof(sum);
		uint64_t word = 0;

		memcpy(&word, at, n);
		sum = (sum ^ word) * 0x100000001b3u;
		sum ^= sum >> 32;
		at += n;
		len -= n;
	}
	return sum;
}

static uint64_t sum_of(const uint8_t *head, const uint8_t *state, size_t state_len)
{
	return template_sum(
		template_sum(TEMPLATE_SUM_START, head + FIXED, HEAD - FIXED), state, state_len);
}

static void put_head(struct wire_out *w, const struct template_head *h, size_t state_len,
	uint64_t changed, uint64_t sum)
{
	wire_put_bytes(w, MAGIC, MAGIC_BYTES);
	wire_put_u32(w, TEMPLATE_VERSION);
	wire_put_u64(w, sum);
	wire_put_u64(w, TEMPLATE_RAM_AT + h->ram_bytes);
	wire_put_u64(w, changed);
	wire_put_u64(w, h->ram_bytes);
	wire_put_u32(w, (uint32_t)state_len);
	wire_put_bytes(w, h->key, sizeof(h->key));
	wire_put_bytes(w, h->used, sizeof(h->used));
}

int template_write_head(int fd, const struct template_head *h, const void *state, size_t state_len)
{
	uint8_t head[HEAD];
	time_t now = time(NULL);
	struct wire_out w;
	uint64_t sum = 0;

	if (state_len > TEMPLATE_MAX_STATE)
		return -E2BIG;
	for (int turn = 0; turn < 2; turn++) {
		wire_out_fixed(&w, head, sizeof(head));
		put_head(&w, h, state_len, (uint64_t)now, sum);
		sum = sum_of(head, state, state_len);
	}
	if (w.error)
		return w.error;
	if (ftruncate(fd, (off_t)(TEMPLATE_RAM_AT + h->ram_bytes)) < 0 ||
		pwrite(fd, state, state_len, HEAD) != (ssize_t)state_len ||
		pwrite(fd, head, HEAD, 0) != (ssize_t)HEAD)
		return errno ? -errno : -EIO;
	return 0;
}

int template_seal(int fd)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { 0 } };
	uint8_t text[8];
	struct wire_in r;

	if (pread(fd, text, sizeof(text), FIXED + 8) != (ssize_t)sizeof(text))
		return -EBADMSG;
	wire_in_init(&r, text, sizeof(text));
	/* Whole seconds: any later change has another time. */
	times[1].tv_sec = (time_t)wire_get_u64(&r);
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int check_file(int fd, uint64_t size, uint64_t changed, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "fstat");
	if ((uint64_t)st.st_size != size)
		return err_set(e, -EBADMSG, "%llu bytes, not %llu: cut off?",
			(unsigned long long)st.st_size, (unsigned long long)size);
	if ((uint64_t)st.st_mtim.tv_sec != changed || st.st_mtim.tv_nsec)
		return err_set(e, -EBADMSG, "it was changed after it was made");
	return 0;
}

int template_read_head(int fd, struct template_head *ret, void *buf, struct err *e)
{
	static uint8_t state[TEMPLATE_MAX_STATE];
	uint8_t head[HEAD];
	uint64_t sum = 0, size = 0, changed = 0;
	uint8_t magic[MAGIC_BYTES];
	struct wire_in r;

	if (!buf)
		buf = state;
	if (pread(fd, head, HEAD, 0) != (ssize_t)HEAD)
		return err_set(e, -EBADMSG, "too short");
	wire_in_init(&r, head, HEAD);
	wire_get_bytes(&r, magic, sizeof(magic));
	if (memcmp(magic, MAGIC, sizeof(magic)) != 0)
		return err_set(e, -EBADMSG, "no template");
	if (wire_get_u32(&r) != TEMPLATE_VERSION)
		return err_set(e, -EBADMSG, "of another version");
	sum = wire_get_u64(&r);
	size = wire_get_u64(&r);
	changed = wire_get_u64(&r);
	ret->ram_bytes = wire_get_u64(&r);
	ret->state_len = wire_get_u32(&r);
	wire_get_bytes(&r, ret->key, sizeof(ret->key));
	wire_get_bytes(&r, ret->used, sizeof(ret->used));
	if (wire_in_end(&r) < 0 || ret->state_len > TEMPLATE_MAX_STATE ||
		pread(fd, buf, ret->state_len, HEAD) != (ssize_t)ret->state_len ||
		sum_of(head, buf, ret->state_len) != sum)
		return err_set(e, -EBADMSG, "damaged");
	ret->key[sizeof(ret->key) - 1] = '\0';
	if (ret->ram_bytes > TEMPLATE_MAX_RAM || ret->ram_bytes % TEMPLATE_BLOCK ||
		size != TEMPLATE_RAM_AT + ret->ram_bytes)
		return err_set(e, -EBADMSG, "damaged");
	return check_file(fd, size, changed, e);
}
