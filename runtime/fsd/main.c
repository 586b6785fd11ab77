/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - nestbox-fsd LINK_FD SOCKETS_FD NAME=FD…: the broker of names behind the virtio-fs
 * device.
 *
 * The CLI hands over the shares as detached mounts; the guest sees them as folders (or files) NAME
 * of one file system. Serves until the link ends: exit 0; exit 1 with one line on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "fs-link.h"
#include "fsd.h"
#include "io.h"
#include "jail.h"
#include "sockets.h"

#define MIN_FDS 64u
#define FIRST_SHARE 3 /* argument */

static uint8_t request[sizeof(struct fs_link_request) + FS_LINK_MAX];
static uint8_t reply[sizeof(struct fs_link_reply) + FS_LINK_MAX];
static struct share shares[FS_LINK_MAX_SHARES];

static int parse_args(int argc, char **argv, int *ret_link, int *ret_sockets, struct err *e)
{
	if (argc < FIRST_SHARE || (size_t)argc - FIRST_SHARE > ARRAY_LEN(shares))
		return err_set(e, -EINVAL,
			"usage: nestbox-fsd LINK_FD SOCKETS_FD [NAME=FD…] (started by nestbox)");
	*ret_link = (int)strtol(argv[1], NULL, 10);
	*ret_sockets = (int)strtol(argv[2], NULL, 10);
	for (int i = FIRST_SHARE; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals || equals == argv[i] || strchr(argv[i], '/'))
			return err_set(e, -EINVAL, "bad share %s", argv[i]);
		*equals = '\0';
		shares[i - FIRST_SHARE].name = argv[i];
		shares[i - FIRST_SHARE].fd = (int)strtol(equals + 1, NULL, 10);
	}
	return 0;
}

/* As many fds as may be; three quarters of them for inodes. */
static unsigned raise_fd_limit(void)
{
	struct rlimit limit = { 1024, 1024 };

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > 1u << 20)
		limit.rlim_cur = 1u << 20;
	return limit.rlim_cur / 4 * 3 < MIN_FDS ? MIN_FDS : (unsigned)(limit.rlim_cur / 4 * 3);
}

/* One request and its reply: 1, 0 at the link's end, negative when the VMM breaks the protocol. */
static int serve_one(int link)
{
	struct fs_link_request head;
	struct fs_link_reply out = { .magic = FS_LINK_MAGIC };
	cleanup(close) int fd_in = -EBADF;
	cleanup(close) int fd_out = -EBADF;
	size_t n_fds = 0;
	ssize_t n = io_recv_fds(link, request, sizeof(request), &fd_in, 1, &n_fds);

	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < (ssize_t)sizeof(head))
		return n < 0 ? (int)n : -EBADMSG;
	memcpy(&head, request, sizeof(head));
	if (head.magic != FS_LINK_MAGIC || head.fuse_len != (size_t)n - sizeof(head) ||
		head.reply_max > FS_LINK_MAX)
		return -EBADMSG;
	out.fuse_len = (uint32_t)fsd_handle(request + sizeof(head), head.fuse_len, fd_in,
		reply + sizeof(out), head.reply_max, &fd_out);
	memcpy(reply, &out, sizeof(out));
	n = io_send_fds(link, reply, sizeof(out) + out.fuse_len, &fd_out, fd_out >= 0 ? 1 : 0);
	return n == -EPIPE || n == -ECONNRESET ? 0 : n < 0 ? (int)n : 1;
}

/* The shares that are sockets, as what they are in place. */
static int find_sockets(size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		char path[32];
		int fd = -EBADF;

		if (!shares[i].is_socket)
			continue;
		(void)snprintf(path, sizeof(path), "/%s", shares[i].name);
		fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || sockets_add_share(shares[i].name, fd) < 0)
			return err_set(e, -EINVAL, "share %s", shares[i].name);
	}
	return 0;
}

static int start(int argc, char **argv, int *ret_link, struct err *e)
{
	unsigned fds = raise_fd_limit();
	size_t n = (size_t)argc - FIRST_SHARE;
	int root = -EBADF, sockets = -EBADF;
	int r = parse_args(argc, argv, ret_link, &sockets, e);

	if (r < 0)
		return r;
	/* The VMM's death ends the link; this is for the time before there is one. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)umask(0);
	if (fcntl(*ret_link, F_SETFD, FD_CLOEXEC) < 0 || fcntl(sockets, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, -errno, "link");
	sockets_init(sockets);
	r = jail_enter(shares, n, e);
	if (r == 0)
		r = find_sockets(n, e);
	if (r < 0)
		return r;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = root < 0 ? -errno : fsd_init(root, fds);
	return r < 0 ? err_sys(e, r, "shares") : jail_seal(e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int link = -EBADF;
	int r = 0;

	(void)prctl(PR_SET_NAME, "nestbox-fsd", 0, 0, 0);
	r = start(argc, argv, &link, &e);
	if (r < 0) {
		(void)fprintf(stderr, "nestbox-fsd: %s\n", e.msg);
		return 1;
	}
	do {
		sockets_wait(link);
		r = serve_one(link);
	} while (r > 0);
	if (r < 0)
		(void)fprintf(stderr, "nestbox-fsd: link: error %d\n", -r);
	return r < 0;
}
