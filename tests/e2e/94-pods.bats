#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods: containers that run in another one's VM. Each is a container of its own for every verb; what they share is a
# kernel, the network, and the namespaces that config.json names.

load helpers

teardown() {
	# A test that fails may leave it so.
	! mountpoint -q "$WORK/hung" || { fsfreeze -u "$WORK/hung" || true; umount -l "$WORK/hung"; }
	clean_up
}

# sandbox ID [mk-bundle options] - the first container of a pod, made and started.
sandbox() {
	local id=$1
	shift
	mkdir -p "$WORK/shm"
	bundle --set annotations='{"io.kubernetes.cri.container-type": "sandbox"}' --add mounts="$(shm)" "$@" \
		"$(busybox_rootfs)" sleep 1000
	nb_up "$id"
}

# /dev/shm as engines give it to all containers of a pod.
shm() {
	printf '{"destination":"/dev/shm","type":"bind","source":"%s","options":["rbind","nosuid","nodev"]}' "$WORK/shm"
}

# shares SANDBOX TYPE... - linux.namespaces of a member: the network and what is named are the sandbox's.
shares() {
	local pid type own=' pid ipc uts '
	pid=$(nb state "$1" | jq .pid)
	shift
	printf '[{"type":"mount"},{"type":"cgroup"},{"type":"network","path":"/proc/%s/ns/net"}' "$pid"
	for type in "$@"; do
		printf ',{"type":"%s","path":"/proc/%s/ns/%s"}' "$type" "$pid" "$type"
		own=${own/ $type / }
	done
	for type in $own; do printf ',{"type":"%s"}' "$type"; done
	printf ']'
}

# member_bundle SANDBOX NAMESPACES [mk-bundle options] ROOTFS COMMAND...
member_bundle() {
	local annotations
	annotations=$(printf '{"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "%s"}' "$1")
	bundle --set annotations="$annotations" --set linux.namespaces="$2" --add mounts="$(shm)" "${@:3}"
}

# member ID SANDBOX COMMAND... - made and started, with a root of its own and the usual namespaces.
member() {
	[ -d "$WORK/$1" ] || cp -a "$(busybox_rootfs)" "$WORK/$1"
	member_bundle "$2" "$(shares "$2" ipc uts)" "$WORK/$1" "${@:3}"
	nb_up "$1"
}

in_ns() {
	nb exec "$1" readlink "/proc/self/ns/$2"
}

boot_id() {
	nb exec "$1" cat /proc/sys/kernel/random/boot_id
}

@test "a sandbox and its members: one kernel, localhost, roots of their own, namespaces as asked" {
	sandbox s
	member a s sh -c 'mkdir /www; echo from a >/www/x; exec httpd -f -p 127.0.0.1:8080 -h /www'
	member b s sleep 1000
	[ "$(pgrep -c nestbox-vmm)" -eq 1 ]
	[ "$(boot_id a)" = "$(boot_id s)" ]
	[ "$(boot_id b)" = "$(boot_id s)" ]
	[ "$(nb exec b cat /proc/sys/kernel/unprivileged_bpf_disabled)" = 2 ]
	wait_for 20 nb exec b wget -qO- http://127.0.0.1:8080/x
	[ "$(nb exec b wget -qO- http://127.0.0.1:8080/x)" = 'from a' ]
	run ! nb exec b ls /www
	[ -e "$WORK/a/www/x" ]
	for type in net ipc uts; do
		[ "$(in_ns a $type)" = "$(in_ns s $type)" ]
		[ "$(in_ns b $type)" = "$(in_ns s $type)" ]
	done
	# Shared memory is memory, and the guest's.
	[ "$(nb exec a stat -f -c %T /dev/shm)" = tmpfs ]
	nb exec a sh -c 'echo word >/dev/shm/x'
	[ "$(nb exec b cat /dev/shm/x)" = word ]
	[ -z "$(ls "$WORK/shm")" ]
	[ "$(in_ns a pid)" != "$(in_ns s pid)" ]
	[ "$(in_ns a mnt)" != "$(in_ns b mnt)" ]
	# Processes, and IPC and names of its own, where config.json says so.
	member_bundle s "$(shares s pid)" "$(busybox_rootfs)" sleep 2000
	nb_up c
	[ "$(in_ns c pid)" = "$(in_ns s pid)" ]
	[ "$(in_ns c ipc)" != "$(in_ns s ipc)" ]
	run ! nb exec c cat /dev/shm/x
	nb exec c ps | grep 'sleep 1000'
	nb exec s ps | grep 'sleep 2000'
	run -0 nb exec a ps
	[[ $output != *'sleep 1000'* ]] || false
	nb delete --force s
	for id in a b c; do
		wait_for 10 has_status $id stopped
		nb delete $id
	done
	nothing_left "$before"
}

