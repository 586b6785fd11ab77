/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io-workers.c - which requests are given away, in which order, and the threads that carry them
 * out.
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

#define JOBS 32u /* under way and waiting */

static struct slot {
	enum { FREE, WAITING, RUNNING } state;
	uint64_t order; /* the smallest has waited longest */
	struct io_job job;
} slots[JOBS];
static unsigned n_workers;
static uint64_t n_given;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all these */
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER; /* a job */

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

/* A device is another one after a reset: its old jobs may hang with a container that is gone. */
static bool same_device(const struct io_job *a, const struct io_job *b)
{
	return a->dev == b->dev && a->resets == b->resets;
}

/* Whether a worker has a job of that device. */
static bool is_served(const struct io_job *j)
{
	for (unsigned i = 0; i < JOBS; i++) {
		if (slots[i].state == RUNNING && same_device(&slots[i].job, j))
			return true;
	}
	return false;
}

/* The job that has waited longest, of the devices that no worker has a job of or, where there is
 * none, of any. */
static struct slot *next(void)
{
	struct slot *best = NULL;
	bool best_served = true;

	for (unsigned i = 0; i < JOBS; i++) {
		struct slot *s = &slots[i];
		bool served = s->state == WAITING && is_served(&s->job);

		if (s->state != WAITING || (best && served && !best_served))
			continue;
		if (!best || served != best_served || s->order < best->order) {
			best = s;
			best_served = served;
		}
	}
	return best;
}

/* A worker is free, or the device has jobs here already. Then its turn comes whatever hangs: there
 * are never more devices that wait without a worker of theirs than workers that are free, and these
 * take such jobs first. */
static bool turn_will_come(const struct io_job *j)
{
	unsigned n = 0;

	for (unsigned i = 0; i < JOBS; i++) {
		if (slots[i].state != FREE && same_device(&slots[i].job, j))
			return n_workers != 0;
		n += slots[i].state != FREE;
	}
	return n < n_workers;
}

static bool give_away(const struct io_job *j)
{
	struct slot *s = NULL;

	(void)pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < JOBS && !s && turn_will_come(j); i++) {
		if (slots[i].state == FREE)
			s = &slots[i];
	}
	if (s) {
		copy_job(&s->job, j);
		s->order = n_given++;
		s->state = WAITING;
		(void)pthread_cond_signal(&more);
	}
	(void)pthread_mutex_unlock(&lock);
	return s;
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
	ssize_t r = 0;

	/* One that was reset wants no more of what still waited. */
	if (j->resets == __atomic_load_n(&d->resets, __ATOMIC_ACQUIRE))
		r = file_op_run(&j->op, true);
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

void io_worker_main(void)
{
	(void)pthread_mutex_lock(&lock);
	for (;;) {
		struct slot *s = next();

		if (!s) {
			(void)pthread_cond_wait(&more, &lock);
			continue;
		}
		s->state = RUNNING;
		(void)pthread_mutex_unlock(&lock);
		carry_out(&s->job);
		(void)pthread_mutex_lock(&lock);
		s->state = FREE;
		(void)pthread_cond_broadcast(&ended);
	}
}

static bool any_job(void)
{
	for (unsigned i = 0; i < JOBS; i++) {
		if (slots[i].state != FREE)
			return true;
	}
	return false;
}

bool io_workers_busy(void)
{
	bool busy = false;

	(void)pthread_mutex_lock(&lock);
	busy = any_job();
	(void)pthread_mutex_unlock(&lock);
	return busy;
}

void io_workers_settle(void)
{
	(void)pthread_mutex_lock(&lock);
	while (any_job())
		(void)pthread_cond_wait(&ended, &lock);
	(void)pthread_mutex_unlock(&lock);
}
