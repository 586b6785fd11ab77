# SPDX-License-Identifier: Apache-2.0
# helpers.bash - what every e2e test needs: bundles, the runtime under test, and counts of what lives
# on the host, to see that nothing is left behind.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
NESTBOX=${NESTBOX:-$here/build/bin/nestbox}
export NESTBOX
# A machine that has other work meanwhile; the tests that wait for the end of this time set their own.
export NESTBOX_BOOT_TIMEOUT=120

# A folder of the test's own, on a tmpfs: /run/scratch/NAME-N.
new_work() {
	mkdir -p /run/scratch
	WORK=$(mktemp -d /run/scratch/t-XXXXXX)
	ROOT=$WORK/root
	BUNDLE=$WORK/bundle
	cd "$WORK" || return 1
}

# What most files want; those that need more have their own. `before` is for nothing_left.
setup() {
	new_work
	before=$(host_before)
}

teardown() {
	clean_up
}

busybox_rootfs() {
	[ -d /run/scratch/busybox ] || cp -a "$("$here/tests/bundles/mk-rootfs" busybox)" /run/scratch/busybox
	echo /run/scratch/busybox
}

# A rootfs that the test may change.
own_rootfs() {
	cp -a "$(busybox_rootfs)" "$WORK/rootfs"
	echo "$WORK/rootfs"
}

# The Debian image that the L1 was given as a disk.
debian_rootfs() {
	if [ ! -d /run/scratch/debian/usr ]; then
		mkdir -p /run/scratch/debian
		mount /dev/vda /run/scratch/debian || return 1
	fi
	echo /run/scratch/debian
}

# bundle [mk-bundle options] ROOTFS COMMAND... - writes $BUNDLE.
bundle() {
	local options=()
	while [[ $1 == --* ]]; do
		options+=("$1")
		[ "$1" = --terminal ] || { options+=("$2"); shift; }
		shift
	done
	"$here/tests/bundles/mk-bundle" "${options[@]}" "$BUNDLE" "$1" -- "${@:2}"
}

nb() {
	"$NESTBOX" --root "$ROOT" "$@"
}

# For the background: `nb_bg … &` makes $! the pid of nestbox itself, not of a subshell.
nb_bg() {
	exec "$NESTBOX" --root "$ROOT" "$@"
}

nb_run() {
	nb run --bundle "$BUNDLE" "$@"
}

# Started in the background with /dev/null as its stdio.
nb_up() {
	nb create --bundle "$BUNDLE" "$1" </dev/null >/dev/null 2>"$WORK/create.err" || {
		cat "$WORK/create.err"
		return 1
	}
	nb start "$1"
}

status_of() {
	nb state "$1" | jq -r .status
}

# wait_for SECONDS COMMAND... - until the command succeeds; on a slow machine four times as long, which costs nothing where
# it is not needed.
wait_for() {
	local tries=$(($1 * 40))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

has_status() {
	[ "$(status_of "$1")" = "$2" ]
}

# stands_still FILE - its size is in $size, and is the same after a second.
stands_still() {
	size=$(stat -c %s "$1")
	sleep 1
	[ "$(stat -c %s "$1")" -eq "$size" ]
}

# has_grown FILE - since then.
has_grown() {
	[ "$(stat -c %s "$1")" -gt "$size" ]
}

# What a runtime can leave on a host: processes, mounts, network namespaces, cgroups, files.
count_host() {
	echo "processes=$(pgrep -c 'nestbox' || true)" \
		"mounts=$(wc -l </proc/self/mountinfo)" \
		"netns=$(find /proc/[0-9]*/ns/net -printf '%l\n' 2>/dev/null | sort -u | wc -l)" \
		"cgroups=$(find /sys/fs/cgroup -type d | wc -l)" \
		"files=$(find "$ROOT" /run/nestbox /dev/shm 2>/dev/null | grep -vxF "$ROOT" | wc -l)"
}

none_of_ours() {
	! pgrep nestbox
}

# count_host of a host without containers. What the test before has ended may need a moment to be gone, and would be counted.
host_before() {
	wait_for 20 none_of_ours || true
	count_host
}

same_host() {
	[ "$(count_host)" = "$1" ]
}

# nothing_left BEFORE - the host is as it was; processes need a moment to be gone after their pid was reaped.
nothing_left() {
	wait_for 5 same_host "$1" || {
		echo "before: $1"
		echo "after:  $(count_host)"
		pgrep -a nestbox
		return 1
	}
}

clean_up() {
	local id
	for id in $(nb list -q 2>/dev/null); do
		nb delete --force "$id"
	done
	# Tests look for processes by their names.
	wait_for 20 none_of_ours || true
	cd /
	rm -rf "$WORK"
}
