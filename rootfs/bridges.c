/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridges.c - unix sockets across the VM's boundary; see bridges.h.
 *
 * Owner:   the listeners live as long as the VM; a client's fd goes over to its relay.
 * Trust:   clients are the container's processes, hostile; what they are to the server is their
 *          uid and gid as the kernel tells them. More than MAX_CLIENTS of a container wait, in the
 *          backlogs or here. To the VMM each is shown by the container's key (socket-key.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot.h"
#include "bridges.h"
#include "io.h"
#include "paths.h"
#include "relay.h"
#include "socket-link.h"
#include "vmm-plan.h"

#define BACKLOG 64
/* Of a container, below SOCKET_MAX_CONNS: the VMM forgets a little later than we do. */
#define MAX_CLIENTS 48
#define MAX_SOCKETS 1024
#define CONNECT_SECONDS 10 /* for a server in the guest to take one more client */
#define HELPER_FD 3
#define FUSE_HANDLE_BYTES 12 /* node, high word first; generation */
#define FUSE_HANDLE_TYPE 0x81 /* FILEID_INO64_GEN */

/* A socket of the host that we stand for. */
struct place {
	uint32_t share, fs_slot;
	struct socket_key key; /* of the container */
	int fd; /* owned, listening; -EBADF = free */
	int src;
};

/* A connection from the host that is not yet where it wants to go. */
struct caller {
	struct caller *next; /* of those that wait for a place */
	struct clients *of; /* NULL until it has said where */
	int fd; /* owned */
	int helper_fd; /* owned; -EBADF until it has said where */
	int src; /* of fd, then of helper_fd */
	size_t have;
	uint8_t head[SOCKET_HEAD];
};

/* Each container has its own share, so that none keeps another one's clients waiting. */
struct clients {
	unsigned n;
	struct caller *waiting; /* owned; the VMM brings no more than SOCKET_MAX_CONNS */
};

static struct loop *loop;
static struct place places[MAX_SOCKETS];
static unsigned n_places; /* ever used */
static struct clients clients[1 + VMM_MAX_FS]; /* by fs_slot */
static int host_fd = -EBADF; /* owned, listening */

static void caller_goes_on(struct caller *c);

static void watch_listeners(const struct clients *of, bool on)
{
	for (unsigned i = 0; i < n_places; i++) {
		if (places[i].fd >= 0 && &clients[places[i].fs_slot] == of)
			(void)!loop_mod(loop, places[i].src, on ? EPOLLIN : 0);
	}
}

static void client_begins(struct clients *of)
{
	if (++of->n == MAX_CLIENTS)
		watch_listeners(of, false);
}

static void client_ended(void *arg)
{
	struct clients *of = arg;
	struct caller *next = of->waiting;

	of->n--;
	if (next) {
		of->waiting = next->next;
		caller_goes_on(next);
	} else if (of->n == MAX_CLIENTS - 1) {
		watch_listeners(of, true);
	}
}

/* ---- to the host's sockets ----------------------------------------------------------------- */

/* To a port that takes a capability of the guest's own: most of what runs in containers cannot even
 * come as far as to be asked for the key. */
static int bind_reserved(int fd)
{
	static unsigned next;

	for (unsigned i = 0; i < SOCKET_RESERVED - 1; i++) {
		const struct sockaddr_vm own = { .svm_family = AF_VSOCK,
			.svm_cid = VMADDR_CID_ANY,
			.svm_port = 1 + next++ % (SOCKET_RESERVED - 1) };

		if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
	}
	return -1;
}

static int call_host(void)
{
	const struct sockaddr_vm host = {
		.svm_family = AF_VSOCK, .svm_port = SOCKET_HOST_PORT, .svm_cid = VMADDR_CID_HOST
	};
	cleanup(close) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind_reserved(fd) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0 && errno != EINPROGRESS)
		return -errno;
	return take_fd(&fd);
}

static void on_place(void *arg, uint32_t events)
{
	const struct place *p = arg;
	struct clients *of = &clients[p->fs_slot];
	cleanup(close) int client = loop_accept(loop, p->fd, NULL, NULL, SOCK_CLOEXEC);
	struct socket_head head = { .number = p->share, .fs_slot = p->fs_slot, .key = p->key };
	uint8_t bytes[SOCKET_HEAD];
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);
	int host = -EBADF;

	(void)events;
	if (client < 0 || getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return;
	head.uid = who.uid;
	head.gid = who.gid;
	socket_head_put(bytes, &head);
	host = call_host();
	if (host < 0)
		return;
	client_begins(of);
	if (relay_start(loop, take_fd(&client), host, bytes, sizeof(bytes), client_ended, of) < 0)
		client_ended(of);
}

