#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# 37-systemd.bats - systemd makes the cgroup (--systemd-cgroup), as Docker and kubelet ask for on a systemd host. The
# L1 has another init, so a systemd of its own is started here, in a pid namespace: nestbox is called in there.
load helpers
load engines
DIR=/run/scratch/docker-systemd
load docker

# Only D-Bus is started, and nothing of this machine's own services.
write_units() {
	mkdir -p /run/systemd/system /run/dbus
	cat >/run/systemd/system/nbtest.target <<-'U'
		[Unit]
		DefaultDependencies=no
		Requires=dbus.socket dbus.service
		After=dbus.service
	U
	cat >/run/systemd/system/dbus.socket <<-'U'
		[Unit]
		DefaultDependencies=no
		[Socket]
		ListenStream=/run/dbus/system_bus_socket
	U
	cat >/run/systemd/system/dbus.service <<-'U'
		[Unit]
		DefaultDependencies=no
		Requires=dbus.socket
		[Service]
		Type=notify
		NotifyAccess=main
		ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation
	U
}

is_up() {
	pgrep -x systemd >/run/systemd.pid && inside systemctl is-active dbus
}

setup_file() {
	write_units
	mkdir -p /sys/fs/cgroup/systemd
	(
		echo "$BASHPID" >/sys/fs/cgroup/systemd/cgroup.procs
		container=other exec unshare --fork --pid --mount-proc /lib/systemd/systemd --unit=nbtest.target \
			</dev/null >/run/systemd.log 2>&1 3>&-
	) &
	wait_for 60 is_up || {
		cat /run/systemd.log
		return 1
	}
	# Its parent shares its cgroup, and one with processes hands down no controllers.
	ps -o ppid= -p "$(cat /run/systemd.pid)" | tr -d ' ' >/sys/fs/cgroup/l1/cgroup.procs
}

teardown_file() {
	kill -KILL "$(cat /run/systemd.pid)"
}

inside() {
	nsenter -t "$(cat /run/systemd.pid)" -p -m -- "$@"
}

nb_in() {
	inside "$NESTBOX" --root "$ROOT" --systemd-cgroup "$@"
}

property() {
	inside systemctl show -p "$1" --value "$2"
}

setup() {
	new_work
}

teardown() {
	clean_up
}

@test "systemd: a scope of its own in the slice that was asked for, with limits that systemd knows" {
	bundle --set linux.cgroupsPath='"nbtest-pods.slice:nb:a"' --set linux.resources.memory.limit=134217728 \
		--set linux.resources.cpu.shares=512 --set linux.resources.cpu.quota=50000 \
		--set linux.resources.cpu.period=100000 "$(busybox_rootfs)" sleep 1000
	nb_in create --bundle "$BUNDLE" a </dev/null >/dev/null 2>err || { cat err; false; }
	[ "$(property ActiveState nb-a.scope)" = active ]
	[ "$(property Slice nb-a.scope)" = nbtest-pods.slice ]
	[ "$(property MemoryMax nb-a.scope)" = $(((192 + 12 + 64) << 20)) ]
	[ "$(property CPUWeight nb-a.scope)" = 20 ]
	cgroup=/sys/fs/cgroup$(property ControlGroup nb-a.scope)
	[[ $cgroup == */nbtest.slice/nbtest-pods.slice/nb-a.scope ]]
	[ "$(cat "$cgroup/memory.max")" = $(((192 + 12 + 64) << 20)) ]
	[[ $(cat "$cgroup/cpu.max") == max* ]]
	nb_in start a
	[ "$(cat "$cgroup/cpu.max")" = "50000 100000" ]
	[ "$(property CPUQuotaPerSecUSec nb-a.scope)" = 500ms ]
	nb_in update --cpu-quota 20000 --memory 100M a
	[ "$(property CPUQuotaPerSecUSec nb-a.scope)" = 200ms ]
	# What systemd knows of it does not put back.
	inside systemctl daemon-reload
	[ "$(cat "$cgroup/cpu.max")" = "20000 100000" ]
	[ "$(nb_in ps -f json a | jq length)" = 1 ]
	nb_in exec a true
	nb_in delete --force a
	wait_for 10 test ! -e "$cgroup"
	wait_for 10 bash -c "! nsenter -t $(cat /run/systemd.pid) -p -m systemctl is-active nb-a.scope"
}

@test "systemd: no path, a path that is none, and a scope that is there already" {
	bundle "$(busybox_rootfs)" sh -c 'cat /proc/1/cgroup; exit 3'
	run nb_in run --bundle "$BUNDLE" b
	[ "$status" -eq 3 ]
	bundle --set linux.cgroupsPath='"/nbtest"' "$(busybox_rootfs)" true
	run nb_in run --bundle "$BUNDLE" b
	[ "$status" -eq 1 ]
	[[ $output == *'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/nbtest" instead'* ]]
	bundle --set linux.cgroupsPath='"system.slice:nb:twice"' "$(busybox_rootfs)" sleep 1000
	nb_in create --bundle "$BUNDLE" c </dev/null >/dev/null
	run nb_in create --bundle "$BUNDLE" d
	[ "$status" -eq 1 ]
	[[ $output == *nb-twice.scope* ]]
	[ "$(nb_in list -q)" = c ]
	nb_in delete --force c
}

@test "systemd: Docker with its systemd driver: a scope per container with its limits, update, statistics, an OOM kill; nothing left" {
	mkdir -p $DIR
	configure '"exec-opts": ["native.cgroupdriver=systemd"], "bridge": "none", "iptables": false'
	start_docker inside
	[ "$(docker info -f '{{.CgroupDriver}}')" = systemd ]
	docker import -c 'CMD ["sh"]' "$(image_tar)" test >/dev/null
	scope=docker-$(boxed -d --name box --network none --memory 64m --cpus 0.5 test sleep 1000).scope
	[ "$(property ActiveState "$scope")" = active ]
	[ "$(property Slice "$scope")" = system.slice ]
	[ "$(property MemoryMax "$scope")" = $((200 << 20)) ]
	[ "$(property CPUQuotaPerSecUSec "$scope")" = 500ms ]
	[ "$(docker exec box cat /sys/fs/cgroup/memory.max)" = $((64 << 20)) ]
	docker stats --no-stream --format '{{.MemUsage}}' box | grep -E '^[1-9].*MiB / 200MiB$'
	docker update --cpus 0.2 box
	[ "$(property CPUQuotaPerSecUSec "$scope")" = 200ms ]
	run -137 boxed --name hog --network none --memory 64m test tail /dev/zero
	wait_for 20 is_told hog 'State.ExitCode}} {{.State.OOMKilled' '137 true'
	docker rm -f box hog
	wait_for 20 engine_is_clean '*/docker-*.scope' "$DIR/data/overlay2/.*merged"
	stop_docker inside
}
