#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 92-shim.bats - containerd-shim-nestbox-v1 under Debian's containerd, with ctr. The image is made here.
load helpers

DIR=/run/scratch/containerd
IMAGE=docker.io/library/busybox:test
export CONTAINERD_ADDRESS=$DIR/c.sock

start_containerd() {
	PATH=$(dirname "$NESTBOX"):$PATH containerd -c $DIR/config.toml >>$DIR/log 2>&1 </dev/null 3>&- &
	echo $! >$DIR/pid
	wait_for 120 ctr version || { tail -n 20 $DIR/log; return 1; }
}

make_image() {
	python3 - "$(busybox_rootfs)" $DIR/image.tar $IMAGE <<-'P'
		import hashlib, io, json, sys, tarfile
		rootfs, out, name = sys.argv[1:]
		layer = io.BytesIO()
		with tarfile.open(fileobj=layer, mode="w") as t:
		    t.add(rootfs, arcname=".")
		layer = layer.getvalue()
		config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
		                     "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}})
		manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}])
		with tarfile.open(out, "w") as t:
		    for file, data in ("config.json", config.encode()), ("layer.tar", layer), ("manifest.json", manifest.encode()):
		        info = tarfile.TarInfo(file)
		        info.size = len(data)
		        t.addfile(info, io.BytesIO(data))
	P
}

setup_file() {
	mkdir -p $DIR
	cat >$DIR/config.toml <<-C
		version = 2
		root = "$DIR/root"
		state = "$DIR/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$DIR/c.sock"
		[ttrpc]
		  address = "$DIR/c.sock.ttrpc"
	C
	start_containerd
	make_image
	ctr image import $DIR/image.tar >/dev/null
}

teardown_file() {
	kill -KILL "$(cat $DIR/pid)"
}

setup() {
	events=
	new_work
}

teardown() {
	local id
	[ -z "$events" ] || kill "$events" 2>/dev/null || true
	for id in $(ctr container ls -q); do
		ctr task rm -f "$id" || true
		ctr container rm "$id"
	done
	cd /
	rm -rf "$WORK"
}

# up [OPTIONS of ctr] IMAGE ID COMMAND… - runs on.
up() {
	ctr run --runtime io.containerd.nestbox.v1 -d "$@"
}

# containerd strikes out a task when what it calls to clean up has ended.
no_tasks() {
	[ -z "$(ctr task ls -q)" ]
}

task_is() {
	[ "$(ctr task ls | awk -v id="$1" '$1 == id { print $3 }')" = "$2" ]
}

# With the head; the monitor of an exec that has ended may still be there.
ps_has_lines() {
	[ "$(ctr task ps "$1" | wc -l)" -eq "$2" ]
}

# What a container can leave, or a shim.
left() {
	pgrep -a nestbox
	pgrep -a containerd-shim
	grep "$DIR/state.*rootfs" /proc/mounts
	find /run/containerd/nestbox/default /run/containerd/s -mindepth 1
	find /sys/fs/cgroup/default -mindepth 1 -type d
}

nothing_left() {
	[ -z "$(left 2>/dev/null)" ]
}

all_gone() {
	wait_for 20 nothing_left || { left; return 1; }
}

# The events of tasks so far end with these.
events_end_with() {
	[[ "$(grep -o '/tasks/[a-z-]*' events | sed 's|.*/||' | tr '\n' ' ')" == *"$* " ]]
}

events_have() {
	[[ "$(grep -o '/tasks/[a-z-]*' events | sed 's|.*/||' | tr '\n' ' ')" == *"$* "* ]]
}

# Watches from the first event that came; one of an image, as nothing tells that ctr listens.
watch_events() {
	ctr events >events 2>/dev/null </dev/null 3>&- &
	events=$!
	wait_for 20 bash -c "ctr image label $IMAGE n=\$RANDOM && [ -s events ]"
}

is_dead() {
	! ps -o stat= -p "$1" | grep -qv Z
}

@test "shim: run, exec, terminal, stdin, pause, ps, metrics, kill; events in order; containerd killed meanwhile" {
	watch_events
	run ctr run --rm --runtime io.containerd.nestbox.v1 $IMAGE a sh -c 'seq 50000; uname -r; exit 7'
	[ "$status" -eq 7 ]
	[ "${#lines[@]}" -eq 50001 ]
	[[ ${lines[50000]} == *-nestbox ]]
	wait_for 10 events_end_with create start exit delete
	run ctr run --rm --runtime io.containerd.nestbox.v1 $IMAGE a /nothing
	[ "$status" -ne 0 ]
	[[ $output == *'"/nothing": '*'no such file or directory'* ]]

	up $IMAGE b sleep 1000
	run ctr task exec --exec-id one b sh -c 'echo out; echo err >&2; exit 5'
	[ "$status" -eq 5 ]
	[[ $output == *out* && $output == *err* ]]
	[ "$(echo input | timeout 60 ctr task exec --exec-id two b cat)" = input ]
	run script -qec "ctr task exec -t --exec-id three b sh -c 'tty; exit 3'" /dev/null
	[ "$status" -eq 3 ]
	[[ $output == */dev/pts/0* ]]
	wait_for 10 ps_has_lines b 2
	[ "$(ctr task metrics b | awk '$1 == "memory.usage" { print $2 }')" -gt 1000000 ]
	ctr task pause b
	task_is b PAUSED
	ctr task resume b
	run ctr task checkpoint b
	[ "$status" -ne 0 ]
	# containerd pauses the task for a checkpoint, too.
	wait_for 10 events_end_with exec-added exec-started exit paused resumed paused resumed

	# Its shim is found again, what ran goes on, and its end is told.
	kill -KILL "$(cat $DIR/pid)"
	wait_for 10 is_dead "$(cat $DIR/pid)"
	start_containerd
	wait_for 10 task_is b RUNNING
	watch_events
	run ctr task exec --exec-id four b sh -c 'exit 4'
	[ "$status" -eq 4 ]
	ctr task kill -s KILL b
	wait_for 30 task_is b STOPPED
	wait_for 10 events_end_with exec-added exec-started exit exit
	run ctr task rm b
	[[ $output == *137* ]]
	ctr container rm b
	all_gone
}

