#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 36-verbs.bats - pause, resume, update, ps and events of a container that runs.
load helpers

@test "pause and resume: the processes stop and go on; what else can be done meanwhile" {
	bundle "$(busybox_rootfs)" sh -c 'while :; do echo x; sleep 0.05; done'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	run -1 nb resume a
	[[ $output == *"container not paused"* ]]
	# A created one can be paused, and is created again.
	nb pause a
	[ "$(status_of a)" = paused ]
	run -1 nb start a
	[[ $output == *"cannot start a container in the paused state"* ]]
	nb resume a
	[ "$(status_of a)" = created ]
	nb start a
	wait_for 20 test -s out
	nb pause a
	[ "$(status_of a)" = paused ]
	[ "$(nb list --format json | jq -r '.[0].status')" = paused ]
	# What was on its way comes still, and then nothing.
	wait_for 10 stands_still out
	run -1 nb pause a
	[[ $output == *"container not running"* ]]
	run -255 nb exec a true
	[[ $output == *"cannot exec in a paused container (use --ignore-paused to override)"* ]]
	run -1 nb delete a
	[[ $output == *"that is not stopped: paused"* ]]
	nb exec --ignore-paused a sh -c 'echo inside' </dev/null >exec.out &
	sleep 0.5
	[ ! -s exec.out ]
	nb resume a
	[ "$(status_of a)" = running ]
	wait_for 20 grep -q inside exec.out
	wait_for 20 has_grown out
	nb pause a
	# A pause that was killed before it noted what it did: resume mends it.
	jq '.status = "running"' "$ROOT/a/state.json" >state.json
	cp state.json "$ROOT/a/state.json"
	[ "$(status_of a)" = running ]
	nb resume a
	size=$(stat -c %s out)
	wait_for 20 has_grown out
	run -1 nb resume a
	nb pause a
	nb kill a KILL
	wait_for 20 has_status a stopped
	run -1 nb pause a
	[[ $output == *"container not running"* ]]
	nb delete a
	nothing_left "$before"
}

# Both programs of the container's shell are there, and the shell is not.
both_sleep() {
	output=$(nb ps -f guest a)
	grep -q 'sleep 1000$' <<<"$output" && grep -q 'sleep 2000$' <<<"$output" && ! grep -q 'sh -c' <<<"$output"
}

@test "ps: monitors of the host, the processes inside, and none of a stopped container" {
	bundle "$(busybox_rootfs)" sh -c 'sleep 1000 & exec sleep 2000'
	nb_up a
	nb exec --detach --pid-file e.pid a sleep 3000
	pid=$(nb state a | jq .pid)
	[ "$(nb ps --format json a | jq -c 'sort')" = "$(jq -nc "[$pid, $(cat e.pid)] | sort")" ]
	run nb ps a
	[[ ${lines[0]} =~ UID\ +PID\ +PPID ]]
	[ "${#lines[@]}" -eq 3 ]
	run nb ps a -e -x -o pid,comm
	[ "${#lines[@]}" -eq 3 ]
	[[ $output == *nestbox-monitor* ]]
	wait_for 20 both_sleep
	run nb ps -f guest a
	[ "${#lines[@]}" -eq 4 ]
	[[ $output == *"sleep 1000"* && $output == *"sleep 2000"* && $output == *"sleep 3000"* ]]
	# As the container has them: 1 is its first process, and the parent of the first sleep.
	[ "$(echo "$output" | awk '/sleep 2000/ {print $2, $3}')" = "1 0" ]
	[ "$(echo "$output" | awk '/sleep 1000/ {print $3}')" = 1 ]
	run -1 nb ps -f yaml a
	[[ $output == *"invalid format option"* ]]
	run -1 nb ps a --no-such-option
	nb kill a KILL
	wait_for 20 has_status a stopped
	[ "$(nb ps -f json a)" = null ]
	run nb ps a
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	run -1 nb ps -f guest a
	[[ $output == *"container not running"* ]]
	nb delete a
}

