#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Templates: the second VM of a kind is a clone of the first, and is fresh all the same; whatever is wrong with a
# template or its folder, containers start.

load helpers

setup() {
	new_work
	export NESTBOX_TEMPLATES=$WORK/templates
}

teardown() {
	clean_up
}

# run_traced ID - runs the bundle; its output is in $output, and whether the VM was a clone in $origin.
run_traced() {
	run nb run --trace "$WORK/trace.json" --bundle "$BUNDLE" "$1" </dev/null
	echo "$output"
	[ "$status" -eq 0 ]
	origin=booted
	if jq -e '.traceEvents[] | select(.name == "resumed")' "$WORK/trace.json" >/dev/null; then origin=clone; fi
	echo "$origin"
}

templates() {
	nb template list -q
}

@test "template: the second VM of a kind is a clone, with chance, time and names of its own" {
	local before then now
	bundle --set hostname='"own-name"' "$(busybox_rootfs)" sh -c \
		'cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | md5sum; date +%s; hostname'
	run_traced a
	[ "$origin" = booted ]
	[ "$(templates | wc -l)" -eq 1 ]
	before=$(host_before)
	run_traced b
	[ "$origin" = clone ]
	first=("${lines[@]}")
	sleep 2
	then=$(date +%s)
	run_traced c
	now=$(date +%s)
	[ "$origin" = clone ]
	nothing_left "$before"
	for i in 0 1 2; do
		[ -n "${lines[i]}" ]
		[ "${lines[i]}" != "${first[i]}" ]
	done
	# The time of day is the host's, also two seconds later.
	[ "${lines[3]}" -ge $((then - 1)) ] && [ "${lines[3]}" -le $((now + 1)) ]
	[ $((lines[3] - first[3])) -ge 2 ]
	[ "${lines[4]}" = own-name ]
}

@test "template: memory, processors, exec, signals and files in clones; one processor is of its own kind" {
	bundle --set linux.resources.memory.limit=268435456 --set vm.hwConfig.vcpus=2 \
		"$(busybox_rootfs)" sh -c 'grep MemTotal /proc/meminfo; nproc; sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb delete --force a
	nb create --bundle "$BUNDLE" b </dev/null >out 2>&1
	nb start b
	wait_for 10 grep -q '^2$' out
	kb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' out)
	[ "$kb" -gt 262144 ] && [ "$kb" -lt 330000 ]
	[ "$(templates | wc -l)" -eq 1 ]
	[ "$(nb exec b sh -c 'taskset -p 1 >/dev/null; echo ok; cat /proc/loadavg >/dev/null')" = ok ]
	[ "$(nb exec b sh -c 'for i in 1 2 3 4; do (i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done) & done; wait; echo done')" = done ]
	nb kill b KILL
	wait_for 10 has_status b stopped
	nb delete b
	bundle "$(busybox_rootfs)" true
	run_traced c
	[ "$origin" = booted ]
	[ "$(templates | wc -l)" -eq 2 ]
}

@test "template: one serves several processors: each number of them is there, runs, and is all that there is" {
	local n show
	# Which ones are up, by all ways to ask; then a program on each of them, and time that goes on evenly on all.
	show='exec 2>&1; echo $(nproc) $(grep -c ^processor /proc/cpuinfo) $(cat /sys/devices/system/cpu/online) $(cat /sys/fs/cgroup/cpuset.cpus.effective)
		for i in $(seq 0 $(($(nproc) - 1))); do taskset $((1 << i)) sh -c "cut -d\" \" -f39 /proc/self/stat"; done
		last=0; for i in $(seq 1 12); do for c in $(seq 0 $(($(nproc) - 1))); do
			now=$(taskset $((1 << c)) cut -d" " -f1 /proc/uptime | tr -d .); [ $now -ge $last ] || echo "$last then $now on $c"; last=$now
		done; done
		echo 1 >/sys/devices/system/cpu/cpu7/online || echo kept'
	bundle --set vm.hwConfig.vcpus=2 "$(busybox_rootfs)" sh -c "$show"
	run_traced a
	[ "$origin" = booted ]
	[ "${lines[0]}" = "2 2 0-1 0-1" ]
	for n in 2 3 4; do
		bundle --set vm.hwConfig.vcpus=$n --set "$(memory $((512 + 64 * (n / 4))))" "$(busybox_rootfs)" sh -c "$show"
		run_traced "n$n"
		[ "$n" -eq 4 ] || [ "$origin" = clone ]
		[ "${lines[0]}" = "$n $n 0-$((n - 1)) 0-$((n - 1))" ]
		[ "$(printf '%s ' "${lines[@]:1:n}")" = "$(seq -s ' ' 0 $((n - 1))) " ]
		[[ "${lines[n + 1]}" == *"Read-only file system"* ]]
		[ "${lines[n + 2]}" = kept ]
	done
	[ "$(templates | wc -l)" -eq 2 ]
	# A processor that the VM does not have, for one who may ask the kernel: it does not come, and all goes on.
	caps='["CAP_SYS_ADMIN","CAP_DAC_OVERRIDE"]'
	bundle --set vm.hwConfig.vcpus=2 --set process.capabilities="{\"bounding\":$caps,\"effective\":$caps,\"permitted\":$caps}" \
		"$(busybox_rootfs)" sh -c 'exec 2>&1; mount -t sysfs none /tmp; echo 1 >/tmp/devices/system/cpu/cpu2/online || echo none; nproc; cat /sys/devices/system/cpu/online'
	run_traced none
	[ "$origin" = clone ]
	[ "${lines[-3]}" = none ]
	[ "${lines[-2]}" = 2 ]
	[ "${lines[-1]}" = 0-1 ]
}

