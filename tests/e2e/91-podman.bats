#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# nestbox under Debian's podman (as root, through conmon), with the snippet that we ship; the same under crun where that can
# be compared.
load helpers
load engines

DIR=/run/scratch/podman

# podman reads one file when it is named, so the snippet is put into one with what keeps this podman to itself.
setup_file() {
	mkdir -p $DIR
	sed "s|^nestbox = .*|nestbox = [\"$NESTBOX\"]|
		s|^\[engine\]|&\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"nestbox\"|" \
		"$here/deploy/podman/nestbox.conf" >$DIR/containers.conf
	printf '[storage]\ndriver = "overlay"\nrunroot = "%s/run"\ngraphroot = "%s/graph"\n' $DIR $DIR >$DIR/storage.conf
	export CONTAINERS_CONF=$DIR/containers.conf CONTAINERS_STORAGE_CONF=$DIR/storage.conf
	podman import -c 'CMD ["sh"]' "$(image_tar)" test >/dev/null 2>&1
}

setup() {
	new_work
}

teardown() {
	podman pod rm -fa -t 0 >/dev/null
	podman rm -fa -t 0 >/dev/null
	cd /
	rm -rf "$WORK"
}

told() {
	podman inspect -f "{{.$2}}" "$1"
}

is_told() {
	[ "$(told "$1" "$2")" = "$3" ]
}

# has_logged TEXT - each stream where it belongs. conmon takes it when it gets to it.
has_logged() {
	podman logs box >out 2>err
	head out err
	[ "$(cat out)" = "$1" ] && grep -qx wrong err
}

# The cgroup of conmon is podman's own and stays.
left() {
	engine_left '/sys/fs/cgroup/libpod_parent/libpod*' "$DIR/graph/overlay/.*merged|$DIR/.*/shm|/run/netns/"
	find /run/nestbox -mindepth 1
	podman ps -aq
}

is_clean() {
	[ -z "$(left 2>&1)" ]
}

nothing_of_it() {
	wait_for 20 is_clean || {
		left
		return 1
	}
}

@test "podman: a server from run to rm: ports, health, exec, terminal, logs, stats, pause, stop, generate systemd, commit" {
	podman run -d --name box -p 8090:80 -v named:/data --memory 64m --health-cmd 'test -e /tmp/up' --health-interval disable \
		test sh -c '
			mkdir /site; echo served >/site/index.html; httpd -p 80 -h /site; touch /tmp/up; echo wrong >&2
			trap "echo stopped; exit 9" TERM; echo started; while :; do sleep 1; done' >/dev/null
	wait_for 30 podman healthcheck run box
	[ "$(curl -s http://127.0.0.1:8090/)" = served ]
	run -3 podman exec -e WORD=given -u 1000 -w /usr box sh -c 'echo "$WORD $(id -u) $(pwd)"; exit 3'
	[ "$output" = "given 1000 /usr" ]
	[ "$(echo typed | podman exec -i box cat)" = typed ]
	run -127 podman exec box /nothing
	run -5 in_terminal 33 77 podman exec -it box sh -c "tty; $say_size; exit 5"
	[[ $output == */dev/pts/0*"33 77"* ]]
	podman exec box sh -c 'echo inside >/data/inside; echo inside >/etc/inside; rm /tmp/up'
	run -1 podman healthcheck run box

	wait_for 20 has_logged started
	# What is used is the VM's; the limit is what podman was told.
	podman stats --no-stream --format '{{.Name}} {{.MemUsage}}' box | grep -E '^box [1-9][0-9.]*MB / 67.11MB$'
	podman diff box | grep -qx 'A /etc/inside'
	podman generate systemd --new --name box | grep -E 'ExecStart=.*podman'
	podman pause box
	is_told box State.Status paused
	podman unpause box
	podman stop -t 60 box
	is_told box State.ExitCode 9
	wait_for 20 has_logged $'started\nstopped'
	podman start box
	wait_for 30 curl -sf http://127.0.0.1:8090/
	[ "$(podman exec box cat /etc/inside /data/inside | xargs)" = "inside inside" ]
	podman kill box
	wait_for 20 is_told box State.Status exited
	is_told box State.ExitCode 137
	podman commit -q box committed
	podman rm box
	nothing_of_it
	# Under the other runtime, from what it left: a layer and a volume.
	[ "$(podman --runtime crun run --rm -v named:/data committed cat /etc/inside /data/inside | xargs)" = "inside inside" ]
	podman volume rm named
}

