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
	chmod 755 "$WORK" share
	volumes "$(bind "$WORK/share" /share)
$(bind "$here/tests/e2e" /tests ro)" "$(debian_rootfs)" sh -c '
		python3 /tests/sockets.py serve /share/root.sock 640 &
		umask 0; setpriv --reuid 1000 --regid 1000 --clear-groups python3 /tests/sockets.py serve /share/deep/user.sock &
		while [ ! -e /share/stop ]; do sleep 0.1; done
		rm /share/root.sock; touch /share/stopped; sleep 5'
	nb_up a
	wait_for 30 test -S share/root.sock -a -S share/deep/user.sock
	# Bound is not yet listening; before that its mode is set.
	wait_for 20 python3 "$SOCKETS" ask share/root.sock
	wait_for 20 python3 "$SOCKETS" ask share/deep/user.sock
	[ "$(stat -c '%a %u:%g' share/root.sock)" = "640 0:0" ]
	[ "$(stat -c '%a %u:%g' share/deep/user.sock)" = "777 1000:1000" ]
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
	# Its server is reached by the other name and says nothing; then the container ends.
	[[ "$(python3 "$SOCKETS" lost other)" =~ ^(Connection\ refused|end|Connection\ reset\ by\ peer)$ ]]
	nb delete --force a
	[ "$(python3 "$SOCKETS" lost share/moved.sock)" = "Connection refused" ]
}

# Waits for the next request, and has done all that came before.
is_asleep() {
	grep -q '^State:.S' "/proc/$1/status"
}

@test "a share that hangs holds a client of a container's socket, not init" {
	mkdir share
	# Without a pid namespace it sees the child that init sends to the share. Every path that begins at the root would
	# hang as well.
	volumes "$(bind "$WORK/share" /share)
$(bind "$here/tests/e2e" /tests ro)" "$(debian_rootfs)" bash -c '
		trap "echo heard" USR1
		python3 /tests/sockets.py serve /share/s.sock &
		while sleep 0.1; do [ ! -e /share/go ] || break; done
		cd /proc
		while :; do
			for p in [0-9]*; do
				read -r pid comm state parent rest <$p/stat || continue
				[ "$comm $parent" != "(init) 1" ] || echo "sent $pid"
			done
			read -r -t 0.2
		done'
	jq 'del(.linux.namespaces[] | select(.type == "pid"))' "$BUNDLE/config.json" >config.json
	cp config.json "$BUNDLE/config.json"
	mkfifo input
	exec 7<>input
	nb create --bundle "$BUNDLE" a <input >out 2>&1
	nb start a
	wait_for 60 python3 "$SOCKETS" ask share/s.sock
	touch share/go
	sleep 2
	# Those who have asked are gone, and nobody comes.
	wait_for 10 stands_still out
	# The fs server has taken the client when it stops; the VMM tells the guest of it after that.
	vmm=$(pgrep nestbox-vmm)
	fsd=$(pgrep nestbox-fsd)
	kill -STOP "$vmm"
	python3 "$SOCKETS" tell share/s.sock >answer 3>&- &
	client=$!
	wait_for 30 grep -q connected answer
	wait_for 30 is_asleep "$fsd"
	kill -STOP "$fsd"
	kill -CONT "$vmm"
	wait_for 30 has_grown out
	tail -n 1 out | grep sent
	nb kill a USR1
	wait_for 10 grep -q heard out
	nb ps -f guest a | grep -q sockets.py
	[ "$(cat answer)" = connected ]
	kill -CONT "$fsd"
	wait "$client"
	[ "$(cat answer)" = $'connected\nuid=0 bytes=10' ]
	exec 7>&-
}