@test "every verb on a member, and the others are not disturbed" {
	sandbox s
	member a s sh -c 'echo up; trap "exit 5" TERM; while :; do sleep 0.1; done'
	member b s sleep 1000
	[ "$(nb list -q | sort | paste -sd' ')" = 'a b s' ]
	run -3 nb exec a sh -c 'exit 3'
	[ "$(nb ps --format json a | jq length)" -eq 1 ]
	nb ps --format guest a | grep 'trap'
	nb pause a
	[ "$(status_of a)" = paused ]
	nb exec b true
	nb resume a
	nb update --pids-limit 77 a
	[ "$(nb exec a cat /sys/fs/cgroup/pids.max)" = 77 ]
	[ "$(nb exec b cat /sys/fs/cgroup/pids.max)" != 77 ]
	[ "$(nb events --stats a | jq .data.pids.limit)" -eq 77 ]
	nb kill a TERM
	wait_for 10 has_status a stopped
	run -1 nb kill a TERM
	[[ $output == *'container not running'* ]]
	nb delete a
	nb exec b true
	# In the foreground: output and status.
	member_bundle s "$(shares s ipc)" "$(busybox_rootfs)" sh -c 'echo out; echo err >&2; exit 9'
	status=0
	nb run --bundle "$BUNDLE" d >out 2>err </dev/null || status=$?
	[ $status -eq 9 ]
	cat out err
	[ "$(cat out err | paste -sd' ')" = 'out err' ]
	[ "$(nb list -q | sort | paste -sd' ')" = 'b s' ]
	nb delete --force b
	nb exec s true
	nb delete --force s
	nothing_left "$before"
}

@test "limits are a member's own: one is killed for memory, the others go on" {
	sandbox s
	member b s sleep 1000
	member_bundle s "$(shares s ipc)" --set linux.resources='{"memory":{"limit":33554432},"pids":{"limit":20}}' \
		"$(busybox_rootfs)" sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; exec tail /dev/zero'
	status=0
	nb run --bundle "$BUNDLE" a >out 2>&1 </dev/null || status=$?
	[ $status -eq 137 ]
	cat out
	[ "$(paste -sd' ' out)" = '33554432 20' ]
	nb exec b true
	[ "$(nb exec s cat /sys/fs/cgroup/memory.max)" = max ]
	[ "$(nb exec b sh -c 'grep oom_kill\  /sys/fs/cgroup/memory.events')" = 'oom_kill 0' ]
	# The VM grows for one that may use more than it has, when it comes and when that is changed.
	member_bundle s "$(shares s ipc)" --set linux.resources.memory.limit=$((1500 << 20)) \
		"$(busybox_rootfs)" dd if=/dev/zero of=/dev/null bs=1400M count=1
	nb run --bundle "$BUNDLE" large </dev/null
	nb update --memory 2g b
	nb exec b dd if=/dev/zero of=/dev/null bs=1800M count=1
	nb delete --force s
	nb delete --force b
	nothing_left "$before"
}

@test "as many as there are places, one more is refused; a place that became free is used again" {
	sandbox s
	for i in 1 2 3 4 5 6 7 8; do member m$i s sleep 1000; done
	member_bundle s "$(shares s ipc)" "$(busybox_rootfs)" sleep 1000
	run -1 nb create --bundle "$BUNDLE" m9
	[[ $output == *'no room for more'* ]]
	run ! nb state m9
	nb delete --force m3
	nb_up m9
	nb exec m9 true
	nb exec m8 true
	nb delete --force s
	for id in $(nb list -q); do nb delete --force "$id"; done
	nothing_left "$before"
}

# writer ID - a member of s that writes to a file of the folder "hung"; and that hangs from here on.
writer() {
	cp -a "$(busybox_rootfs)" "$WORK/$1"
	member_bundle s "$(shares s ipc uts)" --add mounts="$(printf '{"destination":"/share","type":"bind","source":"%s","options":["rbind"]}' "$WORK/hung")" \
		"$WORK/$1" sh -c "exec 3>/share/$1; while :; do echo x >&3; sleep 0.1; done"
	nb_up "$1"
	wait_for 20 test -s "hung/$1"
	fsfreeze -f hung
	sleep 1
}

