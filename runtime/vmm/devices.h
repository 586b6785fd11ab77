/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices.h - the devices of the VMM: how each is made and what the control socket asks of it.
 *
 * Each init fills *d (ops, priv, loop) from zero; vm_add_device() then wires it. The state behind
 * priv is static in the device's file: there is one VM per process.
 */
#ifndef NESTBOX_DEVICES_H
#define NESTBOX_DEVICES_H

#include <stddef.h>
#include <stdint.h>

#include "virtio.h"

/* dev-console.c: hvc0; keeps the last bytes that the guest wrote. */
void dev_console_init(struct virtio_dev *d, struct loop *loop);
/* Copies the last bytes, at most size; returns the count. On the loop's thread only. */
size_t dev_console_tail(char *buf, size_t size);

/* dev-rng.c: entropy from the host's kernel. */
void dev_rng_init(struct virtio_dev *d, struct loop *loop);

/* dev-balloon.c: what the guest frees goes back to the host; for the guest there is none in its
 * slot until it is offered, which is done once and holds. */
void dev_balloon_init(struct virtio_dev *d, struct loop *loop);
void dev_balloon_offer(void);

/* dev-blk.c: device n (0…VMM_MAX_BLK-1), empty until attached. */
void dev_blk_init(struct virtio_dev *d, struct loop *loop, unsigned n);
/* Gives device n its file (owned from here on, also on error). -EBUSY when it has one, -EINVAL when
 * the fd is neither a regular file nor a block device of at least one sector. */
warn_unused int dev_blk_attach(unsigned n, int fd, bool readonly);
/* Closes its file; for tests. */
void dev_blk_done(unsigned n);

/* dev-net.c: device n (0…VMM_MAX_NET-1) of so many pairs of queues; for the guest there is none in
 * its slot until a tap is attached. */
void dev_net_init(struct virtio_dev *d, struct loop *loop, unsigned n, unsigned pairs);
/* Gives device n its tap, a fd per pair (taken, on success only). -EBUSY when it has one, -EINVAL
 * when the number is another than its pairs'. */
warn_unused int dev_net_attach(unsigned n, const uint8_t mac[6], int *fds, size_t n_fds);
/* Takes it away again: -EBUSY while a driver has the device, -EAGAIN until its reset is done. */
warn_unused int dev_net_detach(unsigned n);

struct socket_key;

/* dev-vsock.c: the guest's connections. boot_fd (owned) takes the first one to AGENT_HOST_PORT;
 * sockets_fd (owned, not blocking; -1 = none) is the fs server's end for bound sockets, of the VM's
 * first container, whose clients bring that key. */
void dev_vsock_init(struct virtio_dev *d, struct loop *loop, int boot_fd, int sockets_fd,
	const struct socket_key *key);
/* Bridges fd (owned from here on, also on error) to a port of the guest; -EMFILE when the table is
 * full. */
warn_unused int dev_vsock_connect(int fd, uint32_t port);
/* The fs server of a container that has joined the VM, in this slot (from 0) of the file systems:
 * its socket (owned, not blocking) takes the place of one that was there before, whose connections
 * end. key: of the container, which its clients must bring. */
void dev_vsock_attach_sockets(unsigned slot, int fd, const struct socket_key *key);
/* Puts back what was taken ahead, so that another VMM can go on with the queues: true when there is
 * no connection and nothing to be told. With serve_lock held. */
warn_unused bool dev_vsock_settle(void);
/* What the guest did to end the boot connection; NULL = nothing. */
const char *dev_vsock_boot_end(void);
/* Closes what is left after a reset; for tests. */
void dev_vsock_done(void);

/* dev-fs.c: shared folders; link_fd (owned) is the fs server's socket, -1 = no shares. lost() is
 * called when the server is gone. */
warn_unused int dev_fs_init(
	struct virtio_dev *d, struct loop *loop, int link_fd, void (*lost)(void));

/* The same for a container that may join the VM later, in slot n (0…VMM_MAX_FS-1): for the guest
 * there is none until an fs server is attached. The loop's thread serves no other device. */
warn_unused int dev_fs_init_slot(struct virtio_dev *d, struct loop *loop, unsigned n);
/* Gives slot n its fs server's socket (taken, on success only). -EBUSY while the one before it, or
 * a driver, has the device; -ENODEV when there is no such slot. */
warn_unused int dev_fs_attach(unsigned n, int link_fd);

#endif
