/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots.c - devices that are bound by hand; see slots.h.
 */
#include <fcntl.h>
#include <stdio.h>

#include "io.h"
#include "slots.h"

#define DRIVER "/sys/bus/platform/drivers/virtio-mmio"
#define DEVICES "/sys/bus/platform/devices"

static int tell_driver(const char *file, unsigned place)
{
	char device[32];

	(void)snprintf(device, sizeof(device), "virtio-mmio.%u", place);
	return io_write_at(AT_FDCWD, file, device);
}

int slot_bind(unsigned place)
{
	return tell_driver(DRIVER "/bind", place);
}

void slot_unbind(unsigned place)
{
	(void)!tell_driver(DRIVER "/unbind", place);
}

const char *slot_folder(unsigned place, char buf[SLOT_FOLDER_MAX])
{
	(void)snprintf(buf, SLOT_FOLDER_MAX, DEVICES "/virtio-mmio.%u", place);
	return buf;
}
