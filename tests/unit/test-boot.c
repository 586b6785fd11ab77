/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-boot.c - what is put into guest memory before the first instruction: kernel, initrd,
 * boot_params, page tables, MP table; and the plan that says what to boot.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"

#include "layout.h"
#include "vmm-plan.h"
#include "vmm/boot.h"

#define RAM ((uint64_t)4 << 20)

/* A kernel file: header, program headers, some bytes of content. */
struct image {
	Elf64_Ehdr h;
	Elf64_Phdr p[3];
	uint8_t content[64];
};

struct fixture {
	uint8_t *ram;
	struct gmem mem;
	struct image file;
	struct boot_image loaded;
	struct err e;
};

static struct image good_image(void)
{
	struct image i = {
		.h = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			       EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = 0x100010,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 3 },
		.p = { { .p_type = PT_LOAD,
			       .p_offset = offsetof(struct image, content),
			       .p_vaddr = 0xffffffff81000000ull,
			       .p_paddr = 0x100000,
			       .p_filesz = 32,
			       .p_memsz = 4096 },
			{ .p_type = PT_LOAD,
				.p_offset = offsetof(struct image, content) + 32,
				.p_paddr = 0x200000,
				.p_filesz = 32,
				.p_memsz = 32 },
			{ .p_type = PT_NOTE, .p_paddr = 1, .p_filesz = UINT64_MAX } },
	};

	for (size_t n = 0; n < sizeof(i.content); n++)
		i.content[n] = (uint8_t)(n + 1);
	return i;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->ram = calloc(1, RAM);
	f->file = good_image();
	*state = f;
	return f->ram ? gmem_add(&f->mem, 0, f->ram, RAM) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->ram);
	free(f);
	return 0;
}

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), len);
	return fd;
}

/* Loads the first len bytes of the image. */
static int load(struct fixture *f, size_t len)
{
	cleanup(close) int fd = file_of(&f->file, len);

	f->loaded = (struct boot_image){ 0 };
	return boot_load_elf(&f->mem, fd, &f->loaded, &f->e);
}

static void a_kernel_is_loaded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, sizeof(f->file)), 0);
	assert_true(f->loaded.entry == 0x100010);
	assert_true(f->loaded.end == 0x200020);
	assert_memory_equal(f->ram + 0x100000, f->file.content, 32);
	assert_memory_equal(f->ram + 0x200000, f->file.content + 32, 32);
	assert_int_equal(f->ram[0x100020], 0);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
	struct fixture *f = *state;

	for (size_t len = 0; len < sizeof(f->file); len++) {
		f->e = (struct err){ 0 };
		assert_int_equal(load(f, len), -ENOEXEC);
		assert_true(f->e.msg[0]);
		assert_true(f->loaded.entry == 0);
	}
}

static void foreign_files_are_refused(void **state)
{
	struct fixture *f = *state;

	f->file.h.e_ident[0] = 'M';
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file = good_image();
	f->file.h.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file = good_image();
	f->file.h.e_machine = EM_AARCH64;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	assert_string_equal(f->e.msg, "kernel: not a 64-bit x86 ELF file");
	f->file = good_image();
	f->file.h.e_type = ET_DYN;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file = good_image();
	f->file.h.e_phentsize = 32;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file = good_image();
	f->file.h.e_phnum = 0;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file.h.e_phnum = UINT16_MAX;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file = good_image();
	f->file.h.e_phoff = UINT64_MAX - 8;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
}

static void impossible_segments_are_refused(void **state)
{
	static const struct {
		Elf64_Phdr p;
		int code;
	} bad[] = {
		/* larger in the file than in memory */
		{ { .p_offset = 64, .p_paddr = 0x100000, .p_filesz = 2, .p_memsz = 1 }, -ENOEXEC },
		/* sums that wrap */
		{ { .p_offset = UINT64_MAX, .p_paddr = 0x100000, .p_filesz = 2, .p_memsz = 2 },
			-ENOEXEC },
		{ { .p_offset = INT64_MAX, .p_paddr = 0x100000, .p_filesz = 2, .p_memsz = 2 },
			-ENOEXEC },
		{ { .p_offset = 64, .p_paddr = UINT64_MAX - 1, .p_filesz = 2, .p_memsz = 4 },
			-ENOEXEC },
		{ { .p_offset = 64, .p_paddr = 0x100000, .p_filesz = 2, .p_memsz = UINT64_MAX },
			-ENOEXEC },
		/* over our own structures */
		{ { .p_offset = 64, .p_paddr = 0, .p_filesz = 2, .p_memsz = 2 }, -ENOEXEC },
		{ { .p_offset = 64, .p_paddr = 0xfffff, .p_filesz = 2, .p_memsz = 2 }, -ENOEXEC },
		/* past the end of memory */
		{ { .p_offset = 64, .p_paddr = 0x100000, .p_filesz = 2, .p_memsz = RAM }, -ENOMEM },
		{ { .p_offset = 64, .p_paddr = RAM - 1, .p_filesz = 2, .p_memsz = 2 }, -ENOMEM },
		{ { .p_offset = 64,
			  .p_paddr = 0x100000,
			  .p_filesz = 2,
			  .p_memsz = (uint64_t)1 << 62 },
			-ENOMEM },
		/* past the end of the file */
		{ { .p_offset = sizeof(struct image) - 1,
			  .p_paddr = 0x100000,
			  .p_filesz = 2,
			  .p_memsz = 2 },
			-ENOEXEC },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		f->file.p[1] = bad[i].p;
		f->file.p[1].p_type = PT_LOAD;
		if (load(f, sizeof(f->file)) != bad[i].code)
			fail_msg("segment %zu: %s", i, f->e.msg);
	}
}

