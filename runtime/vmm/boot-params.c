/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot-params.c - what a 64-bit Linux kernel finds at its entry: boot_params, page tables, GDT, and
 * the MP table that stands in for ACPI.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "boot.h"
#include "layout.h"

#define E820_RAM 1
#define PTE_PRESENT_RW 0x3ull
#define PTE_LARGE 0x80ull
#define CMDLINE_MAX 2048 /* COMMAND_LINE_SIZE of x86, with the NUL: the rest is cut off */

static uint8_t add_e820(struct boot_params *b, uint8_t n, uint64_t start, uint64_t end)
{
	struct boot_e820_entry entry = { .addr = start, .size = end - start, .type = E820_RAM };

	if (end <= start)
		return n;
	memcpy(&b->e820_table[n], &entry, sizeof(entry));
	return (uint8_t)(n + 1);
}

/* Identity map of the first 4 GiB in 2 MiB pages; the kernel makes its own soon. */
static int write_page_tables(const struct gmem *m)
{
	uint64_t *pml4 = gmem_ptr(m, LAYOUT_PML4, 4096);
	uint64_t *pdpt = gmem_ptr(m, LAYOUT_PDPT, 4096);
	uint64_t *pd = gmem_ptr(m, LAYOUT_PD, 4 * 4096ull);

	if (!pml4 || !pdpt || !pd)
		return -ENOMEM;
	pml4[0] = LAYOUT_PDPT | PTE_PRESENT_RW;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (LAYOUT_PD + i * 4096) | PTE_PRESENT_RW;
	for (uint64_t i = 0; i < 2048; i++)
		pd[i] = (i << 21) | PTE_PRESENT_RW | PTE_LARGE;
	return 0;
}

int boot_write_params(const struct gmem *m, uint64_t ram_bytes, const char *cmdline,
	const struct boot_image *image, struct err *e)
{
	/* Selector 0x10 flat code, 0x18 flat data: __BOOT_CS and __BOOT_DS. */
	static const uint64_t gdt[4] = { 0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull };
	struct boot_params *b = gmem_ptr(m, LAYOUT_ZERO_PAGE, sizeof(*b));
	size_t len = strlen(cmdline) + 1;
	uint8_t n = 0;

	if (len > CMDLINE_MAX)
		return err_set(e, -E2BIG, "kernel parameters too long: %zu bytes, %d are possible",
			len - 1, CMDLINE_MAX - 1);
	if (!b || gmem_write(m, LAYOUT_CMDLINE, cmdline, len) < 0 ||
		gmem_write(m, LAYOUT_GDT, gdt, sizeof(gdt)) < 0 || write_page_tables(m) < 0)
		return err_set(e, -ENOMEM, "no room for the boot parameters");
	memset(b, 0, sizeof(*b));
	b->hdr.type_of_loader = 0xff; /* undefined loader: no number is assigned to us */
	b->hdr.boot_flag = 0xaa55;
	b->hdr.header = 0x53726448; /* "HdrS" */
	b->hdr.version = 0x020c;
	b->hdr.loadflags = LOADED_HIGH;
	b->hdr.kernel_alignment = 0x1000000;
	b->hdr.cmd_line_ptr = (uint32_t)LAYOUT_CMDLINE;
	b->hdr.cmdline_size = (uint32_t)len;
	b->hdr.ramdisk_image = (uint32_t)image->initrd;
	b->hdr.ramdisk_size = (uint32_t)image->initrd_len;
	n = add_e820(b, n, 0, LAYOUT_LOW_END);
	n = add_e820(b, n, LAYOUT_HIGH_START,
		ram_bytes < LAYOUT_GAP_START ? ram_bytes : LAYOUT_GAP_START);
	if (ram_bytes > LAYOUT_GAP_START)
		n = add_e820(b, n, LAYOUT_GAP_END, LAYOUT_GAP_END + (ram_bytes - LAYOUT_GAP_START));
	b->e820_entries = n;
	return 0;
}

/* ---- MP table ------------------------------------------------------------------------------ */

struct mp_pointer { /* 4.1 */
	char signature[4];
	uint32_t table;
	uint8_t length, revision, checksum, feature[5];
};

