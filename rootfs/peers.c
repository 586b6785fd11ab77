/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers.c - connections of the host: requests come in, answers go out; see peers.h.
 *
 * A request is gathered without blocking, whatever its size; an answer is small. CREATE and EXEC
 * turn their connection into the session of the process that they made (session.h).
 *
 * Trust: the host may do with this VM as it likes, but a malformed frame only ends its connection.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "cgroups.h"
#include "dns.h"
#include "forward.h"
#include "grow.h"
#include "io.h"
#include "marks.h"
#include "oom.h"
#include "peers.h"
#include "reports.h"
#include "tasks.h"

#define BACKLOG 64
#define CONNECT_SECONDS 25 /* the host waits a little longer for HELLO */

struct peer {
	int fd; /* owned */
	int src;
	uint8_t header[AGENT_HEADER];
	size_t have; /* bytes of header and payload so far */
	struct agent_frame frame; /* valid when have >= AGENT_HEADER */
	uint8_t *payload; /* owned */
	uint16_t session_type; /* answer that makes it a session: AGENT_CREATED, AGENT_STARTED, 0 */
	bool boot; /* the first one: without it there is no VM */
};

static struct loop *loop;
static int listen_fd = -EBADF;

static void peer_free(struct peer *p)
{
	bool boot = p->boot;

	tasks_forget(p);
	oom_forget(p->fd);
	dns_forget(p->fd);
	loop_del(loop, p->src);
	close_fd(&p->fd);
	free(p->payload);
	free(p);
	if (boot) {
		(void)reboot(RB_AUTOBOOT);
		_exit(1);
	}
}

static void reply(struct peer *p, uint16_t type, const struct wire_out *w)
{
	if (w->error || agent_send(p->fd, type, 0, w->data, w->len) < 0)
		(void)shutdown(p->fd, SHUT_RDWR); /* seen as its end by the loop */
}

static void reply_error(struct peer *p, const struct err *e)
{
	uint8_t payload[ERR_MSG_MAX + 16];
	struct wire_out w;

	wire_out_fixed(&w, payload, sizeof(payload));
	agent_put_error(&w, e);
	reply(p, AGENT_ERROR, &w);
}

/* Its connection goes over to somebody else; the peer is gone. */
static int hand_over(struct peer *p)
{
	int fd = p->fd;

	loop_del(loop, p->src);
	oom_forget(fd);
	p->src = -1;
	p->fd = -EBADF;
	p->boot = false;
	peer_free(p);
	return fd;
}

/* The process is there. */
static void become_session(struct peer *p, pid_t pid)
{
	tasks_attach(pid, hand_over(p));
}

static void on_answer(void *arg, const struct err *e, pid_t pid)
{
	static uint8_t payload[8 << 10];
	struct peer *p = arg;
	struct wire_out w;

	if (e) {
		reply_error(p, e);
		return;
	}
	wire_out_fixed(&w, payload, sizeof(payload));
	if (p->session_type)
		wire_put_u32(&w, (uint32_t)pid);
	if (p->session_type != AGENT_STARTED)
		marks_put(&w);
	reply(p, p->session_type ? p->session_type : AGENT_OK, &w);
	if (p->session_type)
		become_session(p, pid);
}

/* ---- requests ------------------------------------------------------------------------------ */

static int do_create(struct peer *p, struct wire_in *r, struct err *e)
{
	struct pollfd end = { .fd = p->fd, .events = POLLRDHUP };

	/* Whoever asked for it is gone, and its file system with it. */
	if (!p->boot && poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return err_set(e, -ECANCELED, "nobody waits for the container");
	mark("waits for CREATE");
	p->session_type = AGENT_CREATED;
	return tasks_create(r->data, r->len, !p->boot, on_answer, p, e);
}

static int do_start(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);

	if (wire_in_end(r) < 0)
		return err_set(e, -EBADMSG, "malformed START");
	mark("waits for START");
	p->session_type = 0;
	return tasks_start(id, on_answer, p, e);
}

static int do_exec(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);

	if (r->error)
		return err_set(e, -EBADMSG, "malformed EXEC");
	p->session_type = AGENT_STARTED;
	return tasks_exec(id, r->data + r->pos, r->len - r->pos, on_answer, p, e);
}

