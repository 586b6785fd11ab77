/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtq.c - the device side of a split virtqueue; see virtq.h.
 *
 * Trust: the rings and descriptor tables are the guest's and change under us. Each descriptor is
 * copied once and checked as a copy; the number of descriptors taken is bounded, so that a loop
 * ends.
 */
#include <errno.h>
#include <string.h>

#include "virtq.h"

/* virtio 1.2, 2.7.5 */
#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4
#define AVAIL_NO_INTERRUPT 1
/* A chain's bytes in all: a report of free memory is 32 blocks of 4 MiB at most (Linux'
 * PAGE_REPORTING_CAPACITY, MAX_PAGE_ORDER); other requests are far smaller. */
#define CHAIN_MAX_BYTES ((uint32_t)128 << 20)

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct used_elem {
	uint32_t id;
	uint32_t len;
};

/* Ring fields, by their offset (2.7.6, 2.7.8): vq_init() checked that they lie in guest memory. */
static uint16_t *avail_field(const struct vq *q, uint64_t offset)
{
	return gmem_ptr(q->mem, q->avail + offset, sizeof(uint16_t));
}

static uint16_t *used_field(const struct vq *q, uint64_t offset)
{
	return gmem_ptr(q->mem, q->used + offset, sizeof(uint16_t));
}

static uint64_t used_event_offset(const struct vq *q)
{
	return 4 + 2 * (uint64_t)q->size;
}

static uint64_t avail_event_offset(const struct vq *q)
{
	return 4 + sizeof(struct used_elem) * (uint64_t)q->size;
}

int vq_init(struct vq *q, const struct gmem *m, uint16_t size, gpa_t desc, gpa_t avail, gpa_t used,
	bool event_idx)
{
	uint64_t n = size;

	if (size == 0 || size > VQ_MAX_SIZE || (size & (size - 1)))
		return -EINVAL;
	/* Alignments of 2.7: 16, 2, 4. */
	if (desc % 16 || avail % 2 || used % 4)
		return -EINVAL;
	if (!gmem_ptr(m, desc, n * sizeof(struct desc)) || !gmem_ptr(m, avail, 6 + 2 * n) ||
		!gmem_ptr(m, used, 6 + sizeof(struct used_elem) * n))
		return -EFAULT;
	*q = (struct vq){ .mem = m,
		.size = size,
		.event_idx = event_idx,
		.desc = desc,
		.avail = avail,
		.used = used };
	return 0;
}

/* Adds a checked segment to the chain. */
static int add_segment(const struct vq *q, struct vq_chain *c, const struct desc *d)
{
	void *p = gmem_ptr(q->mem, d->addr, d->len);
	bool writable = d->flags & DESC_WRITE;
	uint32_t *sum = writable ? &c->in_len : &c->out_len;

	if (!p || c->n_out + c->n_in >= VQ_MAX_SEGS)
		return -EPROTO;
	/* 2.7.4.2: device-readable segments come before device-writable ones. */
	if (!writable && c->n_in)
		return -EPROTO;
	if (d->len > CHAIN_MAX_BYTES - *sum)
		return -EPROTO;
	*sum += d->len;
	if (writable)
		c->in[c->n_in++] = (struct iovec){ .iov_base = p, .iov_len = d->len };
	else
		c->out[c->n_out++] = (struct iovec){ .iov_base = p, .iov_len = d->len };
	return 0;
}

/* Walks a table of n descriptors from `index`; an indirect table (2.7.5.3) is walked when found. */
static int walk(const struct vq *q, struct vq_chain *c, gpa_t table, uint32_t n, uint16_t index,
	bool nested)
{
	for (uint32_t taken = 0; taken < n; taken++) {
		struct desc d;
		int r = 0;

		if (index >= n || gmem_read(q->mem, &d, table + 16ull * index, sizeof(d)) < 0)
			return -EPROTO;
		if (d.flags & DESC_INDIRECT) {
			if (nested || (d.flags & (DESC_NEXT | DESC_WRITE)) || !d.len ||
				d.len % 16 || d.len / 16 > VQ_MAX_SEGS)
				return -EPROTO;
			if (!gmem_ptr(q->mem, d.addr, d.len))
				return -EPROTO;
			return walk(q, c, d.addr, d.len / 16, 0, true);
		}
		r = add_segment(q, c, &d);
		if (r < 0)
			return r;
		if (!(d.flags & DESC_NEXT))
			return 0;
		index = d.next;
	}
	return -EPROTO; /* more steps than descriptors: a loop */
}

