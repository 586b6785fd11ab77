#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The thinnest path: a program in its own kernel, its output, its status; what is around it.

load helpers

@test "run: another kernel inside, the same program's output and status 0" {
	bundle "$(busybox_rootfs)" uname -r
	run --separate-stderr nb_run a
	[ "$status" -eq 0 ]
	[[ "$output" == *-nestbox ]]
	[ "$output" != "$(uname -r)" ]
	[ "$stderr" = "" ]
}

@test "run --trace: both sides of the boundary in one timeline, and its picture; by an annotation under create and start" {
	export NESTBOX_TEMPLATES=off # a clone's timeline has no kernel in it
	bundle --set annotations='{"dev.nestbox.trace":"true"}' "$(busybox_rootfs)" sleep 1000
	nb run --detach --trace run.json --bundle "$BUNDLE" a </dev/null
	jq -e '[.traceEvents[] | select(.ph == "X")] | (map(.pid) | unique) == [1, 2, 3] and all(.ts >= 0 and .dur >= 0)' run.json
	# The program's start is the guest's last step, and lies within the command's time.
	jq -e '[.traceEvents[] | select(.ph == "X" and .pid == 3)] | .[0].name == "kernel" and .[-1].name == "execve"' run.json
	jq -e '.traceEvents | (map(select(.name == "execve")) | .[0].ts) < (map(select(.pid == 1 and .ph == "X")) | map(.ts + .dur) | max)' run.json
	# Exits only grow, and the VMM sees few of them.
	jq -e '[.traceEvents[] | select(.ph == "C") | .args] | length == 3 and .[0].exits > 0 and .[0].exits < .[1].exits and .[1].exits < .[2].exits
		and all(.["to nestbox-vmm"] < .exits)' run.json
	nb trace run.json -o run.svg
	python3 -c 'import sys, xml.dom.minidom as m; d = m.parse("run.svg"); sys.exit(not len(d.getElementsByTagName("rect")) > 15)'
	cmp "$ROOT/a/trace.json" run.json
	nb delete --force a
	nb create --bundle "$BUNDLE" a </dev/null
	nb start a
	nb trace "$ROOT/a/trace.json" | grep -q 'waits for CREATED'
	nb trace "$ROOT/a/trace-start.json" | grep -q 'execve'
	run nb run --trace /nonexistent/x --bundle "$BUNDLE" b
	[ "$status" -eq 1 ]
	[[ "$output" == *"--trace /nonexistent/x: no such file or directory"* ]]
}

@test "run: exit statuses, signals as 128 + n" {
	bundle "$(busybox_rootfs)" sh -c 'exit 42'
	run nb_run a
	[ "$status" -eq 42 ]
	bundle "$(busybox_rootfs)" sh -c 'kill -9 $$'
	run nb_run a
	# PID 1 of a pid namespace does not hear its own SIGKILL: the shell goes on and ends with 0.
	[ "$status" -eq 0 ]
	bundle --del linux.namespaces.0 "$(busybox_rootfs)" sh -c 'kill -9 $$'
	run nb_run a
	[ "$status" -eq 137 ]
}

@test "run: stdout and stderr are apart" {
	bundle "$(busybox_rootfs)" sh -c 'echo out; echo err >&2'
	run --separate-stderr nb_run a
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "run: 20 MB through stdin to stdout, unchanged" {
	head -c 20000000 /dev/urandom >data
	bundle "$(busybox_rootfs)" cat
	nb_run a <data >copy
	cmp data copy
}

@test "run: stdin's end is seen, a closed stdout ends a writer" {
	bundle "$(busybox_rootfs)" sh -c 'cat; echo after'
	run nb_run a </dev/null
	[ "$output" = after ]
	bundle "$(busybox_rootfs)" yes
	nb_run a | head -n 1 >first
	[ "$(cat first)" = y ]
}

@test "run: signals reach the program, and its handler's status comes back" {
	bundle "$(busybox_rootfs)" sh -c 'trap "echo got; exit 5" TERM; echo up; while :; do sleep 0.1; done'
	nb_bg run --bundle "$BUNDLE" a >out &
	pid=$!
	wait_for 60 grep -q up out
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" -eq 5 ]
	grep -q got out
}

@test "run: --keep leaves a stopped container, otherwise nothing is left" {
	before=$(host_before)
	bundle "$(busybox_rootfs)" true
	nb_run a
	nothing_left "$before"
	nb_run --keep b
	[ "$(status_of b)" = stopped ]
	nb delete b
	nothing_left "$before"
}

@test "run --detach: returns while the container runs" {
	bundle "$(busybox_rootfs)" sleep 100
	nb_run --detach --pid-file pid a </dev/null >/dev/null 2>&1
	[ "$(status_of a)" = running ]
	[ "$(cat pid)" = "$(nb state a | jq .pid)" ]
	[ "$(cat /proc/"$(cat pid)"/comm)" = nestbox-monitor ]
	nb delete --force a
}

@test "run: two at once do not disturb each other" {
	bundle "$(busybox_rootfs)" sh -c 'echo $$; sleep 1; hostname'
	nb_run a >out.a &
	first=$!
	nb_run b >out.b
	wait $first
	[ "$(cat out.a)" = "$(cat out.b)" ]
}