struct mp_header { /* 4.2 */
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_length, entries;
	uint32_t lapic;
	uint16_t ext_length;
	uint8_t ext_checksum, reserved;
};

struct mp_cpu { /* 4.3.1 */
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features, reserved[2];
};

struct mp_bus { /* 4.3.2 */
	uint8_t type, id;
	char name[6];
};

struct mp_ioapic { /* 4.3.3 */
	uint8_t type, id, version, flags;
	uint32_t address;
};

struct mp_interrupt { /* 4.3.4, 4.3.5 */
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, irq, apic, pin;
};

enum { MP_CPU, MP_BUS, MP_IOAPIC, MP_INTSRC, MP_LINTSRC };

struct mp_writer {
	uint8_t bytes[2048];
	size_t len;
	uint16_t entries;
};

static void mp_add(struct mp_writer *w, const void *p, size_t len)
{
	memcpy(w->bytes + w->len, p, len);
	w->len += len;
	w->entries++;
}

static uint8_t checksum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + b[i]);
	return (uint8_t)-sum;
}

static void mp_entries(struct mp_writer *w, unsigned vcpus)
{
	const uint8_t ioapic_id = (uint8_t)vcpus; /* the next free APIC id */
	struct mp_bus bus = { .type = MP_BUS, .name = { 'I', 'S', 'A', ' ', ' ', ' ' } };
	struct mp_ioapic ioapic = { .type = MP_IOAPIC,
		.id = ioapic_id,
		.version = 0x11,
		.flags = 1,
		.address = (uint32_t)LAYOUT_IOAPIC };

	for (unsigned i = 0; i < vcpus; i++) {
		struct mp_cpu cpu = { .type = MP_CPU,
			.apic_id = (uint8_t)i,
			.apic_version = 0x14,
			.flags = (uint8_t)(1 | (i == 0 ? 2 : 0)), /* enabled, boot processor */
			.signature = 0x600,
			.features = 0x201 }; /* FPU, APIC */

		mp_add(w, &cpu, sizeof(cpu));
	}
	mp_add(w, &bus, sizeof(bus));
	mp_add(w, &ioapic, sizeof(ioapic));
	for (uint8_t pin = LAYOUT_FIRST_GSI; pin < LAYOUT_FIRST_GSI + LAYOUT_MAX_SLOTS; pin++) {
		struct mp_interrupt line = {
			.type = MP_INTSRC, .irq = pin, .apic = ioapic_id, .pin = pin
		};

		mp_add(w, &line, sizeof(line));
	}
	/* NMI on LINT1 of every local APIC. */
	mp_add(w, &(struct mp_interrupt){ .type = MP_LINTSRC, .kind = 1, .apic = 255, .pin = 1 },
		8);
}

int boot_write_mptable(const struct gmem *m, unsigned vcpus)
{
	struct mp_pointer pointer = { .signature = { '_', 'M', 'P', '_' },
		.table = (uint32_t)(LAYOUT_MPTABLE + sizeof(pointer)),
		.length = 1,
		.revision = 4 };
	struct mp_header h = { .signature = { 'P', 'C', 'M', 'P' },
		.revision = 4,
		.oem = { 'N', 'E', 'S', 'T', 'B', 'O', 'X', ' ' },
		.product = { 'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ', ' ', ' ', ' ', ' ' },
		.lapic = (uint32_t)LAYOUT_LAPIC };
	struct mp_writer w = { .len = sizeof(h) };

	mp_entries(&w, vcpus);
	h.entries = w.entries;
	h.length = (uint16_t)w.len;
	memcpy(w.bytes, &h, sizeof(h));
	h.checksum = checksum(w.bytes, w.len);
	memcpy(w.bytes, &h, sizeof(h));
	pointer.checksum = checksum(&pointer, sizeof(pointer));
	/* The pointer and table must end below 640 KiB. */
	if (sizeof(pointer) + w.len > 1024)
		return -E2BIG;
	if (gmem_write(m, LAYOUT_MPTABLE, &pointer, sizeof(pointer)) < 0)
		return -ENOMEM;
	return gmem_write(m, LAYOUT_MPTABLE + sizeof(pointer), w.bytes, w.len);
}
