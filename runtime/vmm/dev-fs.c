/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-fs.c - virtio file system device (virtio 1.2, 5.11): the guest's FUSE requests.
 *
 * Requests on the bytes of open files are done here (dev-fs-file.c), on a worker where they have to
 * wait (io-workers.h). All others name things and are copied to the fs server over a private link
 * (fs-link.h), one at a time; a file that it opens comes back as an fd, and the guest gets a handle
 * for it from our own table.
 *
 * There is one for the VM's first container, and slots that are filled when another one joins: each
 * with a server, a table of files and a thread of its own, so that neither sees or holds up
 * another.
 *
 * Owner:   the link's fd. Threads: all on the device's own, but for dev_fs_attach(), and a worker's
 * reply, both under serve_lock. Trust:
 * requests are the guest's; replies are the fs server's, whose lengths are checked all the same.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dev-fs.h"
#include "devices.h"
#include "fs-link.h"
#include "io.h"
#include "vmm-plan.h"

#define DEVICE_ID_FS 26
#define QUEUES 2 /* high priority (FORGET, INTERRUPT) and one for requests */
#define FUSE_TMPFILE_OP 51u /* newer than some kernel headers */
/* Where handle and node are in the replies that open something. */
#define OPEN_FH_AT (sizeof(struct fuse_out_header) + offsetof(struct fuse_open_out, fh))
#define CREATE_FH_AT (OPEN_FH_AT + sizeof(struct fuse_entry_out))
#define CREATE_NODE_AT (sizeof(struct fuse_out_header) + offsetof(struct fuse_entry_out, nodeid))

struct fs_config { /* 5.11.4 */
	char tag[36];
	uint32_t num_request_queues;
};

static struct fs {
	struct virtio_dev *dev; /* borrowed; NULL = there is no such device */
	int fd; /* owned; -1 = no shares */
	int source; /* of fd, in the loop; -1 = none */
	int attached_fd; /* owned eventfd: fd was put there; a slot's */
	bool served; /* the guest has used fd */
	void (*lost)(void); /* NULL: a slot's, which can be used again */
	char tag[sizeof(((struct fs_config *)0)->tag)];
	struct virtio_ops ops; /* the device id differs */
	struct fs_files files;
	struct io_job job; /* the request that is looked at */
	uint8_t message[sizeof(struct fs_link_request) + FS_LINK_MAX];
} all[1 + VMM_MAX_FS]; /* the VM's own, then the slots */

/* Of a container that joined nothing stays open: its files are to be deleted, perhaps. */
static void lose_link(struct fs *fs)
{
	loop_del(fs->dev->loop, fs->source);
	fs->source = -1;
	fs->served = false;
	close_fd(&fs->fd);
	if (fs->lost)
		fs->lost();
	else
		fs_file_close_all(&fs->files);
}

/* The header of a reply, whose body was written: so many bytes, or a negative errno and there is
 * none. Returns the bytes written to the chain. */
static uint32_t answer(const struct vq_chain *c, uint64_t unique, ssize_t result)
{
	struct fuse_out_header out = { .unique = unique };

	if (c->in_len < sizeof(out))
		return 0; /* FORGET has no room for one */
	out.len = (uint32_t)sizeof(out) + (result > 0 ? (uint32_t)result : 0);
	out.error = result < 0 ? (int32_t)result : 0;
	(void)vq_copy_to(c->in, c->n_in, 0, &out, sizeof(out));
	return out.len;
}

/* Copies the request behind a link header: the bytes to send, or a negative errno. */
static ssize_t pack(struct fs *fs, const struct fuse_in_header *h)
{
	uint32_t room = fs->job.chain.in_len < FS_LINK_MAX ? fs->job.chain.in_len : FS_LINK_MAX;
	struct fs_link_request link = {
		.magic = FS_LINK_MAGIC, .fuse_len = h->len, .reply_max = room
	};

	if (h->len < sizeof(*h) || h->len > fs->job.chain.out_len)
		return -EINVAL;
	if (h->len > FS_LINK_MAX)
		return -EMSGSIZE;
	memcpy(fs->message, &link, sizeof(link));
	(void)vq_copy_from(
		fs->job.chain.out, fs->job.chain.n_out, 0, fs->message + sizeof(link), h->len);
	/* The copy must agree with what was checked, whatever the guest writes meanwhile. */
	memcpy(fs->message + sizeof(link), h, sizeof(*h));
	return (ssize_t)(sizeof(link) + h->len);
}

