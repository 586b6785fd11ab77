/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev-net.c - virtio network device (virtio 1.2, 5.1) on a tap that was passed in.
 *
 * A slot without a tap has device id 0: no driver takes it (4.2.2). Frames go between the tap and
 * guest memory without a copy of ours, with the header of 5.1.6 before them, which the tap reads
 * and writes itself. A frame may fill several of the guest's buffers (MRG_RXBUF): enough of them
 * for the largest are taken off the ring ahead.
 *
 * That a frame was sent is no news that a guest waits for: it wants its buffer back at some time.
 * So it is told with the next frame that comes in, whose interrupt makes the driver look at all
 * queues; after a millisecond; or when so much is owed that a sender may be waiting.
 *
 * MTU is not offered: Linux would take it for the highest that may be set, and the host's
 * interface may get a larger one.
 *
 * Threads: frames on the net loop's thread. Attach and detach come from the control thread, under
 *          the device's lock, while no driver has the device.
 * Trust:   the guest's header is checked by the tap's kernel on a copy; lengths are sums that
 *          vq_pop() made.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices.h"
#include "io.h"
#include "vmm-plan.h"

#define DEVICE_ID_NET 1
#define FEATURE_CSUM (1ull << 0)
#define FEATURE_GUEST_CSUM (1ull << 1)
#define FEATURE_MAC (1ull << 5)
#define FEATURE_GUEST_TSO4 (1ull << 7)
#define FEATURE_GUEST_TSO6 (1ull << 8)
#define FEATURE_GUEST_ECN (1ull << 9)
#define FEATURE_HOST_TSO4 (1ull << 11)
#define FEATURE_HOST_TSO6 (1ull << 12)
#define FEATURE_HOST_ECN (1ull << 13)
#define FEATURE_MRG_RXBUF (1ull << 15)
#define FEATURE_STATUS (1ull << 16)
#define FEATURE_CTRL_VQ (1ull << 17)
#define FEATURE_MQ (1ull << 22)
#define FEATURES \
	(FEATURE_CSUM | FEATURE_GUEST_CSUM | FEATURE_MAC | FEATURE_GUEST_TSO4 | \
		FEATURE_GUEST_TSO6 | FEATURE_GUEST_ECN | FEATURE_HOST_TSO4 | FEATURE_HOST_TSO6 | \
		FEATURE_HOST_ECN | FEATURE_MRG_RXBUF | FEATURE_STATUS)

#define LINK_UP 1
#define HEADER 12u
#define NUM_BUFFERS_AT 10u
#define MAX_FRAME (HEADER + 14u + 4u + 65535u) /* Ethernet, a VLAN tag, the largest packet */
#define MAX_HELD 64
#define RX_BATCH 64
#define OWED_MS 1
/* Linux lets a TCP socket have two segments at least in a device's queue (tcp_limit_output_bytes);
 * the smallest buffer of a UDP socket holds two frames. */
#define OWED_FRAMES 16u
#define OWED_BYTES 65536u
#define CTRL_CLASS_MQ 4
#define CTRL_MQ_PAIRS_SET 0
#define CTRL_OK 0
#define CTRL_ERR 1

struct net_config { /* 5.1.4, as far as our features reach */
	uint8_t mac[6];
	uint16_t status, max_pairs;
};

struct pair {
	struct net *net; /* borrowed: whose it is */
	unsigned rx; /* its receive queue; the other one is behind it */
	int tap; /* owned; -EBADF = none */
	int source; /* in the loop; -1 = none */
	bool full; /* the guest has no buffers: the tap waits */
	/* Buffers of the guest that wait for a frame. */
	unsigned n_held, n_iov;
	struct held {
		uint16_t head, n_iov;
		uint32_t len;
	} held[MAX_HELD];
	size_t room; /* the sum of their lengths */
	struct iovec iov[VQ_MAX_SEGS + 1]; /* one more: where the end of too large a frame goes */
};

static struct net {
	struct virtio_dev *dev; /* borrowed */
	unsigned n_pairs;
	unsigned in_use; /* pairs that the driver uses; 0 = the taps are not on the loop */
	uint8_t mac[6];
	unsigned owed_frames, owed_bytes; /* sent, and the guest was not told */
	struct pair pair[VMM_MAX_NET_PAIRS];
	struct virtio_ops ops; /* device id and features differ */
} nets[VMM_MAX_NET];

