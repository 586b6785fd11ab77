#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whatever is wrong gets one clear line, status 1, and nothing is left behind.

load helpers

# refused TEXT - `run` of $BUNDLE ends with 1, one line on stderr that holds TEXT, and nothing is left.
refused() {
	run --separate-stderr nb_run x
	echo "status $status: $stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"$1"* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	nothing_left "$before"
}

@test "config.json: missing, empty, truncated, huge, deep, duplicate keys, NUL, bad UTF-8" {
	mkdir -p bundle
	refused "JSON specification file config.json not found"
	: >bundle/config.json
	refused "config.json:1:1"
	bundle "$(busybox_rootfs)" true
	cp bundle/config.json good.json
	head -c 700 good.json >bundle/config.json
	refused "config.json:"
	head -c 40000000 /dev/zero | tr '\0' ' ' >bundle/config.json
	refused "larger than"
	{ head -c 200000 /dev/zero | tr '\0' '['; } >bundle/config.json
	refused "config.json:1:"
	echo '{"ociVersion":"1.0.2","ociVersion":"1.0.2"}' >bundle/config.json
	refused "config.json:1:23"
	printf '{"ociVersion":"1.0.2","hostname":"a\\u0000b"}' >bundle/config.json
	refused "config.json:1:"
	printf '{"ociVersion":"1.0.2","hostname":"a\xff\xfe"}' >bundle/config.json
	refused "config.json:1:"
}

@test "config.json: a folder or a fifo in its place" {
	mkdir -p bundle/config.json
	refused "config.json"
	rmdir bundle/config.json
	mkfifo bundle/config.json
	refused "config.json"
}

@test "config.json: what is missing or contradicts itself is named with its place" {
	bundle --del process "$(busybox_rootfs)" true
	refused "process"
	bundle --set process.args='[]' "$(busybox_rootfs)" true
	refused "process.args"
	bundle --del root "$(busybox_rootfs)" true
	refused "root"
	bundle --set process.cwd='"relative"' "$(busybox_rootfs)" true
	refused "process.cwd"
	bundle --add mounts='{"destination":"","type":"tmpfs","source":"tmpfs"}' "$(busybox_rootfs)" true
	refused "destination"
	bundle --set process.user.uid=-1 "$(busybox_rootfs)" true
	refused "process.user.uid"
	bundle --set process.rlimits='[{"type":"RLIMIT_NOFILE","soft":300,"hard":200}]' "$(busybox_rootfs)" true
	refused "process.rlimits[0]"
	bundle --set linux.resources='{"memory":{"limit":1000000,"swap":500000}}' "$(busybox_rootfs)" true
	refused "swap"
	bundle --set vm='{"hwConfig":{"vcpus":1000}}' "$(busybox_rootfs)" true
	refused "vcpus"
	bundle --add linux.namespaces='{"type":"pid","path":"/proc/1/ns/pid"}' "$(busybox_rootfs)" true
	refused "linux.namespaces"
}

@test "root filesystem: missing, not a folder; a mount's source that is missing" {
	bundle /nonexistent/rootfs true
	refused "invalid rootfs /nonexistent/rootfs"
	bundle /etc/passwd true
	refused "invalid rootfs /etc/passwd"
	bundle --add mounts='{"destination":"/x","type":"bind","source":"/nonexistent/source","options":["bind"]}' "$(busybox_rootfs)" true
	refused "/nonexistent/source"
}

@test "the program: missing, not executable, a folder; cwd that does not exist and cannot" {
	bundle "$(busybox_rootfs)" nonexistent
	refused 'exec: "nonexistent": executable file not found in $PATH'
	bundle "$(busybox_rootfs)" /etc/passwd
	refused "permission denied"
	bundle "$(busybox_rootfs)" /no/such/file
	refused "no such file or directory"
	bundle "$(busybox_rootfs)" /etc
	refused "is a directory"
	bundle --set process.cwd='"/etc/passwd"' "$(busybox_rootfs)" true
	refused "cwd"
}

