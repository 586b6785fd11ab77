/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-fs.c - the fs device over any guest memory, with an fs server that answers anything and
 * opens a file for whoever asks.
 *
 * The replies wait in the link before the requests are made (there is one thread); when there are
 * no more the server is gone.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz-guest.h"

#include "dev-fs.h"
#include "devices.h"
#include "fs-link.h"
#include "io.h"

static void on_lost(void)
{
}

/* Replies to four requests, the first two with a file. */
static void prepare(int server, int file)
{
	struct {
		struct fs_link_reply link;
		struct fuse_out_header h;
		uint8_t body[160];
	} m = { .link = { FS_LINK_MAGIC, sizeof(m) - sizeof(m.link) },
		.h = { .len = sizeof(m) - sizeof(m.link) } };

	for (int i = 0; i < 4; i++)
		(void)!io_send_fds(server, &m, sizeof(m), &file, i < 2 ? 1 : 0);
	(void)shutdown(server, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	int file = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct guest g;
	uint64_t fh = 0;
	int sv[2];

	(void)signal(SIGPIPE, SIG_IGN);
	/* Of a fixed size: a FALLOCATE of terabytes is the host's quota's matter. */
	if (file < 0 || ftruncate(file, 65536) < 0 ||
		fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		abort();
	guest_init(&g);
	prepare(sv[0], file);
	if (dev_fs_init(&g.dev, &g.loop, sv[1], on_lost) < 0)
		abort();
	if (virtio_mmio_init(&g.dev, g.registers) < 0)
		abort();
	fuzz_start(&g, how & 1 ? GUEST_FEATURES_EVENT_IDX : 0);
	if (fs_file_add(dev_fs_files(), dup(file), &fh) < 0)
		abort();
	fuzz_load(&g, &in);
	/* The handle that inputs may use: where they have all ones. */
	for (size_t at = 0; at + 8 <= 0x4000; at += 8) {
		if (*(uint64_t *)(g.ram + at) == UINT64_MAX)
			guest_put(&g, at, &fh, sizeof(fh));
	}
	fuzz_kick(&g);
	fuzz_stop(&g);
	(void)close(sv[0]);
	guest_run(&g);
	guest_done(&g);
	(void)close(file);
	return 0;
}