# memory MIB - for a bundle: a VM of that size.
memory() {
	echo "vm.hwConfig.memory=$(($1 << 20))"
}

@test "template: one serves larger VMs: they have all of their memory, and limits as after a boot" {
	local show='sed -n "s/^MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo; cat /proc/sys/kernel/threads-max; ulimit -u; sed "s/\t/ /g" /proc/sys/net/ipv4/tcp_mem; cat /proc/sys/net/ipv4/tcp_rmem | cut -f3'
	bundle "$(busybox_rootfs)" true
	run_traced a
	[ "$origin" = booted ]
	# 768 MiB, of which 256 were added: most of it is touched, in one piece.
	bundle --set "$(memory 768)" "$(busybox_rootfs)" sh -c "$show; dd if=/dev/zero of=/dev/null bs=600M count=1 2>/dev/null"
	run_traced b
	[ "$origin" = clone ]
	cloned=("${lines[@]:0:5}")
	[ "$(templates | wc -l)" -eq 1 ]
	bundle --set "$(memory 768)" "$(busybox_rootfs)" sh -c "$show"
	NESTBOX_TEMPLATES=off run_traced c
	[ "$origin" = booted ]
	booted=("${lines[@]}")
	for i in 0 1 2 4; do
		# Within five of a hundred.
		[ $((cloned[i] * 100)) -gt $((booted[i] * 95)) ]
		[ $((cloned[i] * 100)) -lt $((booted[i] * 105)) ]
	done
}

@test "template: limits of every kind share two; what is added is within them, and goes back when free" {
	local before limit kb
	bundle --set linux.resources.memory.limit=$((100 << 20)) "$(busybox_rootfs)" true
	run_traced a
	[ "$origin" = booted ]
	# 256 + 64 MiB: where the memory of the boot ends within a block.
	for limit in 128 200 256 384; do
		bundle --set linux.resources.memory.limit=$((limit << 20)) "$(busybox_rootfs)" sh -c \
			"sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo; dd if=/dev/zero of=/dev/null bs=$((limit - 24))M count=1 2>/dev/null"
		run_traced "m$limit"
		kb=${lines[0]}
		[ "$kb" -gt $((limit * 1024)) ] && [ "$kb" -lt $(((limit + 128) * 1024)) ]
	done
	[ "$(templates | wc -l)" -le 2 ]
	# The limit is what it was.
	run nb run --bundle "$BUNDLE" over </dev/null
	[ "$status" -eq 0 ]
	bundle --set linux.resources.memory.limit=$((256 << 20)) "$(busybox_rootfs)" dd if=/dev/zero of=/dev/null bs=400M count=1
	run nb run --bundle "$BUNDLE" over </dev/null
	[ "$status" -ne 0 ]
	# Free page reporting: of what was added, too.
	bundle --set "$(memory 640)" "$(busybox_rootfs)" sh -c 'dd if=/dev/zero of=/dev/null bs=400M count=1; echo freed; sleep 1000'
	nb create --bundle "$BUNDLE" big </dev/null >out 2>&1
	nb start big
	wait_for 30 grep -q freed out
	wait_for 40 is_small big
}

# is_small ID - the VMM of the container holds less than 150 MiB of its own.
is_small() {
	local vmm
	vmm=$(jq -r .vmm.pid "$ROOT/$1/state.json")
	[ "$(awk '/^Private/ {n += $2} END {print n}' "/proc/$vmm/smaps")" -lt 153600 ]
}