/* Shared by all: there is one thread. */
static struct vq_chain chain;
static uint8_t spill[MAX_FRAME];

/* ---- from the tap -------------------------------------------------------------------------- */

/* Takes buffers off the ring until the largest frame has room, or one where frames may not be
 * spread. Returns 0 or -EPROTO. */
static int hold_buffers(struct virtio_dev *d, struct pair *p)
{
	unsigned most = d->driver_features & FEATURE_MRG_RXBUF ? MAX_HELD : 1;
	int r = 0;

	while (p->room < MAX_FRAME && p->n_held < most && p->n_iov < VQ_MAX_SEGS) {
		r = vq_pop(&d->vq[p->rx], &chain);
		if (r <= 0)
			return r;
		if (chain.in_len < HEADER || p->n_iov + chain.n_in > VQ_MAX_SEGS)
			return -EPROTO;
		memcpy(&p->iov[p->n_iov], chain.in, chain.n_in * sizeof(chain.in[0]));
		p->held[p->n_held++] = (struct held){ chain.head, chain.n_in, chain.in_len };
		p->n_iov += chain.n_in;
		p->room += chain.in_len;
	}
	return 0;
}

/* Gives back the buffers that a frame of so many bytes fills: all at once, as the driver expects
 * them together (5.1.6.3.2). */
static void give_back(struct virtio_dev *d, struct pair *p, size_t len)
{
	uint16_t used = 0;
	unsigned n_iov = 0;

	while (len) {
		const struct held *h = &p->held[used];
		uint32_t part = len < h->len ? (uint32_t)len : h->len;

		vq_fill(&d->vq[p->rx], used, h->head, part);
		len -= part;
		n_iov += h->n_iov;
		p->room -= h->len;
		used++;
	}
	(void)vq_copy_to(p->iov, p->n_iov, NUM_BUFFERS_AT, &used, sizeof(used));
	vq_publish(&d->vq[p->rx], used);
	p->n_held -= used;
	p->n_iov -= n_iov;
	memmove(p->held, &p->held[used], p->n_held * sizeof(p->held[0]));
	memmove(p->iov, &p->iov[n_iov], p->n_iov * sizeof(p->iov[0]));
}

/* The tap is heard, or not: what comes meanwhile waits in its queue, and is dropped past that. */
static void listen_to(struct virtio_dev *d, struct pair *p, bool on)
{
	p->full = !on;
	(void)!loop_mod(d->loop, p->source, on ? EPOLLIN : 0);
}

/* It is no more: somebody deleted the interface. That is told without end, whatever is listened
 * for. */
static void lose_tap(struct virtio_dev *d, struct pair *p)
{
	loop_del(d->loop, p->source);
	p->source = -1;
}

static void receive(struct virtio_dev *d, struct pair *p)
{
	for (int i = 0; i < RX_BATCH; i++) {
		ssize_t n = 0;

		if (hold_buffers(d, p) < 0) {
			virtio_broken(d, "net: broken buffer");
			return;
		}
		if (!p->n_held) {
			listen_to(d, p, false);
			break;
		}
		p->iov[p->n_iov] = (struct iovec){ spill, sizeof(spill) };
		n = readv(p->tap, p->iov, (int)p->n_iov + 1);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			listen_to(d, p, false);
		if (n < 0)
			break;
		/* One that has no room is lost, as on any wire. */
		if (n >= (ssize_t)HEADER && (size_t)n <= p->room)
			give_back(d, p, (size_t)n);
	}
	if (virtio_signal(d, p->rx))
		p->net->owed_frames = p->net->owed_bytes = 0;
}

static void on_tap(void *arg, uint32_t events)
{
	struct pair *p = arg;
	struct virtio_dev *d = p->net->dev;

	virtio_serve_begin(d);
	if (events & (EPOLLERR | EPOLLHUP))
		lose_tap(d, p);
	else if (d->active && p->source >= 0 && d->vq[p->rx].size && !d->vq[p->rx].broken)
		receive(d, p);
	else if (p->source >= 0)
		listen_to(d, p, false);
	virtio_serve_end(d);
}

/* ---- to the tap ---------------------------------------------------------------------------- */

static void tell_sent(struct net *b)
{
	for (unsigned i = 0; i < b->n_pairs; i++)
		(void)virtio_signal(b->dev, 2 * i + 1);
	b->owed_frames = b->owed_bytes = 0;
}

