/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets.c - unix sockets on the shares; see sockets.h.
 *
 * Owner:   the tables own the shares' O_PATH fds and the listeners.
 * Trust:   the VMM's messages are the guest's word: a share is a number, and the identity that the
 *          guest claims for its client can be no more than root in a container has anyway. Clients
 *          of the host are foreign: they are accepted and handed on, never read.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs-link.h"
#include "inode.h"
#include "io.h"
#include "socket-link.h"
#include "sockets.h"

#define MAX_LISTENERS 256
#define BACKLOG 32
#define FIRST_LISTENER 2 /* in the poll table: files, link, listeners */
#define RETRY_MS 20 /* a server whose backlog is full is asked again */
#define CONNECT_NS 10000000000ull /* and given up after that long */

/* A client whose server has no room for it yet. */
struct pending {
	uint64_t cookie;
	struct socket_head head;
	unsigned long long until; /* io_now_ns() */
};

static struct {
	int share[FS_LINK_MAX_SHARES]; /* owned; O_PATH; by the number in the name; 0 = none */
	bool any;
	struct pending pending[SOCKET_MAX_CONNS];
	unsigned n_pending;
	struct pollfd poll[FIRST_LISTENER + MAX_LISTENERS]; /* the listeners' fds are owned */
	struct {
		uint64_t node;
		uint32_t generation;
	} listener[MAX_LISTENERS];
	unsigned n_poll; /* entries of poll that were ever used */
	unsigned n_listeners;
	bool deaf; /* out of fds: no client is accepted for RETRY_MS */
} sk;

void sockets_init(int link_fd)
{
	memset(&sk, 0, sizeof(sk));
	sk.poll[1] = (struct pollfd){ .fd = link_fd, .events = POLLIN };
	sk.n_poll = FIRST_LISTENER;
}

void sockets_done(void)
{
	for (size_t i = 0; i < FS_LINK_MAX_SHARES; i++) {
		if (sk.share[i] > 0)
			close_fd(&sk.share[i]);
	}
	for (unsigned i = 1; i < sk.n_poll; i++)
		close_fd(&sk.poll[i].fd);
	memset(&sk, 0, sizeof(sk));
}

int sockets_add_share(const char *name, int fd)
{
	unsigned number = 0;
	char rest = 0;

	if (sscanf(name, "m%u%c", &number, &rest) != 1 || number >= FS_LINK_MAX_SHARES || fd <= 0) {
		close_fd(&fd);
		return -EINVAL;
	}
	sk.share[number] = fd;
	sk.any = true;
	return 0;
}

/* Whom the other side of a connection sees. Only the effective ids change, and no capability
 * (SECBIT_NO_SETUID_FIXUP, see jail.c). The raw calls, as libc's would look for threads. */
static int act_as(uid_t uid, gid_t gid)
{
	if (uid == (uid_t)-1 || gid == (gid_t)-1)
		return -EOVERFLOW; /* to the calls it means: as you are */
	if (syscall(SYS_setresgid, -1, gid, -1) < 0 || syscall(SYS_setresuid, -1, uid, -1) < 0)
		return -errno;
	return 0;
}

/* Paths are relative to /proc/self/fd, the working folder: "N" or "N/name". */
static bool make_address(struct sockaddr_un *ret, int fd, const char *name)
{
	int len = 0;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	len = snprintf(ret->sun_path, sizeof(ret->sun_path), "%d%s%s", fd, name ? "/" : "",
		name ? name : "");
	return len > 0 && (size_t)len < sizeof(ret->sun_path);
}

/* ---- the host's sockets -------------------------------------------------------------------- */

