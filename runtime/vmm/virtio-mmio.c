/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mmio.c - registers, feature negotiation and queue set-up of a virtio device
 * (virtio 1.2, 4.2.2).
 *
 * What the guest reads is memory, which it cannot write: a read is no VM exit. So all that can be
 * read is put there when it changes: by a write of the guest's, or by the device. For the same
 * reason the bit of "used buffers" in INTERRUPT_STATUS, once set, stays: a driver then looks at its
 * queues at every interrupt, and its acknowledging needs nobody (vm.c gives it to KVM).
 *
 * Threads: vCPU threads come here under dev->lock; queues are served on the device's own loop under
 *          serve_lock, which a reset takes too, so that no queue vanishes while it is served.
 * Trust:   every register value is the guest's. A queue that is not valid is not enabled.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio-mmio.h"

#define MAGIC 0x74726976u
#define VERSION 2u
#define VENDOR 0x78656e6eu
#define FEATURE_EVENT_IDX (1ull << 29)
#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_VERSION_1 (1ull << 32)

#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u
#define STATUS_FAILED 128u
#define INTERRUPT_USED VIRTIO_MMIO_INTERRUPT_USED
#define INTERRUPT_CONFIG 2u

enum mmio_register {
	REG_MAGIC = 0x00,
	REG_VERSION = 0x04,
	REG_DEVICE_ID = 0x08,
	REG_VENDOR = 0x0c,
	REG_DEVICE_FEATURES = 0x10,
	REG_DEVICE_FEATURES_SEL = 0x14,
	REG_DRIVER_FEATURES = 0x20,
	REG_DRIVER_FEATURES_SEL = 0x24,
	REG_QUEUE_SEL = 0x30,
	REG_QUEUE_SIZE_MAX = 0x34,
	REG_QUEUE_SIZE = 0x38,
	REG_QUEUE_READY = 0x44,
	REG_QUEUE_NOTIFY = VIRTIO_MMIO_QUEUE_NOTIFY_OFFSET,
	REG_INTERRUPT_STATUS = 0x60,
	REG_INTERRUPT_ACK = VIRTIO_MMIO_INTERRUPT_ACK_OFFSET,
	REG_STATUS = 0x70,
	REG_QUEUE_DESC = 0x80,
	REG_QUEUE_AVAIL = 0x90,
	REG_QUEUE_USED = 0xa0,
	REG_SHM_LEN = 0xb0,
	REG_CONFIG_GENERATION = 0xfc,
	REG_CONFIG = 0x100,
};

static const struct gmem *memory;

void virtio_mmio_set_memory(const struct gmem *m)
{
	memory = m;
}

static uint64_t offered_features(const struct virtio_dev *d)
{
	return d->ops->features | FEATURE_VERSION_1 | FEATURE_EVENT_IDX | FEATURE_INDIRECT;
}

/* ---- what the guest reads ------------------------------------------------------------------ */

static uint32_t *shown(const struct virtio_dev *d, uint32_t offset)
{
	return (uint32_t *)(void *)(d->shown + offset);
}

static void show(const struct virtio_dev *d, uint32_t offset, uint32_t value)
{
	__atomic_store_n(shown(d, offset), value, __ATOMIC_RELEASE);
}

/* Both a vCPU and the device's thread change it: the last one to look shows what both did. */
static void show_status(const struct virtio_dev *d)
{
	uint32_t status = 0;

	do {
		status = __atomic_load_n(&d->status, __ATOMIC_SEQ_CST);
		__atomic_store_n(shown(d, REG_STATUS), status, __ATOMIC_SEQ_CST);
	} while (status != __atomic_load_n(&d->status, __ATOMIC_SEQ_CST));
}

/* What depends on what the driver wrote last. */
static void show_selected(const struct virtio_dev *d)
{
	const struct virtio_regs *r = &d->regs;
	bool queue = r->queue_sel < d->ops->n_queues;

	show(d, REG_DEVICE_FEATURES,
		r->device_sel < 2 ? (uint32_t)(offered_features(d) >> (32 * r->device_sel)) : 0);
	show(d, REG_QUEUE_SIZE_MAX, queue ? VQ_MAX_SIZE : 0);
	show(d, REG_QUEUE_READY, queue && d->vq[r->queue_sel].size != 0);
	show_status(d);
}

