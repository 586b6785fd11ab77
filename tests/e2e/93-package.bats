#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 93-package.bats - the Debian package: it installs, what it installs works by itself, and it leaves nothing.
load helpers

setup() {
	new_work
}

teardown() {
	dpkg --purge nestbox >/dev/null 2>&1 || true
	clean_up
}

@test "package: install, check, a container from the installed files, purge" {
	packages=("$here"/build/nestbox_*_amd64.deb)
	[ "${#packages[@]}" -eq 1 ]
	dpkg -i "${packages[0]}"
	[ "$(command -v nestbox)" = /usr/bin/nestbox ]
	nestbox --version | grep '^runc version '
	nestbox check
	# None of the build's own programs: the kernel, the monitor and the others are those beside it.
	NESTBOX=/usr/bin/nestbox bundle "$(busybox_rootfs)" sh -c 'uname -r; exit 3'
	run nestbox --root "$ROOT" run --bundle "$BUNDLE" a
	[ "$status" -eq 3 ]
	[[ $output == *-nestbox ]]
	strace -f -e trace=execve,execveat,openat -o trace nestbox --root "$ROOT" run --bundle "$BUNDLE" a || true
	grep -q '/usr/lib/nestbox/vmlinux\|/usr/bin/../lib/nestbox/vmlinux' trace
	run ! grep "$here/build" trace
	zcat /usr/share/man/man8/nestbox.8.gz | grep -q NESTBOX
	jq -e .runtimes.nestbox.path /usr/share/doc/nestbox/examples/docker/daemon.json
	[ -x "$(jq -r .runtimes.nestbox.path /usr/share/doc/nestbox/examples/docker/daemon.json)" ]
	# What the documents there refer to is there.
	cd /usr/share/doc/nestbox
	links=$(grep -ohE '\]\([^)#]+' ./*.md | sed 's/..//' | grep -v '^https\?:' | sort -u)
	[ "$(wc -l <<<"$links")" -gt 10 ]
	for link in $links; do
		[ -e "$link" ] || { echo "no $link"; return 1; }
	done
	cd "$WORK"
	dpkg --purge nestbox
	[ ! -e /usr/bin/nestbox ]
	[ ! -e /usr/lib/nestbox ]
	[ ! -e /usr/share/doc/nestbox ]
}
