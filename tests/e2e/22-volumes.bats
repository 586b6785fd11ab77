#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an engine calls volumes: folders, files and sockets of the host in a container.

load helpers

setup() {
	new_work
	SOCKETS=$here/tests/e2e/sockets.py
}

teardown() {
	[ -z "$SERVER" ] || kill $SERVER 2>/dev/null || true
	clean_up
}

# bind SOURCE DESTINATION [OPTION…] - a mount for bundle.
bind() {
	local source=$1 dest=$2 options='"bind"' option
	shift 2
	for option; do options+=",\"$option\""; done
	printf -- '--add\nmounts={"destination":"%s","type":"bind","source":"%s","options":[%s]}\n' "$dest" "$source" "$options"
}

# volumes MOUNTS ROOTFS COMMAND… - bundle with the mounts that bind printed.
volumes() {
	local mounts
	mapfile -t mounts <<<"$1"
	shift
	bundle "${mounts[@]}" "$@"
}

# serve ARGUMENTS… - a server on the host, in the background.
serve() {
	python3 "$SOCKETS" "$@" >"$WORK/serve.out" 2>&1 &
	SERVER="$SERVER $!"
	wait_for 20 grep -q listening "$WORK/serve.out"
	rm "$WORK/serve.out"
}

@test "a socket of the host: both ways, half-closed, peers known by uid, modes kept" {
	mkdir host
	echo secret >host/secret
	serve serve "$WORK/host/a.sock" 666
	serve serve "$WORK/host/b.sock" 600
	volumes "$(bind "$WORK/host/a.sock" /var/run/a.sock)
$(bind "$WORK/host/b.sock" /run/deep/er/b.sock ro)
$(bind "$here/tests/e2e" /tests ro)" "$(debian_rootfs)" sh -c '
		stat -c "%F %a %u" /run/a.sock /run/deep/er/b.sock
		ls -A /run/deep/er
		python3 /tests/sockets.py ask /run/a.sock 0 --- ask /run/deep/er/b.sock 300000 \
			--- as 1000 /run/a.sock --- as 1000 /run/deep/er/b.sock'
	run nb_run a
	echo "$output"
	[ "${lines[0]}" = "socket 666 0" ]
	[ "${lines[1]}" = "socket 600 0" ]
	[ "${lines[2]}" = b.sock ]
	[ "${lines[3]}" = "uid=0 bytes=0" ]
	[ "${lines[4]}" = "uid=0 bytes=300000" ]
	[ "${lines[5]}" = "uid=1000 bytes=10" ]
	[ "${lines[6]}" = "Permission denied" ]
	[[ "$output" != *secret* ]]
	rm -rf "$(debian_rootfs)/run/a.sock" "$(debian_rootfs)/run/deep"
}

@test "a socket of the host: seventy clients at once, a slow one, and no server" {
	mkdir host
	serve serve "$WORK/host/a.sock"
	serve mute "$WORK/host/mute.sock"
	volumes "$(bind "$WORK/host/a.sock" /tmp/a.sock)
$(bind "$WORK/host/mute.sock" /tmp/mute.sock)
$(bind "$here/tests/e2e" /tests ro)" "$(debian_rootfs)" sh -c '
		exec python3 /tests/sockets.py many /tmp/a.sock 70 --- slow /tmp/mute.sock /tmp/a.sock \
			--- wait /tmp/go --- lost /tmp/a.sock'
	nb_run a >out 2>&1 &
	pid=$!
	wait_for 60 grep -q uid= out || { cat out; false; }
	# The server is started anew: its socket is another file now, as a bind of runc would show.
	kill $SERVER
	SERVER=
	serve serve "$WORK/host/a.sock"
	nb exec a touch /tmp/go
	wait $pid
	cat out
	grep -qx '70 asked, 0 failed \[\]' out
	grep -qx filled out
	grep -qx 'uid=0 bytes=10' out
	grep -qE '^(end|Connection reset by peer)$' out
	rm -f "$(debian_rootfs)"/tmp/{a.sock,mute.sock,go}
}

@test "a socket that the container makes in a bound folder: the host's programs reach it" {
	mkdir -p share/deep
	chmod 777 share/deep
	volumes "$(bind "$WORK/share" /share)
$(bind "$here/tests/e2e" /tests ro)" "$(debian_rootfs)" sh -c '
		python3 /tests/sockets.py serve /share/root.sock 640 &
		umask 0; setpriv --reuid 1000 --regid 1000 --clear-groups python3 /tests/sockets.py serve /share/deep/user.sock &
		while [ ! -e /share/stop ]; do sleep 0.1; done
		rm /share/root.sock; touch /share/stopped; sleep 60'
	nb_up a
	wait_for 30 test -S share/root.sock -a -S share/deep/user.sock
	[ "$(stat -c '%a %u:%g' share/root.sock)" = "640 0:0" ]
	[ "$(stat -c '%a %u:%g' share/deep/user.sock)" = "777 1000:1000" ]
	# Bound is not yet listening.
	wait_for 20 python3 "$SOCKETS" ask share/root.sock
	wait_for 20 python3 "$SOCKETS" ask share/deep/user.sock
	run python3 "$SOCKETS" ask share/root.sock 300000 --- as 33 share/deep/user.sock --- many share/root.sock 40
	echo "$output"
	[ "${lines[0]}" = "uid=0 bytes=300000" ]
	[ "${lines[1]}" = "uid=33 bytes=10" ]
	[ "${lines[2]}" = "40 asked, 0 failed []" ]
	# Renamed by the host: the same socket.
	mv share/deep/user.sock share/moved.sock
	[ "$(python3 "$SOCKETS" ask share/moved.sock 7)" = "uid=0 bytes=7" ]
	ln share/root.sock other
	touch share/stop
	wait_for 20 test -e share/stopped
	[ ! -e share/root.sock ]
	[[ "$(python3 "$SOCKETS" lost other)" =~ ^(Connection\ refused|end|Connection\ reset\ by\ peer)$ ]]
	nb delete --force a
	[ "$(python3 "$SOCKETS" lost share/moved.sock)" = "Connection refused" ]
}
