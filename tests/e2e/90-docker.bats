#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# nestbox under Debian's Docker, by its ordinary commands; the same under runc where that can be compared.
# Docker's daemon goes through containerd-shim-runc-v2, as its runtimes do that are given by a path.
load helpers
load engines
load docker

setup_file() {
	mkdir -p $DIR
	configure
	start_docker
	docker import -c 'CMD ["sh"]' "$(image_tar)" test >/dev/null
}

teardown_file() {
	stop_docker
}

setup() {
	new_work
}

teardown() {
	remove_containers
	cd /
	rm -rf "$WORK"
}

udp_answers() {
	[ "$(udp_ask 127.0.0.1 5353)" = WORD ]
}

# has_logged CONTAINER TEXT - on stdout and stderr, one after the other. The daemon takes it when it gets to it.
has_logged() {
	docker logs "$1" >out 2>err
	[ "$(cat out err)" = "$2" ]
}

@test "docker: a server: TCP and UDP by published ports, health, logs, exec with and without stdin" {
	mkdir site
	echo bound >site/index.html
	boxed -d --name box --init -p 8080:80 -p 5353:5353/udp -v "$PWD/site:/site:ro" -v named:/data -v $debian_usr --memory 64m --cpus 1 \
		--health-cmd 'test -e /tmp/up' --health-interval 1s test sh -c '
			httpd -p 80 -h /site; echo started; echo wrong >&2; touch /tmp/up; while :; do sleep 1; done' >id
	wait_for 60 is_told box State.Health.Status healthy
	# By the published port and by the container's own address.
	[ "$(curl -s http://127.0.0.1:8080/)" = bound ]
	[ "$(curl -s "http://$(told box NetworkSettings.IPAddress)/")" = bound ]
	docker exec -d box python3 -c "$udp_echo" 5353
	wait_for 30 udp_answers
	wait_for 20 has_logged box $'started\nwrong'

	run docker exec -e WORD=given -u 1000 -w /usr box sh -c 'echo "$WORD $(id -u) $(pwd)"; exit 3'
	[ "$status" -eq 3 ]
	[ "$output" = "given 1000 /usr" ]
	[ "$(echo typed | docker exec -i box cat)" = typed ]
	docker rm -f box
	docker volume rm named
	nothing_of_it
}

@test "docker: while it runs: terminal, top, stats, cp, diff, pause, update; after it: stop, restart, kill, wait, commit" {
	boxed -d --name box --init --network none -v named:/data --memory 64m --cpus 1 test sh -c '
		echo started; while :; do sleep 1; done' >id
	run -5 in_terminal 33 77 /usr/bin/docker exec -it box sh -c "tty; $say_size; exit 5"
	[[ $output == */dev/pts/0*"33 77"* ]]
	run -126 docker exec box /nothing
	docker top box | grep nestbox-monitor
	# The VM's: the limit with what the VM itself takes.
	docker stats --no-stream --format '{{.MemUsage}}' box | grep -E '^[1-9].*MiB / 200MiB$'

	# Into a file of the image and into a volume, and out again, while it runs.
	echo copied >file
	docker cp file box:/etc/copied
	docker cp file box:/data/copied
	docker exec box sh -c 'cat /etc/copied /data/copied; echo inside >/etc/inside' >out
	[ "$(cat out)" = "$(printf 'copied\ncopied')" ]
	docker cp box:/etc/inside .
	[ "$(cat inside)" = inside ]
	docker diff box >diff
	grep -qx 'A /etc/inside' diff
	grep -qx 'A /etc/copied' diff

	docker pause box
	is_told box State.Status paused
	docker unpause box
	docker update --memory 48m --memory-swap 48m --cpus 0.5 box
	[ "$(docker exec box cat /sys/fs/cgroup/memory.max)" = $((48 << 20)) ]
	# Docker's init hands SIGTERM on, and the shell ends by it.
	docker stop -t 60 box
	[ "$(told box 'State.ExitCode}} {{.State.OOMKilled')" = "143 false" ]
	docker restart box
	[ "$(docker exec box cat /etc/inside /data/copied)" = "$(printf 'inside\ncopied')" ]
	docker kill box
	[ "$(docker wait box)" = 137 ]
	wait_for 20 has_logged box $'started\nstarted'
	docker commit box committed >/dev/null
	docker rm box
	nothing_of_it
	# Under the other runtime, from what it left: a layer and a volume.
	[ "$(docker run --rm --network none -v named:/data committed cat /etc/inside /data/copied)" = "$(printf 'inside\ncopied')" ]
	docker volume rm named
}

@test "docker: what a container is given and may do is what it is under runc, and a container that fails fails the same" {
	mkdir bind
	echo bound >bind/word
	echo given >given
	for runtime in runc nestbox; do
		run docker run --rm --runtime $runtime --user 1000:1001 --group-add 77 --read-only --tmpfs /scratch \
			--mount type=tmpfs,destination=/big,tmpfs-size=1000000 -v "$PWD/bind:/data:ro" \
			--mount "type=bind,source=$PWD/given,destination=/etc/given,readonly" --cap-drop ALL --cap-add NET_BIND_SERVICE \
			--security-opt no-new-privileges --hostname boxed --env COLOUR=red --workdir /usr --ulimit nofile=100:200 \
			--sysctl net.ipv4.ip_unprivileged_port_start=99 --add-host given.test:10.1.2.3 --pids-limit 50 --memory 64m \
			--cpus 0.5 --init test sh -c "$facts"
		[ "$status" -eq 42 ]
		echo "$output" >facts.$runtime
	done
	cat facts.nestbox
	[ "$(wc -l <facts.nestbox)" -gt 25 ]
	diff facts.runc facts.nestbox
	# A filter of one's own.
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}' >filter.json
	run boxed --rm --security-opt seccomp=filter.json test mkdir /tmp/one
	[ "$status" -eq 1 ]
	[[ $output == *"Operation not permitted"* ]]
	run -127 boxed --rm test /nothing
	[[ $output == *'"/nothing"'*'no such file or directory'* ]]
	run -4 in_terminal 20 50 /usr/bin/docker run --rm -it --runtime nestbox test sh -c "$say_size; exit 4"
	[[ $output == *"20 50"* ]]
	nothing_of_it
}

