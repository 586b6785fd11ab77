#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 35-cgroups.bats - the host's side of limits: where a container's cgroup is, who is in it, what it says, and that
# it goes.
load helpers

# The cgroup of a process, below the mount point.
cgroup_of() {
	sed -n 's/^0:://p' "/proc/$1/cgroup"
}

limit() {
	cat "/sys/fs/cgroup$1/$2"
}

@test "the path that the caller gives: monitor, VMM, fs server and exec are in it, it goes at delete" {
	bundle --set linux.cgroupsPath='"/nbtest/../nbtest/a"' "$(busybox_rootfs)" sleep 1000
	nb_up a
	pid=$(nb state a | jq .pid)
	[ "$(cgroup_of "$pid")" = /nbtest/a ]
	# KVM has a thread of the kernel's in it as well.
	[ "$(ps -o comm= -p "$(tr '\n' , </sys/fs/cgroup/nbtest/a/cgroup.procs | sed 's/,$//')" | grep -c ^nestbox)" -eq 3 ]
	for p in $(pgrep -P "$pid"); do
		[ "$(cgroup_of "$p")" = /nbtest/a ]
	done
	nb exec --detach --pid-file e.pid a sleep 1000
	[ "$(cgroup_of "$(cat e.pid)")" = /nbtest/a ]
	nb delete --force a
	[ ! -e /sys/fs/cgroup/nbtest/a ]
	# What was made above it stays, as with runc.
	rmdir /sys/fs/cgroup/nbtest
	nothing_left "$before"
}

@test "limits on the host: memory with what the VM needs, weights, cpuset, what unified has; the quota only at start" {
	bundle --set linux.cgroupsPath='"/nbtest"' --set linux.resources.memory.limit=134217728 \
		--set linux.resources.memory.swap=201326592 --set linux.resources.cpu.shares=512 \
		--set linux.resources.cpu.quota=50000 --set linux.resources.cpu.period=100000 \
		--set linux.resources.cpu.cpus='"0"' --set linux.resources.blockIO.weight=500 \
		--set linux.resources.unified='{"cpu.weight":"42","cpu.max":"60000 100000","pids.max":"50"}' \
		"$(busybox_rootfs)" sleep 1000
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	[ "$(limit /nbtest cpu.max)" = "max 100000" ]
	[ "$(limit /nbtest cpu.weight)" = 42 ]
	[ "$(limit /nbtest cpuset.cpus)" = 0 ]
	[ "$(limit /nbtest memory.swap.max)" = 67108864 ]
	# 128 MiB, 64 for the guest's kernel, a sixteenth of that, 64 for the VMM.
	[ "$(limit /nbtest memory.max)" = $(((192 + 12 + 64) << 20)) ]
	grep -q 'default 4950' /sys/fs/cgroup/nbtest/io.weight
	[ "$(limit /nbtest pids.max)" = max ]
	nb start a
	[ "$(limit /nbtest cpu.max)" = "60000 100000" ]
	[ "$(nb exec a cat /sys/fs/cgroup/memory.max)" = 134217728 ]
	[ "$(nb exec a cat /sys/fs/cgroup/cpu.max)" = "60000 100000" ]
	nb delete --force a
	nothing_left "$before"
}

@test "no path, or a relative one: beside the caller's own cgroup" {
	own=$(dirname "$(cgroup_of $$)")
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	[ "$(cgroup_of "$(nb state a | jq .pid)")" = "${own%/}/a" ]
	nb delete --force a
	bundle --set linux.cgroupsPath='"../x/./y"' "$(busybox_rootfs)" true
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	[ "$(cgroup_of "$(nb state a | jq .pid)")" = "${own%/}/x/y" ]
	nb delete a
	rmdir "/sys/fs/cgroup${own%/}/x"
	nothing_left "$before"
}

@test "a cgroup that others use stays; run and failed creates leave none" {
	mkdir -p /sys/fs/cgroup/nbtest/other
	bundle --set linux.cgroupsPath='"/nbtest"' "$(busybox_rootfs)" true
	nb_run a
	[ -d /sys/fs/cgroup/nbtest/other ]
	rmdir /sys/fs/cgroup/nbtest/other /sys/fs/cgroup/nbtest
	nb_run a
	[ ! -e /sys/fs/cgroup/nbtest ]
	bundle --set linux.cgroupsPath='"/nbtest"' "$(busybox_rootfs)" /no-such-program
	run -1 nb_run a
	[ ! -e /sys/fs/cgroup/nbtest ]
	bundle --set linux.cgroupsPath='"/nbtest"' --set linux.resources.cpu.cpus='"999"' "$(busybox_rootfs)" true
	run -1 nb_run a
	[[ $output == *"cpuset.cpus"* ]]
	[ ! -e /sys/fs/cgroup/nbtest ]
	nothing_left "$before"
}

