/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io-workers.h - threads for the requests on files that have to wait: for a disk, a network, other
 * writers. So a slow request does not hold up those behind it, and several wait at once.
 *
 * A device's thread does itself what needs no waiting. Where all workers are busy, a device that
 * has one of them queues its requests for that one; a device that has none waits itself, as it
 * would without workers. So a share that hangs can keep all workers and its own device's thread,
 * but no other device.
 */
#ifndef NESTBOX_IO_WORKERS_H
#define NESTBOX_IO_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "file-io.h"
#include "virtio.h"

#define IO_WORKERS_MAX 8u

/* A request of a device that is an operation on a file. The device fills it in; it is copied for
 * the worker. */
struct io_job {
	struct virtio_dev *dev; /* borrowed */
	unsigned queue;
	uint32_t resets; /* dev->resets when it was begun; set by io_job_run() */
	struct file_op op; /* its segments are in part */
	/* Writes the reply to the chain: the bytes written. With serve_lock held, like release. */
	uint32_t (*answer)(struct io_job *j, ssize_t result);
	/* NULL, or: the files are not used any more. Called in any case, after answer. */
	void (*release)(struct io_job *j);
	uint64_t unique; /* of the FUSE request; dev-fs.c's */
	uint32_t file[2]; /* slots of the files; dev-fs-file.c's */
	struct vq_chain chain;
	struct iovec part[VQ_MAX_SEGS];
};

/* Carries the job out, with serve_lock held. True: done, *ret_written bytes of reply are in the
 * chain, which the caller gives back. False: a worker has it, and gives the chain back. */
warn_unused bool io_job_run(struct io_job *j, uint32_t *ret_written);

/* There will be n workers (0…IO_WORKERS_MAX); before the first request. */
void io_workers_init(unsigned n);
/* The life of one of them, for the thread that calls it; it does not return. */
_Noreturn void io_worker_main(void);

/* Whether any request is with them. */
bool io_workers_busy(void);
/* Waits until none is; without any serve_lock. */
void io_workers_settle(void);

#endif