static void segments_on_top_of_each_other_stay_in_memory(void **state)
{
	struct fixture *f = *state;

	f->file.p[1].p_paddr = 0x100008;
	assert_int_equal(load(f, sizeof(f->file)), 0);
	assert_true(f->loaded.end == 0x101000);
	assert_memory_equal(f->ram + 0x100008, f->file.content + 32, 32);
}

static void the_entry_point_lies_in_a_segment(void **state)
{
	struct fixture *f = *state;

	f->file.h.e_entry = 0x100000 + 4096;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file.h.e_entry = 0xffffffff81000000ull;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
	f->file.h.e_entry = 0x20001f;
	assert_int_equal(load(f, sizeof(f->file)), 0);
	f->file.p[0].p_memsz = f->file.p[0].p_filesz = 0;
	f->file.p[1].p_type = PT_NULL;
	assert_int_equal(load(f, sizeof(f->file)), -ENOEXEC);
}

/* ---- initrd, parameters, tables ---- */

static void the_initrd_goes_to_the_end(void **state)
{
	struct fixture *f = *state;
	cleanup(close) int fd = file_of("cpio", 5);
	struct boot_image image = { .end = 0x200000 };

	assert_int_equal(boot_load_initrd(&f->mem, fd, RAM, &image, &f->e), 0);
	assert_true(image.initrd == RAM - 4096);
	assert_true(image.initrd_len == 5);
	assert_string_equal((char *)f->ram + image.initrd, "cpio");
	image.end = RAM - 4096;
	assert_int_equal(boot_load_initrd(&f->mem, fd, RAM, &image, &f->e), -ENOMEM);
	assert_int_equal(ftruncate(fd, 1 << 23), 0);
	image.end = 0x200000;
	assert_int_equal(boot_load_initrd(&f->mem, fd, RAM, &image, &f->e), -ENOMEM);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(boot_load_initrd(&f->mem, fd, RAM, &image, &f->e), -EINVAL);
}

static void boot_params_say_where_things_are(void **state)
{
	struct fixture *f = *state;
	const struct boot_image image = { .initrd = 0x300000, .initrd_len = 77 };
	struct boot_params b;
	uint64_t entry = 0;

	assert_int_equal(boot_write_params(&f->mem, RAM, "quiet x=1", &image, &f->e), 0);
	memcpy(&b, f->ram + LAYOUT_ZERO_PAGE, sizeof(b));
	assert_int_equal(b.hdr.header, 0x53726448);
	assert_int_equal(b.hdr.ramdisk_image, 0x300000);
	assert_int_equal(b.hdr.ramdisk_size, 77);
	assert_string_equal((char *)f->ram + b.hdr.cmd_line_ptr, "quiet x=1");
	assert_int_equal(b.e820_entries, 2);
	assert_true(b.e820_table[0].addr == 0 && b.e820_table[0].size == LAYOUT_LOW_END);
	assert_true(b.e820_table[1].addr == 0x100000 && b.e820_table[1].size == RAM - 0x100000);
	/* 4 GiB one to one. */
	memcpy(&entry, f->ram + LAYOUT_PML4, 8);
	assert_true(entry == (LAYOUT_PDPT | 3));
	memcpy(&entry, f->ram + LAYOUT_PDPT + 24, 8);
	assert_true(entry == ((LAYOUT_PD + 3 * 4096) | 3));
	memcpy(&entry, f->ram + LAYOUT_PD + 8 * 2047, 8);
	assert_true(entry == (0xffe00000ull | 0x83));
}

static void memory_past_the_gap_is_told(void **state)
{
	struct fixture *f = *state;
	const struct boot_image image = { 0 };
	struct boot_params b;

	assert_int_equal(
		boot_write_params(&f->mem, LAYOUT_GAP_START + 0x200000, "", &image, &f->e), 0);
	memcpy(&b, f->ram + LAYOUT_ZERO_PAGE, sizeof(b));
	assert_int_equal(b.e820_entries, 3);
	assert_true(b.e820_table[1].size == LAYOUT_GAP_START - 0x100000);
	assert_true(b.e820_table[2].addr == LAYOUT_GAP_END && b.e820_table[2].size == 0x200000);
}