static int do_kill(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	uint32_t signal_number = wire_get_u32(r);
	uint8_t all = wire_get_u8(r);
	struct wire_out w = { 0 };
	int result = 0;

	if (wire_in_end(r) < 0 || signal_number > 64)
		return err_set(e, -EBADMSG, "malformed KILL");
	result = tasks_kill(id, (int)signal_number, all != 0, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

static int do_ps(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	static uint8_t payload[AGENT_MAX_REPLY];
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	uint32_t after = wire_get_u32(r);
	struct wire_out w;
	int cgroup = -EBADF;

	if (wire_in_end(r) < 0)
		return err_set(e, -EBADMSG, "malformed PS");
	cgroup = tasks_cgroup(id, e);
	if (cgroup < 0)
		return cgroup;
	wire_out_fixed(&w, payload, sizeof(payload));
	report_processes(cgroup, after, &w);
	reply(p, AGENT_PROCESSES, &w);
	return 0;
}

static int do_limit(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	struct gplan_pair *files = NULL;
	struct wire_out w = { 0 };
	size_t n = 0;
	int result = 0;

	if (agent_get_files(r, a, &files, &n) < 0)
		return err_set(e, -EBADMSG, "malformed LIMIT");
	result = tasks_cgroup(id, e);
	if (result >= 0)
		result = cgroup_write(result, files, n, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

static int do_look(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	static uint8_t payload[AGENT_MAX_REPLY];
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	size_t n = 0;
	char **names = wire_get_strv(r, a, AGENT_MAX_FILES, AGENT_MAX_STR, &n);
	struct wire_out w;
	int cgroup = -EBADF;

	if (wire_in_end(r) < 0)
		return err_set(e, -EBADMSG, "malformed LOOK");
	cgroup = tasks_cgroup(id, e);
	if (cgroup < 0)
		return cgroup;
	wire_out_fixed(&w, payload, sizeof(payload));
	report_files(cgroup, names, n, a, &w);
	reply(p, AGENT_FILES, &w);
	return 0;
}

static int do_watch(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	struct wire_out w = { 0 };
	int result = 0;

	if (wire_in_end(r) < 0)
		return err_set(e, -EBADMSG, "malformed WATCH");
	result = tasks_watch_oom(id, p->fd, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

static int do_net(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	static struct net_config config;
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	struct wire_out w = { 0 };
	int result = 0;

	if (net_config_get(r, &config) < 0)
		return err_set(e, -EBADMSG, "malformed NET");
	result = tasks_net(id, &config, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

static int do_net_gone(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	uint32_t slot = wire_get_u32(r);
	struct wire_out w = { 0 };
	int result = 0;

	if (wire_in_end(r) < 0 || slot >= NET_MAX_SLOTS)
		return err_set(e, -EBADMSG, "malformed NET_GONE");
	result = tasks_net_gone(id, slot, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

static int do_resolve(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	cleanup(close) int ns = -EBADF;
	struct wire_out w = { 0 };
	int result = 0;

	if (wire_in_end(r) < 0)
		return err_set(e, -EBADMSG, "malformed RESOLVE");
	ns = tasks_net_namespace(id, e);
	if (ns < 0)
		return ns;
	result = dns_begin(loop, ns, p->fd, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

static int do_grow(struct peer *p, struct wire_in *r, struct err *e)
{
	uint64_t boot_bytes = wire_get_u64(r);
	uint64_t ram_bytes = wire_get_u64(r);
	struct wire_out w = { 0 };
	int result = 0;

	if (wire_in_end(r) < 0 || ram_bytes < boot_bytes)
		return err_set(e, -EBADMSG, "malformed GROW");
	result = grow_memory(boot_bytes, ram_bytes, e);
	if (result == 0)
		reply(p, AGENT_OK, &w);
	return result;
}

/* The answer is a server's bytes: so an error is the connection's end. */
static int do_forward(struct peer *p, struct wire_in *r, struct arena *a, struct err *e)
{
	const char *id = wire_get_str(r, a, AGENT_MAX_STR);
	uint16_t port = wire_get_u16(r);
	cleanup(close) int ns = -EBADF;

	if (wire_in_end(r) < 0 || p->boot)
		return err_set(e, -EBADMSG, "malformed FORWARD");
	ns = tasks_net_namespace(id, e);
	if (ns < 0)
		(void)shutdown(p->fd, SHUT_RDWR); /* seen as its end by the loop */
	else
		(void)!forward_begin(loop, ns, port, hand_over(p));
	return 0;
}

/* The peer may be gone when this returns. */
static void handle(struct peer *p)
{
	cleanup(arena) struct arena a = ARENA_INIT((size_t)64 << 10);
	cleanup(free) uint8_t *payload = take_ptr(p->payload);
	struct err e = { 0 };
	struct wire_in r;
	int result = 0;

	wire_in_init(&r, payload, p->frame.len);
	p->have = 0;
	if (p->frame.type == AGENT_CREATE)
		result = do_create(p, &r, &e);
	else if (p->frame.type == AGENT_START)
		result = do_start(p, &r, &a, &e);
	else if (p->frame.type == AGENT_EXEC)
		result = do_exec(p, &r, &a, &e);
	else if (p->frame.type == AGENT_KILL)
		result = do_kill(p, &r, &a, &e);
	else if (p->frame.type == AGENT_PS)
		result = do_ps(p, &r, &a, &e);
	else if (p->frame.type == AGENT_LIMIT)
		result = do_limit(p, &r, &a, &e);
	else if (p->frame.type == AGENT_LOOK)
		result = do_look(p, &r, &a, &e);
	else if (p->frame.type == AGENT_NET)
		result = do_net(p, &r, &a, &e);
	else if (p->frame.type == AGENT_NET_GONE)
		result = do_net_gone(p, &r, &a, &e);
	else if (p->frame.type == AGENT_RESOLVE)
		result = do_resolve(p, &r, &a, &e);
	else if (p->frame.type == AGENT_GROW)
		result = do_grow(p, &r, &e);
	else if (p->frame.type == AGENT_FORWARD)
		result = do_forward(p, &r, &a, &e);
	else if (p->frame.type == AGENT_ANSWER && dns_answer(p->fd, r.data, r.len) == 0)
		return;
	else if (p->frame.type == AGENT_WATCH)
		result = do_watch(p, &r, &a, &e);
	else
		result = err_set(&e, -EPROTO, "unexpected message");
	if (result < 0)
		reply_error(p, &e);
}

/* ---- receiving ----------------------------------------------------------------------------- */

/* Reads what is there, at most to the end of one frame: 1 = a frame is whole, 0 = not yet, negative
 * = the connection is over. */
static int gather(struct peer *p)
{
	uint8_t *at = p->header + p->have;
	size_t want = AGENT_HEADER - p->have;
	ssize_t n = 0;

	if (p->have >= AGENT_HEADER) {
		at = p->payload + (p->have - AGENT_HEADER);
		want = p->frame.len - (p->have - AGENT_HEADER);
	}
	n = recv(p->fd, at, want, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	p->have += (size_t)n;
	if (p->have == AGENT_HEADER) {
		int r = agent_get_header(p->header, &p->frame);

		if (r < 0)
			return r;
		p->payload = malloc(p->frame.len + 1u);
		if (!p->payload)
			return -ENOMEM;
	}
	return p->have >= AGENT_HEADER && p->have - AGENT_HEADER == p->frame.len;
}

static void on_peer(void *arg, uint32_t events)
{
	struct peer *p = arg;
	int r = gather(p);

	(void)events;
	if (r < 0)
		peer_free(p);
	else if (r > 0)
		handle(p);
}

static int peer_new(int fd, bool boot)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p) {
		close_fd(&fd);
		return -ENOMEM;
	}
	p->fd = fd;
	p->boot = boot;
	p->src = loop_add(loop, fd, EPOLLIN, on_peer, p);
	if (p->src < 0) {
		p->boot = false;
		peer_free(p);
		return -ENOSPC;
	}
	return 0;
}

static void on_listen(void *arg, uint32_t events)
{
	struct sockaddr_vm address = { 0 };
	socklen_t len = sizeof(address);
	int fd = loop_accept(loop, listen_fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC);

	(void)arg;
	(void)events;
	/* A container can reach the port too, but not as the host. */
	if (fd >= 0 && address.svm_cid != VMADDR_CID_HOST)
		close_fd(&fd);
	if (fd >= 0)
		(void)!peer_new(fd, false);
}

/* ---- start --------------------------------------------------------------------------------- */

static int say_hello(int fd, bool clone)
{
	struct agent_hello hello = { .version = AGENT_VERSION, .clone = clone };
	struct timespec now = { 0 };
	struct utsname name;
	uint8_t payload[256];
	struct wire_out w;

	if (uname(&name) == 0)
		(void)snprintf(hello.release, sizeof(hello.release), "%s", name.release);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	hello.boottime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	wire_out_fixed(&w, payload, sizeof(payload));
	agent_put_hello(&w, &hello);
	return agent_send(fd, AGENT_HELLO, 0, payload, w.len);
}

static int listen_to_host(void)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_port = AGENT_GUEST_PORT, .svm_cid = VMADDR_CID_ANY
	};

	listen_fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen_fd < 0 ||
		bind(listen_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listen_fd, BACKLOG) < 0)
		return -errno;
	return loop_add(loop, listen_fd, EPOLLIN, on_listen, NULL);
}

int peers_init(struct loop *l, bool clone, struct err *e)
{
	const struct sockaddr_vm host = {
		.svm_family = AF_VSOCK, .svm_port = AGENT_HOST_PORT, .svm_cid = VMADDR_CID_HOST
	};
	const struct timeval patience = { .tv_sec = CONNECT_SECONDS };
	cleanup(close) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = 0;

	loop = l;
	/* By itself the kernel gives up after two seconds: a host with much to do takes longer. */
	if (fd >= 0)
		(void)setsockopt(
			fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0)
		return err_sys(e, -errno, "cannot reach the host");
	/* Before HELLO, so that the host may connect as soon as it knows of us. */
	r = listen_to_host();
	if (r < 0)
		return err_sys(e, r, "cannot listen");
	r = say_hello(fd, clone);
	if (r < 0)
		return err_sys(e, r, "HELLO");
	mark("HELLO");
	r = peer_new(take_fd(&fd), true);
	return r < 0 ? err_sys(e, r, "boot connection") : 0;
}
