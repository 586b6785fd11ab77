#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hooks: where each kind runs and what it gets, in which order, and what becomes of a container when
# one fails, hangs, or its command is killed.

load helpers

setup() {
	new_work
	before=$(host_before)
	trace=$WORK/trace
	rootfs=$(own_rootfs)
}

teardown() {
	clean_up
}

# hook KIND COMMAND [TIMEOUT] - a hook for `bundle --add`.
hook() {
	local timeout=${3:+,\"timeout\":$3}
	printf '%s' "hooks.$1={\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",$(jq -n --arg c "$2" '$c')]$timeout}"
}

# sees KIND FILE - that the state document in the file is in order for a hook of this kind.
sees() {
	local status pid
	case $1 in
	prestart | createRuntime | createContainer) status=creating ;;
	startContainer) status=created ;;
	poststart) status=running ;;
	poststop) status=stopped ;;
	esac
	jq -e --arg s "$status" --arg b "$BUNDLE" '.ociVersion == "1.2.0" and .id == "a" and .status == $s and
		.bundle == $b and .annotations["org.test"] == "yes"' "$2" >/dev/null || { cat "$2"; return 1; }
	pid=$(jq .pid "$2")
	case $1 in
	*Container) [ "$pid" -eq 1 ] ;;
	poststop) [ "$pid" -eq 0 ] ;;
	*) [ "$pid" -gt 1 ] ;;
	esac
}

@test "all six: order, state on stdin, where they run" {
	bundle --set annotations='{"org.test":"yes"}' \
		--add "$(hook prestart "cat >$WORK/prestart; echo prestart >>$trace; cat /proc/version >>$WORK/kernels
			readlink /proc/\$(jq .pid $WORK/prestart)/ns/net >$WORK/netns; pwd >$WORK/cwd")" \
		--add "$(hook createRuntime "cat >$WORK/createRuntime; echo createRuntime >>$trace")" \
		--add "$(hook createRuntime "echo createRuntime2 >>$trace")" \
		--add "$(hook createContainer 'cat >/createContainer; echo createContainer >>/trace; id -u >/who; uname -r >/guest
			[ -e /proc/1/comm ] && [ -e /dev/null ] && mount -t tmpfs none /mnt && echo hello >/mnt/file')" \
		--add "$(hook startContainer 'cat >/tmp/startContainer; echo startContainer >>/tmp/trace; id -u >/tmp/who; echo $MINE >/tmp/env; pwd >/tmp/cwd')" \
		--add "$(hook poststart "cat >$WORK/poststart; echo poststart >>$trace")" \
		--add "$(hook poststop "cat >$WORK/poststop; echo poststop >>$trace
			$NESTBOX --root $ROOT state a 2>$WORK/gone || true")" \
		--set process.user='{"uid":7,"gid":7}' --set process.cwd='"/tmp"' --add process.env='"MINE=yes"' \
		"$rootfs" sh -c 'cat /trace /tmp/trace /mnt/file; sleep 1000'
	mkdir -p "$rootfs/mnt"
	chmod 1777 "$rootfs/tmp"
	nb create --bundle "$BUNDLE" --pid-file pid a </dev/null >out 2>err
	[ "$(cat trace)" = $'prestart\ncreateRuntime\ncreateRuntime2' ]
	[ "$(cat "$rootfs/trace")" = createContainer ]
	[ ! -e "$rootfs/tmp/trace" ]
	nb start a
	[ "$(tail -n 1 trace)" = poststart ]
	wait_for 10 grep -q hello out
	[ "$(cat out)" = $'createContainer\nstartContainer\nhello' ]
	# createContainer as root before the program's identity, startContainer as the program.
	[ "$(cat "$rootfs/who" "$rootfs/tmp/who")" = $'0\n7' ]
	[ "$(cat "$rootfs/tmp/env" "$rootfs/tmp/cwd")" = $'yes\n/tmp' ]
	[[ "$(cat "$rootfs/guest")" == *-nestbox* ]]
	grep -q "$(uname -r)" kernels
	[ "$(cat cwd)" = "$BUNDLE" ]
	# The pid of the hooks is the one in the pid file, and stands in the container's network namespace.
	for kind in prestart createRuntime poststart; do
		[ "$(jq .pid "$kind")" = "$(cat pid)" ]
	done
	[ "$(cat netns)" = "$(readlink "/proc/$(cat pid)/ns/net")" ]
	[ "$(cat netns)" != "$(readlink /proc/self/ns/net)" ]
	nb kill a KILL
	wait_for 10 has_status a stopped
	[ ! -e poststop ]
	nb delete a
	[ "$(cat trace)" = $'prestart\ncreateRuntime\ncreateRuntime2\npoststart\npoststop' ]
	grep -q 'does not exist' gone
	for kind in prestart createRuntime poststart poststop; do
		sees "$kind" "$kind"
	done
	sees createContainer "$rootfs/createContainer"
	sees startContainer "$rootfs/tmp/startContainer"
	nothing_left "$before"
}

