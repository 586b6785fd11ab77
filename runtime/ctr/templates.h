/* SPDX-License-Identifier: Apache-2.0 */
/*
 * templates.h - which template a container starts from, and which VM becomes one.
 *
 * The first VM of its kind boots, and on the way is written to a file (proto/template-file.h);
 * every later one of that kind is a clone of it. Nobody has to ask for either, and a template is
 * never needed: whatever can be seen to be wrong with it or its folder, the VM boots. A clone that
 * does not answer costs its container, and the template.
 *
 * Of a kind are VMs with the same key: nestbox's own programs, kernel and initrd to the byte, the
 * host's kernel and this very run of it, its processor, the VM's memory at boot, vCPUs and devices.
 * VMs with a kernel or parameters of the bundle's have nothing to do with templates.
 */
#ifndef NESTBOX_CTR_TEMPLATES_H
#define NESTBOX_CTR_TEMPLATES_H

#include <stdbool.h>

#include "ctr.h"
#include "err.h"
#include "oci-spec.h"
#include "plan.h"
#include "vmm-plan.h"

#define TEMPLATE_DEFAULT_FOLDER "/var/cache/nestbox/templates"
/* "off" in the annotation, or as the value of $NESTBOX_TEMPLATES, which else names the folder. */
#define TEMPLATE_ANNOTATION "dev.nestbox.template"
/* The one that was used longest ago goes when another one is made, and none is made where less than
 * this would be left of the file system. */
#define TEMPLATE_MIN_FREE ((uint64_t)256 << 20)
#define TEMPLATE_MAX_FILES 24

struct template
{
	int folder; /* owned; with a lock on it while a VM is being saved */
	int fd; /* owned: what the VM is a clone of; negative = it boots */
	int save; /* owned: where the VM is written to; negative = it is not */
	struct gplan_size size; /* of the VM, and what it boots with or has in the template */
	char name[CTR_TEMPLATE_NAME_MAX]; /* of the file */
};

#define TEMPLATE_NONE ((struct template){ .folder = -EBADF, .fd = -EBADF, .save = -EBADF })

/* How much memory a VM of ram_bytes has in its template. The rest of it is added when a container
 * is built: few templates serve all sizes that are multiples of PLAN_RAM_STEP. Two of them are of
 * the size that such a VM has without a limit, so that nothing is added to those, and two are
 * small. What is no such multiple, as vm.hwConfig can have it, has one of its own. */
uint64_t template_boot_bytes(uint64_t ram_bytes, unsigned fs_slots);

/* The same for processors: a VM with one is of its own kind, as its kernel leaves out what several
 * need. One template serves those with two to TEMPLATE_SHARED_VCPUS, of which the first is up at
 * boot; more are up at boot all. */
#define TEMPLATE_SHARED_VCPUS 8
void template_vcpus(struct vmm_plan *v);

/* Whether the container may have to do with templates at all. */
bool template_wanted(const struct plan *p, const struct oci_map *annotations);

/* Finds the template for the VM that v describes, or a place to save it, and notes either in v.
 * vmm_program is the VMM's executable. Does nothing when neither can be had. */
void template_choose(struct template *t, struct vmm_plan *v, int vmm_program);

/* What became of the VM. */
enum template_outcome {
	TEMPLATE_UNTRIED, /* it was not waited for */
	TEMPLATE_CLONED, /* its guest answered, as a clone's */
	TEMPLATE_BOOTED, /* it answered, after a boot */
	TEMPLATE_FAILED, /* it did not answer */
};

/* error is that of the wait for the guest's first message. */
static inline enum template_outcome template_outcome(int error, bool clone)
{
	if (error < 0)
		return TEMPLATE_FAILED;
	return clone ? TEMPLATE_CLONED : TEMPLATE_BOOTED;
}

/* A file that was written in full by a VM that answered becomes a template; one that led to no
 * clone is removed. Closes everything. */
void template_done(struct template *t, enum template_outcome outcome);

/* Whether the file is there and good; the error says why not. */
warn_unused int template_find(const char *file, struct err *e);

#endif