/* The open file that a SETATTR names, or a negative errno when it names none. */
static int file_of_setattr(struct fs *fs, const struct fuse_in_header *h)
{
	struct fuse_setattr_in in;

	if (h->opcode != FUSE_SETATTR ||
		vq_copy_from(fs->job.chain.out, fs->job.chain.n_out, sizeof(*h), &in, sizeof(in)) !=
			sizeof(in) ||
		!(in.valid & FATTR_FH))
		return -EBADF;
	return fs_file_get(&fs->files, in.fh);
}

/* Gives a file that was opened its handle, inside the reply. */
static int adopt_file(
	struct fs *fs, const struct fuse_in_header *h, uint8_t *reply, uint32_t len, int fd)
{
	uint32_t opcode = h->opcode;
	size_t at = opcode == FUSE_OPEN ? OPEN_FH_AT : CREATE_FH_AT;
	uint64_t node = h->nodeid;
	uint64_t fh = 0;
	int r = 0;

	if ((opcode != FUSE_OPEN && opcode != FUSE_CREATE && opcode != FUSE_TMPFILE_OP) ||
		len < at + sizeof(fh)) {
		(void)close(fd);
		return -EIO;
	}
	r = fs_file_add(&fs->files, fd, &fh);
	if (r < 0)
		return r;
	memcpy(reply + at, &fh, sizeof(fh));
	if (opcode != FUSE_OPEN)
		memcpy(&node, reply + CREATE_NODE_AT, sizeof(node));
	fs_file_of_node(&fs->files, node, fh);
	return 0;
}

/* The reply to CREATE or TMPFILE counted a lookup, but the guest will not hear of it, as its file
 * cannot be had: the count is given back. The message still holds the reply. */
static int forget_created(struct fs *fs, uint32_t opcode)
{
	struct {
		struct fs_link_request link;
		struct fuse_in_header h;
		struct fuse_forget_in in;
	} forget = { .link = { .magic = FS_LINK_MAGIC,
			     .fuse_len = sizeof(forget.h) + sizeof(forget.in) },
		.h = { .len = sizeof(forget.h) + sizeof(forget.in), .opcode = FUSE_FORGET },
		.in = { .nlookup = 1 } };
	struct fs_link_reply link;
	struct fuse_entry_out entry;
	size_t n_fds = 0;

	memcpy(&link, fs->message, sizeof(link));
	if ((opcode != FUSE_CREATE && opcode != FUSE_TMPFILE_OP) ||
		link.fuse_len < sizeof(struct fuse_out_header) + sizeof(entry))
		return 0;
	memcpy(&entry, fs->message + sizeof(link) + sizeof(struct fuse_out_header), sizeof(entry));
	forget.h.nodeid = entry.nodeid;
	if (io_send_fds(fs->fd, &forget, sizeof(forget), NULL, 0) < 0 ||
		io_recv_fds(fs->fd, &link, sizeof(link), NULL, 0, &n_fds) != sizeof(link))
		return -ENOTCONN;
	return 0;
}

static int refuse_file(struct fs *fs, uint32_t opcode, int error)
{
	if (forget_created(fs, opcode) < 0)
		lose_link(fs);
	return error;
}

/* One exchange with the fs server. Returns the bytes written to the chain, or a negative errno that
 * the guest shall see. */
