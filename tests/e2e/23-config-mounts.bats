#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mounts of config.json inside: what is made when, where it lands, and runc's rules for proc and sysfs.

load helpers

@test "read-only tmpfs (on /dev too), remount, relative and linked destinations, proc's files; cwd is made; ENOSYS for new calls" {
	rootfs=$(own_rootfs)
	mkdir -p "$rootfs/real" "$rootfs/mode"
	chmod 1751 "$rootfs/mode"
	ln -s /real "$rootfs/link"
	echo "cpu of lxcfs" >cpuinfo
	printf '#include <stdio.h>\n#include <errno.h>\n#include <unistd.h>\nint main(void){errno=0;syscall(5000);printf("%%d\\n",errno);errno=0;setpgid(0,0);printf("%%d\\n",errno);return 0;}' >call.c
	gcc -static -o "$rootfs/bin/call" call.c
	cat >script <<-'EOF'
		grep " /dev tmpfs" /proc/mounts | grep -c " ro,"
		(echo x >/dev/null) && tty
		ls /ro; (: >/ro/x) 2>&1
		echo data >/ro/inner/y && cat /ro/inner/y
		grep -c " /relative tmpfs" /proc/mounts
		grep -c " /real/stack tmpfs" /proc/mounts
		stat -c %a /mode
		(: >/re/x) 2>&1
		cat /proc/cpuinfo
		pwd
		call
	EOF
	bundle --terminal --add mounts='{"destination":"/ro","type":"tmpfs","source":"tmpfs","options":["ro","nosuid"]}' \
		--add mounts='{"destination":"/ro/inner","type":"tmpfs","source":"tmpfs"}' \
		--add mounts='{"destination":"relative","type":"tmpfs","source":"tmpfs"}' \
		--add mounts='{"destination":"/link/stack","type":"tmpfs","source":"tmpfs"}' \
		--add mounts='{"destination":"/mode","type":"tmpfs","source":"tmpfs"}' \
		--add mounts='{"destination":"/re","type":"tmpfs","source":"tmpfs","options":["context=\"system_u:object_r:tmp_t:s0\""]}' \
		--add mounts='{"destination":"/re","type":"tmpfs","source":"tmpfs","options":["remount","ro"]}' \
		--add mounts="{\"destination\":\"/proc/cpuinfo\",\"source\":\"$WORK/cpuinfo\",\"options\":[\"bind\"]}" \
		--set process.cwd='"/made/for/this"' \
		--set linux.seccomp='{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[
			"access","arch_prctl","brk","capget","capset","chdir","clone","clone3","close","dup","dup2","dup3","execve","exit","exit_group","faccessat","faccessat2",
			"fchdir","fcntl","fstat","futex","getcwd","getdents64","getegid","geteuid","getgid","getpgrp","getpid","getppid","getrandom","getsockopt","getuid",
			"ioctl","lseek","lstat","mmap","mprotect","munmap","newfstatat","open","openat","pipe","pipe2","poll","prctl","pread64","prlimit64","read","readlink",
			"readlinkat","recvmsg","rseq","rt_sigaction","rt_sigprocmask","rt_sigreturn","sendmsg","sendfile","set_robust_list","set_tid_address","setgid","setgroups",
			"setresgid","setresuid","setuid","stat","statx","sysinfo","umask","uname","unlink","vfork","wait4","write","writev"],"action":"SCMP_ACT_ALLOW"}]}' \
		"$rootfs" sh -c "$(cat script)"
	python3 - <<-EOF
		import json
		p = "$BUNDLE/config.json"
		c = json.load(open(p))
		for m in c["mounts"]:
		    if m["destination"] == "/dev":
		        m["options"].append("ro")
		json.dump(c, open(p, "w"))
	EOF
	run script -qec "$NESTBOX --root $ROOT run --bundle $BUNDLE a" /dev/null </dev/null
	output=${output//$'\r'/}
	output=$(sed '1s/^[^0-9]*//' <<<"$output")
	echo "$output"
	mapfile -t lines <<<"$output"
	[ "${lines[0]}" = 1 ]
	[[ "${lines[1]}" == /dev/* ]]
	[ "${lines[2]}" = inner ]
	[[ "${lines[3]}" == *"/ro/x: Read-only file system"* ]]
	[ "${lines[4]}" = data ]
	[ "${lines[5]}" = 1 ]
	[ "${lines[6]}" = 1 ]
	[ "${lines[7]}" = 1751 ]
	[[ "${lines[8]}" == *"/re/x: Read-only file system"* ]]
	[ "${lines[9]}" = "cpu of lxcfs" ]
	[ "${lines[10]}" = /made/for/this ]
	[ "${lines[11]}" = 38 ]
	[ "${lines[12]}" = 1 ]
}

@test "a mount on / is the root of those behind it" {
	volume=$(own_rootfs)
	echo other >"$volume/etc/name"
	mkdir -p empty
	bundle --set root.path="\"$WORK/empty\"" "$WORK/empty" cat /etc/name
	python3 - <<-EOF
		import json
		p = "$BUNDLE/config.json"
		c = json.load(open(p))
		c["mounts"].insert(0, {"destination": "/", "source": "$volume", "options": ["rbind"]})
		json.dump(c, open(p, "w"))
	EOF
	run nb_run a
	echo "$output"
	[ "$output" = other ]
}

@test "refused inside: proc on a link, a mount that a link leads into proc" {
	rootfs=$(own_rootfs)
	rmdir "$rootfs/proc"
	ln -s /tmp "$rootfs/proc"
	bundle "$rootfs" true
	run nb_run a
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *'filesystem "proc" must be mounted on ordinary directory'* ]]
	rm "$rootfs/proc"
	mkdir "$rootfs/proc"
	ln -s /proc/sys "$rootfs/into"
	bundle --add mounts='{"destination":"/into","type":"tmpfs","source":"tmpfs"}' "$rootfs" true
	run nb_run b
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *'"/into" cannot be mounted because it is inside /proc'* ]]
}

@test "rbind,ro is read-only at its top; a link to nothing is made; device nodes in a user namespace have their owner" {
	rootfs=$(own_rootfs)
	chmod 777 "$rootfs" "$rootfs/etc"
	ln -s ../made/here "$rootfs/etc/dangling"
	mkdir -p volume/below
	mount -t tmpfs -o mode=777 none volume/below
	echo one >file
	bundle --add mounts="{\"destination\":\"/data\",\"source\":\"$WORK/volume\",\"options\":[\"rbind\",\"ro\"]}" \
		--add mounts="{\"destination\":\"/etc/dangling\",\"source\":\"$WORK/file\",\"options\":[\"bind\"]}" \
		--add linux.namespaces='{"type":"user"}' --set linux.uidMappings='[{"containerID":0,"hostID":0,"size":4294967295}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":0,"size":4294967295}]' \
		--set linux.devices='[{"path":"/dev/mine","type":"b","major":1,"minor":5,"uid":10,"gid":11,"fileMode":432}]' "$rootfs" \
		sh -c '(: >/data/x) 2>&1; : >/data/below/y && echo below; cat /made/here; stat -c "%F %t:%T %a %u:%g" /dev/mine'
	run nb_run a
	[ -e volume/below/y ] || echo "nothing written below"
	umount volume/below
	echo "$output"
	[[ "${lines[0]}" == *"/data/x: Read-only file system"* ]]
	[ "${lines[1]}" = below ]
	[ "${lines[2]}" = one ]
	[ "${lines[3]}" = "block special file 1:5 660 10:11" ]
}

@test "ids of a bind, mapped for it alone: by the mount's mappings, by idmap and the container's namespace, by a map in the option" {
	mkdir a b
	echo a >a/root; echo b >b/other
	chown 5:6 b/other
	cat >script <<-'EOF'
		exec 2>&1 # one stream: two have no order
		stat -c '%u:%g' /a/root /b/other /plain/root
		echo made >/a/made
		mkdir /a/folder
		ln -s made /a/link
		chown 1002:2002 /a/folder
		cat /a/made
		stat -c '%u:%g' /a/made /a/folder /a/link
		echo no >/b/no; echo $?
	EOF
	maps='[{"containerID":0,"hostID":1000,"size":10}]' gids='[{"containerID":0,"hostID":2000,"size":10}]'
	bundle --set process.user='{"uid":1000,"gid":2000}' --set process.capabilities='{"effective":["CAP_CHOWN"],"permitted":["CAP_CHOWN"],"bounding":["CAP_CHOWN"],"inheritable":["CAP_CHOWN"],"ambient":["CAP_CHOWN"]}' \
		--add mounts="{\"destination\":\"/a\",\"source\":\"$WORK/a\",\"options\":[\"bind\"],\"uidMappings\":$maps,\"gidMappings\":$gids}" \
		--add mounts="{\"destination\":\"/b\",\"source\":\"$WORK/b\",\"options\":[\"rbind\",\"ridmap=uids=5-70-1;gids=6-80-1\"]}" \
		--add mounts="{\"destination\":\"/plain\",\"source\":\"$WORK/a\",\"options\":[\"bind\"]}" \
		"$(busybox_rootfs)" sh -c "$(cat script)"
	run nb_run a
	echo "$output"
	[ "${lines[0]}" = 1000:2000 ]
	[ "${lines[1]}" = 70:80 ]
	[ "${lines[2]}" = 0:0 ]
	[ "${lines[3]}" = made ]
	[ "${lines[4]}" = 1000:2000 ]
	[ "${lines[5]}" = 1002:2002 ]
	[ "${lines[6]}" = 1000:2000 ]
	# Who has no id in the files can make none, as by the kernel's rule.
	[ "${lines[-1]}" != 0 ]
	# On the host they are what the files' side of the map says.
	[ "$(stat -c '%u:%g' a/made a/folder a/link | xargs)" = "0:0 2:2 0:0" ]
	[ ! -e b/no ]

	# The container's own map: what is root's on the host is root's inside, where it is an ordinary id outside.
	bundle --add linux.namespaces='{"type":"user"}' --set linux.uidMappings='[{"containerID":0,"hostID":100000,"size":65536}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":100000,"size":65536}]' \
		--add mounts="{\"destination\":\"/a\",\"source\":\"$WORK/a\",\"options\":[\"bind\",\"idmap\"]}" \
		--add mounts="{\"destination\":\"/file\",\"source\":\"$WORK/b/other\",\"options\":[\"bind\",\"idmap=uids=@5-3-1;gids=@6-4-1\"]}" \
		"$(busybox_rootfs)" sh -c 'stat -c %u:%g /a/root /file; echo inside >/a/inside; echo $?'
	run nb_run b
	echo "$output"
	[ "$(xargs <<<"$output")" = "0:0 3:4 0" ]
	[ "$(stat -c %u:%g a/inside)" = 0:0 ]
	nothing_left "$before"
}