/* In words, as a driver on another vCPU may be reading. */
static void show_config(struct virtio_dev *d)
{
	for (uint32_t at = REG_CONFIG; d->ops->config_read && at < VIRTIO_MMIO_SIZE; at += 4) {
		uint8_t bytes[4] = { 0 };
		uint32_t word = 0;

		/* The end of a configuration may be no whole word. */
		for (uint32_t i = 0; i < sizeof(bytes); i++)
			d->ops->config_read(d, at - REG_CONFIG + i, &bytes[i], 1);
		memcpy(&word, bytes, sizeof(word));
		show(d, at, word);
	}
}

void virtio_show(struct virtio_dev *d)
{
	show(d, REG_MAGIC, MAGIC);
	show(d, REG_VERSION, VERSION);
	show(d, REG_DEVICE_ID, d->ops->device_id);
	show(d, REG_VENDOR, VENDOR);
	show(d, REG_CONFIG_GENERATION, d->config_generation);
	/* No shared memory region (4.2.2). */
	for (uint32_t i = 0; i < 16; i += 4)
		show(d, REG_SHM_LEN + i, UINT32_MAX);
	show_selected(d);
	show_config(d);
}

/* ---- for devices --------------------------------------------------------------------------- */

static void interrupt(struct virtio_dev *d, uint32_t cause)
{
	uint64_t one = 1;

	__atomic_or_fetch(shown(d, REG_INTERRUPT_STATUS), cause, __ATOMIC_SEQ_CST);
	(void)!write(d->irq_fd, &one, sizeof(one));
}

int virtio_pop(struct virtio_dev *d, unsigned q, struct vq_chain *c)
{
	uint64_t one = 1;
	int r = 0;

	if (!d->batch) {
		(void)!write(d->kick_fd[q], &one, sizeof(one));
		return 0;
	}
	r = vq_pop(&d->vq[q], c);
	if (r > 0)
		d->batch--;
	return r;
}

bool virtio_signal(struct virtio_dev *d, unsigned q)
{
	bool wanted = vq_should_signal(&d->vq[q]);

	if (wanted)
		interrupt(d, INTERRUPT_USED);
	return wanted;
}

void virtio_config_changed(struct virtio_dev *d)
{
	(void)pthread_mutex_lock(&d->lock);
	d->config_generation++;
	virtio_show(d);
	(void)pthread_mutex_unlock(&d->lock);
	if (__atomic_load_n(&d->active, __ATOMIC_ACQUIRE))
		interrupt(d, INTERRUPT_CONFIG);
}

void virtio_broken(struct virtio_dev *d, const char *why)
{
	(void)why;
	__atomic_or_fetch(&d->status, STATUS_NEEDS_RESET, __ATOMIC_SEQ_CST);
	show_status(d);
	for (unsigned q = 0; q < d->ops->n_queues; q++)
		d->vq[q].broken = true;
	interrupt(d, INTERRUPT_CONFIG);
}

void virtio_serve_begin(struct virtio_dev *d)
{
	(void)pthread_mutex_lock(&d->serve_lock);
	if (d->reset_pending) {
		d->reset_pending = false;
		if (d->ops->reset)
			d->ops->reset(d);
	}
}

void virtio_serve_end(struct virtio_dev *d)
{
	(void)pthread_mutex_unlock(&d->serve_lock);
}

static void serve(struct virtio_dev *d, unsigned q)
{
	virtio_serve_begin(d);
	d->batch = VIRTIO_BATCH;
	if (d->active && d->vq[q].size && !d->vq[q].broken)
		d->ops->kick(d, q);
	virtio_serve_end(d);
}

static void on_kick(void *arg, uint32_t events)
{
	const struct virtio_kick *k = arg;
	uint64_t n = 0;

	(void)events;
	if (read(k->dev->kick_fd[k->queue], &n, sizeof(n)) == sizeof(n))
		serve(k->dev, k->queue);
}

