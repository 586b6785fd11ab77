/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task-io.c - stdio of a process; see task-io.h.
 *
 * A fifo is handed to the monitor as it is: the shim copies nothing. It keeps the other end of each
 * open until the process is deleted, so that opening never waits for a peer, a reader that goes and
 * comes back (containerd is started again) is no broken pipe to the process, and stdin does not end
 * because a client has not come yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io.h"
#include "signals.h"
#include "task-io.h"

/* ---- names --------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = NULL;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* RFC 3986, 2.1. A query's '+' is a blank. */
static char *decode(const char *from, size_t len, bool query)
{
	char *to = malloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; to && i < len; i++) {
		int high = from[i] == '%' && i + 2 < len ? hex_digit(from[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(from[i + 2]) : -1;

		if (low >= 0 && (high > 0 || low > 0)) {
			to[n++] = (char)(high * 16 + low);
			i += 2;
		} else if (query && from[i] == '+') {
			to[n++] = ' ';
		} else {
			to[n++] = from[i];
		}
	}
	if (to)
		to[n] = '\0';
	return to;
}

/* Each part of the query is an argument, its value another one. */
static int query_args(const char *query, struct io_name *ret, struct err *e)
{
	size_t n = 1;

	ret->args[0] = strdup(ret->path);
	if (!ret->args[0])
		return err_set(e, -ENOMEM, "out of memory");
	while (*query) {
		size_t len = strcspn(query, "&"), key = 0;

		while (key < len && query[key] != '=')
			key++;
		if (n + 2 > IO_MAX_ARGS)
			return err_set(e, -E2BIG, "%.100s: more than %d arguments", ret->path,
				IO_MAX_ARGS);
		if (key > 0) {
			ret->args[n] = decode(query, key, true);
			if (!ret->args[n++])
				return err_set(e, -ENOMEM, "out of memory");
		}
		if (key + 1 < len) {
			ret->args[n] = decode(query + key + 1, len - key - 1, true);
			if (!ret->args[n++])
				return err_set(e, -ENOMEM, "out of memory");
		}
		query += len + (query[len] == '&');
	}
	return 0;
}

int io_name_parse(const char *text, struct io_name *ret, struct err *e)
{
	static const struct {
		const char *prefix;
		enum io_scheme scheme;
	} schemes[] = { { "fifo://", IO_FIFO }, { "file://", IO_FILE },
		{ "binary://", IO_BINARY } };
	const char *rest = text, *query = NULL;
	int r = 0;

	*ret = (struct io_name){ .scheme = *text ? IO_FIFO : IO_NONE };
	if (!*text)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
			ret->scheme = schemes[i].scheme;
			rest = text + strlen(schemes[i].prefix);
		}
	}
	if (*rest != '/')
		return err_set(e, -EINVAL,
			"stdio \"%.200s\": neither an absolute path nor fifo, file or binary "
			"with one",
			text);
	query = rest == text ? NULL : strchr(rest, '?');
	ret->path = rest == text
		? strdup(rest)
		: decode(rest, query ? (size_t)(query - rest) : strlen(rest), false);
	if (!ret->path)
		return err_set(e, -ENOMEM, "out of memory");
	if (ret->scheme == IO_BINARY)
		r = query_args(query ? query + 1 : "", ret, e);
	if (r < 0)
		io_name_done(ret);
	return r;
}

void io_name_done(struct io_name *n)
{
	free(n->path);
	for (size_t i = 0; i < ARRAY_LEN(n->args); i++)
		free(n->args[i]);
	*n = (struct io_name){ 0 };
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_fifo(struct task_io *io, int i, const char *path, struct err *e)
{
	/* The reading end first, which needs no peer; with it the writing end needs none either. */
	cleanup(close) int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cleanup(close) int writer = -EBADF;
	struct stat st;

	if (reader < 0 || fstat(reader, &st) < 0)
		return err_sys(e, -errno, "open %s", path);
	if (!S_ISFIFO(st.st_mode))
		return err_set(e, -EINVAL, "%s: no fifo", path);
	writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (writer < 0)
		return err_sys(e, -errno, "open %s", path);
	/* O_NONBLOCK belongs to the open file, which the process shares with nobody but us. */
	if (io_set_nonblock(i == 0 ? reader : writer, false) < 0)
		return err_sys(e, -errno, "open %s", path);
	io->fds[i] = i == 0 ? take_fd(&reader) : take_fd(&writer);
	io->keep[i] = i == 0 ? take_fd(&writer) : take_fd(&reader);
	return 0;
}

static int open_file(struct task_io *io, int i, const char *path, struct err *e)
{
	int flags = i == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND;

	io->fds[i] = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0644);
	if (io->fds[i] < 0)
		return err_sys(e, -errno, "open %s", path);
	return io_set_nonblock(io->fds[i], false) < 0 ? err_sys(e, -errno, "open %s", path) : 0;
}