@test "template: a guest that takes more memory than it has been given reaches nothing" {
	local before
	bundle "$(busybox_rootfs)" true
	run_traced a
	before=$(host_before)
	caps='["CAP_SYS_ADMIN","CAP_DAC_OVERRIDE"]'
	bundle --set "$(memory 640)" --set process.capabilities="{\"bounding\":$caps,\"effective\":$caps,\"permitted\":$caps}" \
		"$(busybox_rootfs)" sh -c '
		mount -t sysfs none /tmp
		for at in 0x28000000 0x30000000 0x38000000 0xb8000000 0xd0000000 0xf8000000 0x100000000; do
			echo $at >/tmp/devices/system/memory/probe && echo "took $at"
		done
		dd if=/dev/zero of=/dev/null bs=700M count=1; echo over; sleep 1000'
	nb create --bundle "$BUNDLE" b </dev/null >out 2>&1
	vmm=$(jq -r .vmm.pid "$ROOT/b/state.json")
	nb start b
	wait_for 20 grep -q took out || { cat out; false; }
	sleep 3
	cat out
	# It may have ended by that; if not, it has what a VM of its size can have.
	if [ -e "/proc/$vmm/smaps" ]; then
		[ "$(awk '/^Private/ {n += $2} END {print n}' "/proc/$vmm/smaps")" -lt $((660 << 10)) ]
	fi
	nb delete --force b
	nothing_left "$before"
	bundle "$(busybox_rootfs)" echo well
	run_traced c
	[ "${lines[0]}" = well ]
}

# A template that cannot be used: the container runs, and the next one is a clone again.
expect_boot_and_repair() {
	run_traced a
	[ "$origin" = booted ]
	run_traced b
	[ "$origin" = clone ]
	[ "$(templates | wc -l)" -eq 1 ]
}