static int listen_at(const char *path, const struct stat *like)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		chown(path, like->st_uid, like->st_gid) < 0 ||
		chmod(path, like->st_mode & 07777) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The share's number when the mount is a bind of a socket, else -1. */
static int socket_share(const struct gplan *g, const struct gplan_mount *m, struct stat *ret)
{
	char source[BOOT_FOLDER_MAX + NAME_MAX + 2], folder[BOOT_FOLDER_MAX];
	unsigned number = 0;

	if (m->kind != GPLAN_MOUNT_SHARE || sscanf(m->source, "m%u", &number) != 1)
		return -1;
	(void)snprintf(source, sizeof(source), "%s/%s",
		boot_folder(BOOT_SHARES, g->fs_slot, folder), m->source);
	return stat(source, ret) == 0 && S_ISSOCK(ret->st_mode) ? (int)number : -1;
}

static struct place *new_place(void)
{
	for (unsigned i = 0; i < n_places; i++) {
		if (places[i].fd < 0)
			return &places[i];
	}
	return n_places < MAX_SOCKETS ? &places[n_places++] : NULL;
}

static int make_place(const struct gplan *g, uint32_t share, const struct stat *like)
{
	char folder[BOOT_FOLDER_MAX], path[BOOT_FOLDER_MAX + 16];
	struct place *p = new_place();

	if (!p)
		return -E2BIG;
	p->fd = -EBADF;
	if (mkdir(boot_folder(BRIDGES_FOLDER, g->fs_slot, folder), 0755) < 0 && errno != EEXIST)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/m%u", folder, share);
	*p = (struct place){ .share = share,
		.fs_slot = g->fs_slot,
		.key = g->socket_key,
		.fd = listen_at(path, like) };
	if (p->fd < 0)
		return p->fd;
	p->src = loop_add(
		loop, p->fd, clients[p->fs_slot].n < MAX_CLIENTS ? EPOLLIN : 0, on_place, p);
	if (p->src < 0)
		close_fd(&p->fd);
	return p->src < 0 ? p->src : 0;
}

int bridges_make(const struct gplan *g, struct err *e)
{
	for (size_t i = 0; i < g->n_mounts; i++) {
		struct stat st;
		int share = socket_share(g, &g->mounts[i], &st);
		int r = share < 0 ? 0 : make_place(g, (uint32_t)share, &st);

		if (r < 0)
			return err_sys(e, r, "socket at %s", g->mounts[i].dest);
	}
	return 0;
}

