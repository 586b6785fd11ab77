# SPDX-License-Identifier: Apache-2.0
# engines.bash - what the tests of Docker and podman share: images for real programs, and what an engine's
# containers may leave on a host.
# shellcheck shell=bash disable=SC2034

# An image without programs but busybox, for containers that are given Debian's /usr as a volume ($debian_usr): an
# import of a whole Debian takes minutes. Its path on stdout.
image_tar() {
	local tree=/run/scratch/debian-image debian
	debian=$(debian_rootfs)
	if [ ! -e $tree.tar ]; then
		cp -a "$(busybox_rootfs)" $tree
		ln -s usr/lib usr/lib64 $tree/
		mkdir -p $tree/usr $tree/var/{lib,log}/nginx $tree/data
		cp -a "$debian"/etc/{passwd,group,nginx,ld.so.c*} $tree/etc/
		chown --reference="$debian/var/lib/postgresql" $tree/data
		tar -C $tree -c -f $tree.tar .
	fi
	echo $tree.tar
}
debian_usr=/run/scratch/debian/usr:/usr:ro

# in_terminal ROWS COLUMNS COMMAND… - the command in a terminal of that size at which nobody types; its output, its status.
in_terminal() {
	python3 - "$@" <<-'P'
		import fcntl, os, pty, struct, sys, termios
		child, master = pty.fork()
		if child == 0:
		    # No program of its own before the size is there.
		    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(sys.argv[1]), int(sys.argv[2]), 0, 0))
		    os.execvp(sys.argv[3], sys.argv[3:])
		try:
		    while data := os.read(master, 4096):
		        os.write(1, data)
		except OSError:
		    pass  # the last one has closed it
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
	P
}

# In a container: its terminal's size, which engines tell a moment after the start. (Without one busybox says nothing on
# stdout, and succeeds.)
say_size='until size=$(stty size 2>/dev/null) && [ -n "$size" ]; do sleep 0.2; done; echo "$size"'

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
