/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-blk.c - virtio block device (virtio 1.2, 5.2) on a file or block device that was passed in.
 *
 * A slot without a file has capacity 0 and answers every request with IOERR; attaching changes the
 * configuration, which Linux notices (capacity change).
 *
 * Threads: requests on the block loop's thread, and on workers (io-workers.h); attach comes from
 * the control thread, so the file is published with a release store. It is set once and never
 * changes. Trust: sector and length are the guest's and are compared with the capacity.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices.h"
#include "io-workers.h"
#include "io.h"
#include "vmm-plan.h"

#define DEVICE_ID_BLK 2
#define SECTOR 512ull
#define FEATURE_SEG_MAX (1ull << 2)
#define FEATURE_RO (1ull << 5)
#define FEATURE_FLUSH (1ull << 9)
#define CONFIG_SEG_MAX 126u
#define REQUEST_IN 0u
#define REQUEST_OUT 1u
#define REQUEST_FLUSH 4u
#define REQUEST_GET_ID 8u
#define ID_BYTES 20u
#define STATUS_OK 0
#define STATUS_IOERR 1
#define STATUS_UNSUPPORTED 2

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct blk_config { /* 5.2.4, as far as our features reach */
	uint64_t capacity;
	uint32_t size_max, seg_max;
};

static struct blk {
	struct virtio_dev *dev; /* borrowed */
	int fd; /* owned; -EBADF = empty; atomic */
	bool readonly;
	uint64_t sectors; /* written before fd is published */
	struct virtio_ops ops; /* of its own: what is attached may be read-only */
} blks[VMM_MAX_BLK];

static struct io_job job; /* the request that is looked at: all block devices share one thread */

static bool in_range(const struct blk *b, uint64_t sector, uint64_t len)
{
	return len % SECTOR == 0 && sector <= b->sectors && len / SECTOR <= b->sectors - sector;
}

/* The status byte is the last of the last segment that has bytes. */
static uint32_t answer(const struct vq_chain *c, uint8_t status, uint32_t written)
{
	struct iovec last = { 0 };

	for (unsigned i = 0; i < c->n_in; i++) {
		if (c->in[i].iov_len)
			last = c->in[i];
	}
	((uint8_t *)last.iov_base)[last.iov_len - 1] = status;
	return written + 1;
}

/* Of an operation: all of the data, or it has failed. */
static uint32_t answer_job(struct io_job *j, ssize_t result)
{
	uint32_t data = j->op.kind == FILE_READ ? j->chain.in_len - 1
		: j->op.kind == FILE_WRITE ? j->chain.out_len - (uint32_t)sizeof(struct blk_header)
					   : 0;

	if (result != (ssize_t)data)
		return answer(&j->chain, STATUS_IOERR, 0);
	return answer(&j->chain, STATUS_OK, j->op.kind == FILE_READ ? data : 0);
}

/* A request whose header was copied: what the chain has besides header and status is data. Returns
 * STATUS_OK when j->op is to be carried out. */
static uint8_t begin(const struct blk *b, const struct blk_header *h, struct io_job *j)
{
	const struct vq_chain *c = &j->chain;
	uint32_t data_out = c->out_len - (uint32_t)sizeof(*h);
	uint32_t data_in = c->in_len - 1;

	j->op = (struct file_op){ .fd = b->fd, .offset = h->sector * SECTOR, .iov = j->part };
	switch (h->type) {
	case REQUEST_IN:
		j->op.kind = FILE_READ;
		j->op.n = vq_slice(j->part, c->in, c->n_in, 0, data_in);
		return in_range(b, h->sector, data_in) ? STATUS_OK : STATUS_IOERR;
	case REQUEST_OUT:
		j->op.kind = FILE_WRITE;
		j->op.n = vq_slice(j->part, c->out, c->n_out, sizeof(*h), data_out);
		return !b->readonly && in_range(b, h->sector, data_out) ? STATUS_OK : STATUS_IOERR;
	case REQUEST_FLUSH:
		j->op = (struct file_op){ .kind = FILE_FDATASYNC, .fd = b->fd };
		return STATUS_OK;
	default:
		return STATUS_UNSUPPORTED;
	}
}