static ssize_t forward(struct fs *fs, const struct fuse_in_header *h)
{
	struct fs_link_reply link;
	uint8_t *reply = fs->message + sizeof(link);
	int in_fd = file_of_setattr(fs, h);
	int out_fd = -EBADF;
	size_t n_fds = 0;
	ssize_t n = pack(fs, h);
	int r = 0;

	if (n < 0)
		return n;
	if (fs->fd < 0)
		return -ENOTCONN;
	n = io_send_fds(fs->fd, fs->message, (size_t)n, &in_fd, in_fd >= 0 ? 1 : 0);
	if (n > 0)
		n = io_recv_fds(fs->fd, fs->message, sizeof(fs->message), &out_fd, 1, &n_fds);
	/* An fd that could not be received: our own limit, not the server's fault. */
	if (n == -EMSGSIZE)
		return refuse_file(fs, h->opcode, -ENFILE);
	if (n < (ssize_t)sizeof(link)) {
		lose_link(fs);
		return -ENOTCONN;
	}
	memcpy(&link, fs->message, sizeof(link));
	if (link.magic != FS_LINK_MAGIC || link.fuse_len != (size_t)n - sizeof(link) ||
		link.fuse_len > fs->job.chain.in_len) {
		close_fd(&out_fd);
		lose_link(fs);
		return -EIO;
	}
	if (n_fds)
		r = adopt_file(fs, h, reply, link.fuse_len, out_fd);
	if (r < 0)
		return refuse_file(fs, h->opcode, r);
	return (ssize_t)vq_copy_to(fs->job.chain.in, fs->job.chain.n_in, 0, reply, link.fuse_len);
}

static uint32_t answer_job(struct io_job *j, ssize_t result)
{
	return answer(&j->chain, j->unique, fs_job_reply(j, result));
}

static void release_job(struct io_job *j)
{
	struct fs *fs = j->dev->priv;

	fs_job_release(&fs->files, j);
}

/* False: a worker has the request; else so many bytes of reply are in the chain. */
static bool serve(struct fs *fs, unsigned q, const struct fuse_in_header *h, uint32_t *ret_written)
{
	struct io_job *j = &fs->job;
	ssize_t r = fs_job_begin(&fs->files, h, j);

	if (r == 0) {
		j->dev = fs->dev;
		j->queue = q;
		j->unique = h->unique;
		j->answer = answer_job;
		j->release = release_job;
		return io_job_run(j, ret_written);
	}
	if (r == -EAGAIN)
		r = fs_file_request(&fs->files, h, &j->chain);
	if (r != -EAGAIN) {
		*ret_written = answer(&j->chain, h->unique, r);
		return true;
	}
	r = forward(fs, h);
	*ret_written = r < 0 ? answer(&j->chain, h->unique, r) : (uint32_t)r;
	return true;
}

static void kick(struct virtio_dev *d, unsigned q)
{
	struct fs *fs = d->priv;
	const struct vq_chain *c = &fs->job.chain;
	int r = 0;

	while ((r = virtio_pop(d, q, &fs->job.chain)) > 0) {
		struct fuse_in_header h;
		uint32_t written = 0;

		if (vq_copy_from(c->out, c->n_out, 0, &h, sizeof(h)) != sizeof(h)) {
			r = -EPROTO;
			break;
		}
		fs->served = fs->fd >= 0;
		if (!serve(fs, q, &h, &written))
			continue;
		vq_push(&d->vq[q], c->head, written);
		virtio_signal(d, q);
	}
	if (r < 0)
		virtio_broken(d, "fs: broken request");
}

/* A driver that starts anew knows no handles. One that lets go of a slot has done with the
 * container, and so has the server, which nobody else may end when its monitor was killed: it sees
 * its link's end. (The reset that a driver begins with comes before its first request.) Like all
 * that has to do with the loop this runs on its thread: virtio_serve_begin(). */
static void reset(struct virtio_dev *d)
{
	struct fs *fs = d->priv;

	fs_file_close_all(&fs->files);
	if (fs != &all[0] && fs->served)
		lose_link(fs);
}

