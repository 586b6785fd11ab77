#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# config.json is carried out inside: identity, rights, limits, mounts, devices.

load helpers

@test "process: user, groups, umask, cwd, env, args" {
	bundle --set process.user='{"uid":1000,"gid":1001,"additionalGids":[7,8],"umask":18}' \
		--set process.cwd='"/tmp"' --add process.env='"GREETING=a b"' "$(busybox_rootfs)" \
		sh -c 'id -u; id -g; id -G; umask; pwd; echo "$GREETING"; echo "$1"' sh 'last  word'
	run nb_run a
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = 1001 ]
	[ "${lines[2]}" = "1001 7 8" ]
	[ "${lines[3]}" = 0022 ]
	[ "${lines[4]}" = /tmp ]
	[ "${lines[5]}" = "a b" ]
	[ "${lines[6]}" = "last  word" ]
}

@test "process: capabilities in all five sets, no_new_privs, rlimits, oom score" {
	bundle --set process.capabilities='{"bounding":["CAP_KILL","CAP_CHOWN"],"permitted":["CAP_KILL","CAP_CHOWN"],"effective":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}' \
		--set process.noNewPrivileges=true --set process.oomScoreAdj=77 \
		--set process.user='{"uid":1000,"gid":1000}' \
		--set process.rlimits='[{"type":"RLIMIT_NOFILE","soft":100,"hard":200}]' "$(busybox_rootfs)" \
		sh -c 'grep -E "^(Cap|NoNew)" /proc/self/status; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj'
	run nb_run a
	[ "$status" -eq 0 ]
	# After execve of a program without file capabilities only ambient ones remain.
	[ "$(grep CapInh <<<"$output" | cut -f2)" = 0000000000000020 ]
	[ "$(grep CapPrm <<<"$output" | cut -f2)" = 0000000000000020 ]
	[ "$(grep CapEff <<<"$output" | cut -f2)" = 0000000000000020 ]
	[ "$(grep CapBnd <<<"$output" | cut -f2)" = 0000000000000021 ]
	[ "$(grep CapAmb <<<"$output" | cut -f2)" = 0000000000000020 ]
	[ "$(grep NoNewPrivs <<<"$output" | cut -f2)" = 1 ]
	[ "${lines[6]}" = 100 ]
	[ "${lines[7]}" = 200 ]
	[ "${lines[8]}" = 77 ]
}

@test "seccomp: errno, kill, and what is allowed goes on" {
	bundle --set linux.seccomp='{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38},{"names":["chroot"],"action":"SCMP_ACT_KILL_PROCESS"}]}' \
		"$(busybox_rootfs)" sh -c 'mkdir /tmp/x; grep Seccomp: /proc/self/status; chroot / true; echo "chroot: $?"'
	run nb_run a
	[[ "$output" == *"Function not implemented"* ]]
	[[ "$output" == *"Seccomp:	2"* ]]
	# 128 + SIGSYS
	[[ "$output" == *"chroot: 159"* ]]
}

@test "hostname, sysctl, masked and read-only paths" {
	bundle --set hostname='"inside"' --set linux.sysctl='{"net.ipv4.ip_forward":"1","kernel.shmmax":"123456"}' \
		--add linux.maskedPaths='"/etc/passwd"' --add linux.readonlyPaths='"/tmp"' "$(busybox_rootfs)" \
		sh -c 'hostname; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax; cat /etc/passwd | wc -c; touch /tmp/x || echo readonly; ls /proc/acpi /sys/firmware | wc -l'
	run --separate-stderr nb_run a
	[ "${lines[0]}" = inside ]
	[ "${lines[1]}" = 1 ]
	[ "${lines[2]}" = 123456 ]
	[ "${lines[3]}" = 0 ]
	[ "${lines[4]}" = readonly ]
}

