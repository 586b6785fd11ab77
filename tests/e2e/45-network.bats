#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's interfaces: those of its network namespace, in the guest.

load helpers
load net-helpers

setup() {
	new_work
}

teardown() {
	clean_up
	unplug_all
}

exec_in() {
	nb exec c1 "$@"
}

exec_ip_has() {
	exec_in ip "${@:2}" | grep -q "$1"
}

exec_ip_lacks() {
	! exec_ip_has "$@"
}

@test "a namespace with an interface: addresses, routes, ping, TCP and UDP both ways, IPv4 and IPv6" {
	new_netns box
	plug box eth0 1
	ip -n box route add default via 10.9.1.1 metric 7
	ip -n box route add 10.77.0.0/16 via 10.9.1.9 mtu 1300
	ip -n box -6 route add default via fd00:9:1::1
	ip -n box neigh add 10.9.1.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent
	mac=$(ip -n box -j link show eth0 | jq -r '.[0].address')
	before=$(host_before)
	net_bundle --set 'linux.sysctl={"net.ipv4.conf.eth0.rp_filter":"2","net.ipv4.ip_forward":"1"}' \
		box sleep 1000
	nb_up c1

	# As on the host.
	exec_in ip addr show eth0 >addresses
	grep -q "link/ether $mac" addresses
	grep -q 'inet 10.9.1.2/24' addresses
	grep -q 'inet6 fd00:9:1::2/64' addresses
	grep -q 'mtu 1500' addresses
	exec_in ip route >routes
	grep -q '^default via 10.9.1.1 dev eth0 .*metric 7' routes
	grep -q '^10.77.0.0/16 via 10.9.1.9 dev eth0' routes
	exec_in ip -6 route | grep -q '^default via fd00:9:1::1 dev eth0'
	exec_in ip neigh | grep '^10.9.1.9 ' | grep -q '02:00:00:00:00:09.*PERMANENT'
	[ "$(exec_in cat /proc/sys/net/ipv4/conf/eth0/rp_filter)" = 2 ]

	pings 10.9.1.2
	pings fd00:9:1::2
	exec_in ping -c 2 10.9.1.1
	exec_in ping -6 -c 2 fd00:9:1::1

	# A server here, much data, both ways.
	head -c 20000000 /dev/urandom >blob
	busybox httpd -f -p 10.9.1.1:8000 -h . >/dev/null 2>&1 3>&- &
	server=$!
	wait_for 10 sh -c 'busybox netstat -ltn | grep -q 10.9.1.1:8000'
	[ "$(exec_in sh -c 'wget -q -O - http://10.9.1.1:8000/blob | md5sum')" = "$(md5sum <blob)" ]
	kill "$server"
	# A server there.
	nb exec --detach c1 sh -c 'tail -f /dev/null | nc -l -p 7000 | md5sum >/sum' </dev/null >/dev/null 2>&1
	wait_for 20 sh -c "$NESTBOX --root $ROOT exec c1 netstat -ltn | grep -q :7000"
	busybox nc -w 20 10.9.1.2 7000 <blob
	wait_for 10 exec_in test -s /sum
	[ "$(exec_in cat /sum)" = "$(md5sum <blob)" ]
	# UDP, by IPv6: a question and its answer; and a word to a port that nobody has, which the guest's kernel refuses.
	"$here/tests/e2e/dns.py" fd00:9:1::1 10.4.5.6 >/dev/null 2>&1 3>&- &
	server=$!
	wait_for 20 sh -c 'busybox netstat -lun | grep -q fd00:9:1::1:53'
	exec_in nslookup -type=a a.test fd00:9:1::1 | grep 'Address: *10.4.5.6'
	kill "$server"
	python3 - <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		s.settimeout(10)
		s.connect(("fd00:9:1::2", 7001))
		s.send(b"word")
		try:
		    s.recv(1)
		    sys.exit(1)
		except ConnectionRefusedError:
		    pass
	PY
	[ "$(exec_in awk '$1 == "Udp6NoPorts" {print $2}' /proc/net/snmp6)" -ge 1 ]

	# The guest answers, and the host's stack in that namespace does not: a port that nobody has.
	run ! busybox nc -w 3 10.9.1.2 7999
	# Counted by the host.
	nb events --stats c1 | jq -e '.data.network_interfaces[0] |
		.Name == "eth0" and .RxBytes > 20000000 and .TxBytes > 1000'

	nb delete --force c1
	wait_for 5 netns_is_clean box
	nothing_left "$before"
}

