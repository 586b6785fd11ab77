#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# create, start, state, list, exec, kill, delete: runc's words, files and statuses.

load helpers

@test "create, start, kill, delete: states, pid file, exit of the monitor" {
	before=$(host_before)
	bundle "$(busybox_rootfs)" sleep 1000
	nb create --bundle "$BUNDLE" --pid-file pid a </dev/null >/dev/null 2>&1
	[ "$(status_of a)" = created ]
	[[ "$(od -An -c pid | tr -d ' ')" =~ ^[0-9]+$ ]]
	nb start a
	[ "$(status_of a)" = running ]
	run nb start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot start an already running container"* ]]
	run nb delete a
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot delete container a that is not stopped: running"* ]]
	nb kill a KILL
	wait_for 10 has_status a stopped
	[ "$(nb state a | jq .pid)" = 0 ]
	run nb kill a KILL
	[ "$status" -eq 1 ]
	[[ "$output" == *"container not running"* ]]
	run nb start a
	[ "$status" -eq 1 ]
	nb delete a
	run nb state a
	[ "$status" -eq 1 ]
	[[ "$output" == *"container does not exist"* ]]
	nothing_left "$before"
}

@test "state and list: fields, formats" {
	bundle --set annotations='{"org.test":"yes"}' "$(busybox_rootfs)" sleep 1000
	run nb list
	[ "${#lines[@]}" -eq 1 ]
	[ "$(nb list -f json)" = null ]
	nb_up a
	nb state a | jq -e '.ociVersion and .id == "a" and .status == "running" and .pid > 1 and
		.annotations["org.test"] == "yes" and .owner == "root" and (.created | test("^[0-9-]+T[0-9:.]+Z$"))'
	[ "$(nb state a | jq -r .bundle)" = "$BUNDLE" ]
	[ "$(nb list -q)" = a ]
	[ "$(nb list --format=json | jq -r '.[0].id')" = a ]
	nb list | grep -q '^a .*running'
	run nb list --format xml
	[ "$status" -eq 1 ]
}

@test "an id that is taken, or none at all" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	run nb create --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"container with given ID already exists"* ]]
	[ "$(status_of a)" = running ]
	for id in ../x a/b .. '' 'a b' "$(printf 'x%.0s' $(seq 300))"; do
		run nb create --bundle "$BUNDLE" "$id"
		[ "$status" -eq 1 ]
		[[ "$output" == *"invalid container ID format"* || "$output" == *"cannot be empty"* ]]
	done
}

@test "exec: status, streams, user, cwd, env, capabilities, process file" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	run nb exec a sh -c 'exit 9'
	[ "$status" -eq 9 ]
	[ "$(echo data | nb exec a cat)" = data ]
	run nb exec --user 1000:1001 --additional-gids 44 --cwd /tmp --env X=1 a sh -c 'id -u; id -G; pwd; echo $X'
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = "1001 44" ]
	[ "${lines[2]}" = /tmp ]
	[ "${lines[3]}" = 1 ]
	run nb exec --cap CAP_SYS_ADMIN a grep CapBnd /proc/self/status
	[[ "$output" == *00000000a82425fb ]]
	run nb exec --no-new-privs a grep NoNewPrivs /proc/self/status
	[[ "$output" == *1 ]]
	echo '{"args":["sh","-c","echo $A; exit 3"],"cwd":"/","env":["A=b","PATH=/bin"],"user":{"uid":0,"gid":0}}' >p.json
	run nb exec --process p.json a
	[ "$status" -eq 3 ]
	[ "$output" = b ]
	# What the process object does not say is the container's.
	echo '{"args":["grep","CapEff","/proc/self/status"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}}' >p.json
	[ "$(nb exec --process p.json a)" = "$(nb exec a grep CapEff /proc/self/status)" ]
	# It is in the container's namespaces and sees its processes.
	nb exec a ps | grep -q 'sleep 1000'
}

@test "exec --cgroup: below the container's own cgroup, and where the first process is when that one is shut" {
	bundle --set 'linux.namespaces=[{"type":"pid"},{"type":"mount"},{"type":"uts"},{"type":"cgroup"}]' "$(busybox_rootfs)" sleep 1000
	nb_up a
	for path in .. a/../../b; do
		run nb exec --cgroup "$path" a true
		[ "$status" -eq 255 ]
		[[ "$output" == *": $path is not a sub cgroup path" ]]
	done
	run nb exec --cgroup none a true
	[ "$status" -eq 255 ]
	[[ "$output" == *"to cgroups: /none/cgroup.procs: no such file or directory" ]]
	[ "$(nb exec --cgroup / a cat /proc/self/cgroup)" = 0::/ ]
	# The rest needs a hierarchy that the container may write to.
	nb exec a mkdir -p /cg
	run nb exec --cap CAP_SYS_ADMIN a sh -c 'mount -t cgroup2 cgroup2 /cg && cd /cg && mkdir sub &&
		echo 1 >sub/cgroup.procs && echo $$ >sub/cgroup.procs && echo +memory >cgroup.subtree_control'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(nb exec a cat /proc/self/cgroup)" = 0::/sub ]
	[ "$(nb exec --cgroup sub a cat /proc/self/cgroup)" = 0::/sub ]
	run nb exec --cgroup / a true
	[ "$status" -eq 255 ]
	[[ "$output" == *"/cgroup.procs: device or resource busy" ]]
}