@test "kernel and initrd: missing, not ELF, truncated; no init in the initrd" {
	bundle --set vm='{"kernel":{"path":"/nonexistent/kernel"}}' "$(busybox_rootfs)" true
	refused "/nonexistent/kernel"
	bundle --set vm='{"kernel":{"path":"/etc/passwd"}}' "$(busybox_rootfs)" true
	refused "kernel: not an ELF file"
	head -c 1000000 "$here/build/lib/vmlinux" >short
	bundle --set vm="{\"kernel\":{\"path\":\"$WORK/short\"}}" "$(busybox_rootfs)" true
	refused "truncated"
	: >empty
	bundle --set vm="{\"kernel\":{\"path\":\"$WORK/empty\"}}" "$(busybox_rootfs)" true
	refused "kernel: shorter than an ELF header"
	bundle --set vm="{\"kernel\":{\"path\":\"$here/build/lib/vmlinux\",\"initrd\":\"/nonexistent/initrd\"}}" "$(busybox_rootfs)" true
	refused "/nonexistent/initrd"
	head -c 4096 /dev/zero >noinit
	bundle --set vm="{\"kernel\":{\"path\":\"$here/build/lib/vmlinux\",\"initrd\":\"$WORK/noinit\"}}" "$(busybox_rootfs)" true
	export NESTBOX_BOOT_TIMEOUT=60
	refused "the VM ended before its guest was up"
}

@test "a guest that says nothing: the error holds its last console lines and what the vCPU last did" {
	# An initrd whose init speaks to the console only.
	mkdir -p tree
	printf '#include <unistd.h>\n#include <fcntl.h>\nint main(void){int f=open("/dev/console",O_WRONLY);if(f>=0)(void)!write(f,"init without words\\n",19);for(;;)pause();}' >init.c
	gcc -static -o tree/init init.c
	(cd tree && mkdir dev && mknod dev/console c 5 1 && find . | cpio --quiet -o -H newc >../mute.cpio)
	bundle --set vm="{\"kernel\":{\"path\":\"$here/build/lib/vmlinux\",\"initrd\":\"$WORK/mute.cpio\"}}" "$(busybox_rootfs)" true
	export NESTBOX_BOOT_TIMEOUT=15
	run --separate-stderr nb_run x
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"no HELLO from the guest in 15 s"* ]]
	[[ "$stderr" == *"init without words"* ]]
	[[ "$stderr" == *"VM exits"* ]]
	[[ "$stderr" == *"rip 0x"* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	nothing_left "$before"
}

@test "no memory for the guest: more than the host can map; less than a kernel needs" {
	bundle --set vm='{"hwConfig":{"memory":900000000000}}' "$(busybox_rootfs)" true
	run --separate-stderr bash -c "ulimit -v 8000000; exec '$NESTBOX' --root '$ROOT' run --bundle '$BUNDLE' x"
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"memory"* ]]
	nothing_left "$before"
	bundle --set vm='{"hwConfig":{"memory":9999999999999}}' "$(busybox_rootfs)" true
	refused "vm.hwConfig.memory"
}

@test "state folder: not writable, a file, a damaged state" {
	bundle "$(busybox_rootfs)" true
	run "$NESTBOX" --root /proc/nestbox run --bundle "$BUNDLE" x
	[ "$status" -eq 1 ]
	[[ "$output" == *"state folder /proc/nestbox"* ]]
	run "$NESTBOX" --root /etc/passwd run --bundle "$BUNDLE" x
	[ "$status" -eq 1 ]
	[[ "$output" == *"state folder /etc/passwd"* ]]
	mkdir -p "$ROOT/broken"
	echo '{' >"$ROOT/broken/state.json"
	run nb state broken
	[ "$status" -eq 1 ]
	[[ "$output" == *"state.json"* ]]
	nb list >/dev/null
	nb delete --force broken
	[ ! -e "$ROOT/broken" ]
}

@test "KVM: absent, denied and of the wrong kind are told apart before anything is started" {
	bundle "$(busybox_rootfs)" true
	mv /dev/kvm /dev/kvm.away
	run --separate-stderr nb_run x
	mv /dev/kvm.away /dev/kvm
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"no /dev/kvm"* ]]
	chmod 600 /dev/kvm
	run setpriv --reuid 1000 --regid 1000 --clear-groups "$NESTBOX" check
	[ "$status" -eq 1 ]
	[[ "$output" == *"denied"*"nestbox runs as root"* ]]
	# The same of a container's start, said once.
	chmod 755 "$WORK"
	run -1 setpriv --reuid 1000 --regid 1000 --clear-groups "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" x
	[ "$output" = 'nestbox: nestbox runs as root: it makes namespaces and mounts' ]
	run nb check
	[ "$status" -eq 0 ]
	[[ "$output" == *"kvm"*"nested"* ]]
	[[ "$output" == *"ready"* ]]
}

