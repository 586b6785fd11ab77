#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 38-states.bats - every verb in every state gives runc's answer. A line of a table is a verb, the exit status and a
# part of what it says; verbs that change the state come last.
load helpers

setup() {
	new_work
	before=$(count_host)
	bundle "$(busybox_rootfs)" sleep 1000
}

teardown() {
	clean_up
}

# answers ID < table of "STATUS|WORDS|VERB ARGUMENTS…" ("ID" stands for the id) - every line is tried, in order.
answers() {
	local id=$1 status words line wrong=0 output got
	while IFS='|' read -r status words line; do
		got=0
		# shellcheck disable=SC2086
		output=$(timeout 60 "$NESTBOX" --root "$ROOT" ${line//ID/$id} 2>&1 </dev/null) || got=$?
		if [ "$got" -ne "$status" ] || [[ $output != *"${words//ID/$id}"* ]]; then
			echo "$line: $got (not $status): $output (without: $words)"
			wrong=1
		fi
	done
	return $wrong
}

@test "none: everything but delete --force says that there is none" {
	answers none <<-T
		1|container does not exist|state ID
		1|container does not exist|start ID
		255|container does not exist|exec ID true
		1|container does not exist|kill ID
		1|container does not exist|kill --all ID KILL
		1|container does not exist|pause ID
		1|container does not exist|resume ID
		1|container does not exist|update --memory 64M ID
		1|container does not exist|ps ID
		1|container does not exist|ps -f guest ID
		1|container does not exist|events --stats ID
		1|container does not exist|delete ID
		0||delete --force ID
		0||list -q
	T
}

@test "creating: nothing but waiting and delete --force" {
	bundle --add 'hooks.createRuntime={"path":"/bin/sleep","args":["sleep","1000"]}' "$(busybox_rootfs)" true
	nb_bg create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 3>&- &
	wait_for 20 has_status c creating
	answers c <<-T
		0|"status": "creating"|state ID
		0|creating|list
		255|container not running|exec ID true
		1|container not running|kill ID
		1|container not running|ps -f guest ID
		1|is not running|events --stats ID
		1|container is busy|start ID
		1|container with given ID already exists|run --bundle $BUNDLE ID
		0||delete --force ID
		1|container does not exist|state ID
	T
	wait $! || true
	nothing_left "$before"
}

@test "created: start, and all that a container with one waiting process can do" {
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	answers a <<-T
		0|"status": "created"|state ID
		0|created|list
		1|container with given ID already exists|create --bundle $BUNDLE ID
		1|container with given ID already exists|run --bundle $BUNDLE ID
		0||exec ID true
		0||kill ID 0
		1|container not paused|resume ID
		0||update --pids-limit 50 ID
		0|PID|ps ID
		0|UID|ps -f guest ID
		0|"type":"stats"|events --stats ID
		0||pause ID
		0||resume ID
		0||delete ID
		1|container does not exist|state ID
	T
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null
	answers a <<-T
		0||kill ID KILL
	T
	wait_for 20 has_status a stopped
	nb delete a
	nothing_left "$before"
}

@test "running, paused, running again, stopped" {
	nb_up a
	answers a <<-T
		0|"status": "running"|state ID
		1|container with given ID already exists|create --bundle $BUNDLE ID
		1|cannot start an already running container|start ID
		0||exec ID true
		0||kill ID 0
		1|container not paused|resume ID
		0||update --pids-limit 50 ID
		0|PID|ps ID
		0|sleep 1000|ps -f guest ID
		0|"type":"stats"|events --stats ID
		1|cannot delete container ID that is not stopped: running|delete ID
		0||pause ID
		0|"status": "paused"|state ID
		0|paused|list
		1|container with given ID already exists|create --bundle $BUNDLE ID
		1|cannot start a container in the paused state|start ID
		255|cannot exec in a paused container (use --ignore-paused to override)|exec ID true
		1|container not running|pause ID
		0||update --pids-limit 60 ID
		0|PID|ps ID
		0|sleep 1000|ps -f guest ID
		0|"type":"stats"|events --stats ID
		0||kill ID 0
		1|cannot delete container ID that is not stopped: paused|delete ID
		0||resume ID
		0|"status": "running"|state ID
		0||kill ID KILL
	T
	wait_for 20 has_status a stopped
	stopped
}

# What a container that has stopped answers, however that came.
stopped() {
	answers a <<-T
		0|"pid": 0|state ID
		0|stopped|list
		1|container with given ID already exists|create --bundle $BUNDLE ID
		1|cannot start a container that has stopped|start ID
		255|cannot exec in a stopped container|exec ID true
		1|container not running|kill ID
		1|container not running|kill ID KILL
		0||kill --all ID KILL
		1|container not running|pause ID
		1|container not paused|resume ID
		1|container not running|update --pids-limit 50 ID
		0|PID|ps ID
		0|null|ps -f json ID
		1|container not running|ps -f guest ID
		1|container with id ID is not running|events --stats ID
		0||delete ID
		1|container does not exist|delete ID
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
