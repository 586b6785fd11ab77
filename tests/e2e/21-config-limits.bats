#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linux.resources inside: the files of the container's cgroup, and rules for devices. What is refused
# before a VM is made is in tests/golden.

load helpers

@test "device rules: the usual may be used, any may be made, others by rule; as many as there may be pass the verifier" {
	rules=$(for i in $(seq 255); do printf '{"allow":%s,"type":"c","major":%d,"minor":%d,"access":"%s"},' \
		"$([ $((i % 3)) = 0 ] && echo false || echo true)" "$((i % 50 + 20))" "$i" "$(printf 'r\nw\nrw\n' | sed -n $((i % 3 + 1))p)"; done)
	cat >script <<-'EOF'
		echo x >/dev/null && echo null
		mknod /tmp/kmsg c 1 11 && mknod /tmp/fuse c 10 229 && mknod /tmp/disk b 8 0 && echo made
		(: <>/tmp/fuse) 2>&1
		(: <>/dev/net/tun) && echo tun
		(: </tmp/kmsg) && echo kmsg
		(: >>/tmp/kmsg) 2>&1
		(: </tmp/disk) 2>&1
	EOF
	bundle --add linux.devices='{"path":"/dev/net/tun","type":"c","major":10,"minor":200}' \
		--set linux.resources.devices="[$rules{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"}]" \
		"$(own_rootfs)" sh -c "$(cat script)"
	run nb_run a
	echo "$output"
	[ "${lines[0]}" = null ]
	[ "${lines[1]}" = made ]
	[[ "${lines[2]}" == *"/tmp/fuse: Operation not permitted"* ]]
	[ "${lines[3]}" = tun ]
	[ "${lines[4]}" = kmsg ]
	[[ "${lines[5]}" == *"/tmp/kmsg: Operation not permitted"* ]]
	[[ "${lines[6]}" == *"/tmp/disk: Operation not permitted"* ]]
}

@test "all devices allowed; memory, cpu, blockIO, hugepageLimits, unified; what cgroup v2 or the guest has not is ignored" {
	cat >script <<-'EOF'
		mknod /tmp/kmsg c 1 11; (: </tmp/kmsg) && echo kmsg
		cd /sys/fs/cgroup
		cat memory.max memory.low memory.swap.max memory.high
		cat cpu.weight cpu.max cpu.max.burst
		cat io.weight hugetlb.2MB.max hugetlb.2MB.rsvd.max io.max
		cat pids.max cgroup.max.depth
		nproc
	EOF
	bundle --set linux.resources='{
		"devices":[{"allow":true,"access":"rwm"}],
		"memory":{"limit":33554432,"reservation":16777216,"swap":50331648,"kernel":1,"kernelTCP":1,"swappiness":10,
			"disableOOMKiller":true,"useHierarchy":true,"checkBeforeUpdate":true},
		"cpu":{"shares":2048,"quota":50000,"burst":10000,"cpus":"0","mems":"0","realtimeRuntime":1,"realtimePeriod":2},
		"blockIO":{"weight":500,"leafWeight":9,"weightDevice":[{"major":8,"minor":0,"weight":10}],
			"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":100}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":100}]},
		"hugepageLimits":[{"pageSize":"2MB","limit":4194304},{"pageSize":"64KB","limit":0}],
		"rdma":{"mlx5_1":{"hcaHandles":3}},"network":{"classID":1},
		"unified":{"memory.high":"20000000","pids.max":"33","cgroup.max.depth":"3"},"pids":{"limit":9}}' \
		"$(own_rootfs)" sh -c "$(cat script)"
	run nb_run a
	echo "$output"
	[ "$output" = $'kmsg\n33554432\n16777216\n16777216\n19996672\n79\n50000 100000\n10000\ndefault 4950\n4194304\n4194304\n33\n3\n1' ]
}

@test "limits of -1; an idle cpu; device rules in a user namespace and for exec" {
	bundle --set linux.resources.memory='{"limit":-1}' --set linux.resources.pids='{"limit":-1}' \
		--set linux.resources.cpu='{"quota":-1,"shares":2048,"idle":1}' \
		--add linux.namespaces='{"type":"user"}' --set linux.uidMappings='[{"containerID":0,"hostID":0,"size":65536}]' \
		--set linux.gidMappings='[{"containerID":0,"hostID":0,"size":65536}]' \
		--set linux.devices='[{"path":"/dev/fuse","type":"c","major":10,"minor":229}]' "$(busybox_rootfs)" sleep 1000
	nb_up a
	run nb exec a sh -c 'cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max cpu.idle; echo x >/dev/null && echo null; (: </dev/fuse) 2>&1'
	echo "$output"
	[[ "$output" == $'max\nmax\nmax\nmax 100000\n1\nnull\n'*"/dev/fuse: Operation not permitted" ]]
}

@test "a memory limit in which not even the first process can be made is told of" {
	bundle --set linux.resources.memory.limit=1000 "$(busybox_rootfs)" true
	run -1 nb_run a
	[ "$output" = 'nestbox: unable to start container process: container init was OOM-killed (memory limit too low?)' ]
}

@test "unified: a controller that the guest has not is named" {
	bundle --set linux.resources.unified='{"foo.bar":"1"}' "$(busybox_rootfs)" true
	run nb_run a
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"unified resource \"foo.bar\" can't be set: controller \"foo\" not available"* ]]
}

@test "a writable cgroup of one's own namespace is its user's to divide; one that is read-only is not" {
	maps='[{"containerID":0,"hostID":100000,"size":65536}]'
	cat >script <<-'EOF'
		exec 2>&1 # one stream: two have no order
		cd /sys/fs/cgroup
		stat -c '%u' . cgroup.procs memory.max | xargs
		mkdir sub && echo $$ >sub/cgroup.procs && echo +pids >cgroup.subtree_control && echo 20 >sub/pids.max && cat /proc/self/cgroup sub/pids.max | xargs
		echo max >memory.max || echo refused
	EOF
	bundle --add linux.namespaces='{"type":"user"}' --set linux.uidMappings="$maps" --set linux.gidMappings="$maps" \
		"$(busybox_rootfs)" sh -c "$(cat script)"
	for access in rw ro; do
		jq --arg access $access '(.mounts[] | select(.type == "cgroup")).options = ["nosuid", $access]' "$BUNDLE/config.json" >changed
		cp changed "$BUNDLE/config.json"
		nb_run $access >out.$access 2>&1 || true
	done
	cat out.rw out.ro
	[ "$(sed -n 1p out.rw)" = "0 0 65534" ]
	grep -qx '0::/sub 20' out.rw
	grep -qx refused out.rw
	[ "$(sed -n 1p out.ro)" = "65534 65534 65534" ]
	run ! grep '0::/sub' out.ro
	nothing_left "$before"
}