/* False: a worker has the request. */
static bool serve(
	const struct blk *b, unsigned q, const struct blk_header *h, uint32_t *ret_written)
{
	char id[ID_BYTES] = "nestbox";
	struct io_job *j = &job;
	uint8_t status = STATUS_IOERR;
	uint32_t room = j->chain.in_len - 1;

	if (__atomic_load_n(&b->fd, __ATOMIC_ACQUIRE) >= 0) {
		if (h->type == REQUEST_GET_ID) {
			room = (uint32_t)vq_copy_to(j->chain.in, j->chain.n_in, 0, id,
				room < ID_BYTES ? room : ID_BYTES);
			*ret_written = answer(&j->chain, STATUS_OK, room);
			return true;
		}
		status = begin(b, h, j);
		j->dev = b->dev;
		j->queue = q;
		j->answer = answer_job;
		if (status == STATUS_OK && (h->type != REQUEST_FLUSH || !b->readonly))
			return io_job_run(j, ret_written);
	}
	*ret_written = answer(&j->chain, status, 0);
	return true;
}

static void kick(struct virtio_dev *d, unsigned q)
{
	const struct blk *b = d->priv;
	const struct vq_chain *c = &job.chain;
	int r = 0;

	while ((r = virtio_pop(d, q, &job.chain)) > 0) {
		struct blk_header h;
		uint32_t written = 0;

		if (c->in_len < 1 ||
			vq_copy_from(c->out, c->n_out, 0, &h, sizeof(h)) != sizeof(h)) {
			r = -EPROTO;
			break;
		}
		if (serve(b, q, &h, &written))
			vq_push(&d->vq[q], c->head, written);
	}
	if (r < 0)
		virtio_broken(d, "blk: broken request");
	else
		virtio_signal(d, q);
}

static void config_read(struct virtio_dev *d, uint32_t offset, void *buf, uint32_t len)
{
	const struct blk *b = d->priv;
	bool attached = __atomic_load_n(&b->fd, __ATOMIC_ACQUIRE) >= 0;
	struct blk_config config = {
		.capacity = attached ? b->sectors : 0,
		.seg_max = CONFIG_SEG_MAX,
	};

	if (offset < sizeof(config) && len <= sizeof(config) - offset)
		memcpy(buf, (char *)&config + offset, len);
}

void dev_blk_init(struct virtio_dev *d, struct loop *loop, unsigned n)
{
	struct blk *b = &blks[n];

	*b = (struct blk){ .dev = d, .fd = -EBADF };
	b->ops = (struct virtio_ops){
		.name = "blk",
		.device_id = DEVICE_ID_BLK,
		.n_queues = 1,
		.features = FEATURE_SEG_MAX | FEATURE_FLUSH,
		.config_read = config_read,
		.kick = kick,
	};
	*d = (struct virtio_dev){ .ops = &b->ops, .priv = b, .loop = loop };
}

int dev_blk_attach(unsigned n, int fd, bool readonly)
{
	cleanup(close) int owned = fd;
	struct blk *b = NULL;
	struct stat st;
	uint64_t bytes = 0;

	if (n >= VMM_MAX_BLK || !blks[n].dev)
		return -ENODEV;
	b = &blks[n];
	if (b->fd >= 0)
		return -EBUSY;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		bytes = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode) || io_ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		return -EINVAL;
	if (bytes < SECTOR)
		return -EINVAL;
	b->sectors = bytes / SECTOR;
	b->readonly = readonly;
	if (readonly)
		b->ops.features |= FEATURE_RO;
	__atomic_store_n(&b->fd, take_fd(&owned), __ATOMIC_RELEASE);
	virtio_config_changed(b->dev);
	return 0;
}

void dev_blk_done(unsigned n)
{
	close_fd(&blks[n].fd);
}