@test "a file: edited in place on either side, replaced by rename on the host; its parent is not there" {
	mkdir host
	echo one >host/file
	echo secret >host/other
	volumes "$(bind "$WORK/host/file" /data/file)
$(bind "$WORK/host/file" /data/again ro)" "$(own_rootfs)" sh -c '
		ls -A /data; cat /data/file /data/again; echo two >>/data/file; sleep 1.5; cat /data/again
		(echo x >>/data/again) 2>&1; mv /data/file /data/gone 2>&1; rm /data/file 2>&1
		touch /data/ready; until grep -q three /data/file; do sleep 0.1; done; echo seen
		until [ -e /data/renamed ]; do sleep 0.1; done; sleep 2; cat /data/file'
	nb_run a >out 2>&1 &
	pid=$!
	wait_for 60 test -e rootfs/data/ready
	[ "$(cat host/file)" = $'one\ntwo' ]
	echo three >>host/file
	wait_for 20 grep -q seen out
	echo four >host/new
	mv host/new host/file
	touch rootfs/data/renamed
	wait $pid
	cat out
	[ "$(head -n 6 out)" = $'again\nfile\none\none\none\ntwo' ]
	[ "$(grep -c 'Read-only file system' out)" -eq 1 ]
	[ "$(grep -c 'busy' out)" -eq 2 ]
	# The bind is the file that it was.
	[ "$(tail -n 3 out)" = $'one\ntwo\nthree' ]
	[ "$(cat host/file)" = four ]
}

@test "folders: with what is mounted below or without; read-only at the top or throughout, on the host's side too" {
	mkdir -p host/below
	mount -t tmpfs below host/below
	touch host/below/deep
	volumes "$(bind "$WORK/host" /r rbind)
$(bind "$WORK/host" /top rbind ro)
$(bind "$WORK/host" /all rbind rro)
$(bind "$WORK/host" /one)" "$(own_rootfs)" sh -c '
		for d in r top all one; do
			for f in $d/x $d/below/x; do (echo 1 >/$f) 2>/dev/null && echo "$f written"; done
		done
		ls /one/below; ls /r/below; touch /ready; sleep 1000'
	nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb start a
	wait_for 60 test -e rootfs/ready
	# The share and the output are two ways: which is first is open.
	wait_for 20 grep -qx deep out
	cat out
	[ "$(tr '\n' ' ' <out)" = "r/x written r/below/x written top/below/x written one/x written one/below/x written x deep x " ]
	[ -e host/below/x ]
	# The fs server's own mounts (`ro` is the top's, `rro` that of all): a guest whose kernel obeys somebody else gets no further.
	m=$(jq '.mounts | length - 4' "$BUNDLE/config.json")
	fsd=$(jq .fsd.pid "$ROOT/a/state.json")
	for share in m$((m + 1)) m$((m + 2)) m$((m + 2))/below; do
		run touch "/proc/$fsd/root/$share/z"
		[[ "$output" == *"Read-only file system"* ]]
	done
	touch "/proc/$fsd/root/m$m/allowed"
	[ -e host/allowed ]
	# No program, no device of the shares is one for the host.
	[ "$(grep -c " /m[0-9].* .*nosuid,nodev" "/proc/$fsd/mountinfo")" -ge 6 ]
	nb delete --force a
	umount host/below
}

@test "places: missing ones are made, links of the image stay in it, the same source twice, one bind in another" {
	mkdir -p host/inner once
	mount --bind host once
	echo file >host/file
	own_rootfs >/dev/null
	mkdir rootfs/real
	ln -s /real rootfs/link
	ln -s /nowhere/yet rootfs/dangling
	volumes "$(bind "$WORK/once" /a/b/c)
$(bind "$WORK/host" /link)
$(bind "$WORK/host/file" /link/inner/new-file)
$(bind "$WORK/host/inner" /a/b/c/made/nested)
$(bind "$WORK/host/file" /x/y)" "$WORK/rootfs" sh -c '
		cat /a/b/c/file /real/file /x/y /link/inner/new-file
		echo in >/a/b/c/made/nested/z; cat /link/inner/z; stat -c "%a %F" /a /a/b/c/made'
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'file\nfile\nfile\nfile\nin\n755 directory\n755 directory' ]
	# In the root filesystem and in the volume, as runc makes them.
	[ "$(stat -c '%a %F' rootfs/x/y)" = "644 regular empty file" ]
	[ -d rootfs/a/b/c ]
	[ -d host/made/nested ]
	[ -f host/inner/new-file ]
	[ ! -e /real ]
	umount once
}