int virtio_mmio_init(struct virtio_dev *d, uint8_t *page)
{
	int r = 0;

	d->shown = page;
	virtio_show(d);
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_mutex_init(&d->serve_lock, NULL);
	d->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->irq_fd < 0)
		return -errno;
	for (unsigned q = 0; q < d->ops->n_queues; q++) {
		d->kick_fd[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->kick_fd[q] < 0)
			return -errno;
		d->kick[q] = (struct virtio_kick){ d, q };
		r = loop_add(d->loop, d->kick_fd[q], EPOLLIN, on_kick, &d->kick[q]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- registers ----------------------------------------------------------------------------- */

static void reset(struct virtio_dev *d)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&d->serve_lock);
	__atomic_store_n(&d->active, false, __ATOMIC_RELEASE);
	d->reset_pending = true;
	__atomic_add_fetch(&d->resets, 1, __ATOMIC_RELEASE);
	memset(d->vq, 0, sizeof(d->vq));
	memset(&d->regs, 0, sizeof(d->regs));
	d->driver_features = 0;
	show(d, REG_INTERRUPT_STATUS, 0);
	__atomic_store_n(&d->status, 0, __ATOMIC_SEQ_CST);
	(void)pthread_mutex_unlock(&d->serve_lock);
	if (d->ops->reset) /* wakes the device's thread */
		(void)!write(d->kick_fd[0], &one, sizeof(one));
}

static void write_status(struct virtio_dev *d, uint32_t value)
{
	uint32_t old = d->status;
	uint64_t one = 1;

	if (value == 0) {
		reset(d);
		return;
	}
	/* Features that we did not offer, or no VERSION_1: FEATURES_OK does not stick (3.1.1). */
	if ((value & STATUS_FEATURES_OK) && !(old & STATUS_FEATURES_OK) &&
		((d->driver_features & ~offered_features(d)) ||
			!(d->driver_features & FEATURE_VERSION_1)))
		value &= ~STATUS_FEATURES_OK;
	__atomic_or_fetch(&d->status, value & 0xff, __ATOMIC_SEQ_CST);
	if ((value & STATUS_DRIVER_OK) && !(old & STATUS_DRIVER_OK) &&
		(d->status & STATUS_FEATURES_OK) && !(d->status & STATUS_FAILED)) {
		if (d->ops->activate)
			d->ops->activate(d);
		__atomic_store_n(&d->active, true, __ATOMIC_RELEASE);
		/* What the driver queued before DRIVER_OK was seen is served now. */
		for (unsigned q = 0; q < d->ops->n_queues; q++)
			(void)!write(d->kick_fd[q], &one, sizeof(one));
	}
}

static void write_queue_ready(struct virtio_dev *d, uint32_t value)
{
	struct virtio_regs *r = &d->regs;

	if (r->queue_sel >= d->ops->n_queues || d->active)
		return;
	if (!value) {
		memset(&d->vq[r->queue_sel], 0, sizeof(d->vq[0]));
		return;
	}
	/* A queue that is not valid stays "not ready": the driver sees it when it reads back. */
	if (vq_init(&d->vq[r->queue_sel], memory, (uint16_t)r->queue_size, r->ring[0], r->ring[1],
		    r->ring[2], d->driver_features & FEATURE_EVENT_IDX) < 0)
		memset(&d->vq[r->queue_sel], 0, sizeof(d->vq[0]));
}

static void set_half(uint64_t *v, bool high, uint32_t value)
{
	*v = high ? (*v & 0xffffffffull) | ((uint64_t)value << 32) : (*v & ~0xffffffffull) | value;
}

static void write_register(struct virtio_dev *d, uint32_t offset, uint32_t value)
{
	struct virtio_regs *r = &d->regs;
	uint64_t one = 1;

	switch (offset) {
	case REG_DEVICE_FEATURES_SEL:
		r->device_sel = value;
		break;
	case REG_DRIVER_FEATURES:
		if (r->driver_sel < 2 && !(d->status & STATUS_FEATURES_OK))
			set_half(&d->driver_features, r->driver_sel == 1, value);
		break;
	case REG_DRIVER_FEATURES_SEL:
		r->driver_sel = value;
		break;
	case REG_QUEUE_SEL:
		r->queue_sel = value;
		break;
	case REG_QUEUE_SIZE:
		r->queue_size = value > VQ_MAX_SIZE ? 0 : value;
		break;
	case REG_QUEUE_READY:
		write_queue_ready(d, value);
		break;
	case REG_QUEUE_NOTIFY: /* only without ioeventfd */
		if (value < d->ops->n_queues)
			(void)!write(d->kick_fd[value], &one, sizeof(one));
		break;
	case REG_INTERRUPT_ACK:
		__atomic_and_fetch(
			shown(d, REG_INTERRUPT_STATUS), ~value | INTERRUPT_USED, __ATOMIC_SEQ_CST);
		break;
	case REG_STATUS:
		write_status(d, value);
		break;
	case REG_QUEUE_DESC:
	case REG_QUEUE_AVAIL:
	case REG_QUEUE_USED:
		set_half(&r->ring[(offset - REG_QUEUE_DESC) / 0x10], false, value);
		break;
	case REG_QUEUE_DESC + 4:
	case REG_QUEUE_AVAIL + 4:
	case REG_QUEUE_USED + 4:
		set_half(&r->ring[(offset - REG_QUEUE_DESC) / 0x10], true, value);
		break;
	default:
		break;
	}
}