@test "interfaces come, change and go while the container runs" {
	new_netns box
	before=$(host_before)
	net_bundle --set 'vm={"hwConfig":{"vcpus":2}}' box sleep 1000
	nb create --bundle "$BUNDLE" c1 </dev/null >/dev/null 2>&1
	# Between create and start, as Docker does.
	plug box eth0 1 mtu 1400
	nb start c1
	exec_ip_has 'mtu 1400' link show eth0
	# Queues for both processors.
	exec_in ls /sys/class/net/eth0/queues >queues
	[ "$(sort queues | tr '\n' ' ')" = 'rx-0 rx-1 tx-0 tx-1 ' ]
	pings 10.9.1.2

	plug box net1 2
	wait_for 10 exec_ip_has 'inet 10.9.2.2/24' addr show net1
	pings 10.9.2.2
	ip -n box addr add 10.9.2.3/24 dev net1
	ip -n box route add 10.88.0.0/16 via 10.9.2.1
	wait_for 10 exec_ip_has 10.9.2.3/24 addr show net1
	wait_for 10 exec_ip_has '^10.88.0.0/16 via 10.9.2.1' route
	pings 10.9.2.3
	ip -n box addr del 10.9.2.3/24 dev net1
	ip -n box route del 10.88.0.0/16
	wait_for 10 exec_ip_lacks 10.9.2.3/24 addr show net1
	wait_for 10 exec_ip_lacks '^10.88.0.0/16' route
	ip -n box link del net1
	wait_for 10 exec_ip_lacks 'net1' link
	# The next one takes the place that became free, as often as one likes, with what is its own; the first is as it was.
	for n in 3 4 5 6 7; do
		plug box "net$n" $n mtu $((1400 + n))
		wait_for 20 exec_ip_has "10.9.$n.2/24" addr show "net$n"
		wait_for 20 exec_ip_has "mtu $((1400 + n))" link show "net$n"
		exec_ip_has "$(ip -n box -o link show "net$n" | sed 's/.*ether \([^ ]*\).*/\1/')" link show "net$n"
		pings "10.9.$n.2"
		ip -n box link del "net$n"
		wait_for 20 exec_ip_lacks "net$n" link
	done
	pings 10.9.1.2
	[ ! -s "$ROOT/c1/vmm.log" ]
	nb delete --force c1
	wait_for 5 netns_is_clean box
	nothing_left "$before"
}

has_ranges() {
	[ "$(ip netns exec box cat /proc/sys/net/ipv4/ip_local_port_range)" = "$1" ]
}

# Nobody listens at the namespace's localhost any more.
is_refused() {
	local status=0
	ip netns exec box curl -s http://127.0.0.1:8080/ || status=$?
	[ $status -eq 7 ]
}