@test "--pidfd-socket: a pidfd of the process that stands for the container, or for the exec" {
	bundle "$(busybox_rootfs)" sleep 1000
	cat >receive.py <<-'PYTHON'
		import array, os, socket, subprocess, sys
		listener = socket.socket(socket.AF_UNIX)
		listener.bind("pidfd.sock")
		listener.listen(1)
		null = open(os.devnull, "r+b")
		child = subprocess.Popen(sys.argv[1:], stdin=null, stdout=null, stderr=null)
		listener.settimeout(60)
		name, ancillary, _, _ = listener.accept()[0].recvmsg(64, 64)
		fd = array.array("i", ancillary[0][2])[0]
		assert child.wait() == 0
		for line in open(f"/proc/self/fdinfo/{fd}"):
		    if line.startswith("Pid:"):
		        print(name.decode(), line.split()[1])
		os.unlink("pidfd.sock")
	PYTHON
	run python3 receive.py "$NESTBOX" --root "$ROOT" create --bundle "$BUNDLE" --pidfd-socket pidfd.sock a
	echo "$output"
	[ "$output" = "standard $(nb state a | jq .pid)" ]
	nb start a
	run python3 receive.py "$NESTBOX" --root "$ROOT" exec -d --pid-file pid --pidfd-socket pidfd.sock a sleep 1000
	echo "$output"
	[ "$output" = "setns $(cat pid)" ]
}

@test "--debug: told on stderr, or in the log only" {
	bundle "$(busybox_rootfs)" true
	run --separate-stderr nb --debug run --bundle "$BUNDLE" a
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"level=debug"*"the guest is up"* ]]
	run --separate-stderr nb --debug --log log --log-format json run --bundle "$BUNDLE" a
	[ -z "$stderr" ]
	jq -es 'length > 2 and all(.level == "debug")' log
}

@test "exec: failures end with 255 and runc's words" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	run nb exec a nonexistent
	[ "$status" -eq 255 ]
	[[ "$output" == *"executable file not found in"* ]]
	run nb exec a /etc/passwd
	[ "$status" -eq 255 ]
	[[ "$output" == *"permission denied"* ]]
	run nb exec a
	[ "$status" -eq 255 ]
	run nb exec --process missing.json a
	[ "$status" -eq 255 ]
	[[ "$output" == *"no such file or directory"* || "$output" == *"No such file or directory"* ]]
	echo '{"args":[]}' >p.json
	run nb exec --process p.json a
	[ "$status" -eq 255 ]
	run nb exec missing true
	[ "$status" -eq 255 ]
	[[ "$output" == *"container does not exist"* ]]
}

@test "exec --detach: pid file, its own life, kill(2) on its pid reaches it" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	nb exec --detach --pid-file pid a sh -c 'trap "touch /tmp/hit; exit" TERM; touch /tmp/up; while :; do sleep 0.1; done' \
		</dev/null >/dev/null 2>&1
	[ "$(cat /proc/"$(cat pid)"/comm)" = nestbox-monitor ]
	wait_for 10 nb exec a test -e /tmp/up
	kill -TERM "$(cat pid)"
	wait_for 10 nb exec a test -e /tmp/hit
	nb exec a rm /tmp/up /tmp/hit
	# A monitor that is killed takes its process along, and nothing else.
	nb exec --detach --pid-file pid a sleep 777 </dev/null >/dev/null 2>&1
	kill -KILL "$(cat pid)"
	gone() { ! nb exec a ps | grep -q 'sleep 777'; }
	wait_for 10 gone
	[ "$(status_of a)" = running ]
}

# FAST_EXITS=1000 does the whole of it; a tenth of that are whole containers.
@test "fast exits: no byte and no status is lost, by exec and by run" {
	before=$(host_before)
	rootfs=$(own_rootfs)
	gcc -static -O1 -o "$rootfs/fast" "$here/tests/e2e/fast.c"
	bundle "$rootfs" sleep 10000
	nb_up a
	"$here/tests/e2e/fast-exits.py" "${FAST_EXITS:-100}" "$NESTBOX" "$ROOT" exec a >&3
	nb delete --force a
	"$here/tests/e2e/fast-exits.py" "$((${FAST_EXITS:-100} / 10))" "$NESTBOX" "$ROOT" run "$BUNDLE" >&3
	nothing_left "$before"
}