/* What containerd's shims give a logging program: stdout, stderr and the ready pipe as 3, 4 and 5.
 */
static _Noreturn void become_logger(
	const struct io_name *name, const struct task_io_names *names, const int give[3])
{
	int high[3], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	signals_reset();
	if (setenv("CONTAINER_ID", names->id, 1) < 0 ||
		setenv("CONTAINER_NAMESPACE", names->ns, 1) < 0)
		_exit(127);
	for (int i = 0; i < 3; i++) {
		high[i] = fcntl(give[i], F_DUPFD_CLOEXEC, 16);
		if (high[i] < 0 || dup2(null, i) < 0)
			_exit(127);
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(high[i], 3 + i) < 0)
			_exit(127);
	}
	(void)close_range(6, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)execv(name->path, name->args);
	_exit(127);
}

static int open_binary(struct task_io *io, const struct io_name *name,
	const struct task_io_names *names, struct err *e)
{
	int ends[3][2];
	pid_t pid = -1;

	for (int i = 0; i < 3; i++) {
		if (pipe2(ends[i], O_CLOEXEC) < 0) {
			int r = -errno;

			while (i-- > 0) {
				close_fd(&ends[i][0]);
				close_fd(&ends[i][1]);
			}
			return err_sys(e, r, "pipe");
		}
	}
	pid = fork();
	if (pid == 0)
		become_logger(name, names, (int[3]){ ends[0][0], ends[1][0], ends[2][1] });
	close_fd(&ends[0][0]);
	close_fd(&ends[1][0]);
	close_fd(&ends[2][1]);
	io->fds[1] = ends[0][1];
	io->fds[2] = ends[1][1];
	io->ready = ends[2][0];
	if (pid < 0)
		return err_sys(e, -errno, "%s", name->path);
	io->logger = (int)syscall(SYS_pidfd_open, pid, 0);
	return io->logger < 0 ? err_sys(e, -errno, "%s: pidfd_open", name->path) : 0;
}

static int open_one(struct task_io *io, int i, const char *text, const struct task_io_names *names,
	struct err *e)
{
	struct io_name name;
	int r = io_name_parse(text, &name, e);

	if (r < 0)
		return r;
	switch (name.scheme) {
	case IO_FIFO:
		r = open_fifo(io, i, name.path, e);
		break;
	case IO_FILE:
		r = open_file(io, i, name.path, e);
		break;
	case IO_BINARY:
		/* One program for both: it was started for stdout. */
		if (i == 1)
			r = open_binary(io, &name, names, e);
		else if (i == 0 || io->ready < 0)
			r = err_set(e, -EINVAL, "binary: is for stdout, with or without stderr");
		break;
	case IO_NONE:
		break;
	}
	io_name_done(&name);
	return r;
}

int task_io_open(struct task_io *io, const struct task_io_names *names, struct err *e)
{
	const char *text[3] = { names->in, names->out, names->terminal ? "" : names->err };
	int r = 0;

	*io = TASK_IO_INIT;
	for (int i = 0; r == 0 && i < 3; i++)
		r = open_one(io, i, text[i], names, e);
	if (r < 0)
		task_io_done(io);
	return r;
}

void task_io_handed_over(struct task_io *io)
{
	for (int i = 0; i < 3; i++)
		close_fd(&io->fds[i]);
	close_fd(&io->ready);
	close_fd(&io->logger);
}

void task_io_close_stdin(struct task_io *io)
{
	close_fd(&io->keep[0]);
}

void task_io_done(struct task_io *io)
{
	if (io->logger >= 0)
		(void)syscall(SYS_pidfd_send_signal, io->logger, SIGKILL, NULL, 0);
	task_io_handed_over(io);
	for (int i = 0; i < 3; i++)
		close_fd(&io->keep[i]);
}
