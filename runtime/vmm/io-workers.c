/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io-workers.c - which requests are given away, and the threads that carry them out.
 *
 * Threads: io_job_run() on the devices', under their serve_lock; a worker takes that lock for the
 *          reply alone. A device that was reset meanwhile gets none: the ring is another one.
 * Trust:   a job names fds and guest memory that the device has checked; a guest that gives a
 * reply's memory away early gets the bytes there all the same.
 */
#include <errno.h>
#include <string.h>

#include "io-workers.h"

/* From here on a transfer is worth a worker's waking up where waiting cannot be foreseen. */
#define LARGE ((uint64_t)128 << 10)

static struct worker {
	pthread_cond_t wake;
	bool busy; /* has a job */
	struct io_job job;
} workers[IO_WORKERS_MAX] = {
	[0 ... IO_WORKERS_MAX - 1] = { .wake = PTHREAD_COND_INITIALIZER },
};
static unsigned n_workers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void copy_job(struct io_job *to, const struct io_job *from)
{
	const struct vq_chain *c = &from->chain;

	memcpy(to, from, offsetof(struct io_job, chain));
	memcpy(&to->chain, c, offsetof(struct vq_chain, out));
	memcpy(to->chain.out, c->out, c->n_out * sizeof(c->out[0]));
	memcpy(to->chain.in, c->in, c->n_in * sizeof(c->in[0]));
	if (from->op.n)
		memcpy(to->part, from->op.iov, from->op.n * sizeof(to->part[0]));
	to->op.iov = to->part;
}

static bool give_away(const struct io_job *j)
{
	struct worker *w = NULL;

	(void)pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < n_workers && !w; i++) {
		if (!workers[i].busy)
			w = &workers[i];
	}
	if (w) {
		copy_job(&w->job, j);
		w->busy = true;
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_mutex_unlock(&lock);
	return w;
}

/* Whether a worker should have it; *ret is -EAGAIN or -EOPNOTSUPP when nothing was tried that needs
 * no waiting, or the result. Small writes end in the host's page cache; a large one copies for
 * long, and it is there that the host makes writers wait. */
static bool may_wait(struct file_op *op, ssize_t *ret)
{
	*ret = -EAGAIN;
	if (op->kind == FILE_WRITE)
		return file_op_left(op) >= LARGE;
	if (op->kind != FILE_READ)
		return true;
	*ret = file_op_run(op, false);
	return *ret == -EAGAIN || (*ret == -EOPNOTSUPP && file_op_left(op) >= LARGE);
}

bool io_job_run(struct io_job *j, uint32_t *ret_written)
{
	ssize_t r = 0;

	j->resets = j->dev->resets;
	if (may_wait(&j->op, &r) && give_away(j))
		return false;
	if (r == -EAGAIN || r == -EOPNOTSUPP)
		r = file_op_run(&j->op, true);
	*ret_written = j->answer(j, r);
	if (j->release)
		j->release(j);
	return true;
}

static void carry_out(struct io_job *j)
{
	struct virtio_dev *d = j->dev;
	ssize_t r = file_op_run(&j->op, true);

	(void)pthread_mutex_lock(&d->serve_lock);
	if (j->resets == d->resets && !d->vq[j->queue].broken) {
		vq_push(&d->vq[j->queue], j->chain.head, j->answer(j, r));
		virtio_signal(d, j->queue);
	}
	if (j->release)
		j->release(j);
	(void)pthread_mutex_unlock(&d->serve_lock);
}

void io_workers_init(unsigned n)
{
	n_workers = n < IO_WORKERS_MAX ? n : IO_WORKERS_MAX;
}

void io_worker_main(unsigned i)
{
	struct worker *w = &workers[i];

	(void)pthread_mutex_lock(&lock);
	for (;;) {
		while (!w->busy)
			(void)pthread_cond_wait(&w->wake, &lock);
		(void)pthread_mutex_unlock(&lock);
		carry_out(&w->job);
		(void)pthread_mutex_lock(&lock);
		w->busy = false;
	}
}

bool io_workers_busy(void)
{
	bool busy = false;

	(void)pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < n_workers; i++)
		busy = busy || workers[i].busy;
	(void)pthread_mutex_unlock(&lock);
	return busy;
}
