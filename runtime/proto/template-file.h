/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template-file.h - a template: a VM that has booted as far as "guest init is ready", in one file.
 *
 *   0                   head: see struct template_head, then the state of vCPUs and devices
 *   TEMPLATE_RAM_AT     guest memory, in blocks of TEMPLATE_BLOCK; those that were never used are
 *                       holes
 *
 * The VMM of a cold boot writes it (vmm/template-save.c) and the VMM of a clone maps it
 * copy-on-write (vmm/template-restore.c). The command line decides who does what (ctr/templates.c);
 * it knows a template by its key, a text that names everything that a clone must have in common
 * with the VM that was saved.
 *
 * The head is written last: without it a file is none. A checksum guards head, key and state. The
 * file's size is compared, and the time of its last change, which the head holds: who wrote to it
 * later has damaged it. What is in the memory is not read again for every clone: it is as safe as
 * the folder, which is root's alone.
 */
#ifndef NESTBOX_TEMPLATE_FILE_H
#define NESTBOX_TEMPLATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"

#define TEMPLATE_VERSION 4
#define TEMPLATE_BLOCK ((uint64_t)2 << 20)
#define TEMPLATE_RAM_AT ((uint64_t)4 << 20) /* head and state lie before it */
/* VMs that are larger are not saved: what the kernel notes of each page is a sixty-fourth of them.
 */
#define TEMPLATE_MAX_RAM ((uint64_t)8 << 30)
#define TEMPLATE_MAX_BLOCKS (TEMPLATE_MAX_RAM / TEMPLATE_BLOCK)
#define TEMPLATE_MAX_KEY 4096
#define TEMPLATE_MAX_STATE ((size_t)3 << 20)

struct template_head {
	char key[TEMPLATE_MAX_KEY];
	uint64_t ram_bytes; /* of the VM at boot: a multiple of TEMPLATE_BLOCK */
	uint32_t state_len; /* bytes behind the head */
	uint8_t used[TEMPLATE_MAX_BLOCKS / 8]; /* a bit per block: it is in the file */
};

/* Whether a block is in the file. */
static inline bool template_has(const struct template_head *h, uint64_t block)
{
	return h->used[block / 8] & (1u << (block % 8));
}

#define TEMPLATE_SUM_START 0xcbf29ce484222325u

/* FNV-1a over words of 64 bits, on top of a sum so far: against damage, not against forgery. */
uint64_t template_sum(uint64_t sum, const void *p, size_t len);

/* Writes head and state: what makes the file a template. The memory is there already. Allocates
 * nothing. 0 or a negative errno. */
warn_unused int template_write_head(
	int fd, const struct template_head *h, const void *state, size_t state_len);

/* Gives the file the time of change that its head names, which only its owner may do. */
warn_unused int template_seal(int fd);

/* Reads and checks the head, and the state into buf (TEMPLATE_MAX_STATE bytes; NULL = it is checked
 * only). The error says what is wrong with it: damaged, of another version, cut off. */
warn_unused int template_read_head(int fd, struct template_head *ret, void *buf, struct err *e);

#endif