int vq_pop(struct vq *q, struct vq_chain *c)
{
	uint16_t avail_idx = 0;
	uint16_t head = 0;

	if (q->broken || !q->size)
		return q->broken ? -EPROTO : 0;
	avail_idx = __atomic_load_n(avail_field(q, 2), __ATOMIC_ACQUIRE);
	if (avail_idx == q->last_avail) {
		if (!q->event_idx)
			return 0;
		/* Ask for a kick at the next buffer (2.7.10), then look again: one may have come
		 * before the guest saw that. */
		__atomic_store_n(
			used_field(q, avail_event_offset(q)), q->last_avail, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		avail_idx = __atomic_load_n(avail_field(q, 2), __ATOMIC_ACQUIRE);
		if (avail_idx == q->last_avail)
			return 0;
	}
	if ((uint16_t)(avail_idx - q->last_avail) > q->size) {
		q->broken = true;
		return -EPROTO;
	}
	head = __atomic_load_n(
		avail_field(q, 4 + 2ull * (q->last_avail & (q->size - 1))), __ATOMIC_RELAXED);
	c->head = head;
	c->n_out = c->n_in = 0;
	c->out_len = c->in_len = 0;
	if (head >= q->size || walk(q, c, q->desc, q->size, head, false) < 0) {
		q->broken = true;
		return -EPROTO;
	}
	q->last_avail++;
	return 1;
}

void vq_fill(struct vq *q, uint16_t ahead, uint16_t head, uint32_t written)
{
	struct used_elem e = { .id = head, .len = written };
	uint16_t at = (uint16_t)(q->used_idx + ahead) & (uint16_t)(q->size - 1);

	/* The ring was checked when the queue was set up. */
	if (!q->broken)
		(void)!gmem_write(q->mem, q->used + 4 + sizeof(e) * (uint64_t)at, &e, sizeof(e));
}

void vq_publish(struct vq *q, uint16_t n)
{
	if (q->broken)
		return;
	q->used_idx = (uint16_t)(q->used_idx + n);
	__atomic_store_n(used_field(q, 2), q->used_idx, __ATOMIC_RELEASE);
}

void vq_push(struct vq *q, uint16_t head, uint32_t written)
{
	vq_fill(q, 0, head, written);
	vq_publish(q, 1);
}

bool vq_should_signal(struct vq *q)
{
	uint16_t event = 0;
	uint16_t old = q->signalled;

	if (q->broken || !q->size || old == q->used_idx)
		return false;
	/* The used index must be visible before we look at what the guest asks for. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx) {
		q->signalled = q->used_idx;
		return !(__atomic_load_n(avail_field(q, 0), __ATOMIC_RELAXED) & AVAIL_NO_INTERRUPT);
	}
	event = __atomic_load_n(avail_field(q, used_event_offset(q)), __ATOMIC_RELAXED);
	q->signalled = q->used_idx;
	return (uint16_t)(q->used_idx - event - 1) < (uint16_t)(q->used_idx - old);
}

size_t vq_copy_from(const struct iovec *iov, unsigned n, size_t offset, void *dst, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = 0;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - offset;
		if (part > len - done)
			part = len - done;
		memcpy((char *)dst + done, (const char *)iov[i].iov_base + offset, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t vq_copy_to(const struct iovec *iov, unsigned n, size_t offset, const void *src, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		size_t part = 0;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - offset;
		if (part > len - done)
			part = len - done;
		memcpy((char *)iov[i].iov_base + offset, (const char *)src + done, part);
		done += part;
		offset = 0;
	}
	return done;
}

unsigned vq_slice(struct iovec *dst, const struct iovec *iov, unsigned n, size_t offset, size_t len)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n && len; i++) {
		size_t part = 0;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - offset;
		if (part > len)
			part = len;
		dst[count++] = (struct iovec){ (char *)iov[i].iov_base + offset, part };
		len -= part;
		offset = 0;
	}
	return count;
}