@test "root.readonly; a tmpfs on it can be written" {
	bundle --set root.readonly=true \
		--add mounts='{"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["size=1m","noexec"]}' \
		"$(busybox_rootfs)" sh -c 'exec 2>&1; touch /x; echo data >/tmp/y && cat /tmp/y; grep " /tmp " /proc/mounts'
	run nb_run a
	[[ "${lines[0]}" == *"Read-only file system"* ]]
	[ "${lines[1]}" = data ]
	[[ "${lines[2]}" == *noexec* ]]
	[[ "${lines[2]}" == *size=1024k* ]]
}

@test "bind mounts: a folder, a single file, read-only; the parent is not seen" {
	mkdir -p volume/secret
	echo one >volume/file
	echo two >volume/secret/other
	bundle --add mounts="{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"$WORK/volume\",\"options\":[\"rbind\",\"rw\"]}" \
		--add mounts="{\"destination\":\"/etc/one\",\"type\":\"bind\",\"source\":\"$WORK/volume/file\",\"options\":[\"bind\",\"ro\"]}" \
		"$(own_rootfs)" sh -c 'exec 2>&1; cat /data/file /etc/one; echo three >/data/new; echo x >/etc/one; ls /run/shares 2>&1; find / -xdev -name other'
	run nb_run a
	[ "${lines[0]}" = one ]
	[ "${lines[1]}" = one ]
	[[ "$output" == *"Read-only file system"* ]]
	[ "$(cat volume/new)" = three ]
	[ "$(cat volume/file)" = one ]
	[[ "$output" != *"/etc/other"* ]]
}

@test "devices: the defaults and one more, with mode and owner" {
	bundle --set linux.devices='[{"path":"/dev/fuse2","type":"c","major":10,"minor":229,"fileMode":416,"uid":5,"gid":6}]' \
		"$(busybox_rootfs)" sh -c 'stat -c "%n %t:%T %a %u:%g" /dev/fuse2 /dev/null; head -c 3 /dev/zero | wc -c; readlink /dev/fd'
	run nb_run a
	[ "${lines[0]}" = "/dev/fuse2 a:e5 640 5:6" ]
	[ "${lines[1]}" = "/dev/null 1:3 666 0:0" ]
	[ "${lines[2]}" = 3 ]
	[ "${lines[3]}" = /proc/self/fd ]
}

@test "resources: memory, pids and cpu limits are in the container's cgroup" {
	bundle --set linux.resources='{"memory":{"limit":33554432,"swap":33554432},"pids":{"limit":9},"cpu":{"quota":50000,"period":100000,"shares":512}}' \
		"$(busybox_rootfs)" sh -c 'exec 2>&1; cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 60 & done; wait'
	run nb_run a
	[ "${lines[0]}" = 33554432 ]
	[ "${lines[1]}" = 9 ]
	[ "${lines[2]}" = "50000 100000" ]
	[[ "$output" == *"can't fork"* ]]
}

@test "resources: a program past its memory limit is killed" {
	bundle --set linux.resources='{"memory":{"limit":16777216}}' \
		"$(busybox_rootfs)" sh -c 'head -c 100000000 /dev/zero | tail -n 1 | wc -c; grep "^oom_kill " /sys/fs/cgroup/memory.events'
	run nb_run a
	[[ "$output" == *"oom_kill 1"* ]]
}

@test "namespaces: pid, ipc, uts, cgroup, and a user namespace with maps" {
	bundle --add linux.namespaces='{"type":"user"}' --set linux.uidMappings='[{"containerID":0,"hostID":100000,"size":65536}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":100000,"size":65536}]' \
		"$(busybox_rootfs)" sh -c 'id -u; cat /proc/self/uid_map; cat /proc/self/cgroup; echo $$; echo again >/dev/stdout'
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	# Its pipes are its own: programs open /dev/stdout for their log.
	[ "${lines[4]}" = again ]
	[ "${lines[0]}" = 0 ]
	[[ "${lines[1]}" == *"0     100000      65536"* ]]
	[ "${lines[2]}" = "0::/" ]
	[ "${lines[3]}" = 1 ]
}