@test "contents: owners as they are, attributes, pipes, sockets, devices, holes" {
	share=$(debian_rootfs)/srv/volume
	mkdir "$share"
	(
		cd "$share"
		touch owned && chown 4711:815 owned && chmod 4750 owned
		setfattr -n user.colour -v blue owned || python3 -c 'import os; os.setxattr("owned", "user.colour", b"blue")'
		mkfifo pipe
		mknod device c 1 3
		truncate -s 5G sparse
	)
	volumes "$(bind "$share" /v)" "$(own_rootfs)" sh -c '
		cd /v; stat -c "%n %u:%g %a" owned; stat -c "%n %F %t:%T" pipe device
		echo through >pipe & cat pipe
		echo gone >device; head -c 3 device | wc -c
		stat -c "%s %b" sparse; mkfifo made; chown 12:34 made'
	run nb_run a
	echo "$output"
	[ "${lines[0]}" = "owned 4711:815 4750" ]
	[ "${lines[1]}" = "pipe fifo 0:0" ]
	[ "${lines[2]}" = "device character special file 1:3" ]
	[ "${lines[3]}" = through ]
	[ "${lines[4]}" = 0 ]
	[ "${lines[5]}" = "5368709120 0" ]
	[ "$(stat -c '%F %u:%g' "$share/made")" = "fifo 12:34" ]
	rm -rf "$share"
}

@test "a tree on a tmpfs of the host, whose positions in folders count what is there, is removed whole" {
	mkdir -p volume/{one,two}
	(cd volume/one && seq -f 'a-file-with-a-name-of-some-length-%g' 500 | xargs touch && mkdir d && cd d && seq 700 | xargs mkdir)
	[ "$(stat -f -c %T volume)" = tmpfs ]
	volumes "$(bind "$PWD/volume" /volume)" "$(busybox_rootfs)" sh -c 'find /volume/one | wc -l; rm -r /volume/one && ls -A /volume'
	run -0 nb_run a
	[ "$output" = "1202
two" ]
	[ "$(ls -A volume)" = two ]
}

@test "a volume of two containers: what one writes the other sees within a second; locks are each one's own" {
	mkdir volume
	volumes "$(bind "$WORK/volume" /v rbind)" "$(debian_rootfs)" bash -c '
		exec 9>/v/lock; flock -n 9 && echo locked; touch /v/ready
		until [ -e /v/go ]; do sleep 0.1; done
		while :; do echo "$EPOCHREALTIME" >/v/clock; sleep 0.05; done'
	nb_up writer
	wait_for 60 test -e volume/ready
	volumes "$(bind "$WORK/volume" /v rbind)" "$(debian_rootfs)" bash -c '
		exec 9>/v/lock; flock -n 9 && echo locked too; touch /v/go
		until [ -s /v/clock ]; do sleep 0.1; done
		for i in {1..21}; do
			was= ; until [ -n "$was" ]; do read -r was </v/clock; done
			echo $((${EPOCHREALTIME/./} - ${was/./})); sleep 0.1
		done | sort -n | sed -n 11p'
	run nb_run reader
	echo "$output"
	[ "${lines[0]}" = "locked too" ]
	# Both clocks are the host's. Of the ages, in microseconds, the middle one: an emulated VM stands still now and
	# then, which is not the cache's doing.
	[ "${lines[1]}" -lt 1500000 ]
	nb delete --force writer
}
