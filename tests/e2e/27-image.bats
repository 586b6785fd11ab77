#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 27-image.bats - a file with an EROFS or ext4 file system as the root filesystem.
load helpers

# image_of FILE - the annotations that name it.
image_of() {
	echo "annotations={\"dev.nestbox.rootfs.image\":\"$1\"}"
}

# Made once: busybox and a file, of a root folder that is not everybody's.
erofs_image() {
	if [ ! -e /run/scratch/busybox.erofs ]; then
		cp -a "$(busybox_rootfs)" "$WORK/tree"
		echo of the image >"$WORK/tree/word"
		chown 7:8 "$WORK/tree/word"
		chmod 751 "$WORK/tree"
		mkfs.erofs /run/scratch/busybox.erofs "$WORK/tree" >&2
		rm -rf "$WORK/tree"
	fi
	echo /run/scratch/busybox.erofs
}

@test "EROFS: writable in memory, with mounts, devices and exec; the file stays as it was, the host sees none of it" {
	image=$(erofs_image)
	sum=$(md5sum <"$image")
	mkdir shared
	echo of the host >shared/file
	cp "$image" "$WORK/root.img"
	mkdir -p "$BUNDLE"
	ln "$WORK/root.img" "$BUNDLE/root.img"
	bundle --set "$(image_of root.img)" \
		--add mounts="{\"destination\":\"/made/here\",\"source\":\"$WORK/shared\",\"options\":[\"bind\"]}" \
		/nonexistent sleep 1000
	nb_up a
	[ "$(nb exec a cat /word)" = "of the image" ]
	[ "$(nb exec a stat -c '%u %g' /word)" = "7 8" ]
	[ "$(nb exec a stat -c %a /)" = 751 ]
	[ "$(nb exec a cat /made/here/file)" = "of the host" ]
	nb exec a sh -c 'echo more >/made/here/file; echo changed >/word; rm /bin/true; echo x >/dev/null; cat /word; ls /proc/1/exe'
	[ "$(nb exec a cat /word)" = changed ]
	[ "$(cat shared/file)" = more ]
	run ! nb exec a /bin/true
	[ "$(nb state a | jq -r .rootfs)" = "$BUNDLE/root.img" ]
	# What the host has of its files: the bind, and empty folders on the way.
	pid=$(nb state a | jq .pid)
	[ ! -e "/proc/$pid/root/word" ]
	[ "$(cat "/proc/$pid/root/made/here/file")" = more ]
	run ! touch "/proc/$pid/root/x"
	nb delete --force a
	[ "$(md5sum <"$BUNDLE/root.img")" = "$sum" ]
	# The next one begins anew, as a clone as well; read-only when it is asked for.
	bundle --set "$(image_of root.img)" --set root.readonly=true /nonexistent \
		sh -c 'cat /word; touch /x 2>/dev/null || echo read-only'
	run -0 nb_run b
	[ "$output" = $'of the image\nread-only' ]
	nothing_left "$before"
}

@test "ext4: Debian from its image file, by vm.image.path; a user namespace of its own" {
	image=$("$here/tests/bundles/mk-rootfs" debian)
	bundle --set vm.image="{\"path\":\"$image\",\"format\":\"raw\"}" \
		/nonexistent sh -c '. /etc/os-release; echo $ID; dpkg-query -W -f "\${Status}\n" bash; echo x >/etc/x; cat /etc/x'
	run -0 nb_run a
	[ "$output" = $'debian\ninstall ok installed\nx' ]
	bundle --set vm.image="{\"path\":\"$image\"}" \
		--add linux.namespaces='{"type":"user"}' \
		--set linux.uidMappings='[{"containerID":0,"hostID":0,"size":65536}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":0,"size":65536}]' \
		/nonexistent sh -c 'cat /etc/debian_version >/dev/null && echo x >/etc/y && cat /etc/y'
	run -0 nb_run b
	[ "$output" = x ]
	nothing_left "$before"
}

# refused TEXT ANNOTATIONS - create fails with that text, and nothing is left.
refused() {
	bundle --set "annotations=$2" /nonexistent true
	run -1 nb_run a
	echo "$output"
	[[ $output == *"$1"* ]]
	[ "${#lines[@]}" -eq 1 ]
	nothing_left "$before"
}

named() {
	echo "{\"dev.nestbox.rootfs.image\":\"$1\"${2:+,\"dev.nestbox.rootfs.type\":\"$2\"}}"
}

@test "what is no image is refused with the reason: missing, no file, unknown, cut off, of another type, damaged" {
	image=$(erofs_image)
	cp "$image" good
	head -c 100000 good >cut
	head -c 1000 good >short
	head -c 100000 /dev/zero >zeros
	mkfifo fifo
	# A superblock, and nothing behind it.
	cp good damaged
	dd if=/dev/zero of=damaged bs=1024 seek=3 count=$(($(stat -c %s good) / 1024 - 3)) conv=notrunc 2>/dev/null
	refused "image $WORK/none: no such file or directory" "$(named "$WORK/none")"
	refused "image $WORK: not a regular file" "$(named "$WORK")"
	refused "image $WORK/fifo: not a regular file" "$(named "$WORK/fifo")"
	refused "image $WORK/zeros: neither an EROFS nor an ext4 file system" "$(named "$WORK/zeros")"
	refused "image $WORK/short: too short for a file system (1000 bytes)" "$(named "$WORK/short")"
	refused "image $WORK/cut: cut off: its erofs file system has" "$(named "$WORK/cut")"
	refused "image $WORK/good: its file system is erofs, not ext4" "$(named "$WORK/good" ext4)"
	refused "dev.nestbox.rootfs.type: neither erofs nor ext4: xfs" "$(named "$WORK/good" xfs)"
	refused "mounting the image as erofs" "$(named "$WORK/damaged")"
}
