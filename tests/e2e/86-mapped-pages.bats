#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Templates on a host whose KVM can map pages ahead (Linux 6.12): runs in an L1 of its own, with that kernel (scripts/e2e).

load helpers
load budgets

setup() {
	new_work
	export NESTBOX_TEMPLATES=$WORK/templates
	before=$(host_before)
}

@test "the VM that is saved: its memory comes and goes, and its container has what it should" {
	[[ $(uname -r) == 6.1[2-9]* ]]
	mkdir data
	head -c 50000000 /dev/urandom >data/file
	bundle --add mounts='{"destination":"/data","type":"bind","source":"'"$PWD"'/data","options":["bind"]}' "$(busybox_rootfs)" \
		sh -c 'md5sum </data/file; dd if=/dev/zero of=/dev/null bs=300M count=1 2>/dev/null && dmesg | grep -E "BUG:|Oops|panic:|Bad page|stall"; echo end'
	sum=$(md5sum <data/file)
	# Booted and saved; then clones.
	for i in 1 2 3; do
		nb run --bundle "$BUNDLE" $i >out 2>&1 </dev/null
		cat out
		[ "$(cat out)" = "$sum
end" ]
	done
	find templates -name '*.template' | grep -q .
	nothing_left "$before"
}

@test "clones of one template differ, and those with more memory and processors have them" {
	bundle "$(busybox_rootfs)" sh -c 'cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | md5sum'
	nb_run warm
	for i in 1 2 3; do nb_run $i >>out; done
	[ "$(sort out | uniq | wc -l)" -eq 9 ]
	bundle --set vm.hwConfig.memory=$((768 << 20)) "$(busybox_rootfs)" sh -c 'dd if=/dev/zero of=/dev/null bs=600M count=1'
	nb_run large
	bundle --set vm.hwConfig.vcpus=2 "$(busybox_rootfs)" nproc
	[ "$(nb_run two)" = 2 ]
	[ "$(nb_run three)" = 2 ]
	nothing_left "$before"
}

@test "VM exits of a clone whose pages are mapped ahead" {
	bundle "$(busybox_rootfs)" true
	count_exits run-true-exits-mapped
}
