/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state-folder.h - a folder of states for unit tests, with containers and processes in it.
 */
#ifndef NESTBOX_UNIT_STATE_FOLDER_H
#define NESTBOX_UNIT_STATE_FOLDER_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "ctr.h"
#include "io.h"

struct fixture {
	char root[PATH_MAX];
	struct arena a;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->root, sizeof(f->root), "/tmp/nestbox-state-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	*state = f;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	(void)nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_done(&f->a);
	free(f);
	return 0;
}

static inline bool exists(const struct fixture *f, const char *name)
{
	char path[2 * PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", f->root, name);
	return lstat(path, &st) == 0;
}

static inline void put_file(int dirfd, const char *name, const char *text, size_t len)
{
	cleanup(close) int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, len), 0);
}

static inline pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0)
		pause();
	return pid;
}

static inline void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A reference to a process that is no more. */
static inline struct process_ref dead(void)
{
	pid_t pid = start_child();
	struct process_ref p = process_ref_of(pid);

	end_child(pid);
	return p;
}

static inline struct ctr_state some_state(const char *id)
{
	return (struct ctr_state){ .id = id,
		.bundle = "/b",
		.rootfs = "/b/rootfs",
		.created = "2020-02-29T12:00:00.000000001Z",
		.owner = "root",
		.status = CTR_RUNNING,
		.monitor = process_ref_of(getpid()) };
}

/* A container's folder with this state and no lock. */
static inline void make(const struct fixture *f, const struct ctr_state *s)
{
	cleanup(close) int fd = -EBADF;
	cleanup(close) int lock = -EBADF;
	struct err e = { 0 };

	assert_int_equal(state_new(f->root, s->id, &fd, &lock, &e), 0);
	assert_int_equal(state_save(fd, s, &e), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