@test "options: unknown, without their value, contradictory; refused ones by name" {
	bundle "$(busybox_rootfs)" true
	for args in "run --frobnicate x" "run --bundle" "create" "start" "kill" "delete" "state" "exec" "frobnicate" \
		"--log-format yaml list" "--rootless=true list" "start a b" "run --preserve-fds 3 x" "create --pidfd-socket s x"; do
		# shellcheck disable=SC2086
		run --separate-stderr nb $args
		echo "$args: $status: $stderr"
		[ "$status" -ne 0 ]
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
	run --separate-stderr nb run --preserve-fds 3 x
	[[ "$stderr" == *"--preserve-fds"* ]]
	nothing_left "$before"
}

@test "ids: slashes, dots, too long, none: every verb says so; the longest and the oddest that are allowed" {
	bundle "$(busybox_rootfs)" true
	for id in ../x a/b . .. / 'a b' 'a
b' 'é' '*' "$(printf 'x%.0s' $(seq 300))"; do
		for verb in "create --bundle $BUNDLE" "run --bundle $BUNDLE" start state delete "delete --force" kill pause resume \
			ps "events --stats" "update --pids-limit 5"; do
			# shellcheck disable=SC2086
			run --separate-stderr nb $verb "$id"
			echo "$verb $id: $status: $stderr"
			[ "$status" -eq 1 ]
			[[ "$stderr" == *"invalid container ID format"* ]]
			[ "${#stderr_lines[@]}" -eq 1 ]
		done
		run --separate-stderr nb exec "$id" true
		[ "$status" -eq 255 ]
		[[ "$stderr" == *"invalid container ID format"* ]]
	done
	for id in "$(printf 'x%.0s' $(seq 200))" a+b_c-d.e ..a; do
		run nb_run "$id"
		echo "$id: $output"
		[ "$status" -eq 0 ]
	done
	nothing_left "$before"
}

@test "exec --process: truncated, not an object, wrong types and values, a folder, too large: 255, one line, no process" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	wrong() {
		run --separate-stderr nb exec --process p.json a
		echo "$(head -c 100 p.json 2>/dev/null): $status: $stderr"
		[ "$status" -eq 255 ]
		[[ "$stderr" == *"$1"* && ( "$stderr" == *p.json:* || "$stderr" == *process.* ) ]]
		[ "${#stderr_lines[@]}" -eq 1 ]
	}
	while IFS='|' read -r json text; do
		printf '%s' "$json" >p.json
		wrong "$text"
	done <<-'TABLE'
		|
		{|
		[]|
		"sh"|
		null|
		{"args":["true"],"cwd":"/"} {}|
		{"cwd":"/"}|args
		{"args":[],"cwd":"/"}|args
		{"args":"true","cwd":"/"}|args
		{"args":[1],"cwd":"/"}|args[0]
		{"args":["true"],"cwd":"tmp"}|cwd
		{"args":["true"]}|cwd
		{"args":["true"],"cwd":"/","env":["X"]}|env[0]
		{"args":["true"],"cwd":"/","env":{"X":"1"}}|env
		{"args":["true"],"cwd":"/","user":{"uid":-1}}|user.uid
		{"args":["true"],"cwd":"/","user":{"uid":4294967296}}|user.uid
		{"args":["true"],"cwd":"/","user":{"gid":"0"}}|user.gid
		{"args":["true"],"cwd":"/","terminal":"no"}|terminal
		{"args":["true"],"cwd":"/","rlimits":[{"type":"RLIMIT_X","soft":1,"hard":1}]}|rlimits[0]
		{"args":["true"],"cwd":"/","rlimits":[{"type":"RLIMIT_NOFILE","soft":2,"hard":1}]}|rlimits[0]
		{"args":["true"],"cwd":"/","capabilities":["CAP_KILL"]}|capabilities
		{"args":["true"],"cwd":"/","oomScoreAdj":1001}|oomScoreAdj
		{"args":["true"],"cwd":"/","ioPriority":{"class":"IOPRIO_CLASS_X","priority":1}}|ioPriority
	TABLE
	{ head -c 70000 /dev/zero | tr '\0' '['; } >p.json
	wrong ""
	head -c 17000000 /dev/zero | tr '\0' ' ' >p.json
	wrong "larger than"
	head -c 100 /dev/urandom >p.json
	wrong ""
	rm p.json
	mkdir p.json
	wrong ""
	[ "$(nb ps -f guest a | wc -l)" -eq 2 ]
	nb delete --force a
	nothing_left "$before"
}