static void config_read(struct virtio_dev *d, uint32_t offset, void *buf, uint32_t len)
{
	const struct fs *fs = d->priv;
	struct fs_config config = { .num_request_queues = htole32(QUEUES - 1) };

	memcpy(config.tag, fs->tag, sizeof(config.tag));
	if (offset < sizeof(config) && len <= sizeof(config) - offset)
		memcpy(buf, (char *)&config + offset, len);
}

static void on_link(void *arg, uint32_t events)
{
	struct fs *fs = arg;

	(void)events;
	virtio_serve_begin(fs->dev);
	if (fs->fd >= 0)
		lose_link(fs);
	virtio_serve_end(fs->dev);
}

static void init(struct fs *fs, struct virtio_dev *d, struct loop *loop, uint32_t device_id)
{
	fs->dev = d;
	fs->fd = fs->source = -1;
	fs->ops = (struct virtio_ops){
		.name = "fs",
		.device_id = device_id,
		.n_queues = QUEUES,
		.config_read = config_read,
		.reset = reset,
		.kick = kick,
	};
	*d = (struct virtio_dev){ .ops = &fs->ops, .priv = fs, .loop = loop };
}

/* Only hang-ups are watched: replies are read where they are waited for. */
static void watch_link(struct fs *fs)
{
	if (fs->fd < 0 || fs->source >= 0)
		return;
	fs->source = loop_add(fs->dev->loop, fs->fd, 0, on_link, fs);
	if (fs->source < 0)
		lose_link(fs);
}

/* On the slot's own thread, whose loop nobody else may touch. */
static void on_attached(void *arg, uint32_t events)
{
	struct fs *fs = arg;
	uint64_t n = 0;

	(void)events;
	(void)!read(fs->attached_fd, &n, sizeof(n));
	virtio_serve_begin(fs->dev);
	watch_link(fs);
	virtio_serve_end(fs->dev);
}

int dev_fs_init(struct virtio_dev *d, struct loop *loop, int link_fd, void (*lost)(void))
{
	struct fs *fs = &all[0];
	int r = fs_files_init(&fs->files);

	init(fs, d, loop, DEVICE_ID_FS);
	(void)snprintf(fs->tag, sizeof(fs->tag), VMM_FS_TAG);
	fs->fd = link_fd;
	fs->lost = lost;
	watch_link(fs);
	return r;
}

struct fs_files *dev_fs_files(void)
{
	return &all[0].files;
}

int dev_fs_init_slot(struct virtio_dev *d, struct loop *loop, unsigned n)
{
	struct fs *fs = &all[1 + n];
	int r = 0;

	init(fs, d, loop, 0);
	(void)snprintf(fs->tag, sizeof(fs->tag), VMM_FS_TAG "-%u", 1 + n);
	fs->attached_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->attached_fd < 0)
		return -errno;
	r = loop_add(loop, fs->attached_fd, EPOLLIN, on_attached, fs);
	return r < 0 ? r : fs_files_init(&fs->files);
}

/* Without waiting: the thread may be held by a share that hangs. */
static bool lock_all(struct virtio_dev *d)
{
	if (pthread_mutex_trylock(&d->lock) != 0)
		return false;
	if (pthread_mutex_trylock(&d->serve_lock) == 0)
		return true;
	(void)pthread_mutex_unlock(&d->lock);
	return false;
}

int dev_fs_attach(unsigned n, int link_fd)
{
	struct fs *fs = n < VMM_MAX_FS ? &all[1 + n] : NULL;
	uint64_t one = 1;
	int r = 0;

	if (!fs || !fs->dev)
		return -ENODEV;
	if (!lock_all(fs->dev))
		return -EBUSY;
	if (fs->fd >= 0 || (fs->dev->status & ~VIRTIO_STATUS_LET_GO) || fs->dev->reset_pending) {
		r = -EBUSY;
	} else {
		fs->fd = link_fd;
		fs->ops.device_id = DEVICE_ID_FS;
		virtio_show(fs->dev);
		(void)!write(fs->attached_fd, &one, sizeof(one));
	}
	(void)pthread_mutex_unlock(&fs->dev->serve_lock);
	(void)pthread_mutex_unlock(&fs->dev->lock);
	return r;
}