@test "docker: OOM kills are told; exits in a row lose neither status nor output" {
	run boxed --name hog --memory 64m test sh -c 'echo begins; exec tail /dev/zero'
	[ "$status" -eq 137 ]
	[ "$output" = begins ]
	wait_for 20 is_told hog 'State.ExitCode}} {{.State.OOMKilled' '137 true'
	# Not the first process, which goes on: it is told at the end.
	run boxed --name parent --memory 64m --init test sh -c 'tail /dev/zero; echo survived; exit 6'
	[ "$status" -eq 6 ]
	grep -qx survived <<<"$output"
	wait_for 20 is_told parent 'State.ExitCode}} {{.State.OOMKilled' '6 true'
	docker rm hog parent
	# By the API, as the command line takes longer than the container.
	python3 "$here/tests/e2e/docker-api.py" $DIR/sock exits test "${EXITS:-10}"
	nothing_of_it
}

@test "docker: networks with names: redis and its client, a port by name, nothing of another network" {
	docker network create front >/dev/null
	docker network create back >/dev/null
	boxed -d --name store --network front --network-alias cache -v $debian_usr test redis-server --save '' --protected-mode no >/dev/null
	run boxed --rm --network front -v $debian_usr test sh -c '
		until redis-cli -h store ping 2>/dev/null | grep -q PONG; do sleep 1; done
		redis-cli -h cache set word kept; redis-cli -h store get word; hostname -i'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = OK ]
	[ "${lines[1]}" = kept ]
	run boxed --rm --network back --dns-option timeout:1 --dns-option attempts:1 -v $debian_usr test redis-cli -h store ping
	[ "$status" -ne 0 ]
	# Connected while it runs.
	docker network connect back store
	[ "$(boxed --rm --network back -v $debian_usr test sh -c 'for i in $(seq 30); do redis-cli -h store get word && break; sleep 1; done' | tail -n 1)" = kept ]
	docker rm -f store
	docker network rm front back
	nothing_of_it
}

@test "docker: --network container:X: one VM and localhost, roots and ends of their own; localhost from the host's side" {
	boxed -d --name first test sh -c 'echo first >/x; exec httpd -f -p 127.0.0.1:8080 -h /'
	boxed -d --name second --network container:first --pid container:first -v "$PWD:/given" test sleep 1000
	[ "$(pgrep -c nestbox-vmm)" -eq 1 ]
	wait_for 30 docker exec second wget -qO- http://127.0.0.1:8080/x
	[ "$(docker exec second wget -qO- http://127.0.0.1:8080/x)" = first ]
	[ "$(nsenter -t "$(told first State.Pid)" -n curl -s http://127.0.0.1:8080/x)" = first ]
	run -1 docker exec second ls /x
	docker exec second ps | grep '[h]ttpd'
	docker exec second touch /given/file
	[ -e file ]
	run -7 docker run --rm --runtime nestbox --network container:first test sh -c 'hostname; exit 7'
	[ "$output" = "$(docker exec first hostname)" ]
	# One ends, the other goes on; with the first one's end the VM's comes.
	docker kill second
	[ "$(docker wait second)" = 137 ]
	docker exec first true
	docker start second
	[ "$(pgrep -c nestbox-vmm)" -eq 1 ]
	docker kill first
	[ "$(docker wait second)" = 137 ]
	docker rm first second
	nothing_of_it
}

@test "docker: build runs its steps in nestbox when that is the default; a daemon that is killed; a monitor that is killed" {
	configure '"default-runtime": "nestbox"'
	kill -HUP "$(cat $DIR/pid)"
	wait_for 10 sh -c "/usr/bin/docker info -f '{{.DefaultRuntime}}' | grep -x nestbox"
	mkdir context
	echo file >context/file
	printf 'FROM test\nCOPY file /file\nRUN uname -r >/kernel && cat /file >>/kernel\nRUN test "$(tail -n 1 /kernel)" = file\nCMD cat /kernel\n' >context/Dockerfile
	DOCKER_BUILDKIT=0 docker build -t built context
	[[ $(docker run --rm --runtime runc built) == *-nestbox*file ]]

	# live-restore: what runs goes on without the daemon, and is the next one's.
	docker run -d --name on test sh -c 'while :; do date +%s; sleep 1; done'
	pid=$(told on State.Pid)
	kill -KILL "$(cat $DIR/pid)"
	wait_for 20 test ! -e "/proc/$(cat $DIR/pid)"
	sleep 2
	kill -0 "$pid"
	start_docker
	is_told on State.Status running
	[ "$(docker exec on echo still)" = still ]
	before=$(docker logs on | wc -l)
	wait_for 20 sh -c "[ \$(/usr/bin/docker logs on | wc -l) -gt $before ]"

	kill -KILL "$pid"
	wait_for 20 is_told on State.Status exited
	is_told on State.ExitCode 137
	docker rm on
	nothing_of_it
}