@test "update: by options, by file, by standard input; in the guest and on the host" {
	bundle --set linux.cgroupsPath='"/nbtest"' --set linux.resources.memory.limit=268435456 \
		--set linux.resources.cpu.quota=50000 --set linux.resources.cpu.period=100000 \
		"$(busybox_rootfs)" sleep 1000
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	# Before start the quota is noted.
	nb update --cpu-period 200000 a
	[ "$(cat /sys/fs/cgroup/nbtest/cpu.max)" = "max 100000" ]
	nb start a
	[ "$(cat /sys/fs/cgroup/nbtest/cpu.max)" = "50000 200000" ]
	nb update a --memory 128M --memory-reservation 64m --pids-limit 20 --cpu-quota 60000 --cpu-share 200
	inside() { nb exec a cat "/sys/fs/cgroup/$1"; }
	[ "$(inside memory.max)" = 134217728 ]
	[ "$(inside memory.low)" = 67108864 ]
	[ "$(inside pids.max)" = 20 ]
	[ "$(inside cpu.max)" = "60000 200000" ]
	[ "$(cat /sys/fs/cgroup/nbtest/cpu.max)" = "60000 200000" ]
	[ "$(inside cpu.weight)" = "$(cat /sys/fs/cgroup/nbtest/cpu.weight)" ]
	nb update a --cpu-quota -1 --memory -1 --pids-limit -1
	[ "$(inside memory.max)" = max ]
	[ "$(inside pids.max)" = max ]
	[ "$(inside cpu.max)" = "max 200000" ]
	echo '{"memory":{"limit":100000000},"cpu":{"quota":30000,"period":100000},"pids":{"limit":7}}' >r.json
	nb update --resources r.json a
	[ "$(inside pids.max)" = 7 ]
	[ "$(inside cpu.max)" = "30000 100000" ]
	echo '{"unified":{"memory.high":"90000000"}}' | nb update -r - a
	[ "$(inside memory.high)" = 89997312 ]
	# What cannot be is refused, with the place.
	run -1 nb update --memory 10x a
	[[ $output == *"invalid value for memory: invalid size: '10x'"* ]]
	run -1 nb update --cpu-quota ten a
	[[ $output == *"invalid value for cpu-quota"* ]]
	run -1 bash -c "echo '{\"memory\":{\"limit\":\"a\"}}' | $NESTBOX --root $ROOT update -r - a"
	[[ $output == *"standard input:1:"*"memory.limit"* ]]
	run -1 nb update -r /no/such/file a
	[[ $output == *"no such file or directory"* ]]
	run -1 nb update --l3-cache-schema x a
	[[ $output == *"Intel RDT/CAT: l3 cache schema is not enabled"* ]]
	nb delete --force a
	nothing_left "$before"
}

# In the guest of a, in MiB.
mem_total() {
	nb exec a sed -n 's/^MemTotal: *\([0-9]*\)[0-9]\{3\} kB/\1/p' /proc/meminfo
}

@test "update: a limit that its VM cannot hold makes the VM grow, once more, and past the gap below 4 GiB" {
	local limit
	mkdir data
	bundle --set linux.cgroupsPath='"/nbtest"' --set linux.resources.memory.limit=100000000 \
		--add mounts='{"destination":"/data","type":"bind","source":"'"$PWD"'/data","options":["bind"]}' "$(busybox_rootfs)" sleep 1000
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	nb start a
	[ "$(mem_total)" -lt 250 ]
	for limit in 500 900; do
		nb update --memory ${limit}M a
		[ "$(mem_total)" -gt $limit ]
		[ "$(nb exec a cat /sys/fs/cgroup/memory.max)" = $((limit << 20)) ]
		[ "$(cat /sys/fs/cgroup/nbtest/memory.max)" -gt $((limit << 20)) ]
		nb exec a dd if=/dev/zero of=/dev/null bs=$((limit - 60))M count=1
	done
	# Less changes nothing of the VM, and devices reach what was added.
	nb update --memory 700M a
	[ "$(mem_total)" -gt 900 ]
	[ "$(nb exec a sh -c 'dd if=/dev/urandom of=/data/file bs=1M count=100 2>/dev/null; md5sum </data/file')" = "$(md5sum <data/file)" ]
	nb update --memory 3300M a
	[ "$(mem_total)" -gt 3300 ]
	nb exec a dd if=/dev/zero of=/dev/null bs=400M count=1
	dd if=/dev/urandom of=data/other bs=1M count=100
	[ "$(nb exec a md5sum /data/other | cut -d' ' -f1)" = "$(md5sum <data/other | cut -d' ' -f1)" ]
	# The new limit is one, and who is killed for it is told on the host, as Docker looks there.
	nb update --memory 500M a
	killed() { awk '$1 == "oom_kill" {print $2}' /sys/fs/cgroup/nbtest/memory.events; }
	[ "$(killed)" -eq 0 ]
	run ! nb exec a dd if=/dev/zero of=/dev/null bs=600M count=1
	nb kill a KILL
	wait_for 20 has_status a stopped
	[ "$(killed)" -ge 1 ]
	nb delete a
	nothing_left "$before"
}

