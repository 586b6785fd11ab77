#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 38-states.bats - every verb in every state gives runc's answer. A line of a table is a verb, the exit status and a
# part of what it says; verbs that change the state come last.
load helpers

setup() {
	new_work
	before=$(host_before)
	bundle "$(busybox_rootfs)" sleep 1000
}

teardown() {
	clean_up
}

# answers ID < table of "STATUS|WORDS|VERB ARGUMENTS…" ("@" stands for the id) - every line is tried, in order.
answers() {
	local id=$1 status words line wrong=0 output got
	while IFS='|' read -r status words line; do
		got=0
		# shellcheck disable=SC2086
		output=$(timeout 60 "$NESTBOX" --root "$ROOT" ${line//@/$id} 2>&1 </dev/null) || got=$?
		if [ "$got" -ne "$status" ] || [[ $output != *"${words//@/$id}"* ]]; then
			echo "$line: $got (not $status): $output (without: $words)"
			wrong=1
		fi
	done
	return $wrong
}

@test "none: everything but delete --force says that there is none" {
	answers none <<-T
		1|container does not exist|state @
		1|container does not exist|start @
		255|container does not exist|exec @ true
		1|container does not exist|kill @
		1|container does not exist|kill --all @ KILL
		1|container does not exist|pause @
		1|container does not exist|resume @
		1|container does not exist|update --memory 64M @
		1|container does not exist|ps @
		1|container does not exist|ps -f guest @
		1|container does not exist|events --stats @
		1|container does not exist|delete @
		0||delete --force @
		0||list -q
	T
}

@test "creating: nothing but waiting and delete --force" {
	bundle --add 'hooks.createRuntime={"path":"/bin/sleep","args":["sleep","1000"]}' "$(busybox_rootfs)" true
	nb_bg create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 3>&- &
	wait_for 20 has_status c creating
	answers c <<-T
		0|"status": "creating"|state @
		0|creating|list
		255|container not running|exec @ true
		1|container not running|kill @
		1|container not running|ps -f guest @
		1|is not running|events --stats @
		1|container is busy|start @
		1|container with given ID already exists|run --bundle $BUNDLE @
		0||delete --force @
		1|container does not exist|state @
	T
	wait $! || true
	nothing_left "$before"
}

@test "created: start, and all that a container with one waiting process can do" {
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	answers a <<-T
		0|"status": "created"|state @
		0|created|list
		1|container with given ID already exists|create --bundle $BUNDLE @
		1|container with given ID already exists|run --bundle $BUNDLE @
		0||exec @ true
		0||kill @ 0
		1|container not paused|resume @
		0||update --pids-limit 50 @
		0|PID|ps @
		0|UID|ps -f guest @
		0|"type":"stats"|events --stats @
		0||pause @
		0||resume @
		0||delete @
		1|container does not exist|state @
	T
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	answers a <<-T
		0||kill @ KILL
	T
	wait_for 20 has_status a stopped
	nb delete a
	nothing_left "$before"
}

@test "running, paused, running again, stopped" {
	nb_up a
	answers a <<-T
		0|"status": "running"|state @
		1|container with given ID already exists|create --bundle $BUNDLE @
		1|cannot start an already running container|start @
		0||exec @ true
		0||kill @ 0
		1|container not paused|resume @
		0||update --pids-limit 50 @
		0|PID|ps @
		0|sleep 1000|ps -f guest @
		0|"type":"stats"|events --stats @
		1|cannot delete container @ that is not stopped: running|delete @
		0||pause @
		0|"status": "paused"|state @
		0|paused|list
		1|container with given ID already exists|create --bundle $BUNDLE @
		1|cannot start a container in the paused state|start @
		255|cannot exec in a paused container (use --ignore-paused to override)|exec @ true
		1|container not running|pause @
		0||update --pids-limit 60 @
		0|PID|ps @
		0|sleep 1000|ps -f guest @
		0|"type":"stats"|events --stats @
		0||kill @ 0
		1|cannot delete container @ that is not stopped: paused|delete @
		0||resume @
		0|"status": "running"|state @
		0||kill @ KILL
	T
	wait_for 20 has_status a stopped
	stopped
}

# What a container that has stopped answers, however that came.
stopped() {
	answers a <<-T
		0|"pid": 0|state @
		0|stopped|list
		1|container with given ID already exists|create --bundle $BUNDLE @
		1|cannot start a container that has stopped|start @
		255|cannot exec in a stopped container|exec @ true
		1|container not running|kill @
		1|container not running|kill @ KILL
		0||kill --all @ KILL
		1|container not running|pause @
		1|container not paused|resume @
		1|container not running|update --pids-limit 50 @
		0|PID|ps @
		0|null|ps -f json @
		1|container not running|ps -f guest @
		1|container with id @ is not running|events --stats @
		0||delete @
		1|container does not exist|delete @
	T
	nothing_left "$before"
}

@test "stopped by a VM that died, by a monitor that was killed" {
	nb_up a
	pkill -KILL -P "$(nb state a | jq .pid)" nestbox-vmm
	wait_for 20 has_status a stopped
	stopped
	nb_up a
	kill -KILL "$(nb state a | jq .pid)"
	wait_for 20 has_status a stopped
	stopped
}

@test "stopped by a reboot of the host: pids of others, no cgroup, a socket that nobody listens to" {
	nb_up a
	cp -a "$ROOT/a" saved
	nb delete --force a
	mv saved "$ROOT/a"
	# Its pids belong to somebody else now, who must not be touched.
	sleep 1000 3>&- &
	other=$!
	jq --argjson p "$other" '.monitor.pid = $p | .vmm.pid = $p | .fsd.pid = $p' "$ROOT/a/state.json" >state.json
	mv state.json "$ROOT/a/state.json"
	stopped
	kill -0 "$other"
	kill "$other"
}
