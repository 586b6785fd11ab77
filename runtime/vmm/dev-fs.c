/* SPDX-License-Identifier: Apache-2.0 */
#include "devices.h"
static void kick(struct virtio_dev *d, unsigned q)
{
	(void)d;
	(void)q;
}
static const struct virtio_ops fs_ops = {
	.name = "fs", .device_id = 26, .n_queues = 2, .kick = kick
};
void dev_fs_init(struct virtio_dev *d, struct loop *loop, int link_fd)
{
	(void)link_fd;
	*d = (struct virtio_dev){ .ops = &fs_ops, .loop = loop };
}