/* The kernel cuts what is longer, and with it the devices at the end. */
static void a_command_line_the_kernel_would_cut_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct boot_image image = { 0 };
	char line[2049];

	memset(line, 'a', sizeof(line));
	line[2048] = '\0';
	assert_int_equal(boot_write_params(&f->mem, RAM, line, &image, &f->e), -E2BIG);
	line[2047] = '\0';
	assert_int_equal(boot_write_params(&f->mem, RAM, line, &image, &f->e), 0);
}

static void tables_need_low_memory(void **state)
{
	static uint8_t page[4096];
	struct fixture *f = *state;
	const struct boot_image image = { 0 };
	struct gmem small = { 0 };

	assert_int_equal(gmem_add(&small, 0, page, sizeof(page)), 0);
	assert_int_equal(boot_write_params(&small, RAM, "", &image, &f->e), -ENOMEM);
	assert_int_equal(boot_write_mptable(&small, 1), -ENOMEM);
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void the_mp_table_is_whole_for_every_number_of_cpus(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p = f->ram + LAYOUT_MPTABLE;

	for (unsigned n = 1; n <= VMM_MAX_VCPUS; n++) {
		uint16_t len = 0, entries = 0;

		memset(f->ram + LAYOUT_MPTABLE, 0, 1024);
		assert_int_equal(boot_write_mptable(&f->mem, n), 0);
		assert_memory_equal(p, "_MP_", 4);
		assert_memory_equal(p + 16, "PCMP", 4);
		memcpy(&len, p + 20, 2);
		memcpy(&entries, p + 16 + 34, 2);
		assert_int_equal(sum(p, 16), 0);
		assert_int_equal(sum(p + 16, len), 0);
		/* bus, I/O APIC, a line per slot, NMI */
		assert_int_equal(entries, n + 1 + 1 + LAYOUT_MAX_SLOTS + 1);
		assert_int_equal(len, 44 + n * 20 + (entries - n) * 8u);
		assert_true(LAYOUT_MPTABLE + 16 + len <= 0xa0000);
	}
	assert_int_equal(boot_write_mptable(&f->mem, 48), -E2BIG);
}

/* ---- the plan (ranges beyond those of test-proto) ---- */

static void plans_of_every_size_are_read_or_refused(void **state)
{
	struct vmm_plan p = { .id = "c",
		.ram_bytes = VMM_MIN_RAM,
		.boot_bytes = VMM_MIN_RAM,
		.vcpus = VMM_MAX_VCPUS,
		.boot_vcpus = VMM_MAX_VCPUS,
		.max_vcpus = VMM_MAX_VCPUS,
		.kvm_fd = 3,
		.kernel_fd = 4,
		.initrd_fd = -1,
		.boot_fd = 5,
		.control_fd = 6,
		.fs_fd = -1,
		.sockets_fd = -1,
		.n_net = VMM_MAX_NET };
	struct vmm_plan out;
	struct wire_out w;

	(void)state;
	memset(p.cmdline, 'c', sizeof(p.cmdline) - 1);
	memset(p.id, 'i', sizeof(p.id) - 1);
	wire_out_init(&w, VMM_PLAN_MAX_BYTES);
	vmm_plan_put(&w, &p);
	assert_int_equal(vmm_plan_get(w.data, w.len, &out), 0);
	assert_memory_equal(out.cmdline, p.cmdline, sizeof(p.cmdline));
	assert_int_equal(out.n_net, VMM_MAX_NET);
	/* A byte more than the text may have: the length field is changed, the rest follows. */
	w.data[8] = 0;
	w.data[9] = 1;
	assert_int_equal(vmm_plan_get(w.data, w.len, &out), -EBADMSG);
	wire_out_done(&w);
	wire_out_init(&w, VMM_PLAN_MAX_BYTES);
	p.vcpus = p.boot_vcpus = p.max_vcpus = VMM_MAX_VCPUS + 1;
	vmm_plan_put(&w, &p);
	assert_int_equal(vmm_plan_get(w.data, w.len, &out), -EBADMSG);
	w.data[0] ^= 1; /* not a plan */
	assert_int_equal(vmm_plan_get(w.data, w.len, &out), -EBADMSG);
	wire_out_done(&w);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_kernel_is_loaded),
		CASE(a_file_cut_anywhere_is_refused),
		CASE(foreign_files_are_refused),
		CASE(impossible_segments_are_refused),
		CASE(segments_on_top_of_each_other_stay_in_memory),
		CASE(the_entry_point_lies_in_a_segment),
		CASE(the_initrd_goes_to_the_end),
		CASE(boot_params_say_where_things_are),
		CASE(memory_past_the_gap_is_told),
		CASE(a_command_line_the_kernel_would_cut_is_refused),
		CASE(tables_need_low_memory),
		CASE(the_mp_table_is_whole_for_every_number_of_cpus),
		cmocka_unit_test(plans_of_every_size_are_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