@test "kill: names, numbers, real-time signals, --all" {
	bundle "$(busybox_rootfs)" sh -c 'trap "echo usr1" USR1; trap "echo hup" HUP; trap "echo rt" 40; echo up; while :; do sleep 0.1; done'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb start a
	wait_for 20 grep -q up out
	nb kill a USR1
	nb kill a SIGHUP
	nb kill a 40
	wait_for 10 grep -q rt out
	wait_for 10 grep -q usr1 out
	wait_for 10 grep -q hup out
	run nb kill a NONSENSE
	[ "$status" -eq 1 ]
	run nb kill a 99
	[ "$status" -eq 1 ]
	nb kill --all a KILL
	wait_for 10 has_status a stopped
}

@test "delete: created and missing containers, --force" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null 2>&1
	nb delete a
	run nb delete a
	[ "$status" -eq 1 ]
	[[ "$output" == *"does not exist"* ]]
	nb delete --force a
	nb_up a
	nb delete --force a
	run nb state a
	[ "$status" -eq 1 ]
}

@test "delete --force does not wait for a guest that hangs" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	vmm=$(pgrep nestbox-vmm)
	kill -STOP "$vmm"
	# It does not even ask: a time limit would have to be shorter than that of a call, and longer than a slow machine's moment.
	timeout 60 strace -f -e trace=connect -o calls "$NESTBOX" --root "$ROOT" delete --force a
	run ! grep vmm.sock calls
	wait_for 10 vmm_is_gone
}

vmm_is_gone() {
	! kill -0 "$vmm"
}

@test "a terminal: by console socket, with its size, and not without one" {
	bundle --terminal --set process.consoleSize='{"height":40,"width":100}' "$(busybox_rootfs)" \
		sh -c 'tty; stty size; read line; echo "got $line"; until stty size | grep "33 77"; do sleep 0.1; done; sleep 1000; exit 0'
	run nb create --bundle "$BUNDLE" a
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot allocate tty if runc will detach without setting console socket"* ]]
	python3 "$here/tests/e2e/console.py" "$NESTBOX" "$ROOT" "$BUNDLE"
	bundle "$(busybox_rootfs)" true
	run nb create --console-socket sock --bundle "$BUNDLE" b
	[ "$status" -eq 1 ]
	[[ "$output" == *"cannot use console socket if runc will not detach or allocate tty"* ]]
}

@test "monitors do not keep the caller's stdio open after the end" {
	bundle "$(busybox_rootfs)" sleep 1
	mkfifo pipe
	cat pipe >out &
	reader=$!
	nb create --bundle "$BUNDLE" a </dev/null >pipe 2>pipe
	nb start a
	# The pipe ends when the container does.
	timeout 60 tail --pid=$reader -f /dev/null
	wait_for 5 has_status a stopped
}

@test "log: one JSON object per error, and stderr has it too" {
	run nb --log log.json --log-format json start missing
	[ "$status" -eq 1 ]
	[[ "$output" == *"container does not exist"* ]]
	[ "$(jq -r .level log.json)" = error ]
	[ "$(jq -r .msg log.json)" = "container does not exist" ]
	jq -e .time log.json
	nb --log text.log state missing || true
	grep -q 'level=error msg="container does not exist"' text.log
}

@test "a sandbox is confined: own uid, no capabilities, seccomp, empty namespaces" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	vmm=$(pgrep nestbox-vmm)
	fsd=$(pgrep nestbox-fsd)
	monitor=$(pgrep nestbox-monitor)
	[ "$(awk '/^Uid/{print ($2 >= 1879048192)}' "/proc/$vmm/status")" = 1 ]
	[ "$(awk '/^CapEff/{print $2}' "/proc/$vmm/status")" = 0000000000000000 ]
	for task in /proc/"$vmm"/task/*; do
		[ "$(awk '/^Seccomp:/{print $2}' "$task/status")" = 2 ]
		[ "$(awk '/^NoNewPrivs/{print $2}' "$task/status")" = 1 ]
	done
	[ "$(awk '/^Seccomp:/{print $2}' "/proc/$fsd/status")" = 2 ]
	for ns in mnt net ipc uts pid cgroup; do
		[ "$(readlink "/proc/$vmm/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ]
	done
	[ "$(ls "/proc/$vmm/root/" | wc -l)" -eq 0 ]
	[ "$(ls "/proc/$fsd/root/")" = rootfs ]
	# Its working folder, /proc/self/fd, leads nowhere either.
	[ -e "/proc/self/cwd/../../../../../../etc/passwd" ]
	[ ! -e "/proc/$fsd/cwd/../../../../../../etc/passwd" ]
	[ "$(readlink "/proc/$fsd/ns/pid")" != "$(readlink /proc/self/ns/pid)" ]
	[ "$(awk '/^CapEff/{print $2}' "/proc/$monitor/status")" = 0000000000000020 ]
	[ "$(awk '/^Seccomp:/{print $2}' "/proc/$monitor/status")" = 2 ]
}