@test "a cgroup with processes is warned of; a frozen one is refused, and left alone" {
	mkdir /sys/fs/cgroup/nbtest
	sh -c 'echo $$ >/sys/fs/cgroup/nbtest/cgroup.procs; exec sleep 1000' 3>&- &
	stranger=$!
	wait_for 5 grep -q . /sys/fs/cgroup/nbtest/cgroup.procs
	bundle --set linux.cgroupsPath='"/nbtest"' "$(busybox_rootfs)" true
	run -0 nb_run a
	[[ $output == *"level=warning msg=\"container's cgroup is not empty: 1 process(es) found\""* ]]
	kill "$stranger"
	wait "$stranger" || true
	echo 1 >/sys/fs/cgroup/nbtest/cgroup.freeze
	run -1 nb_run a
	[ "${lines[0]}" = "nestbox: container's cgroup unexpectedly frozen" ]
	rmdir /sys/fs/cgroup/nbtest
	nothing_left "$before"
}

@test "a stopped container's cgroup: empty, still there, gone at delete" {
	bundle --set linux.cgroupsPath='"/nbtest"' "$(busybox_rootfs)" true
	nb_up a
	wait_for 20 has_status a stopped
	# Its processes may still be about to end.
	wait_for 10 sh -c '! grep -q . /sys/fs/cgroup/nbtest/cgroup.procs'
	nb delete a
	nothing_left "$before"
}

# guest_mib NAME - memory that the container's guest holds of its own.
guest_mib() {
	python3 - "$(pgrep -P "$(nb state "$1" | jq .pid)" nestbox-vmm)" <<-'PY'
		import re, sys
		own = 0
		for line in open(f"/proc/{sys.argv[1]}/smaps"):
		    if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
		        private = 0
		    elif line.startswith("Private_"):
		        private += int(line.split()[1])
		    elif line.startswith("VmFlags:") and " dd" in line:  # guest RAM is not dumped
		        own += private
		print(own >> 10)
	PY
}

# holds NAME OP MIB - compares it, and says what it found.
holds() {
	local n
	n=$(guest_mib "$1")
	echo "# guest memory: $n MiB, wanted $2 $3" >&3
	[ "$n" "$2" "$3" ]
}

BIG='{"destination":"/big","type":"tmpfs","source":"tmpfs","options":["size=300m"]}'

@test "what the guest frees goes back to the host: a file of a booted VM, a process of a clone" {
	bundle --add mounts="$BIG" "$(busybox_rootfs)" sleep 1000
	export NESTBOX_TEMPLATES=off
	nb_up a
	nb exec a dd if=/dev/zero of=/big/f bs=1M count=120
	holds a -ge 120
	nb exec a rm /big/f
	wait_for 40 holds a -lt 90
	# And it is there again.
	nb exec a dd if=/dev/zero of=/big/f bs=1M count=120
	holds a -ge 120
	nb delete --force a
	export NESTBOX_TEMPLATES=$WORK/templates
	nb_up b
	nb delete --force b
	nb_up c
	nb exec c dd if=/dev/zero of=/dev/null bs=120M count=1
	most=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pgrep -P "$(nb state c | jq .pid)" nestbox-vmm)/status")
	[ "$most" -ge $((120 << 10)) ]
	wait_for 40 holds c -lt 80
	nb exec c true
	nb delete --force c
	nothing_left "$before"
}

@test "a smaller limit gives memory back; a guest whose kernel counts on its free memory reports none, and works" {
	rootfs=$(own_rootfs)
	dd if=/dev/zero of="$rootfs/large" bs=1M count=120
	bundle --set linux.resources.memory.limit=200000000 "$rootfs" sleep 1000
	nb_up a
	nb exec a dd if=/large of=/dev/null bs=1M
	holds a -ge 120
	nb update --memory 40000000 a
	wait_for 40 holds a -lt 110
	nb delete --force a
	bundle --add mounts="$BIG" --set vm.kernel.path="\"$here/build/lib/vmlinux\"" \
		--set vm.kernel.parameters='["init_on_free=1"]' "$rootfs" sleep 1000
	nb_up b
	nb exec b dd if=/dev/zero of=/big/f bs=1M count=120
	nb exec b rm /big/f
	sleep 8
	holds b -ge 120
	[ "$(nb exec b ls -l /large | awk '{print $5}')" = $((120 << 20)) ]
	nb delete --force b
	nothing_left "$before"
}

# A host with cgroup v1 is one where something else than cgroup v2 is there.
@test "a host without cgroup v2: check says so, no container is made" {
	bundle "$(busybox_rootfs)" true
	run -1 unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$0" check' "$NESTBOX"
	grep -x 'cgroup  *cgroup v2 is needed at /sys/fs/cgroup, .*' <<<"$output"
	grep -x 'result  *not ready' <<<"$output"
	run -1 unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" a
	[[ $output == 'nestbox: cgroup v2 is needed at /sys/fs/cgroup, '* ]]
	run -0 "$NESTBOX" check
	grep -x 'cgroup  *v2' <<<"$output"
	nothing_left "$before"
}