@test "a failing hook of create undoes it, and poststop runs" {
	for kind in prestart createRuntime createContainer; do
		bundle --add "$(hook "$kind" 'exit 0')" --add "$(hook "$kind" 'echo said; echo why >&2; exit 3')" \
			--add "$(hook "$kind" "echo never >>/trace")" --add "$(hook poststop "echo poststop >>$trace")" \
			"$rootfs" sh -c 'echo never'
		rm -f "$trace"
		run nb create --bundle "$BUNDLE" a </dev/null
		[ "$status" -eq 1 ]
		[[ "$output" == *"error running $kind hook #1: error running hook: exit status 3, stdout: said, stderr: why"* ]]
		[ "$(cat trace)" = poststop ]
		run nb state a
		[[ "$output" == *"does not exist"* ]]
	done
	run nb run --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"error running createContainer hook #1: error running hook: exit status 3"* && "$output" != *never* ]]
	[ "$(wc -l <trace)" -eq 2 ]
	[ ! -e /trace ] && [ ! -e "$rootfs/trace" ]
	nothing_left "$before"
}

@test "a failing hook of start ends the container" {
	bundle --add "$(hook startContainer 'echo why >&2; exit 3')" --add "$(hook poststop "echo poststop >>$trace")" \
		"$rootfs" sh -c 'echo never'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>err
	run nb start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"error running startContainer hook #0: error running hook: exit status 3, stdout: , stderr: why"* ]]
	[ "$(status_of a)" = stopped ]
	[ ! -s out ] && [ ! -e trace ]
	nb delete a
	[ "$(cat trace)" = poststop ]
	run nb run --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"error running startContainer hook #0"* && "$output" != *never* ]]
	[ "$(wc -l <trace)" -eq 2 ]

	bundle --add "$(hook poststart 'exit 4')" --add "$(hook poststop "echo poststop >>$trace")" "$rootfs" sleep 1000
	nb create --bundle "$BUNDLE" a </dev/null >out 2>err
	run nb start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"error running poststart hook #0: error running hook: exit status 4"* ]]
	[ "$(status_of a)" = stopped ]
	nb delete a
	run nb run --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"error running poststart hook #0: error running hook: exit status 4"* ]]
	[ "$(wc -l <trace)" -eq 4 ]
	nothing_left "$before"
}

@test "poststop: at every kind of end, failures are warnings and the rest runs" {
	bundle --add "$(hook poststop "echo 1 >>$trace; echo why >&2; exit 5")" --add "$(hook poststop "sleep 100" 1)" \
		--add "$(hook poststop "echo 3 >>$trace")" "$rootfs" true
	run --separate-stderr nb run --bundle "$BUNDLE" a
	[ "$status" -eq 0 ]
	# shellcheck disable=SC2154 # bats sets it
	[[ "$stderr" == *"error running poststop hook #0: error running hook: exit status 5, stdout: , stderr: why; error running poststop hook #1: hook ran past specified timeout of 1.0s"* ]]
	[ "$(cat trace)" = $'1\n3' ]

	bundle --add "$(hook poststop "echo end >>$trace; exit 1")" "$rootfs" sleep 1000
	nb_up a
	run nb --log log --log-format json delete --force a
	[ "$status" -eq 0 ]
	[[ "$output" == *"error running poststop hook #0: error running hook: exit status 1"* ]]
	[ "$(jq -r .level log)" = warning ]
	[ "$(tail -n 1 trace)" = end ]
	# One that was never started, and one that is not there.
	nb create --bundle "$BUNDLE" a </dev/null >out 2>err
	nb delete a
	run nb delete --force a
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(grep -c end trace)" -eq 2 ]
	# The end of a foreground run that is kept is its delete.
	bundle --add "$(hook poststop "echo kept >>$trace")" "$rootfs" true
	nb run --keep --bundle "$BUNDLE" a
	run grep kept trace
	[ "$status" -eq 1 ]
	nb delete a
	[ "$(tail -n 1 trace)" = kept ]
	nothing_left "$before"
}

@test "time limits, on the host and in the guest" {
	for kind in prestart createContainer startContainer poststart; do
		bundle --add "$(hook "$kind" 'sleep 300 & sleep 300' 1)" "$rootfs" sleep 1000
		run timeout 60 "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" a
		[ "$status" -eq 1 ]
		[[ "$output" == *"error running $kind hook #0: hook ran past specified timeout of 1.0s"* ]]
		wait_for 10 no_process sleep
	done
	nothing_left "$before"
}

