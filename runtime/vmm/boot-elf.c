/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot-elf.c - a bounded loader for 64-bit ELF kernels and for the initrd.
 *
 * Trust: the files may be truncated, foreign or hostile; nothing in them is believed before it was
 *        compared with the file's size and with guest memory.
 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "layout.h"

#define MAX_SEGMENTS 64
#define INITRD_ALIGN 4096ull

static int read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

static int check_header(const Elf64_Ehdr *h, struct err *e)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(e, -ENOEXEC, "kernel: not an ELF file");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
		h->e_machine != EM_X86_64)
		return err_set(e, -ENOEXEC, "kernel: not a 64-bit x86 ELF file");
	if (h->e_type != ET_EXEC)
		return err_set(
			e, -ENOEXEC, "kernel: not an executable ELF file (type %u)", h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS)
		return err_set(e, -ENOEXEC, "kernel: bad program header table");
	return 0;
}

static int load_segment(const struct gmem *m, int fd, const Elf64_Phdr *p, unsigned index,
	struct boot_image *image, struct err *e)
{
	uint64_t end = 0;
	uint8_t *to = NULL;
	int r = 0;

	if (p->p_filesz > p->p_memsz || __builtin_add_overflow(p->p_offset, p->p_filesz, &end) ||
		end > INT64_MAX || __builtin_add_overflow(p->p_paddr, p->p_memsz, &end))
		return err_set(e, -ENOEXEC, "kernel: segment %u: impossible sizes", index);
	if (p->p_paddr < LAYOUT_HIGH_START)
		return err_set(e, -ENOEXEC, "kernel: segment %u: below 1 MiB", index);
	to = gmem_ptr(m, p->p_paddr, p->p_memsz);
	if (!to || end > LAYOUT_GAP_START)
		return err_set(e, -ENOMEM,
			"kernel: segment %u (to %#llx) does not fit into the guest's memory", index,
			(unsigned long long)end);
	r = read_at(fd, to, p->p_filesz, p->p_offset);
	if (r == -ENODATA)
		return err_set(e, -ENOEXEC, "kernel: segment %u: file is truncated", index);
	if (r < 0)
		return err_sys(e, r, "kernel: segment %u", index);
	/* The rest, .bss, is zero already: guest memory is fresh. */
	if (end > image->end)
		image->end = end;
	return 0;
}

int boot_load_elf(const struct gmem *m, int fd, struct boot_image *ret, struct err *e)
{
	struct boot_image image = { 0 };
	Elf64_Phdr segments[MAX_SEGMENTS];
	Elf64_Ehdr h;
	bool entry_loaded = false;
	int r = read_at(fd, &h, sizeof(h), 0);

	if (r == -ENODATA)
		return err_set(e, -ENOEXEC, "kernel: shorter than an ELF header");
	if (r < 0)
		return err_sys(e, r, "kernel");
	r = check_header(&h, e);
	if (r < 0)
		return r;
	if (h.e_phoff > INT64_MAX / 2)
		return err_set(e, -ENOEXEC, "kernel: bad program header table");
	r = read_at(fd, segments, sizeof(segments[0]) * h.e_phnum, h.e_phoff);
	if (r < 0)
		return err_set(e, -ENOEXEC, "kernel: program header table: file is truncated");
	for (unsigned i = 0; i < h.e_phnum; i++) {
		const Elf64_Phdr *p = &segments[i];

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		r = load_segment(m, fd, p, i, &image, e);
		if (r < 0)
			return r;
		if (h.e_entry >= p->p_paddr && h.e_entry - p->p_paddr < p->p_memsz)
			entry_loaded = true;
	}
	if (!entry_loaded)
		return err_set(e, -ENOEXEC, "kernel: entry point %#llx is in no segment",
			(unsigned long long)h.e_entry);
	image.entry = h.e_entry;
	*ret = image;
	return 0;
}

int boot_load_initrd(
	const struct gmem *m, int fd, uint64_t ram_bytes, struct boot_image *image, struct err *e)
{
	uint64_t low_end = ram_bytes < LAYOUT_GAP_START ? ram_bytes : LAYOUT_GAP_START;
	struct stat st;
	uint64_t len = 0;
	gpa_t at = 0;
	void *to = NULL;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, -errno, "initrd");
	len = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || len == 0)
		return err_set(e, -EINVAL, "initrd: not a file with content");
	if (len > low_end || low_end - len < image->end + INITRD_ALIGN)
		return err_set(e, -ENOMEM, "initrd: %llu bytes do not fit into the guest's memory",
			(unsigned long long)len);
	at = (low_end - len) & ~(INITRD_ALIGN - 1);
	to = gmem_ptr(m, at, len);
	if (!to)
		return err_set(e, -ENOMEM, "initrd: does not fit into the guest's memory");
	r = read_at(fd, to, len, 0);
	if (r < 0)
		return err_sys(e, r, "initrd");
	image->initrd = at;
	image->initrd_len = len;
	return 0;
}
