/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-net.c - the network device over any guest memory, with frames waiting at its tap; and the
 * codec of an interface.
 */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz-guest.h"

#include "devices.h"
#include "net-config.h"

#define FEATURES (1u << 0 | 1u << 1 | 1u << 7)
#define MRG_RXBUF (1u << 15)
#define CTRL_VQ (1u << 17)
#define MQ (1u << 22)

static void drain(int fd)
{
	static uint8_t frame[70000];

	while (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		;
}

static void fuzz_codec(const struct input *in)
{
	static struct net_config c, again;
	static uint8_t buffer[65536];
	struct wire_out w;
	struct wire_in r;

	wire_in_init(&r, in->p, in->left);
	if (net_config_get(&r, &c) < 0)
		return;
	wire_out_fixed(&w, buffer, sizeof(buffer));
	net_config_put(&w, &c);
	wire_in_init(&r, buffer, w.len);
	if (w.error || net_config_get(&r, &again) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = { 2 };
	static const uint8_t frame[3000];
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	unsigned pairs = how & 2 ? 2 : 1;
	int wire[2], tap[2];
	struct guest g;

	if (how & 0x80) {
		fuzz_codec(&in);
		return 0;
	}
	guest_init(&g);
	dev_net_init(&g.dev, &g.loop, 0, pairs);
	for (unsigned i = 0; i < pairs; i++) {
		int sv[2];

		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
			abort();
		wire[i] = sv[0];
		tap[i] = sv[1];
	}
	if (virtio_mmio_init(&g.dev, g.registers) < 0 || dev_net_attach(0, mac, tap, pairs) < 0)
		abort();
	fuzz_start(&g,
		FEATURES | (how & 1 ? GUEST_FEATURES_EVENT_IDX : 0) | (how & 4 ? MRG_RXBUF : 0) |
			(how & 2 ? CTRL_VQ : 0) | (how & 10 ? MQ & (pairs > 1 ? ~0u : 0u) : 0));
	fuzz_load(&g, &in);
	for (int i = 0; i < 4; i++) {
		(void)!send(wire[i % (int)pairs], frame, i % 2 ? sizeof(frame) : 60, 0);
		fuzz_kick(&g);
		drain(wire[i % (int)pairs]);
	}
	fuzz_stop(&g);
	if (dev_net_detach(0) < 0)
		abort();
	for (unsigned i = 0; i < pairs; i++)
		(void)close(wire[i]);
	guest_done(&g);
	return 0;
}