@test "much of everything: 1,000 mounts, 10,000 variables, 2 MB of arguments, and more than there is room for" {
	mkdir -p source
	rootfs=$(own_rootfs)
	bundle "$rootfs" sh -c 'grep -c " /m/" /proc/self/mountinfo; cat /m/999/file; env | grep -c "^VARIABLE_"'
	echo found >source/file
	jq --arg source "$WORK/source" '
		.mounts += [range(500) | {destination: "/m/\(.)", type: "tmpfs", source: "tmpfs", options: ["size=64k"]}] +
			[range(500; 1000) | {destination: "/m/\(.)", type: "bind", source: $source, options: ["bind"]}] |
		.process.env += [range(10000) | "VARIABLE_\(.)=value \(.)"]' "$BUNDLE/config.json" >much.json
	cp much.json "$BUNDLE/config.json"
	run --separate-stderr nb_run x
	echo "$status: $output: $stderr"
	[ "$status" -eq 0 ]
	[ "$output" = $'1000\nfound\n10000' ]
	# Arguments: Linux takes a quarter of the stack's limit, and 128 KiB of each.
	stack=(--set process.rlimits='[{"type":"RLIMIT_STACK","soft":33554432,"hard":33554432}]')
	# words N SIZE PATH FILTER - FILTER makes a file of PATH's, with so many words as $words.
	words() {
		jq -c --argjson n "$1" --argjson size "$2" '(["echo"] + [range($n) | "x" * $size]) as $words | '"$4" "$3" >much.json
	}
	bundle "${stack[@]}" "$(busybox_rootfs)" true
	words 20 100000 "$BUNDLE/config.json" '.process.args = $words'
	cp much.json "$BUNDLE/config.json"
	[ "$(nb_run x | wc -c)" -eq 2000020 ]
	for much in "70 100000" "1 140000"; do
		# shellcheck disable=SC2086
		words $much "$BUNDLE/config.json" '.process.args = $words'
		cp much.json "$BUNDLE/config.json"
		refused "argument list too long"
	done
	bundle "${stack[@]}" "$(busybox_rootfs)" sleep 1000
	nb_up a
	echo '{"cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}' >p.json
	words 20 100000 p.json '.args = $words'
	[ "$(nb exec --process much.json a | wc -c)" -eq 2000020 ]
	words 70 100000 p.json '.args = $words'
	run --separate-stderr nb exec --process much.json a
	echo "$stderr"
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"argument list too long"* ]]
	nb delete --force a
	nothing_left "$before"
}

@test "an overlay mount names folders of the host, which the guest has not: refused" {
	bundle --add mounts='{"destination":"/o","type":"overlay","source":"overlay","options":["lowerdir=/usr:/etc"]}' "$(busybox_rootfs)" true
	refused "mounts[7]: an overlay"
}

@test "kill and delete of what does not exist" {
	for verb in "kill nobody KILL" "delete nobody" "start nobody" "state nobody" "exec nobody true"; do
		# shellcheck disable=SC2086
		run --separate-stderr nb $verb
		[ "$status" -ne 0 ]
		[[ "$stderr" == *"container does not exist"* ]]
	done
	nb delete --force nobody
}

@test "the image is hostile: links out of the root lead nowhere, nothing is read from it" {
	rootfs=$(own_rootfs)
	echo host >secret
	rm -rf "$rootfs/etc" "$rootfs/data"
	ln -s ../../../../tmp "$rootfs/etc"
	ln -s /../../../../.. "$rootfs/data"
	ln -s "$WORK/secret" "$rootfs/link"
	mkdir "$rootfs/volume-dir"
	echo '{"kernel_path":"/tmp/evil"}' >"$rootfs/.krun_vm.json"
	mkdir volume
	bundle --add mounts="{\"destination\":\"/data/sub\",\"type\":\"bind\",\"source\":\"$WORK/volume\",\"options\":[\"rbind\"]}" \
		--add mounts='{"destination":"/etc/deep/er","type":"tmpfs","source":"tmpfs"}' "$rootfs" \
		sh -c 'cat /link; echo x >/sub/file; ls /etc/deep; grep -c " /sub " /proc/mounts'
	run nb_run x
	echo "$output"
	[[ "$output" != *host* ]]
	[ -e volume/file ]
	[ -d "$rootfs/tmp/deep/er" ]
	[ ! -e /tmp/deep ]
	[ ! -e /sub ]
}