@test "shim: a logging program; bad frames; it is killed and nothing is left" {
	printf '#!/bin/sh\nexec 5>&-\nexec cat <&3 >"$1"\n' >logger
	chmod +x logger
	up --log-uri "binary://$PWD/logger?$PWD/logged" $IMAGE c sh -c 'echo told; sleep 1000'
	wait_for 20 grep told logged
	address=$(cat $DIR/state/io.containerd.runtime.v2.task/default/c/address)
	run timeout 120 "$BATS_TEST_DIRNAME/ttrpc.py" "${address#unix://}"
	[ "$output" = ok ]
	task_is c RUNNING
	kill -KILL "$(pgrep -f "^containerd-shim-nestbox-v1 -namespace default -id c ")"
	all_gone
	wait_for 20 no_tasks
	ctr container rm c

	# No one becomes ready: its container is not made.
	run up --log-uri "binary:///bin/sleep?1000" $IMAGE d true
	[ "$status" -ne 0 ]
	[[ $output == *"the logging program did not get ready"* ]]
	wait_for 10 bash -c '! pgrep -fx "/bin/sleep 1000"'
	all_gone

	run "$(dirname "$NESTBOX")/containerd-shim-nestbox-v1" -namespace default -id nobody delete
	[ "$status" -eq 0 ]
	run -0 --separate-stderr "$(dirname "$NESTBOX")/containerd-shim-nestbox-v1" --help
	[[ $output == *"usage: containerd-shim-nestbox-v1 -namespace NAME -id ID"* && -z $stderr ]]
	for program in vmm monitor fsd netd; do
		run -1 "$(dirname "$NESTBOX")/nestbox-$program" --help
		[[ $output == *"usage: nestbox-$program"*"(started by nestbox)" && ${#lines[@]} -eq 1 ]]
	done
	run "$(dirname "$NESTBOX")/containerd-shim-nestbox-v1" -id x start
	[ "$status" -eq 1 ]
	[[ $output == *"namespace cannot be empty"* ]]
}

@test "shim: an OOM kill is an event of its own, before the exit" {
	watch_events
	run ctr run --rm --runtime io.containerd.nestbox.v1 --memory-limit 40000000 $IMAGE a \
		sh -c 'head -c 60000000 /dev/zero | tail -c 59000000 >/dev/null; exit 3'
	[ "$status" -eq 3 ]
	wait_for 10 events_end_with create start oom exit delete
	run ctr run --rm --runtime io.containerd.nestbox.v1 --memory-limit 40000000 $IMAGE a sh -c 'exit 3'
	[ "$status" -eq 3 ]
	wait_for 10 events_end_with create start exit delete
	all_gone
}

@test "containers of a pod, by CRI's annotations: one shim, one VM, localhost, lives of their own" {
	local sandbox=io.kubernetes.cri.sandbox-id=pod type=io.kubernetes.cri.container-type pid
	up --annotation $sandbox --annotation $type=sandbox $IMAGE pod sleep 1000
	pid=$(ctr task ls | awk '$1 == "pod" {print $2}')
	member() {
		up --annotation $sandbox --annotation $type=container --with-ns "network:/proc/$pid/ns/net" \
			--with-ns "ipc:/proc/$pid/ns/ipc" $IMAGE "$@"
	}
	member a sh -c 'echo from a >/x; exec httpd -f -p 127.0.0.1:8080 -h /'
	member b sleep 1000
	[ "$(pgrep -c nestbox-vmm)" -eq 1 ]
	[ "$(pgrep -fc 'containerd-shim-nestbox-v1 -namespace')" -eq 1 ]
	wait_for 20 ctr task exec --exec-id try b wget -qO- http://127.0.0.1:8080/x
	[ "$(ctr task exec --exec-id get b wget -qO- http://127.0.0.1:8080/x)" = 'from a' ]
	run -4 ctr task exec --exec-id four b sh -c 'exit 4'
	# What each uses inside: one has 20 MB in memory, the other a sleep. The sandbox's is the VM.
	ctr task exec --exec-id fill a sh -c 'head -c 20000000 /dev/zero >/dev/shm/blob; cat /dev/shm/blob >/dev/null'
	metric() {
		ctr task metrics "$1" | awk -v key="$2" '$1 == key { print $2 }'
	}
	has_one_process() {
		[ "$(metric "$1" pids.current)" -eq 1 ]
	}
	[ "$(metric a memory.usage)" -gt 20000000 ]
	[ "$(metric b memory.usage)" -lt 10000000 ]
	[ "$(metric pod memory.usage)" -gt "$(metric a memory.usage)" ]
	wait_for 10 has_one_process b
	[ "$(metric a cpu.usage_usec)" -gt 0 ]
	ctr task kill -s KILL a
	wait_for 20 task_is a STOPPED
	run ctr task rm a
	[[ $output == *137* ]]
	ctr task exec --exec-id on b true
	ctr task kill -s KILL pod
	wait_for 20 task_is b STOPPED
}

# start_shim ID - a shim of ours with the working folder as bundle; its address.
start_shim() {
	"$(dirname "$NESTBOX")/containerd-shim-nestbox-v1" -namespace default -id "$1" -address $DIR/c.sock start
}

@test "shim: a mount whose server never answers is given up with an error; other calls go on; nothing is left" {
	local call=$BATS_TEST_DIRNAME/shim-call.py server create shim
	modprobe fuse
	mkdir files bundle
	"$BATS_TEST_DIRNAME/hanging-files.py" "$WORK/files" >served 3>&- &
	server=$!
	wait_for 20 grep -q ready served
	cd bundle
	address=$(start_shim hung)
	shim=$(pgrep -f '^containerd-shim-nestbox-v1 -namespace default -id hung ')
	"$call" "$address" Create hung "$PWD" 4 bind "$WORK/files/x" rbind >../answer 3>&- &
	create=$!
	# Not a word of the Create yet, which is in the middle of its mount.
	wait_for 20 pgrep -P "$shim"
	[ "$("$call" "$address" Connect hung | tail -n 1)" = answered ]
	run "$call" "$address" Delete hung
	[[ $output == *"cannot delete a process that is not stopped"* ]]
	[ ! -s ../answer ]
	wait "$create"
	[[ "$(cat ../answer)" == *"mount $WORK/files/x at $PWD/rootfs: no answer, given up"* ]]
	# Its id is free, and Shutdown ends the shim, whatever hangs there still.
	run "$call" "$address" Create hung "$PWD" 20 bind /nothing rbind
	[[ $output == *"mount /nothing at $PWD/rootfs: no such file or directory"* ]]
	"$call" "$address" Shutdown hung
	wait_for 20 is_dead "$shim"
	kill "$server"
	wait "$server" || true
	umount -l "$WORK/files"
	all_gone
}

@test "shim: Shutdown of its sandbox deletes the containers that are there, and ends it" {
	local call=$BATS_TEST_DIRNAME/shim-call.py address shim
	watch_events
	up $IMAGE e sleep 1000
	address=$(cat $DIR/state/io.containerd.runtime.v2.task/default/e/address)
	shim=$(pgrep -f '^containerd-shim-nestbox-v1 -namespace default -id e ')
	# The Task service's is for the last of several containers to say.
	[ "$("$call" "$address" Shutdown e | tail -n 1)" = answered ]
	"$call" "$address" WaitSandbox e >stopped 3>&- &
	waiter=$!
	run "$call" "$address" ShutdownSandbox e
	[ "$output" = answered ]
	# By its answer.
	[ -z "$(pgrep nestbox-vmm)" ]
	! grep "$DIR/state.*rootfs" /proc/mounts
	wait "$waiter"
	grep answered stopped
	wait_for 20 is_dead "$shim"
	# containerd tells once more what it finds to be gone.
	wait_for 10 events_have create start exit delete
	ctr container rm e
	all_gone
}

# Added as the snippet's head says, for a daemon of its own.
@test "the snippet for CRI, added to Debian's configuration: the plugin loads, with the runtimes of the snippet and runc" {
	{
		printf 'version = 2\nroot = "%s"\nstate = "%s"\n' "$WORK/root" "$WORK/state"
		printf '[grpc]\n  address = "%s"\n[ttrpc]\n  address = "%s"\n' "$WORK/c.sock" "$WORK/t.sock"
		sed '/^version = 2$/d' /etc/containerd/config.toml "$here/deploy/containerd/config.toml"
	} >config.toml
	containerd -c config.toml >log 2>&1 </dev/null 3>&- &
	daemon=$!
	wait_for 60 ctr -a "$WORK/c.sock" version || { tail -n 20 log; false; }
	[ "$(ctr -a "$WORK/c.sock" plugins ls | awk '$2 == "cri" { print $NF }')" = ok ] || { grep cri log; false; }
	kill "$daemon"
	wait "$daemon" || true
	# The snippet alone is a whole file, too.
	containerd -c "$here/deploy/containerd/config.toml" config dump >dump
	for name in nestbox nestbox-runc runc; do
		grep -F "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.$name]" dump
	done
}