@test "a user namespace: limits and clocks that only root outside may set; a network of its own, of which it is root; the same for exec" {
	bundle --add linux.namespaces='{"type":"user"}' --set linux.uidMappings='[{"containerID":0,"hostID":100000,"size":65536}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":100000,"size":65536}]' \
		--add linux.namespaces='{"type":"time"}' --set linux.timeOffsets='{"boottime":{"secs":1000000}}' \
		--set process.oomScoreAdj=-500 --set process.rlimits='[{"type":"RLIMIT_NOFILE","hard":1500000,"soft":1200}]' \
		--set process.capabilities='{"bounding":["CAP_NET_RAW","CAP_NET_BIND_SERVICE"],"permitted":["CAP_NET_RAW","CAP_NET_BIND_SERVICE"],"effective":["CAP_NET_RAW","CAP_NET_BIND_SERVICE"]}' \
		--set linux.sysctl='{"net.ipv4.ping_group_range":"0 0"}' \
		"$(busybox_rootfs)" sh -c 'cat /proc/self/oom_score_adj; ulimit -Hn; ulimit -Sn
			[ "$(cut -d. -f1 /proc/uptime)" -ge 1000000 ] && echo shifted
			cat /proc/sys/net/ipv4/ping_group_range; ls /sys/class/net; ping -c 1 -q 127.0.0.1 | grep -c " 0% packet loss"
			nc -l -p 80 & sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb start a
	wait_for 20 grep -q '^1$' out
	[ "$(cat out)" = $'-500\n1500000\n1200\nshifted\n0\t0\nlo\n1' ]
	[ "$(nb exec a sh -c 'ulimit -Hn; cat /proc/self/oom_score_adj; [ "$(cut -d. -f1 /proc/uptime)" -ge 1000000 ] && echo shifted
		[ "$(readlink /proc/self/ns/net)" = "$(readlink /proc/1/ns/net)" ] &&
		for i in 1 2 3 4 5 6 7 8 9; do nc -w 30 127.0.0.1 80 </dev/null && echo served && break; sleep 1; done')" = \
		$'1500000\n-500\nshifted\nserved' ]
}

@test "vm: processors and memory of the VM; kernel parameters" {
	bundle --set vm='{"hwConfig":{"vcpus":2,"memory":268435456},"kernel":{"parameters":["nestbox.test=1"]}}' \
		"$(busybox_rootfs)" sh -c 'grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo; cat /proc/cmdline'
	run nb_run a
	[ "${lines[0]}" = 2 ]
	total=$(sed 's/[^0-9]//g' <<<"${lines[1]}")
	[ "$total" -lt 262144 ]
	[ "$total" -gt 200000 ]
	[[ "${lines[2]}" == *nestbox.test=1* ]]
}

@test "personality, scheduler and I/O priority" {
	bundle --set linux.personality='{"domain":"LINUX32"}' --set process.scheduler='{"policy":"SCHED_BATCH","nice":5}' \
		--set process.ioPriority='{"class":"IOPRIO_CLASS_BE","priority":6}' \
		"$(busybox_rootfs)" sh -c 'uname -m; cut -d" " -f19 /proc/self/stat; ionice -p $$; cut -d" " -f41 /proc/self/stat'
	run nb_run a
	[ "${lines[0]}" = i686 ]
	[ "${lines[1]}" = 5 ]
	[[ "${lines[2]}" == *"best-effort: prio 6"* ]]
	[ "${lines[3]}" = 3 ]
}

@test "cwd that the image lacks is made, also with a read-only root; of a variable given twice the last value counts" {
	bundle --set process.cwd='"/made/up"' --set root.readonly=true --add process.env='"A=1"' --add process.env='"A=2"' \
		"$(own_rootfs)" sh -c 'pwd; echo $A; sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb start a
	wait_for 10 grep -q 2 out
	[ "$(cat out)" = $'/made/up\n2' ]
	[ "$(nb exec --env A=3 a sh -c 'env | grep ^A=')" = A=3 ]
}
