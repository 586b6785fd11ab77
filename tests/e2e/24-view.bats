#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What callers see that enter a container's file system by its pid: the container's files, never the host's.

load helpers

view() {
	# shellcheck disable=SC2154
	"$here/tests/e2e/view.py" "$(nb state a | jq .pid)" "$@"
}

# bind SOURCE DESTINATION OPTIONS - a mount for bundle, in $mounts.
bind() {
	mounts+=(--add "mounts={\"destination\":\"$2\",\"type\":\"bind\",\"source\":\"$1\",\"options\":[$3]}")
}

stands_in() {
	[ "$(readlink "/proc/$1/ns/mnt")" = "$2" ]
}

@test "the monitor's root is the container's, with its binds in their places, hostile links or not" {
	rootfs=$(own_rootfs)
	echo image >"$rootfs/etc/word"
	mkdir "$rootfs/tmp/hidden"
	# Links that would lead out of the root if somebody followed them on the host.
	ln -s "/../../..$WORK/host" "$rootfs/away"
	ln -s / "$rootfs/var/top"
	ln -s "../../../../../../../../..$WORK" "$rootfs/up"
	mkdir -p host/sub volume inner
	echo host >host/word
	echo volume >volume/word
	echo inner >inner/word
	echo file >file
	mounts=()
	bind "$WORK/volume" /data '"bind"'
	bind "$WORK/inner" /data/inner '"rbind","ro"'
	bind "$WORK/file" /etc/file '"bind"'
	bind "$WORK/volume" /away/sub/new '"bind"'
	mounts+=(--add 'mounts={"destination":"/tmp","type":"tmpfs","source":"tmpfs"}')
	bind "$WORK/volume" /tmp/below '"bind"'
	# From the very folder beneath which the view is put together.
	bind /proc/version /etc/version '"bind","ro"'
	bundle "${mounts[@]}" "$rootfs" sh -c 'echo mine >/run/mine; sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >/dev/null 2>&1
	# From the first moment that callers know the pid.
	view read /etc/word | grep -x '/etc/word: image'
	nb start a
	pid=$(nb state a | jq .pid)
	wait_for 10 test -e "$rootfs/run/mine"

	view read /etc/word /run/mine /data/word /data/inner/word /etc/file /tmp/below/word /var/top/etc/word /etc/version >seen
	cat seen
	[ "$(sed 's/.*: //' seen | xargs)" = "image mine volume inner file volume image $(cat /proc/version)" ]
	# What only the guest has is empty, and nothing can be written there.
	view read /tmp /proc /dev/pts /sys >seen
	[ "$(cat seen)" = "$(printf '/tmp: below\n/proc: \n/dev/pts: \n/sys: fs')" ]
	view write /tmp/new /dev/shm/new /proc/new >seen
	[ "$(sed 's/.*: //' seen | sort -u)" = EROFS ]
	# Written by name, it is in the container and in the volume.
	view write /data/new /etc/new /data/inner/new >seen
	[ "$(sed 's/.*: //' seen | xargs)" = 'written written EROFS' ]
	[ "$(cat volume/new)" = 'from outside' ]
	[ "$(nb exec a cat /data/new /etc/new | sort -u)" = 'from outside' ]
	nb exec a sh -c 'echo inside >/data/back'
	view read /data/back | grep -x '/data/back: inside'

	# Nothing of the host, by whatever way: names, links, the working folder, what is mounted.
	view read "$WORK/host/word" "/../../..$WORK/host/word" /away/word /up/host/word /proc/1/root /proc/self >seen
	cat seen
	[ "$(sed 's/.*: //' seen | sort -u)" = ENOENT ]
	[ -e "/proc/$pid/root/etc/word" ]
	[ -e "/proc/$pid/cwd/etc/word" ]
	[ ! -e "/proc/$pid/root$WORK/host/word" ]
	[ ! -e "/proc/$pid/cwd/../../..$WORK/host/word" ]
	awk '{print $5}' "/proc/$pid/mountinfo" | sort >points
	cat points
	[ "$(xargs <points)" = "/ /data /data/inner /dev /etc/file /etc/version /proc $WORK/host/sub/new /sys /tmp /tmp/below" ]
	[ "$(cat host/word)" = host ]
	[ -z "$(ls -A host/sub)" ]
	# The image's programs are for the guest's kernel.
	view run /bin/busybox | grep -x '/bin/busybox: EACCES'

	# The monitors of exec stand there too.
	mnt=$(readlink "/proc/$pid/ns/mnt")
	[ "$mnt" != "$(readlink /proc/self/ns/mnt)" ]
	nb exec --detach --pid-file exec.pid a sleep 500 </dev/null >/dev/null 2>&1
	[ "$(readlink "/proc/$(cat exec.pid)/ns/mnt")" = "$mnt" ]
	nb_bg exec a sleep 600 &
	other=$!
	wait_for 10 stands_in $other "$mnt"
	nb delete --force a
	wait $other || true
	nothing_left "$before"
}

@test "the view of a read-only root is read-only, and mounts of the host come and go without it" {
	mkdir -p vol
	mount -t tmpfs -o size=1m vol vol
	echo first >vol/word
	mounts=()
	bind "$PWD/vol" /data '"bind"'
	bundle --set root.readonly=true "${mounts[@]}" "$(busybox_rootfs)" sleep 1000
	nb_up a
	view write /etc/new /data/new >seen
	[ "$(sed 's/.*: //' seen | xargs)" = 'EROFS written' ]
	# Neither does the view see what is mounted later, nor does it hold the host's mount.
	umount vol
	mount -t tmpfs -o size=1m other vol
	view read /data/word | grep -x '/data/word: first'
	[ -z "$(ls vol)" ]
	umount vol
	nb delete --force a
}