/* One call for all that share the loop. */
static void on_owed(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < VMM_MAX_NET; i++) {
		struct net *b = &nets[i];

		if (!b->dev || !b->owed_frames)
			continue;
		virtio_serve_begin(b->dev);
		if (b->dev->active)
			tell_sent(b);
		virtio_serve_end(b->dev);
	}
}

static void transmit(struct virtio_dev *d, unsigned q, const struct pair *p)
{
	struct net *b = p->net;
	int r = 0;

	while ((r = virtio_pop(d, q, &chain)) > 0) {
		/* What the tap does not take is lost, as on any wire. */
		if (chain.out_len > HEADER && chain.out_len <= MAX_FRAME && p->tap >= 0)
			(void)!writev(p->tap, chain.out, chain.n_out);
		vq_push(&d->vq[q], chain.head, 0);
		b->owed_frames++;
		b->owed_bytes += chain.out_len;
	}
	if (r < 0)
		virtio_broken(d, "net: broken frame");
	else if (b->owed_frames >= OWED_FRAMES || b->owed_bytes >= OWED_BYTES)
		tell_sent(b);
	else if (b->owed_frames)
		loop_later(d->loop, OWED_MS, on_owed, NULL);
}

/* ---- set-up -------------------------------------------------------------------------------- */

static bool has_many(const struct virtio_dev *d)
{
	return (d->driver_features & FEATURE_MQ) && (d->driver_features & FEATURE_CTRL_VQ);
}

