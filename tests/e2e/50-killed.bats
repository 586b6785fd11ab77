#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGKILL of any of our processes at any point leaves nothing behind, and the next verbs tell the truth.

load helpers

setup() {
	new_work
	bundle "$(busybox_rootfs)" sh -c 'echo up; sleep 1000'
	before=$(host_before)
}

teardown() {
	clean_up
}

# Ends the container that lost a process, as a caller would, and counts.
aftermath() {
	wait_for 15 has_status a stopped
	run nb exec a true
	[ "$status" -eq 255 ]
	run nb kill a TERM
	[ "$status" -eq 1 ]
	[[ "$output" == *"container not running"* ]]
	nb delete a
	nothing_left "$before"
}

@test "monitor killed: its VM goes with it" {
	nb_up a
	kill -KILL "$(nb state a | jq .pid)"
	aftermath
}

@test "VMM killed: the monitor ends and says so by its status" {
	nb_bg run --bundle "$BUNDLE" a >out 2>err &
	pid=$!
	wait_for 30 grep -q up out
	pkill -KILL nestbox-vmm
	status=0
	wait $pid || status=$?
	[ "$status" -eq 137 ]
	grep -q 'the VM has died' err
	nothing_left "$before"
}

@test "callers' habits: SIGCHLD ignored, real-time signals straight to the monitor" {
	bundle "$(busybox_rootfs)" sh -c 'exit 7'
	run timeout 60 perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$NESTBOX" --root "$ROOT" run --bundle "$BUNDLE" b
	[ "$status" -eq 7 ]
	bundle "$(busybox_rootfs)" sh -c 'trap "echo got" 34; echo up; while :; do sleep 0.1; done'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb start a
	wait_for 30 grep -q up out
	kill -34 "$(nb state a | jq .pid)"
	wait_for 30 grep -q got out
	[ "$(status_of a)" = running ]
	nb delete --force a
	nothing_left "$before"
}

@test "fs server killed: the VM ends with a reason in its log" {
	nb_up a
	pkill -KILL nestbox-fsd
	wait_for 15 has_status a stopped
	grep -q 'fs server is gone' "$ROOT/a/vmm.log"
	aftermath
}

@test "foreground run killed: nothing is left, its name can be used again" {
	nb_bg run --bundle "$BUNDLE" a >out 2>err &
	pid=$!
	wait_for 30 grep -q up out
	kill -KILL $pid
	wait_for 15 gone_but_state
	# The next create sweeps what it left.
	nb run --bundle "$BUNDLE" --detach a </dev/null >/dev/null 2>&1
	nb delete --force a
	nothing_left "$before"
}

gone_but_state() {
	! pgrep 'nestbox-(monitor|vmm|fsd)' >/dev/null
}

@test "create killed at many points: no process is left, the next create works" {
	for delay in 0.01 0.05 0.1 0.2 0.3 0.5 0.8 1.2 1.6 2.0; do
		nb_bg create --bundle "$BUNDLE" a </dev/null >/dev/null 2>&1 &
		pid=$!
		sleep $delay
		kill -KILL $pid 2>/dev/null || true
		wait $pid || true
		nb delete --force a
		wait_for 15 gone_but_state
	done
	nothing_left "$before"
}

@test "exec killed: its process inside ends, the container goes on" {
	nb_up a
	nb_bg exec a sleep 555 &
	pid=$!
	wait_for 20 sees 'sleep 555'
	kill -KILL $pid
	wait_for 20 sees_not 'sleep 555'
	[ "$(status_of a)" = running ]
	nb delete --force a
	nothing_left "$before"
}

sees() {
	nb exec a ps | grep -q "$1"
}

sees_not() {
	! sees "$1"
}

@test "a guest kernel that panics: the container has stopped, the log has its last words" {
	bundle --set linux.sysctl='{"vm.panic_on_oom":"2"}' --set linux.resources='{"memory":{"limit":33554432}}' \
		"$(busybox_rootfs)" sh -c 'sleep 1; tail /dev/zero; sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null 2>&1
	nb start a
	wait_for 30 has_status a stopped
	cat "$ROOT/a/vmm.log"
	grep -q 'guest ended' "$ROOT/a/vmm.log"
	grep -q 'Kernel panic' "$ROOT/a/vmm.log"
	aftermath
}

@test "delete --force in every state, twice, and at once with itself" {
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null 2>&1
	nb delete --force a
	nb_up a
	for _ in 1 2 3; do nb delete --force a & done
	wait
	run nb state a
	[ "$status" -eq 1 ]
	nb delete --force a
	nothing_left "$before"
}
