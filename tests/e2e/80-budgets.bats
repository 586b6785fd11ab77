#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Counts that do not depend on the machine stay within docs/budgets.md. Never time.

load helpers
load budgets

@test "VM exits of run true, cold and from a template" {
	bundle "$(busybox_rootfs)" true
	NESTBOX_TEMPLATES=off count_exits run-true-exits
	NESTBOX_TEMPLATES=$WORK/templates count_exits run-true-exits-template
	# Counters that somebody else has set up stay apart, and stay.
	others='hist:keys=ecx.hex,write' trigger=/sys/kernel/tracing/events/kvm/kvm_msr/trigger
	echo "$others" >>$trigger
	"$here/tests/l1/vm-exits" -o exits "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" a
	grep -q "^$others" $trigger
	echo "!$others" >>$trigger
	[ "$(grep -Ec '^(total|timer) [1-9][0-9]*$' exits)" -eq 2 ]
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

@test "VM exits of an idle container" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	# Until free page reporting has begun (rootfs/free-memory.c), and has told what is free.
	sleep 8
	: >counts
	for _ in 1 2 3; do
		"$here/tests/l1/vm-exits" -o exits sleep 10
		# Without those by interrupts of the host, as above.
		awk '/^total/ {n += $2} /^(96|1) / {n -= $2} END {print n}' exits >>counts
	done
	count=$(sort -n counts | head -n 1)
	limit=$(budget idle-exits)
	echo "# idle-exits: $count of $limit" >&3
	[ "$count" -le "$limit" ]
	# It is not that nothing would be counted.
	"$here/tests/l1/vm-exits" -o exits "$NESTBOX" --root "$ROOT" exec a true
	[ "$(awk '/^total/ {print $2}' exits)" -gt 50 ]
}

# file_calls VERB… - how often the command names a file or reads a folder. `delete` looks again and again until the
# processes are gone, which takes as long as it takes: of that each look counts once.
file_calls() {
	strace -qq -e trace=%file,getdents64 -o calls "$NESTBOX" --root "$ROOT" "$@" </dev/null >/dev/null 2>&1
	if [ "$1" = delete ]; then sed 's/ = .*//' calls | sort -u; else cat calls; fi | wc -l
}

# A life of the container, three times; of each verb's counts the least into the file of that name.
life_calls() {
	for _ in 1 2 3; do
		file_calls create --bundle "$BUNDLE" a
		file_calls start a
		file_calls exec a true
		file_calls state a
		file_calls delete --force a
	done >lives
	awk '{v = (NR - 1) % 5} NR <= 5 || $1 < least[v] {least[v] = $1}
		END {for (v = 0; v < 5; v++) print least[v]}' lives >"$1"
}

@test "what the verbs look at does not grow with the containers beside" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_run --detach other </dev/null >/dev/null 2>&1
	life_calls alone
	# The state of one that runs, fifty times: cheaper than fifty VMs, and the same to look at.
	for i in $(seq 50); do
		mkdir "$ROOT/beside-$i"
		sed "s/\"other\"/\"beside-$i\"/" "$ROOT/other/state.json" >"$ROOT/beside-$i/state.json"
	done
	[ "$(nb list -q | wc -l)" -eq 51 ]
	life_calls beside
	rm -r "$ROOT"/beside-*
	more=$(paste alone beside | awk '{d = $2 - $1; if (d > most) most = d} END {print most + 0}')
	limit=$(budget calls-beside-fifty)
	echo "# calls-beside-fifty: $more of $limit, $(paste -sd ' ' alone)" >&3
	[ "$(sort -n alone | head -n 1)" -gt 0 ]
	[ "$more" -le "$limit" ]
}

@test "bytes of kernel and initrd" {
	within kernel-bytes "$(stat -Lc %s "$here/build/lib/vmlinux")"
	within initrd-bytes "$(stat -c %s "$here/build/lib/initrd.cpio")"
}
