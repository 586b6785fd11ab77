# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# microvm.bash - for the benches: the peer of all of them, QEMU's microvm with the same kernel and one processor, whose console
# is the chardev c. Sourced; $here is the project's folder.

# microvm MEMORY INITRD PARAMETERS OPTION… - becomes it: for a process of its own.
microvm() {
	exec qemu-system-x86_64 -M microvm,accel=kvm,pic=off,pit=off,rtc=off,isa-serial=off,acpi=off -cpu host -m "$1" -smp 1 \
		-nodefaults -no-user-config -nographic -no-reboot -kernel "$here/build/lib/vmlinux" -initrd "$2" \
		-append "console=hvc0 reboot=t panic=-1 quiet tsc=reliable dummy.numdummies=0 $3" \
		-device virtio-rng-device -device virtio-serial-device -device virtconsole,chardev=c "${@:4}"
}
export here
export -f microvm

# pack_initrd FOLDER FILE
pack_initrd() { (cd "$1" && find . | cpio --quiet -o -H newc) >"$2"; }
