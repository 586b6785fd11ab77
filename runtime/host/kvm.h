/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm.h - which kind of KVM this machine has, and whether our guests can run on it.
 */
#ifndef NESTBOX_HOST_KVM_H
#define NESTBOX_HOST_KVM_H

#include <stdbool.h>

#include "cleanup.h"
#include "err.h"

enum kvm_kind {
	KVM_KIND_HARDWARE, /* the processor's own, on bare metal */
	KVM_KIND_NESTED, /* the processor's, handed down by a hypervisor */
	KVM_KIND_SOFTWARE, /* kvm_pvm: cannot boot our kernel */
	KVM_KIND_DENIED, /* there, but not for us */
	KVM_KIND_ABSENT,
	KVM_KIND_MAX
};

/* What the machine says of itself. */
struct kvm_facts {
	int open_error; /* of /dev/kvm: 0 or a negative errno */
	bool pvm_module; /* /sys/module/kvm_pvm exists */
	const char *cpuinfo; /* text of /proc/cpuinfo */
};

/* Pure: what the facts mean. */
enum kvm_kind kvm_classify(const struct kvm_facts *f);

/* One word, and one line with the remedy ("" when none is needed). */
const char *kvm_kind_name(enum kvm_kind kind);
const char *kvm_kind_remedy(enum kvm_kind kind);

/* Looks at this machine. */
enum kvm_kind kvm_probe(void);

/* Opens /dev/kvm for a guest (*ret_fd is owned by the caller), or says why there can be none. */
warn_unused int kvm_open(int *ret_fd, struct err *e);

#endif