# The first place for a member is free, as the VM's kernel sees it.
first_free() {
	nb exec s sh -c 'for f in /sys/fs/virtiofs/*/tag; do [ "$(cat $f)" != nestbox-1 ] || exit 1; done'
}

@test "a member whose share hangs: the others go on, and more come; its place is free when that answers" {
	modprobe loop
	truncate -s 64M disk
	mkfs.ext4 -q disk
	mkdir hung
	mount -o loop disk hung
	before=$(host_before)
	sandbox s
	writer a
	run ! first_free
	nb delete --force a
	# As long as init's child tries to remove the cgroup, and then some.
	sleep 12
	member b s sleep 1000
	nb exec s true
	nb exec b true
	run ! first_free
	fsfreeze -u hung
	wait_for 20 first_free
	writer c
	run ! first_free
	cgroup=/sys/fs/cgroup$(cut -d: -f3 "/proc/$(pgrep -o nestbox-vmm)/cgroup")
	nb delete --force s
	run ! nb state s
	nb delete --force c
	# The VMM ends with its last thread, and nobody is left who would remove its cgroup.
	fsfreeze -u hung
	wait_for 20 has_status b stopped
	nb delete b
	wait_for 20 rmdir "$cgroup"
	nothing_left "$before"
	umount hung
}

@test "killed: a member's monitor or fs server ends that one, the VM's monitor ends all" {
	sandbox s
	member a s sleep 1000
	member b s sleep 1000
	member c s sleep 1000
	kill -KILL "$(nb state a | jq .pid)"
	wait_for 10 has_status a stopped
	nb delete a
	wait_for 10 sees_one_less
	# Without its files it cannot go on for long, but that is its own affair.
	server=$(jq .fsd.pid "$ROOT/b/state.json")
	kill -KILL "$server"
	wait_for 10 is_gone "$server"
	run ! nb exec b ls /
	nb delete --force b
	nb exec c true
	# At once with itself, and in the middle of a create.
	nb delete --force c & nb delete --force c & wait
	member d s sleep 1000
	nb_bg run --bundle "$BUNDLE" e </dev/null >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for 20 has_status e running
	kill -KILL "$(nb state s | jq .pid)"
	status=0
	wait $pid || status=$?
	[ $status -eq 137 ]
	wait_for 10 has_status d stopped
	nb delete d
	nb delete s
	nothing_left "$before"
}