@test "127.0.0.11 answers where it does in the namespace, by UDP and TCP, and may ask further from there" {
	new_netns box
	plug box eth0 1
	ip -n box route add default via 10.9.1.1
	ranges=$(ip netns exec box cat /proc/sys/net/ipv4/ip_local_port_range)
	"$here/tests/e2e/dns.py" 10.9.1.1 10.4.5.6 >/dev/null 2>&1 3>&- &
	far=$!
	ip netns exec box "$here/tests/e2e/dns.py" 127.0.0.11 10.1.2.3 10.9.1.1 >/dev/null 2>&1 3>&- &
	near=$!
	wait_for 20 sh -c 'ip netns exec box busybox netstat -lun | grep 127.0.0.11:53'
	wait_for 20 sh -c 'busybox netstat -lun | grep 10.9.1.1:53'
	net_bundle box sleep 1000
	nb_up c1

	exec_in nslookup -type=a near.test 127.0.0.11 | grep 'Address: *10.1.2.3'
	# The server there asks the one here.
	exec_in nslookup -type=a far.test 127.0.0.11 | grep 'Address: *10.4.5.6'
	printf '\0\032\0\7\1\0\0\1\0\0\0\0\0\0\4near\3com\0\0\1\0\1' >question
	(cat question; sleep 5) | exec_in nc -w 30 127.0.0.11 53 >answer || true
	[ "$(tail -c 4 answer | od -An -tu1 | xargs)" = '10 1 2 3' ]
	# One who asks many things at once, and a client that says nothing, keep nobody waiting.
	nb exec --detach c1 sh -c 'tail -f /dev/null | nc 127.0.0.11 53' </dev/null >/dev/null 2>&1
	exec_in sh -c 'for i in 1 2 3 4 5 6 7 8; do nslookup -type=a n$i.test 127.0.0.11 & done; wait' >many
	[ "$(grep -c 'Address: *10.1.2.3' many)" -eq 8 ]

	# When it is gone there is nobody.
	kill "$near"
	ip -n box link set eth0 mtu 1450
	wait_for 10 sh -c "! $NESTBOX --root $ROOT exec c1 netstat -lun | grep 127.0.0.11"
	nb delete --force c1
	wait_for 5 netns_is_clean box
	wait_for 5 has_ranges "$ranges"
	kill "$far"
}