static int connect_to(const struct socket_head *h, int *ret_fd)
{
	cleanup(close) int fd = -EBADF;
	struct sockaddr_un address;
	int r = 0;

	if (h->number >= FS_LINK_MAX_SHARES || sk.share[h->number] <= 0)
		return -ENOENT;
	(void)!make_address(&address, sk.share[h->number], NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = act_as(h->uid, h->gid);
	if (r == 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (act_as(getuid(), getgid()) < 0)
		_exit(1); /* never go on as somebody else */
	*ret_fd = r < 0 ? -EBADF : take_fd(&fd);
	return r;
}

/* The answer; a VMM that does not take it has no use for it. */
static void answer(uint64_t cookie, int error, int fd)
{
	struct socket_message m = { .kind = SOCKET_CONNECTED, .cookie = cookie, .error = error };

	(void)!socket_message_send(sk.poll[1].fd, &m, fd);
	close_fd(&fd);
}

static void on_connect(const struct socket_message *m)
{
	int fd = -EBADF;
	int r = connect_to(&m->head, &fd);

	if (r == -EAGAIN && sk.n_pending < SOCKET_MAX_CONNS)
		sk.pending[sk.n_pending++] = (struct pending){
			.cookie = m->cookie, .head = m->head, .until = io_now_ns() + CONNECT_NS
		};
	else
		answer(m->cookie, r, fd);
}

static void retry_pending(void)
{
	unsigned left = 0;

	for (unsigned i = 0; i < sk.n_pending; i++) {
		struct pending p = sk.pending[i];
		int fd = -EBADF;
		int r = connect_to(&p.head, &fd);

		if (r == -EAGAIN && io_now_ns() < p.until)
			sk.pending[left++] = p;
		else
			answer(p.cookie, r, fd);
	}
	sk.n_pending = left;
}

static void on_link(void)
{
	struct socket_message m;
	int fd = -EBADF;
	int r = socket_message_receive(sk.poll[1].fd, &m, &fd);

	close_fd(&fd);
	/* The link for files will tell that the VMM is gone. */
	if (r == 0 || (r < 0 && r != -EAGAIN))
		close_fd(&sk.poll[1].fd);
	else if (r > 0 && m.kind == SOCKET_CONNECT)
		on_connect(&m);
}

/* ---- the guest's sockets ------------------------------------------------------------------- */

int sockets_make(int folder, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	cleanup(close) int fd = -EBADF;
	struct sockaddr_un address;
	int r = 0;

	if (sk.n_listeners == MAX_LISTENERS || sk.poll[1].fd <= 0 ||
		!make_address(&address, folder, name))
		return -EOPNOTSUPP;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -EOPNOTSUPP;
	/* Of a socket that is not bound yet: the mode that its name will have. */
	if (fchmod(fd, mode & 07777) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EADDRINUSE ? -EEXIST : -errno;
	r = act_as(uid, gid);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (act_as(getuid(), getgid()) < 0)
		_exit(1);
	if (r < 0) {
		(void)unlinkat(folder, name, 0);
		return r;
	}
	return take_fd(&fd);
}

void sockets_serve(int fd, uint64_t node, uint32_t generation)
{
	unsigned i = 0;

	while (i < MAX_LISTENERS && FIRST_LISTENER + i < sk.n_poll &&
		sk.poll[FIRST_LISTENER + i].fd >= 0)
		i++;
	if (i == MAX_LISTENERS) {
		close_fd(&fd);
		return;
	}
	if (FIRST_LISTENER + i == sk.n_poll)
		sk.n_poll++;
	sk.poll[FIRST_LISTENER + i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	sk.listener[i].node = node;
	sk.listener[i].generation = generation;
	sk.n_listeners++;
}

void sockets_forget(uint64_t node)
{
	for (unsigned i = 0; sk.n_listeners && FIRST_LISTENER + i < sk.n_poll; i++) {
		struct pollfd *p = &sk.poll[FIRST_LISTENER + i];

		if (p->fd < 0 || sk.listener[i].node != node)
			continue;
		close_fd(&p->fd);
		sk.n_listeners--;
		return;
	}
}

static void on_client(unsigned i)
{
	cleanup(close) int fd =
		accept4(sk.poll[FIRST_LISTENER + i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct socket_message m = { .kind = SOCKET_ACCEPTED };
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);

	sk.deaf = fd < 0 && (errno == EMFILE || errno == ENFILE);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return;
	m.head = (struct socket_head){ .number = sk.listener[i].node,
		.generation = sk.listener[i].generation,
		.uid = who.uid,
		.gid = who.gid };
	(void)!socket_message_send(sk.poll[1].fd, &m, fd);
}

/* ---- waiting ------------------------------------------------------------------------------- */

void sockets_wait(int files_fd)
{
	while (sk.any || sk.n_listeners) {
		unsigned n_poll = sk.deaf ? FIRST_LISTENER : sk.n_poll;
		int n = 0;

		sk.poll[0] = (struct pollfd){ .fd = files_fd, .events = POLLIN };
		n = poll(sk.poll, n_poll, sk.n_pending || sk.deaf ? RETRY_MS : -1);
		if (n < 0 && errno != EINTR)
			return;
		sk.deaf = false;
		if (sk.n_pending)
			retry_pending();
		if (n <= 0)
			continue;
		if (sk.poll[1].revents)
			on_link();
		for (unsigned i = 0; FIRST_LISTENER + i < n_poll; i++) {
			if (sk.poll[FIRST_LISTENER + i].revents & POLLIN)
				on_client(i);
		}
		if (sk.poll[0].revents)
			return;
	}
}
