#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shared root filesystem behaves as a local one does for root: files.py asserts it from inside; here the
# host's side of it is looked at.

load helpers

setup() {
	new_work
	mkdir share outside
	SHARE=$WORK/share
	echo secret >outside/secret
}

teardown() {
	# A test that fails may leave it so.
	! mountpoint -q "$WORK/slow" || { fsfreeze -u "$WORK/slow" || true; umount -l "$WORK/slow"; }
	clean_up
}

# inside SCRIPT_ARGS - runs tests/e2e/files.py in a container with the share at /share.
inside() {
	bundle --add mounts="{\"destination\":\"/share\",\"type\":\"bind\",\"source\":\"$SHARE\",\"options\":[\"rbind\"]}" \
		--add mounts="{\"destination\":\"/tests\",\"type\":\"bind\",\"source\":\"$here/tests/e2e\",\"options\":[\"rbind\",\"ro\"]}" \
		--set linux.resources='{"memory":{"limit":536870912}}' \
		--set process.capabilities='{"bounding":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_SETUID","CAP_SETGID","CAP_MKNOD","CAP_SETFCAP","CAP_SYS_ADMIN","CAP_KILL"],"effective":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_SETUID","CAP_SETGID","CAP_MKNOD","CAP_SETFCAP","CAP_SYS_ADMIN","CAP_KILL"],"permitted":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_SETUID","CAP_SETGID","CAP_MKNOD","CAP_SETFCAP","CAP_SYS_ADMIN","CAP_KILL"]}' \
		"$(debian_rootfs)" python3 /tests/files.py "$@"
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "files: owners, modes, links, rename, xattrs, O_TMPFILE, fallocate, locks, mmap, sparse, long names" {
	# On ext4: a tmpfs of Linux 6.1 has no user attributes.
	SHARE=$(debian_rootfs)/srv/files
	mkdir "$SHARE"
	inside posix
	cd "$SHARE"
	[ "$(grep -c ^ok <<<"$output")" -ge 18 ]
	[ "$(stat -c '%u:%g %a' owned)" = "1234:5678 4751" ]
	[ "$(readlink link)" = "some/where" ]
	[ "$(python3 -c 'import os; print(os.getxattr("tagged", "user.colour").decode())')" = blue ]
	[ "$(stat -c %s sparse)" -eq 10000000001 ]
	[ "$(stat -c %b sparse)" -lt 1000 ]
	cd "$WORK"
	rm -rf "$SHARE"
}

@test "files: links on the share never lead out of it" {
	ln -s "$WORK/outside" share/away
	ln -s "$WORK/outside/secret" share/file
	ln -s ../../outside/secret share/up
	inside confined
	[ "$(cat outside/secret)" = secret ]
	[ "$(ls outside)" = secret ]
}

@test "files: what the host changes is seen inside within seconds, and the other way round" {
	bundle --add mounts="{\"destination\":\"/share\",\"type\":\"bind\",\"source\":\"$WORK/share\",\"options\":[\"rbind\"]}" \
		"$(busybox_rootfs)" sh -c 'echo up >/share/up; while ! grep -q go /share/flag 2>/dev/null; do sleep 0.1; done; cat /share/flag; echo done >/share/answer'
	nb_run a >out &
	pid=$!
	wait_for 30 test -s share/up
	echo no >share/flag
	sleep 1.5
	echo go >share/flag
	wait $pid
	[ "$(cat share/answer)" = "done" ]
	grep -q go out
}

# A tree of N files needs no fd each: with 1,024 fds in all 30,000 are as hard a test as 1,000,000 with 32,768,
# and one that emulation can do in time. TREE_FILES=1000000 does the whole.
# The VMM waits for the frozen file system.
vmm_waits() {
	cat "/proc/$(pgrep -o nestbox-vmm)"/task/*/wchan | grep -q percpu_rwsem
}

@test "files: a request that waits holds up no other" {
	modprobe loop
	truncate -s 64M disk
	mkfs.ext4 -q disk
	mkdir slow
	mount -o loop disk slow
	touch slow/held
	echo text >slow/other
	debian_rootfs >/dev/null # its mount stays
	before=$(count_host)
	bundle --add mounts="{\"destination\":\"/share\",\"type\":\"bind\",\"source\":\"$WORK/slow\",\"options\":[\"rbind\"]}" \
		"$(debian_rootfs)" sleep 1000
	nb_up a
	fsfreeze -f slow
	nb exec a python3 -c 'import os; os.posix_fallocate(os.open("/share/held", os.O_RDWR), 0, 8192)' &
	pid=$!
	wait_for 30 vmm_waits
	[ "$(nb exec a cat /share/other)" = text ]
	vmm_waits
	[ "$(stat -c %s slow/held)" -eq 0 ]
	fsfreeze -u slow
	wait $pid
	[ "$(stat -c %s slow/held)" -eq 8192 ]
	nb delete --force a
	nothing_left "$before"
	umount slow
}

@test "files: a tree of 30,000 files and not more than 1,024 fds" {
	files=${TREE_FILES:-30000}
	mount -t tmpfs -o "nr_inodes=$((files + files / 10)),size=2g" tree share
	python3 - "$files" <<-'PY'
		import os, sys
		for d in range(int(sys.argv[1]) // 1000):
		    os.mkdir(f"share/{d}")
		    for i in range(1000):
		        os.close(os.open(f"share/{d}/{i}", os.O_CREAT))
	PY
	ulimit -n 1024
	inside tree
	umount share
	[[ "$output" == *"$files files"* ]]
}
