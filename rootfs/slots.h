/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots.h - virtio-mmio devices that were wired at boot and empty then: their driver is bound by
 * hand when the host has put something there.
 */
#ifndef NESTBOX_SLOTS_H
#define NESTBOX_SLOTS_H

#include <stddef.h>

#include "cleanup.h"

#define SLOT_FOLDER_MAX 64

/* Binds the driver to the device at that place (vmm-plan.h); 0 or a negative errno. */
warn_unused int slot_bind(unsigned place);

/* The device's driver lets go of it. */
void slot_unbind(unsigned place);

/* The device's folder in sysfs. */
const char *slot_folder(unsigned place, char buf[SLOT_FOLDER_MAX]);

#endif
