/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams.c - our standard input, output and error as the session's streams; see streams.h.
 *
 * The fds are shared with callers, who may rely on their being in blocking mode. A pipe, fifo or
 * terminal is therefore opened once more by its number in the working folder, which gives a
 * description of our own that can be non-blocking; what cannot be opened again (a socket, a deleted
 * file) is used as it is, politely. In both cases fds 0-2 themselves are given up, so that nothing
 * keeps a caller's pipe open after the stream's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "streams.h"

static bool can_reopen(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd)));
}

/* The fd to use; *ret_polite says whether it is still the shared description. */
static int own_fd(int fd, int mode, bool *ret_polite)
{
	const char path[] = { (char)('0' + fd), '\0' };
	int own = -EBADF;

	if (can_reopen(fd))
		own = open(path, mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	/* poll(2) tells the end of a fifo only to a reader that has seen a writer: if the last one
	 * is gone already, one of ours comes and goes. */
	if (own >= 0 && mode == O_RDONLY && !isatty(own)) {
		int writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		close_fd(&writer);
	}
	*ret_polite = own < 0;
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? -errno : own;
}

/* fds 0-2 stay taken, by nothing. */
static int let_go(int fd, int null)
{
	return dup2(null, fd) < 0 ? -errno : 0;
}

int streams_attach(struct session *s, bool tty, int null)
{
	static const int modes[3] = { O_RDONLY, O_WRONLY, O_WRONLY };
	int own[3] = { -EBADF, -EBADF, -EBADF };
	bool polite[3] = { false };
	int n = tty ? 2 : 3;
	int r = 0;

	for (int i = 0; i < n && r == 0; i++) {
		own[i] = own_fd(i, modes[i], &polite[i]);
		if (own[i] < 0)
			r = own[i];
	}
	/* A terminal's fd 0 stays: its size is asked of it. */
	for (int i = tty ? 1 : 0; i < 3 && r == 0; i++)
		r = let_go(i, null);
	if (r == 0)
		r = session_sink(s, AGENT_STDOUT, take_fd(&own[1]), polite[1]);
	if (r == 0 && !tty)
		r = session_sink(s, AGENT_STDERR, take_fd(&own[2]), polite[2]);
	if (r == 0)
		r = session_source(s, AGENT_STDIN, take_fd(&own[0]));
	for (int i = 0; i < 3; i++)
		close_fd(&own[i]);
	return r;
}
