/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm.c - which kind of KVM this machine has; see kvm.h.
 *
 * A kvm_pvm device opens and makes VMs like any other, but its guests need a kernel of its own
 * kind: ours would hang without a word. So it is told apart before anything is started.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io.h"
#include "kvm.h"

#define CPUINFO_MAX ((size_t)4 << 20)

/* A word in the first "flags" line. */
static bool has_flag(const char *cpuinfo, const char *flag)
{
	const char *line = strstr(cpuinfo, "\nflags");
	size_t len = strlen(flag);
	const char *end = NULL;

	if (!line)
		return false;
	end = strchrnul(line + 1, '\n');
	for (const char *at = strstr(line, flag); at && at < end; at = strstr(at + 1, flag)) {
		if ((at[-1] == ' ' || at[-1] == '\t') && (at[len] == ' ' || at[len] == '\n'))
			return true;
	}
	return false;
}

enum kvm_kind kvm_classify(const struct kvm_facts *f)
{
	bool processor = has_flag(f->cpuinfo, "vmx") || has_flag(f->cpuinfo, "svm");

	if (f->open_error == -EACCES || f->open_error == -EPERM)
		return KVM_KIND_DENIED;
	if (f->open_error < 0)
		return KVM_KIND_ABSENT;
	if (f->pvm_module && !processor)
		return KVM_KIND_SOFTWARE;
	return has_flag(f->cpuinfo, "hypervisor") ? KVM_KIND_NESTED : KVM_KIND_HARDWARE;
}

const char *kvm_kind_name(enum kvm_kind kind)
{
	static const char *const names[KVM_KIND_MAX] = {
		[KVM_KIND_HARDWARE] = "hardware",
		[KVM_KIND_NESTED] = "nested",
		[KVM_KIND_SOFTWARE] = "software",
		[KVM_KIND_DENIED] = "denied",
		[KVM_KIND_ABSENT] = "absent",
	};

	return names[kind];
}

const char *kvm_kind_remedy(enum kvm_kind kind)
{
	static const char *const remedies[KVM_KIND_MAX] = {
		[KVM_KIND_HARDWARE] = "",
		[KVM_KIND_NESTED] = "",
		[KVM_KIND_SOFTWARE] =
			"/dev/kvm is software KVM (kvm_pvm), which cannot boot nestbox's kernel: use a "
			"machine with nested virtualization, or try it in an emulated one: make demo",
		[KVM_KIND_DENIED] = "no permission for /dev/kvm: nestbox runs as root",
		[KVM_KIND_ABSENT] =
			"no /dev/kvm: switch on virtualization (VT-x, AMD-V) in the firmware, or nested "
			"virtualization for this VM, and load kvm_intel or kvm_amd; or try nestbox in an "
			"emulated machine: make demo",
	};

	return remedies[kind];
}

static enum kvm_kind probe(int *ret_fd)
{
	cleanup(close) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct kvm_facts facts = { .open_error = fd < 0 ? -errno : 0, .cpuinfo = "" };
	cleanup(close) int cpuinfo_fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	cleanup(free) char *cpuinfo = NULL;
	size_t len = 0;

	facts.pvm_module = access("/sys/module/kvm_pvm", F_OK) == 0;
	if (cpuinfo_fd >= 0 && io_read_file(cpuinfo_fd, CPUINFO_MAX, &cpuinfo, &len) == 0)
		facts.cpuinfo = cpuinfo;
	if (ret_fd)
		*ret_fd = take_fd(&fd);
	return kvm_classify(&facts);
}

enum kvm_kind kvm_probe(void)
{
	return probe(NULL);
}

int kvm_open(int *ret_fd, struct err *e)
{
	cleanup(close) int fd = -EBADF;
	enum kvm_kind kind = probe(&fd);

	if (*kvm_kind_remedy(kind))
		return err_set(e, -ENODEV, "%s", kvm_kind_remedy(kind));
	if (io_ioctl(fd, KVM_GET_API_VERSION, NULL) != KVM_API_VERSION)
		return err_set(e, -ENODEV, "/dev/kvm does not speak KVM API %d", KVM_API_VERSION);
	*ret_fd = take_fd(&fd);
	return 0;
}