@test "update: a VM that cannot grow says so, and nothing has changed" {
	bundle --set linux.cgroupsPath='"/nbtest"' --set linux.resources.memory.limit=100000000 "$(busybox_rootfs)" sleep 1000
	(ulimit -v 4000000 && nb create --bundle "$BUNDLE" a </dev/null >/dev/null)
	nb start a
	was=$(cat /sys/fs/cgroup/nbtest/memory.max)
	run -1 nb update --memory 1g a
	[[ $output == *"memory limit of 1073741824 bytes: the VM cannot grow to "*" MiB" ]]
	[ "$(cat /sys/fs/cgroup/nbtest/memory.max)" = "$was" ]
	[ "$(nb exec a cat /sys/fs/cgroup/memory.max)" = 99999744 ]
	nb update --memory 90000000 a
	[ "$(nb exec a cat /sys/fs/cgroup/memory.max)" = 89997312 ]
	nb delete --force a
	nothing_left "$before"
}

@test "events: statistics once, at intervals, OOM kills, and its end with the container" {
	bundle --set linux.resources.memory.limit=67108864 --set linux.resources.memory.swap=67108864 \
		--set linux.resources.pids.limit=50 "$(busybox_rootfs)" sleep 1000
	nb_up a
	nb events --stats a >stats
	[ "$(wc -l <stats)" -eq 1 ]
	grep -q '^{"type":"stats","id":"a","data":{' stats
	[ "$(jq .data.memory.usage.limit stats)" = 67108864 ]
	[ "$(jq .data.pids.limit stats)" = 50 ]
	[ "$(jq .data.pids.current stats)" -ge 1 ]
	[ "$(jq '.data.cpu.usage.total > 0 and .data.memory.usage.usage > 0 and .data.memory.raw.anon > 0' stats)" = true ]
	nb_bg events --interval 300ms a >events &
	events=$!
	wait_for 20 grep -q stats events
	run nb exec a sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1'
	[ "$status" -eq 137 ]
	wait_for 20 grep -qxF '{"type":"oom","id":"a"}' events
	# The first process too: told before the VM is gone.
	nb delete --force a
	wait_for 20 bash -c "! kill -0 $events"
	wait "$events"
	bundle --set linux.resources.memory.limit=67108864 "$(own_rootfs)" sh -c \
		'until [ -e /go ]; do sleep 0.1; done; exec dd if=/dev/zero of=/dev/null bs=100M count=1'
	nb_up b
	nb_bg events --interval 300ms b >events.b &
	events=$!
	wait_for 20 grep -q stats events.b
	nb exec b touch /go
	wait "$events"
	grep -qxF '{"type":"oom","id":"b"}' events.b
	wait_for 20 has_status b stopped
	run -1 nb events b
	[[ $output == *"container with id b is not running"* ]]
	run -1 nb events --interval 0s b
	[[ $output == *"duration interval must be greater than 0"* ]]
	nb delete b
	nothing_left "$before"
}