void virtio_mmio_write(struct virtio_dev *d, uint32_t offset, const void *data, uint32_t len)
{
	uint32_t value = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (offset >= REG_CONFIG) {
		if (d->ops->config_write)
			d->ops->config_write(d, offset - REG_CONFIG, data, len);
		show_config(d);
	} else if (len == 4 && offset % 4 == 0) {
		memcpy(&value, data, sizeof(value));
		write_register(d, offset, value);
		show_selected(d);
	}
	(void)pthread_mutex_unlock(&d->lock);
}

/* ---- templates ----------------------------------------------------------------------------- */

static void put_queue(const struct vq *q, struct wire_out *w)
{
	wire_put_u16(w, q->size);
	wire_put_u16(w, q->last_avail);
	wire_put_u16(w, q->used_idx);
	wire_put_u16(w, q->signalled);
	wire_put_u8(w, q->event_idx);
	wire_put_u8(w, q->broken);
	wire_put_u64(w, q->desc);
	wire_put_u64(w, q->avail);
	wire_put_u64(w, q->used);
}

/* Checked as if the driver set it up now. */
static int get_queue(struct vq *q, struct wire_in *r)
{
	struct vq m = { .size = wire_get_u16(r),
		.last_avail = wire_get_u16(r),
		.used_idx = wire_get_u16(r),
		.signalled = wire_get_u16(r),
		.event_idx = wire_get_u8(r),
		.broken = wire_get_u8(r) };

	m.desc = wire_get_u64(r);
	m.avail = wire_get_u64(r);
	m.used = wire_get_u64(r);
	if (r->error || !m.size)
		return r->error;
	if (vq_init(q, memory, m.size, m.desc, m.avail, m.used, m.event_idx) < 0)
		return -EBADMSG;
	q->last_avail = m.last_avail;
	q->used_idx = m.used_idx;
	q->signalled = m.signalled;
	q->broken = m.broken;
	return 0;
}

/* A network device that no driver has touched may have others in the clone: one pair per vCPU. */
static unsigned used_queues(const struct virtio_dev *d)
{
	return d->status ? d->ops->n_queues : 0;
}

void virtio_mmio_put(struct virtio_dev *d, struct wire_out *w)
{
	wire_put_u32(w, d->ops->device_id);
	wire_put_u64(w, d->driver_features);
	wire_put_bytes(w, &d->regs, sizeof(d->regs));
	wire_put_u32(w, d->status);
	wire_put_u32(w, __atomic_load_n(shown(d, REG_INTERRUPT_STATUS), __ATOMIC_SEQ_CST));
	wire_put_u32(w, d->config_generation);
	wire_put_u8(w, d->active);
	wire_put_u32(w, used_queues(d));
	for (unsigned q = 0; q < used_queues(d); q++)
		put_queue(&d->vq[q], w);
}

int virtio_mmio_get(struct virtio_dev *d, struct wire_in *r)
{
	int e = 0;

	if (wire_get_u32(r) != d->ops->device_id)
		return -EBADMSG;
	d->driver_features = wire_get_u64(r);
	wire_get_bytes(r, &d->regs, sizeof(d->regs));
	d->status = wire_get_u32(r);
	show(d, REG_INTERRUPT_STATUS, wire_get_u32(r));
	d->config_generation = wire_get_u32(r);
	d->active = wire_get_u8(r);
	if (wire_get_u32(r) != used_queues(d))
		return -EBADMSG;
	for (unsigned q = 0; q < used_queues(d) && e == 0; q++)
		e = get_queue(&d->vq[q], r);
	if (e == 0 && (d->driver_features & ~offered_features(d)))
		e = -EBADMSG;
	virtio_show(d);
	return e < 0 ? e : r->error;
}

void virtio_mmio_wake(struct virtio_dev *d)
{
	uint64_t one = 1;

	if (!d->active)
		return;
	for (unsigned q = 0; q < d->ops->n_queues; q++)
		(void)!write(d->kick_fd[q], &one, sizeof(one));
	if (*shown(d, REG_INTERRUPT_STATUS))
		(void)!write(d->irq_fd, &one, sizeof(one));
}