/* Frames come to the queues in use only. */
static void use_pairs(struct net *b, unsigned n)
{
	for (unsigned i = 0; i < b->n_pairs; i++) {
		struct pair *p = &b->pair[i];
		struct ifreq request = { .ifr_flags = i < n ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

		if (b->n_pairs > 1 && i > 0)
			(void)io_ioctl(p->tap, TUNSETQUEUE, &request);
		if (i < n && p->source < 0)
			p->source = loop_add(b->dev->loop, p->tap, EPOLLIN, on_tap, p);
		if (i >= n && p->source >= 0) {
			loop_del(b->dev->loop, p->source);
			p->source = -1;
		}
	}
	b->in_use = n;
}

/* On the device's thread, when a driver has taken it. */
static void begin(struct net *b)
{
	uint64_t f = b->dev->driver_features;
	unsigned long offloads = 0;

	if (f & FEATURE_GUEST_CSUM) {
		offloads = TUN_F_CSUM | (f & FEATURE_GUEST_TSO4 ? TUN_F_TSO4 : 0u) |
			(f & FEATURE_GUEST_TSO6 ? TUN_F_TSO6 : 0u);
		if ((f & FEATURE_GUEST_ECN) && (offloads & (TUN_F_TSO4 | TUN_F_TSO6)))
			offloads |= TUN_F_TSO_ECN;
	}
	(void)io_ioctl(b->pair[0].tap, TUNSETOFFLOAD, (void *)offloads); /* NOLINT: a number */
	use_pairs(b, 1);
}

/* One command of the control queue (5.1.6.5): how many pairs the driver uses. */
static uint8_t control(struct net *b)
{
	struct {
		uint8_t class, command, pairs[2];
	} m;
	unsigned pairs = 0;

	if (vq_copy_from(chain.out, chain.n_out, 0, &m, sizeof(m)) != sizeof(m) ||
		m.class != CTRL_CLASS_MQ || m.command != CTRL_MQ_PAIRS_SET)
		return CTRL_ERR;
	pairs = m.pairs[0] | (unsigned)m.pairs[1] << 8;
	if (pairs < 1 || pairs > b->n_pairs)
		return CTRL_ERR;
	use_pairs(b, pairs);
	return CTRL_OK;
}

static void serve_control(struct virtio_dev *d, unsigned q)
{
	int r = 0;

	while ((r = virtio_pop(d, q, &chain)) > 0) {
		uint8_t ack = control(d->priv);

		vq_push(&d->vq[q], chain.head,
			(uint32_t)vq_copy_to(chain.in, chain.n_in, 0, &ack, sizeof(ack)));
	}
	if (r < 0)
		virtio_broken(d, "net: broken command");
	else
		virtio_signal(d, q);
}

static void kick(struct virtio_dev *d, unsigned q)
{
	struct net *b = d->priv;

	if (b->pair[0].tap < 0)
		return;
	if (!b->in_use)
		begin(b);
	/* Its place depends on what was agreed on (5.1.2). */
	if ((d->driver_features & FEATURE_CTRL_VQ) && q == (has_many(d) ? 2 * b->n_pairs : 2))
		serve_control(d, q);
	else if (q / 2 >= (has_many(d) ? b->n_pairs : 1))
		return;
	else if (q % 2)
		transmit(d, q, &b->pair[q / 2]);
	else if (b->pair[q / 2].source >= 0)
		listen_to(d, &b->pair[q / 2], true);
}

static void reset(struct virtio_dev *d)
{
	struct net *b = d->priv;

	for (unsigned i = 0; i < b->n_pairs; i++) {
		struct pair *p = &b->pair[i];

		loop_del(d->loop, p->source);
		p->source = -1;
		p->n_held = p->n_iov = 0;
		p->room = 0;
	}
	b->in_use = 0;
	b->owed_frames = b->owed_bytes = 0;
}

static void config_read(struct virtio_dev *d, uint32_t offset, void *buf, uint32_t len)
{
	const struct net *b = d->priv;
	struct net_config config = { .status = LINK_UP, .max_pairs = (uint16_t)b->n_pairs };

	memcpy(config.mac, b->mac, sizeof(config.mac));
	if (offset < sizeof(config) && len <= sizeof(config) - offset)
		memcpy(buf, (char *)&config + offset, len);
}

void dev_net_init(struct virtio_dev *d, struct loop *loop, unsigned n, unsigned pairs)
{
	struct net *b = &nets[n];

	memset(b, 0, sizeof(*b));
	b->dev = d;
	b->n_pairs = pairs;
	for (unsigned i = 0; i < VMM_MAX_NET_PAIRS; i++) {
		b->pair[i].net = b;
		b->pair[i].rx = 2 * i;
		b->pair[i].tap = -EBADF;
		b->pair[i].source = -1;
	}
	b->ops = (struct virtio_ops){
		.name = "net",
		.device_id = 0,
		.n_queues = pairs > 1 ? 2 * pairs + 1 : 2,
		.features = FEATURES | (pairs > 1 ? FEATURE_CTRL_VQ | FEATURE_MQ : 0),
		.config_read = config_read,
		.reset = reset,
		.kick = kick,
	};
	*d = (struct virtio_dev){ .ops = &b->ops, .priv = b, .loop = loop };
}

int dev_net_attach(unsigned n, const uint8_t mac[6], int *fds, size_t n_fds)
{
	struct net *b = NULL;
	int r = 0;

	if (n >= VMM_MAX_NET || !nets[n].dev)
		return -ENODEV;
	b = &nets[n];
	if (n_fds != b->n_pairs)
		return -EINVAL;
	for (size_t i = 0; i < n_fds && r == 0; i++)
		r = io_set_nonblock(fds[i], true);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&b->dev->lock);
	if (b->pair[0].tap >= 0) {
		r = -EBUSY;
	} else {
		memcpy(b->mac, mac, sizeof(b->mac));
		for (size_t i = 0; i < n_fds; i++)
			b->pair[i].tap = take_fd(&fds[i]);
		b->ops.device_id = DEVICE_ID_NET;
		virtio_show(b->dev);
	}
	(void)pthread_mutex_unlock(&b->dev->lock);
	return r;
}

int dev_net_detach(unsigned n)
{
	struct net *b = NULL;
	int r = 0;

	if (n >= VMM_MAX_NET || !nets[n].dev || nets[n].pair[0].tap < 0)
		return -ENODEV;
	b = &nets[n];
	(void)pthread_mutex_lock(&b->dev->lock);
	(void)pthread_mutex_lock(&b->dev->serve_lock);
	if (b->dev->status & ~VIRTIO_STATUS_LET_GO)
		r = -EBUSY;
	else if (b->dev->reset_pending || b->in_use)
		r = -EAGAIN;
	else
		b->ops.device_id = 0;
	virtio_show(b->dev);
	for (unsigned i = 0; i < b->n_pairs && r == 0; i++)
		close_fd(&b->pair[i].tap);
	(void)pthread_mutex_unlock(&b->dev->serve_lock);
	(void)pthread_mutex_unlock(&b->dev->lock);
	return r;
}