@test "localhost of the namespace is the container's, as CRI's port-forward dials it: IPv4 and IPv6, much data, half-closes" {
	new_netns box
	plug box eth0 1
	before=$(host_before)
	net_bundle box sh -c 'mkdir /site; head -c 5000000 /dev/urandom >/site/blob; httpd -p 127.0.0.1:8080 -h /site
		httpd -p "[::1]:8081" -h /site; exec nc -ll -p 8082 -e md5sum'
	nb_up c1
	wait_for 20 sh -c "$NESTBOX --root $ROOT exec c1 netstat -ltn | grep -q :8082"
	in_box() {
		ip netns exec box "$@"
	}
	sum=$(exec_in md5sum </dev/null /site/blob | cut -d' ' -f1)
	in_box curl -sf -m 60 http://127.0.0.1:8080/blob >blob
	[ "$(md5sum <blob | cut -d' ' -f1)" = "$sum" ]
	# Only IPv6 is listened to, whichever is dialled.
	[ "$(in_box curl -sf -m 60 http://127.0.0.1:8081/blob | md5sum)" = "$(md5sum <blob)" ]
	[ "$(in_box curl -sf -m 60 'http://[::1]:8080/blob' | md5sum)" = "$(md5sum <blob)" ]
	# What is sent ends, and then comes an answer.
	[ "$(in_box timeout 60 python3 -c 'if True:
		import socket
		with socket.create_connection(("127.0.0.1", 8082)) as peer, open("blob", "rb") as file:
		    peer.sendfile(file)
		    peer.shutdown(socket.SHUT_WR)
		    print(peer.recv(100).decode(), end="")')" = "$(md5sum <blob)" ]
	# A port of nobody's; more clients than there are places, of which none says anything.
	run ! in_box curl -sf -m 10 http://127.0.0.1:9999/
	in_box python3 -c 'import socket; [socket.create_connection(("127.0.0.1", 8080)) for _ in range(40)]'
	[ "$(in_box curl -sf -m 60 http://127.0.0.1:8080/blob | md5sum)" = "$(md5sum <blob)" ]
	# Its own addresses are not its localhost, and this namespace's localhost is nobody's business.
	run ! in_box curl -sf -m 5 http://10.9.1.2:8080/blob
	run ! curl -sf -m 5 http://127.0.0.1:8080/blob
	[ ! -s "$ROOT/c1/vmm.log" ]
	nb delete --force c1
	wait_for 5 netns_is_clean box
	wait_for 5 is_refused
	nothing_left "$before"
}

# The ingress of box's eth0 has filters of these preferences.
box_has_filters() {
	[ "$(tc -n box filter show dev eth0 ingress | grep -o 'pref [0-9]*' | sort -u | tr '\n' ' ')" = "$1" ]
}

@test "an ingress qdisc that was there before stays, with its filters; ours goes, also after a nestbox-netd that was killed" {
	local foreign=(filter add dev eth0 ingress pref 500 protocol ip u32 match ip dport 9 0xffff action drop)
	new_netns box
	plug box eth0 1
	net_bundle box sleep 1000
	up() {
		nb create --bundle "$BUNDLE" "$1" </dev/null >/dev/null 2>&1
		nb start "$1"
		pings 10.9.1.2
	}
	tc -n box qdisc add dev eth0 ingress
	up c1
	nb delete --force c1
	wait_for 10 box_has_filters ''
	tc -n box qdisc show dev eth0 | grep ingress
	tc -n box "${foreign[@]}"
	up c1
	box_has_filters 'pref 101 pref 500 '
	# What is left by one that was killed says whose the qdisc is.
	pkill -KILL -x nestbox-netd
	nb delete --force c1
	box_has_filters 'pref 101 pref 500 '
	up c1
	nb delete --force c1
	wait_for 10 box_has_filters 'pref 500 '

	tc -n box qdisc del dev eth0 ingress
	up c1
	pkill -KILL -x nestbox-netd
	nb delete --force c1
	box_has_filters 'pref 100 '
	up c1
	tc -n box "${foreign[@]}"
	nb delete --force c1
	wait_for 10 box_has_filters 'pref 500 '
	tc -n box qdisc del dev eth0 ingress
	up c1
	nb delete --force c1
	wait_for 10 netns_is_clean box
}

@test "what a host lacks for a network is named, and nothing is left behind" {
	new_netns box
	plug box eth0 1
	before=$(host_before)
	net_bundle box sleep 1000

	nb create --bundle "$BUNDLE" c1 </dev/null >/dev/null 2>&1
	mv /dev/net/tun /dev/net/tun.away
	run nb check
	[[ $output == *'network '*'/dev/net/tun (kernel module tun): No such file or directory'* ]]
	run nb start c1
	mv /dev/net/tun.away /dev/net/tun
	[ "$status" -ne 0 ]
	[[ $output == *'network: /dev/net/tun (kernel module tun): no such file or directory'* ]]

	# A namespace that the test before has left may still be using them.
	wait_for 20 modprobe -r sch_ingress cls_matchall act_mirred
	modprobe=$(cat /proc/sys/kernel/modprobe)
	echo /bin/false >/proc/sys/kernel/modprobe
	mount -t tmpfs tmpfs "/lib/modules/$(uname -r)"
	run nb check
	umount "/lib/modules/$(uname -r)"
	[[ $output == *'network '*'kernel module sch_ingress is missing'* ]]
	run nb start c1
	echo "$modprobe" >/proc/sys/kernel/modprobe
	[ "$status" -ne 0 ]
	[[ $output == *'network: tc qdisc ingress (kernel module sch_ingress): no such file or directory'* ]]
	wait_for 5 netns_is_clean box
	# With both it starts.
	run nb check
	[[ $output == *'network '*'ready'*'result '*'ready' ]]
	nb start c1
	pings 10.9.1.2
	# The program that stands for the network may go: what is there works on, and delete ends well.
	pkill -KILL -x nestbox-netd
	pings 10.9.1.2
	nb delete --force c1
	nothing_left "$before"
}
