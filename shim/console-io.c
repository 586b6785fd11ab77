/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console-io.c - a process's terminal; see console-io.h.
 *
 * Owner:   the console owns its three fds. A side is watched only while there is something to do
 * with it: a fifo that nobody reads holds its terminal, and nothing else, and a hang-up does not
 * spin the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "console-io.h"
#include "io.h"

#define SOCKET_NAME "pty.sock"
#define BUFFER 16384

/* ---- the socket ---------------------------------------------------------------------------- */

/* Under a name for the moment; a bundle's path may be longer than a socket's address can be. */
static int bind_in(struct console_socket *s, const char *bundle)
{
	cleanup(close) int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (dir < 0)
		return -errno;
	(void)snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SOCKET_NAME, dir);
	/* Of a shim that was killed right here. */
	(void)unlinkat(dir, SOCKET_NAME, 0);
	if (bind(s->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	s->file = openat(dir, SOCKET_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (s->file < 0 || unlinkat(dir, SOCKET_NAME, 0) < 0)
		return -errno;
	return listen(s->fd, 1) < 0 ? -errno : 0;
}

int console_socket_open(struct console_socket *s, const char *bundle, struct err *e)
{
	int r = 0;

	*s = CONSOLE_SOCKET_INIT;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = s->fd < 0 ? -errno : bind_in(s, bundle);
	if (r < 0) {
		console_socket_done(s);
		return err_sys(e, r, "console socket in %s", bundle);
	}
	(void)snprintf(s->path, sizeof(s->path), "/proc/%d/fd/%d", (int)getpid(), s->file);
	return 0;
}

int console_socket_receive(struct console_socket *s, struct err *e)
{
	cleanup(close) int conn = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char name[4096];
	size_t n = 0;
	int master = -EBADF;
	ssize_t r = 0;

	if (conn < 0)
		return err_set(e, -EIO, "the command handed over no terminal");
	r = io_recv_fds(conn, name, sizeof(name), &master, 1, &n);
	if (r < 0 || n != 1)
		return err_set(e, -EIO, "the command handed over no terminal");
	return master;
}

void console_socket_done(struct console_socket *s)
{
	close_fd(&s->fd);
	close_fd(&s->file);
}

/* ---- the terminal -------------------------------------------------------------------------- */

struct way {
	char data[BUFFER];
	size_t from, to; /* what waits */
};

struct side {
	int fd; /* owned */
	int source; /* -1 = not watched */
	bool plain; /* a file: epoll does not know it, and it takes everything */
	loop_fn fn;
};

struct console {
	struct loop *loop; /* borrowed: outlives us */
	struct side master, in, out;
	struct way to_master, to_out;
};

static bool is_full(const struct way *w)
{
	return w->to == BUFFER;
}

static bool is_empty(const struct way *w)
{
	return w->from == w->to;
}

static void unwatch(struct console *c, struct side *s)
{
	if (s->source >= 0)
		loop_del(c->loop, s->source);
	s->source = -1;
}

static void close_side(struct console *c, struct side *s)
{
	unwatch(c, s);
	close_fd(&s->fd);
}

static void watch(struct console *c, struct side *s, uint32_t events)
{
	if (s->fd < 0 || s->plain)
		return;
	if (events == 0) {
		unwatch(c, s);
	} else if (s->source >= 0) {
		(void)!loop_mod(c->loop, s->source, events);
	} else {
		s->source = loop_add(c->loop, s->fd, events, s->fn, c);
		s->plain = s->source == -EPERM;
	}
}

static void update(struct console *c)
{
	/* The terminal is gone and all of it was handed on: the reader sees the end. */
	if (c->master.fd < 0 && is_empty(&c->to_out))
		close_side(c, &c->out);
	if (c->master.fd < 0)
		close_side(c, &c->in);
	watch(c, &c->in, is_full(&c->to_master) ? 0 : EPOLLIN);
	watch(c, &c->out, is_empty(&c->to_out) ? 0 : EPOLLOUT);
	watch(c, &c->master,
		(is_full(&c->to_out) ? 0u : (uint32_t)EPOLLIN) |
			(is_empty(&c->to_master) ? 0u : (uint32_t)EPOLLOUT));
}

/* false at the end of the side. */
static bool fill(struct way *w, int fd)
{
	ssize_t n = 0;

	if (is_full(w))
		return true;
	n = read(fd, w->data + w->to, BUFFER - w->to);
	if (n > 0)
		w->to += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool drain(struct way *w, int fd)
{
	ssize_t n = 0;

	if (is_empty(w))
		return true;
	n = write(fd, w->data + w->from, w->to - w->from);
	if (n > 0)
		w->from += (size_t)n;
	if (is_empty(w))
		w->from = w->to = 0;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void on_master(void *arg, uint32_t events)
{
	struct console *c = arg;
	bool more = true;

	if (events & EPOLLOUT)
		more = drain(&c->to_master, c->master.fd);
	/* EIO: the last of the slaves was closed, and everything was read. */
	if (more && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		more = fill(&c->to_out, c->master.fd);
	if (c->out.plain || c->out.fd < 0) {
		if (c->out.fd >= 0)
			(void)drain(&c->to_out, c->out.fd);
		c->to_out.from = c->to_out.to = 0;
	}
	if (!more)
		close_side(c, &c->master);
	update(c);
}

static void on_in(void *arg, uint32_t events)
{
	struct console *c = arg;

	(void)events;
	if (!fill(&c->to_master, c->in.fd))
		close_side(c, &c->in);
	update(c);
}

static void on_out(void *arg, uint32_t events)
{
	struct console *c = arg;

	(void)events;
	if (!drain(&c->to_out, c->out.fd)) {
		c->to_out.from = c->to_out.to = 0;
		close_side(c, &c->out);
	}
	update(c);
}

struct console *console_new(struct loop *loop, int master, int in, int out)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c) {
		close_fd(&master);
		close_fd(&in);
		close_fd(&out);
		return NULL;
	}
	c->loop = loop;
	c->master = (struct side){ .fd = master, .source = -1, .fn = on_master };
	c->in = (struct side){ .fd = in, .source = -1, .fn = on_in };
	c->out = (struct side){ .fd = out, .source = -1, .fn = on_out };
	for (size_t i = 0; i < 3; i++) {
		struct side *s = i == 0 ? &c->master : i == 1 ? &c->in : &c->out;

		if (s->fd >= 0 && io_set_nonblock(s->fd, true) < 0)
			close_side(c, s);
	}
	/* Whether it is a file shows when it is watched for the first time. */
	watch(c, &c->out, EPOLLOUT);
	update(c);
	return c;
}

int console_resize(struct console *c, uint32_t width, uint32_t height)
{
	struct winsize size = { .ws_col = (unsigned short)width, .ws_row = (unsigned short)height };

	if (width > 0xffff || height > 0xffff)
		return -EINVAL;
	return io_ioctl(c->master.fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	close_side(c, &c->master);
	close_side(c, &c->in);
	close_side(c, &c->out);
	free(c);
}
