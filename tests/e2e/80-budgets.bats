#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Counts that do not depend on the machine stay within docs/budgets.md. Never time.

load helpers

# budget NAME - the number in the line of docs/budgets.md that begins with `NAME`.
budget() {
	local n
	n=$(sed -n "s/^| \`$1\` | \([0-9,]*\) .*/\1/p" "$here/docs/budgets.md" | tr -d ,)
	[[ $n =~ ^[0-9]+$ ]] || { echo "no budget $1" >&2; return 1; }
	echo "$n"
}

within() {
	local limit
	limit=$(budget "$1")
	echo "# $1: $2 of $limit" >&3
	[ "$2" -gt 0 ] && [ "$2" -le "$limit" ]
}

# count_exits NAME - the VM exits of `run` of the bundle against the budget of that name.
count_exits() {
	nb_run warm
	: >counts
	# The least of three: what comes with the time that a run takes (the guest's timer) comes on top.
	for _ in 1 2 3; do
		"$here/tests/l1/vm-exits" -o exits "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" a
		cat exits
		# Without those by interrupts of the host (SVM 0x60, VMX 1), which also grow with the time.
		awk '/^total/ {n += $2} /^(96|1) / {n -= $2} END {print n}' exits >>counts
	done
	within "$1" "$(sort -n counts | head -n 1)"
}

@test "VM exits of run true, cold and from a template" {
	bundle "$(busybox_rootfs)" true
	NESTBOX_TEMPLATES=off count_exits run-true-exits
	NESTBOX_TEMPLATES=$WORK/templates count_exits run-true-exits-template
}

@test "private memory and processes of an idle container" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	sleep 1
	within processes "$(pgrep -c nestbox)"
	python3 - $(pgrep nestbox) >memory <<-'PY'
		import re, sys
		own = 0
		for pid in sys.argv[1:]:
		    private = 0
		    for line in open(f"/proc/{pid}/smaps"):
		        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
		            private = 0
		        elif line.startswith("Private_"):
		            private += int(line.split()[1])
		        elif line.startswith("VmFlags:") and " dd" not in line:  # guest RAM is not dumped
		            own += private
		print(own)
	PY
	within private-kib "$(cat memory)"
}

@test "bytes of kernel and initrd" {
	within kernel-bytes "$(stat -Lc %s "$here/build/lib/vmlinux")"
	within initrd-bytes "$(stat -c %s "$here/build/lib/initrd.cpio")"
}
