/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task-io.h - where a process's stdin, stdout and stderr come from and go to: fifos, files, a
 * logging program.
 */
#ifndef NESTBOX_SHIM_TASK_IO_H
#define NESTBOX_SHIM_TASK_IO_H

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"

/* The paths as containerd names them: "" = none; a path alone or fifo:// = a fifo, file:// = a file
 * that is appended to, binary:// = a program that gets stdout and stderr. Borrowed. */
struct task_io_names {
	const char *in, *out, *err;
	bool terminal; /* err is not looked at */
	const char *id, *ns; /* for the logging program */
};

struct task_io {
	int fds[3]; /* owned: what the process gets; -EBADF = nothing */
	int keep[3]; /* owned: our own ends of its fifos, see task-io.c */
	int ready; /* owned: a logging program closes or writes it when it is ready; else -EBADF */
	int logger; /* owned: that program's pidfd, until the process has its stdio; else -EBADF */
};

#define TASK_IO_INIT \
	((struct task_io){ { -EBADF, -EBADF, -EBADF }, { -EBADF, -EBADF, -EBADF }, -EBADF, -EBADF })

/* Opens all of them. On failure nothing is held. */
warn_unused int task_io_open(struct task_io *io, const struct task_io_names *names, struct err *e);

/* The process has its own copies: closes ours. The logging program lives as long as it likes. */
void task_io_handed_over(struct task_io *io);

/* Nobody else will write to stdin: the process reads its end when the client closes it, too. */
void task_io_close_stdin(struct task_io *io);

/* Closes whatever is open. A logging program whose process never got its stdio is killed. */
void task_io_done(struct task_io *io);

/* ---- names, by themselves for tests ---- */

enum io_scheme {
	IO_NONE,
	IO_FIFO,
	IO_FILE,
	IO_BINARY,
};

#define IO_MAX_ARGS 32

struct io_name {
	enum io_scheme scheme;
	char *path; /* owned */
	char *args[IO_MAX_ARGS + 2]; /* owned: of a program, with argv[0]; ends with NULL */
};

/* Takes a name apart; percent signs are decoded. -EINVAL with the reason. */
warn_unused int io_name_parse(const char *text, struct io_name *ret, struct err *e);
void io_name_done(struct io_name *n);

#endif
