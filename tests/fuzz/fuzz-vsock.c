/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-vsock.c - the vsock device over any guest memory, with connections of the host's that have
 * something to say; then the rings are offered once more.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz-guest.h"

#include "devices.h"
#include "socket-key.h"

#define CONNECT 1u /* the host connects twice before the guest's memory is looked at */
#define EVENT_IDX 2u
#define TALK 4u /* the host's ends have data waiting */
#define HANG_UP 8u /* and are then closed */

/* Another run over what the guest has: its available indexes move on. */
static void offer_again(struct guest *g)
{
	for (unsigned q = 0; q < 2; q++) {
		gpa_t at = q * FUZZ_QUEUE + 0x82;
		uint16_t idx = (uint16_t)(guest_u16(g, at) + 3);

		guest_put(g, at, &idx, sizeof(idx));
	}
	fuzz_kick(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct socket_key key = { { 1 } };
	static char buf[65536];
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	int sv[3][2];
	struct guest g;

	(void)signal(SIGPIPE, SIG_IGN);
	guest_init(&g);
	for (int i = 0; i < 3; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv[i]) < 0)
			abort();
		if (how & TALK)
			(void)!write(sv[i][0], buf, 3000);
	}
	/* A key that can be guessed. */
	dev_vsock_init(&g.dev, &g.loop, sv[0][1], -1, &key);
	if (virtio_mmio_init(&g.dev, g.registers) < 0)
		abort();
	fuzz_start(&g, how & EVENT_IDX ? GUEST_FEATURES_EVENT_IDX : 0);
	fuzz_load(&g, &in);
	for (int i = 1; i < 3; i++) {
		if (how & CONNECT)
			(void)!dev_vsock_connect(sv[i][1], 1024);
		else
			(void)close(sv[i][1]);
	}
	fuzz_kick(&g);
	offer_again(&g);
	for (int i = 0; i < 3; i++) {
		while (read(sv[i][0], buf, sizeof(buf)) > 0)
			;
		if (how & HANG_UP)
			close_fd(&sv[i][0]);
	}
	guest_run(&g);
	offer_again(&g);
	fuzz_stop(&g);
	dev_vsock_done();
	guest_done(&g);
	for (int i = 0; i < 3; i++)
		close_fd(&sv[i][0]);
	return 0;
}