void bridges_gone(uint32_t fs_slot)
{
	char folder[BOOT_FOLDER_MAX], path[BOOT_FOLDER_MAX + 16];

	(void)boot_folder(BRIDGES_FOLDER, fs_slot, folder);
	for (unsigned i = 0; i < n_places; i++) {
		struct place *p = &places[i];

		if (p->fd < 0 || p->fs_slot != fs_slot)
			continue;
		loop_del(loop, p->src);
		close_fd(&p->fd);
		(void)snprintf(path, sizeof(path), "%s/m%u", folder, p->share);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

/* ---- to sockets on the shares -------------------------------------------------------------- */

/* O_PATH fd of a node of the shares that the guest's kernel knows. */
static int open_node(const struct socket_head *head)
{
	char folder[BOOT_FOLDER_MAX];
	union {
		struct file_handle h;
		uint8_t room[sizeof(struct file_handle) + FUSE_HANDLE_BYTES];
	} u = { .h = { .handle_bytes = FUSE_HANDLE_BYTES, .handle_type = FUSE_HANDLE_TYPE } };
	const uint32_t words[] = { (uint32_t)(head->number >> 32), (uint32_t)head->number,
		head->generation };
	cleanup(close) int at = open(boot_folder(BOOT_SHARES, head->fs_slot, folder),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -EBADF;

	if (at < 0)
		return -errno;
	memcpy(u.h.f_handle, words, sizeof(words));
	fd = open_by_handle_at(at, &u.h, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Connects to the socket as who the host's client is, and stays that. */
static int call_server(const struct socket_head *h)
{
	const struct timeval patience = { .tv_sec = CONNECT_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[PATH_FD_MAX];
	cleanup(close) int node = open_node(h);
	cleanup(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (node < 0 || fd < 0)
		return node < 0 ? node : -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of_fd(node, path));
	/* A full backlog. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
		setgroups(0, NULL) < 0 || setresgid(h->gid, h->gid, h->gid) < 0 ||
		setresuid(h->uid, h->uid, h->uid) < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The shares may hang, so a process of its own goes there. What it had of init's fds would keep
 * others waiting for their ends. */
static _Noreturn void helper(int answer_fd, const struct socket_head *h)
{
	cleanup(close) int server = -EBADF;

	if (dup3(answer_fd, HELPER_FD, O_CLOEXEC) < 0 ||
		syscall(SYS_close_range, HELPER_FD + 1u, ~0u, 0u) < 0)
		_exit(1);
	server = call_server(h);
	_exit(server >= 0 && io_send_fds(HELPER_FD, "", 1, &server, 1) == 1 ? 0 : 1);
}

/* The way to the helper's answer; its end without one is one too. */
static int start_helper(const struct socket_head *h)
{
	cleanup(close) int ours = -EBADF;
	cleanup(close) int its = -EBADF;
	int pair[2];
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	its = pair[1];
	pid = fork();
	if (pid == 0)
		helper(its, h);
	return pid < 0 ? -errno : take_fd(&ours);
}

static void caller_free(struct caller *c)
{
	loop_del(loop, c->src);
	close_fd(&c->fd);
	close_fd(&c->helper_fd);
	free(c);
}

static void caller_gone(struct caller *c)
{
	struct clients *of = c->of;

	caller_free(c);
	client_ended(of);
}

/* A caller counts for as long as its helper lives, even if it has hung up long since: so there is
 * an end to how many helpers a share that hangs can hold. */
static void on_answer(void *arg, uint32_t events)
{
	struct caller *c = arg;
	struct clients *of = NULL;
	uint8_t byte = 0;
	size_t n = 0;
	int server = -EBADF;
	int fd = -EBADF;

	(void)events;
	if (io_recv_fds(c->helper_fd, &byte, sizeof(byte), &server, 1, &n) == -EAGAIN)
		return;
	if (server < 0) {
		caller_gone(c);
		return;
	}
	fd = take_fd(&c->fd);
	of = c->of;
	caller_free(c);
	if (relay_start(loop, fd, server, NULL, 0, client_ended, of) < 0)
		client_ended(of);
}

/* It has its place. */
static void caller_goes_on(struct caller *c)
{
	struct socket_head head;

	client_begins(c->of);
	socket_head_get(c->head, &head);
	c->helper_fd = start_helper(&head);
	if (c->helper_fd >= 0)
		c->src = loop_add(loop, c->helper_fd, EPOLLIN, on_answer, c);
	if (c->src < 0)
		caller_gone(c);
}

static void caller_waits(struct caller *c)
{
	struct caller **last = &c->of->waiting;

	while (*last)
		last = &(*last)->next;
	*last = c;
}

static void on_caller(void *arg, uint32_t events)
{
	struct caller *c = arg;
	ssize_t n = recv(c->fd, c->head + c->have, SOCKET_HEAD - c->have, MSG_DONTWAIT);
	struct socket_head head;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	c->have += n > 0 ? (size_t)n : 0;
	if (n > 0 && c->have < SOCKET_HEAD)
		return;
	/* What else it says waits for the server. */
	loop_del(loop, c->src);
	c->src = -1;
	if (n > 0) {
		socket_head_get(c->head, &head);
		if (head.fs_slot < ARRAY_LEN(clients))
			c->of = &clients[head.fs_slot];
	}
	if (!c->of)
		caller_free(c);
	else if (c->of->n < MAX_CLIENTS)
		caller_goes_on(c);
	else
		caller_waits(c);
}

static void on_host(void *arg, uint32_t events)
{
	struct sockaddr_vm address = { 0 };
	socklen_t len = sizeof(address);
	cleanup(close) int fd =
		loop_accept(loop, host_fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC);
	struct caller *c = NULL;

	(void)arg;
	(void)events;
	/* A container can reach the port too, but not as the host. */
	if (fd < 0 || address.svm_cid != VMADDR_CID_HOST)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->fd = take_fd(&fd);
	c->helper_fd = -EBADF;
	c->src = loop_add(loop, c->fd, EPOLLIN, on_caller, c);
	if (c->src < 0)
		caller_free(c);
}

int bridges_init(struct loop *l, struct err *e)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_port = SOCKET_GUEST_PORT, .svm_cid = VMADDR_CID_ANY
	};

	int r = 0;

	loop = l;
	host_fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (host_fd < 0 || bind(host_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(host_fd, BACKLOG) < 0)
		return err_sys(e, -errno, "cannot listen for sockets");
	r = loop_add(loop, host_fd, EPOLLIN, on_host, NULL);
	return r < 0 ? err_sys(e, r, "cannot listen for sockets") : 0;
}