# speaker ID SOCKET COMMAND... - a member of s with Debian's Python: sockets.py with those commands, its words in out/ID;
# it has that socket of the host as /tmp/socket.
speaker() {
	local mount mounts=()
	for mount in "$here/tests/e2e:/tests" "$WORK/out:/out" "$WORK/$2:/tmp/socket"; do
		mounts+=(--add mounts="$(printf '{"destination":"%s","type":"bind","source":"%s","options":["bind"]}' "${mount#*:}" "${mount%:*}")")
	done
	member_bundle s "$(shares s ipc uts)" "${mounts[@]}" "$(debian_rootfs)" \
		sh -c "exec python3 -u /tests/sockets.py ${*:3} >/out/$1 2>&1"
	nb_up "$1"
}

# A zombie is: its parent may have gone, too.
is_gone() {
	! ps -o stat= -p "$1" | grep -v '^Z'
}

# heard SECONDS ID LINE
heard() {
	wait_for "$1" grep -qx "$3" "out/$2" || {
		cat "out/$2"
		return 1
	}
}

@test "sockets of the host: another member's are out of reach for root, and each has places of its own" {
	debian_rootfs
	before=$(host_before)
	mkdir out
	for socket in 'serve a.sock 666' 'mute mute.sock'; do
		# shellcheck disable=SC2086
		python3 -u "$here/tests/e2e/sockets.py" $socket >"out/${socket%% *}" 2>&1 3>&- &
	done
	servers=$(jobs -p)
	heard 60 serve listening
	heard 60 mute listening
	sandbox s
	speaker victim a.sock ask /tmp/socket --- wait /out/go-1 --- ask /tmp/socket --- many /tmp/socket 10 \
		--- wait /out/go-2 --- many /tmp/socket 40 --- wait /out/go-3
	heard 90 victim 'uid=0 bytes=10'
	# Root may bind the ports that it takes: the kernel does not stand in its way. It knows what to ask for.
	number=$(jq '.mounts | map(.destination) | index("/tmp/socket")' "$BUNDLE/config.json")
	speaker thief mute.sock break-in "$number" --- hold /tmp/socket 60
	heard 180 thief silent
	touch out/go-1
	heard 90 victim '10 asked, 0 failed \[\]'
	[ "$(grep -cx 'uid=0 bytes=10' out/victim)" -eq 2 ]
	# The VMM does not wait for ever either. Then it has as many connections of its own as it can get.
	heard 90 thief 'holding 60'
	cat out/thief
	grep -qx 'unprivileged port: refused' out/thief
	grep -qx '70 tried, 0 answered' out/thief
	grep -qx '100 ended, 0 answered' out/thief
	touch out/go-2
	heard 90 victim '40 asked, 0 failed \[\]'
	# When it has ended its places are the next one's.
	nb delete --force thief
	speaker next a.sock as 1000 /tmp/socket --- many /tmp/socket 40 --- wait /out/go-3
	heard 90 next '40 asked, 0 failed \[\]'
	grep -qx 'uid=1000 bytes=10' out/next
	# Its fs server was another user for a moment, by which the kernel forgot that it was to end with the monitor: it does
	# all the same, as the guest lets go of it.
	server=$(jq .fsd.pid "$ROOT/next/state.json")
	kill -0 "$server"
	kill -KILL "$(nb state next | jq .pid)"
	wait_for 30 is_gone "$server"
	nb delete --force s
	for id in victim next; do nb delete --force $id; done
	# shellcheck disable=SC2086
	kill $servers
	rm -rf "$(debian_rootfs)/tmp/socket"
	nothing_left "$before"
}

# The guest has forgotten the container: its file system's place is free, and its cgroup is gone.
sees_one_less() {
	[ "$(pgrep -c nestbox-fsd)" -eq 3 ]
}

# refused WORDS [mk-bundle options...] - create of such a container fails and says so; nothing is left of it.
refused() {
	local words=$1
	shift
	bundle "$@" "$(busybox_rootfs)" true
	run -1 nb create --bundle "$BUNDLE" bad
	echo "$output"
	[[ $output == *"$words"* ]]
	run ! nb state bad
}

# joins ID - annotations of a container that says it belongs there.
joins() {
	printf '{"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "%s"}' "$1"
}

@test "who may join: not by a wrong name, by a foreign process, from another network" {
	sandbox s
	bundle --set linux.namespaces='[{"type":"mount"},{"type":"pid"},{"type":"ipc"},{"type":"uts"}]' \
		"$(busybox_rootfs)" sleep 1000
	nb_up alone
	refused 'container does not exist' --set annotations="$(joins nobody)"
	refused 'invalid container ID format' --set annotations="$(joins ../s)"
	refused 'cannot be its own sandbox' --set annotations="$(joins bad)"
	refused 'made for one container only' --set annotations="$(joins alone)"
	refused 'sandbox-id is missing' --set annotations='{"io.kubernetes.cri.container-type": "container"}'
	# Its network is the VM's: neither one of its own nor another one's.
	refused "has that one's network" --set annotations="$(joins s)"
	refused "has that one's network" --set annotations="$(joins s)" \
		--set linux.namespaces="$(shares s ipc | sed "s|/proc/[0-9]*/ns/net|/proc/$$/ns/net|")"
	# A namespace of a process that is none of ours, or of a container in another VM.
	unshare --ipc --pid --fork --kill-child sleep 1000 3>&- &
	wait_for 5 pgrep -P $!
	refused 'cannot be joined' --set linux.namespaces="[{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"ipc\",\"path\":\"/proc/$!/ns/ipc\"}]"
	refused 'cannot be joined' --set annotations="$(joins s)" \
		--set linux.namespaces="$(shares s ipc | sed "s|}]|},{\"type\":\"pid\",\"path\":\"/proc/$!/ns/pid\"}]|; s|,{\"type\":\"pid\"}||")"
	kill $!
	refused 'cannot be joined' --set annotations="$(joins s)" \
		--set linux.namespaces="$(shares s ipc | sed "s|{\"type\":\"pid\"}|{\"type\":\"pid\",\"path\":\"/proc/$(nb state alone | jq .pid)/ns/pid\"}|")"
	member a s sleep 1000
	refused 'in the VM of another container itself' --set annotations="$(joins a)"
	# By paths alone, as Docker's --network container:X has it; of a member as well as of the first one.
	bundle --set linux.namespaces="$(shares a uts)" "$(busybox_rootfs)" sleep 1000
	nb_up b
	[ "$(boot_id b)" = "$(boot_id s)" ]
	nb delete --force s
	for id in a b alone; do nb delete --force $id; done
	nothing_left "$before"
}
