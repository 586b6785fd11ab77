/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where things lie in guest physical memory.
 *
 * Low memory holds the boot structures; RAM goes up to 3 GiB and on from 4 GiB; the gap has the
 * virtio-mmio slots and the interrupt controllers.
 */
#ifndef NESTBOX_LAYOUT_H
#define NESTBOX_LAYOUT_H

#include "ram-layout.h"

#define LAYOUT_GDT 0x500ull
#define LAYOUT_ZERO_PAGE 0x7000ull /* struct boot_params */
#define LAYOUT_STACK 0x8ff0ull
#define LAYOUT_PML4 0x9000ull
#define LAYOUT_PDPT 0xa000ull
#define LAYOUT_PD 0xb000ull /* four pages: 4 GiB in 2 MiB entries */
#define LAYOUT_CMDLINE 0x20000ull
#define LAYOUT_MPTABLE 0x9fc00ull /* last KiB of base memory: scanned by the kernel */
#define LAYOUT_LOW_END 0x9fc00ull /* end of usable low RAM */
#define LAYOUT_HIGH_START 0x100000ull
#define LAYOUT_GAP_START RAM_GAP_START
#define LAYOUT_GAP_END RAM_GAP_END
#define LAYOUT_MMIO 0xd0000000ull /* first virtio-mmio slot */
#define LAYOUT_MMIO_SLOT 0x200ull
#define LAYOUT_MMIO_END (LAYOUT_MMIO + LAYOUT_MAX_SLOTS * LAYOUT_MMIO_SLOT) /* of a page */
#define LAYOUT_FIRST_GSI 5u
#define LAYOUT_MAX_SLOTS 24u /* GSI 5…28 */
#define LAYOUT_IOAPIC 0xfec00000ull
#define LAYOUT_LAPIC 0xfee00000ull
/* Three pages for KVM's own use on Intel, in the gap. */
#define LAYOUT_KVM_TSS 0xfffbd000ull
#define LAYOUT_KVM_IDENTITY 0xfffbc000ull

#endif