@test "template: damaged, cut off, foreign or outdated: boots, and makes a new one" {
	local file
	bundle "$(busybox_rootfs)" true
	run_traced a
	file=$(echo "$NESTBOX_TEMPLATES"/*.template)

	# In its memory, its head, and its end.
	printf x | dd of="$file" bs=1 seek=$((20 << 20)) conv=notrunc status=none
	run nb template list
	[[ "$output" == *"changed after it was made"* ]]
	expect_boot_and_repair
	printf x | dd of="$file" bs=1 seek=100 conv=notrunc status=none
	expect_boot_and_repair
	truncate -s 10M "$file"
	expect_boot_and_repair
	# Not ours, of another kind, no file at all.
	chown nobody "$file"
	expect_boot_and_repair
	cp /etc/passwd "$file"
	expect_boot_and_repair
	rm "$file"
	mkdir "$file"
	run_traced a
	[ "$origin" = booted ]
	rmdir "$file"
	# Of an older nestbox: a program that was replaced.
	cp -a "$here/build/bin" "$WORK/bin"
	expect_boot_and_repair
	NESTBOX=$WORK/bin/nestbox NESTBOX_LIBDIR=$here/build/lib run_traced c
	[ "$origin" = booted ]
}

@test "template: what KVM refuses is seen before the VM runs, which then boots" {
	bundle "$(busybox_rootfs)" sh -c 'echo up; sleep 1000'
	run_traced_detached() {
		nb create --bundle "$BUNDLE" "$1" </dev/null >out 2>&1
		nb start "$1"
		wait_for 10 grep -q up out
	}
	run_traced_detached a
	nb delete --force a
	# Control registers that no processor has, with a good sum: past the head, the clock, in the first sregs.
	python3 - "$NESTBOX_TEMPLATES"/*.template <<-'PY'
		import os, struct, sys
		path = sys.argv[1]
		fixed, bits = 20, 8 << 30 >> 21 >> 3
		head = fixed + 28 + 4096 + bits
		f = open(path, "r+b")
		data = bytearray(f.read(head))
		changed, length = struct.unpack_from("<Q", data, fixed + 8)[0], struct.unpack_from("<I", data, fixed + 24)[0]
		state = bytearray(f.read(length))
		sregs = 8 + 8 + 8 + 8  # the clock, the counter, a sum, its offset
		cr = sregs + 8 * 24 + 2 * 16  # eight segments, two tables, then cr0, cr2, cr3, cr4
		state[cr:cr + 8] = b"\xff" * 8
		mask = (1 << 64) - 1
		def add(s, p):
		    for i in range(0, len(p), 8):
		        s = (s ^ int.from_bytes(p[i:i + 8], "little")) * 0x100000001b3 & mask
		        s ^= s >> 32
		    return s
		struct.pack_into("<Q", data, 12, add(add(0xcbf29ce484222325, data[fixed:]), state))
		f.seek(0)
		f.write(data + state)
		f.close()
		os.utime(path, (changed, changed))
	PY
	run nb template list
	[[ "${lines[1]}" == *ok ]]
	run_traced_detached b
	cat "$ROOT/b/vmm.log"
	grep -q 'template: sregs: .*: boots without it' "$ROOT/b/vmm.log"
	[ -z "$(templates)" ]
	nb delete --force b
	run_traced_detached c
	[ "$(templates | wc -l)" -eq 1 ]
}

@test "template: the folder is full, read-only, somebody else's, a file, or goes while in use" {
	bundle "$(busybox_rootfs)" true
	mkdir "$NESTBOX_TEMPLATES"
	mount -t tmpfs -o size=8m,mode=700 none "$NESTBOX_TEMPLATES"
	run_traced a
	[ "$origin" = booted ]
	[ -z "$(ls "$NESTBOX_TEMPLATES")" ]
	mount -o remount,ro,size=400m "$NESTBOX_TEMPLATES"
	run_traced a
	[ "$origin" = booted ]
	mount -o remount,rw "$NESTBOX_TEMPLATES"
	chmod 777 "$NESTBOX_TEMPLATES"
	run_traced a
	[ "$origin" = booted ]
	[ -z "$(ls "$NESTBOX_TEMPLATES")" ]
	chmod 700 "$NESTBOX_TEMPLATES"
	run_traced a
	run_traced b
	[ "$origin" = clone ]
	# In use: the container does not notice.
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up c
	rm -r "$NESTBOX_TEMPLATES"/*
	umount "$NESTBOX_TEMPLATES" || umount -l "$NESTBOX_TEMPLATES"
	[ "$(nb exec c sh -c 'md5sum /bin/busybox | cut -c33-')" = "  /bin/busybox" ]
	nb delete --force c
	rmdir "$NESTBOX_TEMPLATES"
	echo >"$NESTBOX_TEMPLATES"
	bundle "$(busybox_rootfs)" true
	run_traced a
	[ "$origin" = booted ]
}

@test "template: many first starts at once make one; a maker that is killed leaves nothing" {
	local i pids=() before
	bundle "$(busybox_rootfs)" true
	for i in 1 2 3 4; do
		nb_bg run --bundle "$BUNDLE" "r$i" </dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(templates | wc -l)" -eq 1 ]
	[ "$(ls "$NESTBOX_TEMPLATES" | wc -l)" -eq 1 ]
	before=$(host_before)
	for i in 0.2 0.6 1.0 1.4; do
		nb template remove --all
		nb_bg run --bundle "$BUNDLE" k </dev/null >/dev/null 2>&1 &
		sleep "$i"
		kill -9 $! || true
		wait || true
		nb delete --force k 2>/dev/null || true
	done
	nothing_left "$before"
	run_traced a
	run_traced b
	[ "$origin" = clone ]
	[ "$(ls "$NESTBOX_TEMPLATES" | wc -l)" -eq 1 ]
}

@test "template: create, list, remove; off by annotation and by environment" {
	local before name
	bundle "$(busybox_rootfs)" true
	before=$(host_before)
	name=$(nb template create --bundle "$BUNDLE")
	[[ $name =~ ^[0-9a-f]{16}$ ]]
	nothing_left "$before"
	# Again: it is tried, and stays.
	[ "$(nb template create --bundle "$BUNDLE")" = "$name" ]
	[ "$(templates)" = "$name" ]
	run nb template list --format json
	[ "$(jq -r '.[0].name' <<<"$output")" = "$name" ]
	[ "$(jq -r '.[0].memory' <<<"$output")" -eq $((512 << 20)) ]
	[[ "$(jq -r '.[0].key' <<<"$output")" == *"memory 512 MiB"* ]]
	run_traced a
	[ "$origin" = clone ]
	bundle --set annotations='{"dev.nestbox.template":"off"}' "$(busybox_rootfs)" true
	run_traced b
	[ "$origin" = booted ]
	run nb template create --bundle "$BUNDLE"
	[ "$status" -eq 1 ]
	[[ "$output" == *"have no template"* ]]
	bundle "$(busybox_rootfs)" true
	NESTBOX_TEMPLATES=off run_traced c
	[ "$origin" = booted ]
	# A kernel of the bundle's own is nobody's template.
	bundle --set vm.kernel.path="\"$here/build/lib/vmlinux\"" "$(busybox_rootfs)" true
	run_traced d
	[ "$origin" = booted ]
	[ "$(templates)" = "$name" ]
	run nb template remove nothing
	[ "$status" -eq 1 ]
	[ "$output" = "nestbox: template nothing does not exist" ]
	nb template remove "$name"
	[ -z "$(templates)" ]
	run nb template list --format yaml
	[ "$output" = "nestbox: invalid format option" ]
	run nb template create --bundle "$WORK/nothing"
	[[ "$output" == *"bundle $WORK/nothing: no such file or directory" ]]
	for wrong in "" "make" "list x" "remove" "remove --all x"; do
		# shellcheck disable=SC2086
		run nb template $wrong
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -ge 1 ]
	done
}