@test "podman: cp into and out of a running container, and never the host's files" {
	mkdir bind
	echo bound >bind/word
	echo host >/run/scratch/theirs
	podman run -d --name box --network none -v named:/data -v "$PWD/bind:/bind:ro" --tmpfs /scratch test sleep 1000 >/dev/null
	# podman enters the mount namespace of the pid that it knows. Files of the image, a volume, a bind; both ways.
	echo copied >file
	podman cp file box:/etc/copied
	podman cp file box:/data/copied
	podman exec box sh -c 'cat /etc/copied /data/copied; echo inside >/data/inside; echo root >/root/inside
		ln -s /run/scratch/theirs /theirs' >out
	[ "$(xargs <out)" = "copied copied" ]
	podman cp box:/data/inside a
	podman cp box:/root/inside b
	podman cp box:/bind/word c
	[ "$(cat a b c | xargs)" = "inside root bound" ]
	# A path of the host is not one of the container, in either direction, links or not.
	run ! podman cp box:/run/scratch/theirs d
	run podman cp box:/theirs d
	podman cp file box:/run/
	[ ! -e /run/file ]
	run podman cp file box:/run/scratch/theirs
	run podman cp file box:/theirs
	[ "$(cat /run/scratch/theirs)" = host ]
	run ! grep -s host d
	# What only the guest has cannot be reached, and that is said.
	run ! podman cp file box:/scratch/file
	[[ $output == *"read-only file system"* ]]
	podman rm -f -t 0 box
	podman volume rm named
	nothing_of_it
}

@test "podman: what a container is given and may do is what it is under crun, and a container that fails fails the same" {
	mkdir bind
	echo bound >bind/word
	echo given >given
	for runtime in crun nestbox; do
		run -42 podman --runtime $runtime run --rm --network none --user 1000:1001 --group-add 77 --read-only \
			--tmpfs /scratch --mount type=tmpfs,destination=/big,tmpfs-size=1000000 -v "$PWD/bind:/data:ro" \
			-v "$PWD/given:/etc/given:ro" --cap-drop ALL --cap-add NET_BIND_SERVICE --security-opt no-new-privileges \
			--hostname boxed --env COLOUR=red --workdir /usr --ulimit nofile=100:200 \
			--sysctl net.ipv4.ip_unprivileged_port_start=99 --pids-limit 50 --memory 64m --cpus 0.5 --init test sh -c "$facts"
		echo "$output" >facts.$runtime
	done
	cat facts.nestbox
	[ "$(wc -l <facts.nestbox)" -gt 25 ]
	diff facts.crun facts.nestbox
	run -7 podman run --rm test sh -c 'seq 2000; exit 7'
	[ "$output" = "$(seq 2000)" ]
	run -127 podman run --rm test /nothing
	[[ $output == *"/nothing"*"not found"* ]]
	run -137 podman run --name hog --network none --memory 64m test tail /dev/zero
	is_told hog State.ExitCode 137
	podman rm hog
	run -4 in_terminal 20 50 podman run --rm -it --network none test sh -c "$say_size; exit 4"
	[[ $output == *"20 50"* ]]
	nothing_of_it
}

@test "podman: a pod with a published port, its containers in one VM; a monitor that is killed" {
	podman pod create --name pod -p 8091:80 >/dev/null
	podman run -d --pod pod --name member test sh -c 'mkdir /s; echo pod >/s/index.html; httpd -f -p 80 -h /s' >/dev/null
	wait_for 20 curl -sf http://127.0.0.1:8091/
	[ "$(curl -s http://127.0.0.1:8091/)" = pod ]
	[ "$(podman run --rm --pod pod test wget -qO- http://127.0.0.1/)" = pod ]
	[ "$(pgrep -c nestbox-vmm)" -eq 1 ]
	kill -KILL "$(told member State.Pid)"
	wait_for 20 is_told member State.Status exited
	is_told member State.ExitCode 137
	podman pod rm -f -t 0 pod
	nothing_of_it
}
