# SPDX-License-Identifier: Apache-2.0
# docker.bash - a Docker daemon of the tests' own, and what the tests that use it share.
# shellcheck shell=bash

DIR=${DIR:-/run/scratch/docker}
export DOCKER_HOST=unix://$DIR/sock
# Where another command line of Docker is installed, the daemon's own is meant.
docker() {
	/usr/bin/docker "$@"
}

# configure [JSON members] - the snippet that we ship, with this build's path, and what keeps this daemon to itself.
configure() {
	jq --arg dir $DIR --arg path "$NESTBOX" --argjson more "{${1:-}}" '.runtimes.nestbox.path = $path | . + {
		"data-root": "\($dir)/data", "exec-root": "\($dir)/exec", pidfile: "\($dir)/pid", hosts: ["unix://\($dir)/sock"],
		"exec-opts": ["native.cgroupdriver=cgroupfs"], "storage-driver": "overlay2", "live-restore": true
		} + $more' "$here/deploy/docker/daemon.json" >$DIR/daemon.json
}

# start_docker [COMMAND…] - the daemon, by that command where it has to run elsewhere.
start_docker() {
	"$@" /usr/sbin/dockerd --config-file $DIR/daemon.json >>$DIR/log 2>&1 </dev/null 3>&- &
	wait_for 120 docker version || { tail -n 20 $DIR/log; return 1; }
}

stop_docker() {
	local containerd
	containerd=$(cat $DIR/exec/containerd/containerd.pid)
	"$@" kill -TERM "$(cat $DIR/pid)"
	wait_for 30 test ! -e $DIR/pid
	"$@" kill -KILL "$containerd" || true
	# The next daemon would take it for its own.
	wait_for 30 "$@" test ! -e "/proc/$containerd"
}

remove_containers() {
	docker ps -aq | xargs -r /usr/bin/docker rm -f >/dev/null
}

# boxed [OPTION…] COMMAND… - docker run with nestbox.
boxed() {
	docker run --runtime nestbox "$@"
}

# told CONTAINER FIELD - as `docker inspect` has it.
told() {
	docker inspect -f "{{.$2}}" "$1"
}

is_told() {
	[ "$(told "$1" "$2")" = "$3" ]
}

nothing_of_it() {
	wait_for 20 engine_is_clean '/sys/fs/cgroup/docker/*' "$DIR/data/overlay2/.*merged" || {
		engine_left '/sys/fs/cgroup/docker/*' "$DIR/data/overlay2/.*merged"
		return 1
	}
}