@test "paths: in the host's root, in the container's; validation" {
	bundle --set hooks='{"prestart":[{"path":"/nonexistent"}]}' "$rootfs" true
	run nb run --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"error running prestart hook #0: fork/exec /nonexistent: no such file or directory"* ]]
	# The image's links lead nowhere outside the image.
	printf '#!/bin/sh\necho ran >/ran\n' >"$rootfs/bin/mine"
	chmod +x "$rootfs/bin/mine"
	ln -s /bin/mine "$rootfs/hook"
	for kind in createContainer startContainer; do
		bundle --set hooks="{\"$kind\":[{\"path\":\"/hook\"}]}" "$rootfs" cat /ran
		[ "$(nb run --bundle "$BUNDLE" a)" = ran ]
		rm "$rootfs/ran"
		bundle --set hooks="{\"$kind\":[{\"path\":\"/nonexistent\"}]}" "$rootfs" true
		run nb run --bundle "$BUNDLE" a
		[ "$status" -eq 1 ]
		[[ "$output" == *"error running $kind hook #0: fork/exec /nonexistent: no such file or directory"* ]]
	done
	bundle --set hooks='{"poststop":[{"path":"relative"}]}' "$rootfs" true
	run nb run --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.poststop[0].path: not an absolute path"* ]]
	bundle --set hooks='{"poststart":[{"path":"/bin/true","timeout":0}]}' "$rootfs" true
	run nb run --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.poststart[0].timeout: must be 1 to"* ]]
	nb features | jq -e '.hooks == ["prestart","createRuntime","createContainer","startContainer","poststart","poststop"]'
	nothing_left "$before"
}

@test "killed while a hook runs: nothing is left, or delete comes for it" {
	bundle --add "$(hook prestart "echo up >$WORK/up; exec sleep 1000")" "$rootfs" true
	nb_bg create --bundle "$BUNDLE" a </dev/null >out 2>err &
	pid=$!
	wait_for 30 test -s up
	kill -KILL $pid
	wait_for 10 no_process sleep
	wait_for 10 no_process nestbox-vmm
	wait_for 10 nothing_listed
	nothing_left "$before"
	# delete --force of a create under way ends its hook.
	rm up
	nb_bg create --bundle "$BUNDLE" a </dev/null >out 2>err &
	wait_for 30 test -s up
	nb delete --force a
	wait_for 10 no_process sleep
	nothing_left "$before"
	# What has poststop hooks is kept for them.
	bundle --add "$(hook prestart "echo up >$WORK/up; exec sleep 1000")" --add "$(hook poststop "echo poststop >>$trace")" "$rootfs" true
	rm up
	nb_bg create --bundle "$BUNDLE" a </dev/null >out 2>err &
	pid=$!
	wait_for 30 test -s up
	kill -KILL $pid
	wait_for 10 has_status a stopped
	[ "$(nb list -q)" = a ]
	nb delete --force a
	[ "$(cat trace)" = poststop ]
	# A start does not stop what it has begun.
	bundle --add "$(hook startContainer 'echo up >/up; while [ ! -e /go ]; do sleep 0.1; done')" "$rootfs" sh -c 'echo ran; sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>err
	nb_bg start a &
	pid=$!
	wait_for 30 test -s "$rootfs/up"
	kill -KILL $pid
	has_status a running
	touch "$rootfs/go"
	wait_for 10 grep -q ran out
	nb delete --force a
	nothing_left "$before"
}

no_process() {
	! pgrep -x "$1"
}

nothing_listed() {
	[ -z "$(nb list -q)" ]
}

@test "startContainer under a seccomp filter, without new privileges, in a user namespace, on a terminal" {
	bundle --add "$(hook createContainer 'id -u >/tmp/who')" --add "$(hook startContainer 'mkdir /tmp/denied; id -u >/tmp/who2')" \
		--set process.noNewPrivileges=true \
		--set linux.seccomp='{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["pidfd_open","memfd_create"],"action":"SCMP_ACT_KILL_PROCESS"},{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' \
		"$rootfs" cat /tmp/who /tmp/who2
	chmod 1777 "$rootfs/tmp"
	[ "$(nb run --bundle "$BUNDLE" a)" = $'0\n0' ]
	[ ! -e "$rootfs/tmp/denied" ]
	bundle --add "$(hook createContainer 'id -u >/tmp/who')" --add "$(hook startContainer 'id -u >/tmp/who2')" \
		--set linux.seccomp='{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["pidfd_open","memfd_create"],"action":"SCMP_ACT_KILL_PROCESS"}]}' \
		--add linux.namespaces='{"type":"user"}' \
		--set linux.uidMappings='[{"containerID":0,"hostID":1000,"size":1000}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":1000,"size":1000}]' \
		"$rootfs" cat /tmp/who /tmp/who2
	rm -f "$rootfs"/tmp/who*
	[ "$(nb run --bundle "$BUNDLE" a)" = $'0\n0' ]
	rm -f "$rootfs"/tmp/who*
	bundle --terminal --add "$(hook createContainer 'tty >/tmp/who')" --add "$(hook startContainer 'echo hidden; id -u >/tmp/who2')" \
		"$rootfs" cat /tmp/who2
	run script -qec "$NESTBOX --root $ROOT run --bundle $BUNDLE a" /dev/null
	[[ "$output" == *0* && "$output" != *hidden* ]]
	nothing_left "$before"
}
