/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-fs-link.c - any reply of the fs server to a request of the guest that is in order: the VMM
 * writes no more than the guest's room and keeps no fd that it did not adopt.
 *
 * Input: opcode, room for the reply, whether an fd comes with it, the reply as it is on the link.
 */
#include <assert.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz-guest.h"

#include "devices.h"
#include "fs-link.h"
#include "io.h"

#define REQUEST_AT 0x800u
#define REPLY_AT 0x10000u

static void on_lost(void)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct fuse_in_header h = { .len = sizeof(h) + 64, .opcode = input_u8(&in), .nodeid = 1 };
	uint32_t room = input_u16(&in);
	int n_fds = input_u8(&in) & 1;
	int file = memfd_create("file", MFD_CLOEXEC);
	struct guest g;
	struct ring r;
	int sv[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (file < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		abort();
	guest_init(&g);
	if (dev_fs_init(&g.dev, &g.loop, sv[1], on_lost) < 0)
		abort();
	if (virtio_mmio_init(&g.dev, g.registers) < 0)
		abort();
	fuzz_start(&g, 0);
	r = (struct ring){ .g = &g,
		.size = FUZZ_RING,
		.desc = FUZZ_QUEUE,
		.avail = FUZZ_QUEUE + 0x80,
		.used = FUZZ_QUEUE + 0xc0 };
	(void)!io_send_fds(sv[0], in.p, in.left, &file, (size_t)n_fds);
	(void)shutdown(sv[0], SHUT_WR);
	guest_put(&g, REQUEST_AT, &h, sizeof(h));
	ring_chain(&r,
		(const struct seg[]){ { REQUEST_AT, h.len, false }, { REPLY_AT, room, true } }, 2);
	memset(g.ram + REPLY_AT + room, 0x5a, 64);
	ring_kick(&r, 1);
	assert(ring_used(&r) == 1 && ring_used_len(&r, 0) <= room);
	for (unsigned i = 0; i < 64; i++)
		assert(g.ram[REPLY_AT + room + i] == 0x5a);
	fuzz_stop(&g);
	(void)close(sv[0]);
	guest_run(&g);
	guest_done(&g);
	(void)close(file);
	return 0;
}
