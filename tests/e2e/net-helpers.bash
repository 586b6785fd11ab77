# SPDX-License-Identifier: Apache-2.0
# net-helpers.bash - network namespaces with interfaces, as engines make them.
# shellcheck shell=bash

# new_netns NAME - a namespace at /run/netns/NAME with loopback up.
new_netns() {
	ip netns add "$1"
	ip -n "$1" link set lo up
}

# plug NETNS NAME NUMBER [ip-link options] - an interface NAME there whose other end v<NUMBER> is here:
# 10.9.NUMBER.2 and fd00:9:NUMBER::2 there, .1 and ::1 here.
plug() {
	local netns=$1 name=$2 n=$3
	shift 3
	ip link add "v$n" "$@" type veth peer name "$name" netns "$netns"
	ip addr add "10.9.$n.1/24" dev "v$n"
	ip -6 addr add "fd00:9:$n::1/64" dev "v$n" nodad
	ip link set "v$n" up
	ip -n "$netns" addr add "10.9.$n.2/24" dev "$name"
	ip -n "$netns" -6 addr add "fd00:9:$n::2/64" dev "$name" nodad
	ip -n "$netns" link set "$name" "$@" up
}

# net_bundle [mk-bundle options] NETNS COMMAND... - busybox in that namespace.
net_bundle() {
	local options=()
	while [[ $1 == --* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	bundle "${options[@]}" --set "linux.namespaces=[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},
		{\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/run/netns/$1\"}]" "$(busybox_rootfs)" "${@:2}"
}

# pings ADDRESS - from here. A new neighbour, or a slow one, may take more than one try.
pings() {
	wait_for 1 busybox ping -c 1 -W 5 "$1"
}

# The namespace has neither taps nor filters of ours.
netns_is_clean() {
	! ip -n "$1" -o link | grep -q nestbox && ! tc -n "$1" qdisc | grep -q ingress
}

# The kernel takes a namespace apart in its own time, and the names of our ends with it: the next test has them again.
unplug_all() {
	local link netns
	for link in $(ip -o link show type veth | sed -n 's/^[0-9]*: \(v[0-9]*\)@.*/\1/p'); do
		ip link del "$link"
	done
	for netns in $(ip netns list | cut -d' ' -f1); do
		ip netns del "$netns"
	done
}
