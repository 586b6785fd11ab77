# SPDX-License-Identifier: Apache-2.0
# engines.bash - what the tests of Docker and podman share: an image with real programs in it, and what an engine's
# containers may leave on a host.
# shellcheck shell=bash disable=SC2034

# An image's files as a tar archive, its path on stdout: Debian's python3 and redis with what they link, busybox for the rest.
image_tar() {
	local tree=/run/scratch/image debian
	debian=$(debian_rootfs)
	if [ ! -d $tree ]; then
		cp -a "$(busybox_rootfs)" $tree
		mkdir -p $tree/usr/lib
		ln -s usr/lib $tree/lib
		ln -s usr/lib $tree/lib64
		(
			cd "$debian" || exit 1
			cp -L usr/bin/{python3,redis-server,redis-cli} $tree/usr/bin/
			tar -c --exclude=test --exclude=__pycache__ --exclude=idlelib --exclude=ensurepip --exclude='config-3*' \
				--exclude=pydoc_data --exclude=lib2to3 usr/lib/python3.* | tar -x -C $tree
			# One folder for all of them: the loader looks into it by itself.
			chroot . ldd usr/bin/python3 usr/bin/redis-server usr/bin/redis-cli usr/lib/python3.*/lib-dynload/_s*.so |
				sed -n 's|.* => /\([^ ]*\) .*|\1|p; s|^\t/\([^ ]*\) (.*|\1|p' | sort -u | xargs cp -L -t $tree/usr/lib/
		) || return 1
	fi
	[ -e $tree.tar ] || tar -C $tree -c -f $tree.tar .
	echo $tree.tar
}

# An echo server for UDP, as an argument for python; it takes the port.
udp_echo='
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
print("listening", flush=True)
while True:
    data, who = s.recvfrom(2000)
    s.sendto(data.upper(), who)
'

# udp_ask HOST PORT - sends a word, prints the answer.
udp_ask() {
	python3 - "$1" "$2" <<-'P'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.settimeout(2)
		s.connect((sys.argv[1], int(sys.argv[2])))
		s.send(b"word")
		print(s.recv(100).decode())
	P
}

# What is the same under every runtime, told by the container itself.
facts='exec 2>&1
id -u; id -g; id -G
pwd
hostname
echo "$COLOUR"
grep -E "^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):" /proc/self/status
touch /etc/new 2>&1
touch /scratch/new && stat -c "%a %u" /scratch
stat -c "%a" /big && df -k /big | tail -n 1 | cut -c1-10
cat /data/word /etc/given
echo more >>/etc/given
mkdir /tmp/d 2>&1; chmod 777 /tmp 2>&1
ulimit -n
cat /proc/sys/net/ipv4/ip_unprivileged_port_start
grep -c given.test /etc/hosts
readlink /proc/self/ns/net >/dev/null && echo ns
cat /proc/1/comm
mount | grep -c " /proc/sys "
ls /dev | tr "\n" " "
cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
exit 42
'

# Processes of containers, and their cgroups and mounts; nothing when all is gone.
engine_left() {
	pgrep -a nestbox
	find /sys/fs/cgroup -type d -path "$1"
	grep -E "$2" /proc/mounts
}

engine_is_clean() {
	[ -z "$(engine_left "$@" 2>/dev/null)" ]
}
