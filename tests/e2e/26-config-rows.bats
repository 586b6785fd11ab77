#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Rows of docs/config.md and docs/limits.md that other files do not come to: seen from inside.

load helpers

@test "what nobody asked for: HOME, devices, rlimits, /dev/console; domainname; no capabilities, also for exec" {
	bundle --terminal --set domainname='"domain.test"' --del process.capabilities --del process.rlimits "$(busybox_rootfs)" sh -c '
		echo "home $HOME"; ls /dev | sort | tr "\n" " "; echo
		for n in ptmx stdin stdout stderr; do readlink /dev/$n; done | tr "\n" " "; echo
		[ "$(stat -c %t:%T /dev/console)" = "$(stat -c %t:%T "$(tty)")" ] && echo console
		cat /proc/sys/kernel/domainname; ulimit -n; ulimit -Hn; grep -c "^Cap...:.0000000000000000$" /proc/self/status
		echo ready; sleep 1000'
	script -qfec "$NESTBOX --root $ROOT run --bundle $BUNDLE a" out </dev/null >/dev/null 3>&- &
	terminal=$!
	wait_for 20 grep -q ready out
	tr -d '\r\0' <out | sed '/^Script /d' >lines
	cat lines
	grep -q 'home /root$' lines
	grep -qx 'console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ' lines
	grep -qx 'pts/ptmx /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 ' lines
	grep -qx console lines
	grep -qx domain.test lines
	[ "$(grep -cx 1048576 lines)" -eq 2 ]
	[ "$(grep -cx 5 lines)" -eq 1 ]
	[ "$(nb exec a grep -c '^Cap...:.0000000000000000$' /proc/self/status)" = 5 ]
	[ "$(nb exec a sh -c 'echo $HOME; ulimit -n')" = $'/root\n1048576' ]
	nb kill a KILL
	wait "$terminal" || true
}

@test "exec --process: every scheduler, I/O class, limits; names of capabilities that nobody knows are left out" {
	bundle "$(busybox_rootfs)" sleep 1000
	nb_up a
	# exec_with JSON COMMAND - with these members of the process object.
	exec_with() {
		jq -nc --argjson more "$1" --arg command "$2" \
			'{args: ["sh", "-c", $command], cwd: "/", env: ["PATH=/bin"], user: {uid: 0, gid: 0}} + $more' >p.json
		nb exec --process p.json a
	}
	# Fields of proc_pid_stat(5): nice, real-time priority, policy.
	stat='cut -d" " -f19,40,41 /proc/self/stat'
	[ "$(exec_with '{"scheduler":{"policy":"SCHED_OTHER","nice":7}}' "$stat")" = "7 0 0" ]
	[ "$(exec_with '{"scheduler":{"policy":"SCHED_FIFO","priority":10}}' "$stat")" = "0 10 1" ]
	[ "$(exec_with '{"scheduler":{"policy":"SCHED_RR","priority":99,"flags":["SCHED_FLAG_RESET_ON_FORK"]}}' "exec $stat")" = "0 99 2" ]
	[ "$(exec_with '{"scheduler":{"policy":"SCHED_IDLE"}}' "$stat")" = "0 0 5" ]
	[ "$(exec_with '{"scheduler":{"policy":"SCHED_DEADLINE","runtime":10000000,"deadline":20000000,"period":30000000}}' "exec $stat")" = "0 0 6" ]
	[ "$(exec_with '{"ioPriority":{"class":"IOPRIO_CLASS_IDLE","priority":0}}' 'ionice -p $$')" = idle ]
	[ "$(exec_with '{"ioPriority":{"class":"IOPRIO_CLASS_RT","priority":2}}' 'ionice -p $$')" = "realtime: prio 2" ]
	[ "$(exec_with '{"oomScoreAdj":500,"noNewPrivileges":true,"user":{"uid":5,"gid":6,"umask":7,"additionalGids":[8]},
		"rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":4096},{"type":"RLIMIT_NPROC","soft":50,"hard":60}]}' \
		'cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status | cut -f2; id -u; id -G; umask; ulimit -c; ulimit -Hu')" = \
		$'500\n1\n5\n6 8\n0007\n0\n60' ]
	[ "$(exec_with '{"capabilities":{"bounding":["CAP_KILL","CAP_OF_TOMORROW"],"permitted":["CAP_KILL"],"effective":["CAP_KILL"]}}' \
		'grep -E "Cap(Eff|Bnd)" /proc/self/status | cut -f2')" = $'0000000000000020\n0000000000000020' ]
}

@test "mounts: flags, atime kinds, propagation, tmpcopyup, mqueue, devpts, sysfs, a cgroup without its namespace" {
	rootfs=$(own_rootfs)
	mkdir "$rootfs/copied"
	echo kept >"$rootfs/copied/file"
	fs() { printf -- '--add\nmounts={"destination":"%s","type":"tmpfs","source":"tmpfs","options":[%s]}\n' "$1" "$2"; }
	mapfile -t mounts < <(
		fs /m/flags '"nosuid","nodev","noexec","sync","dirsync","noatime"'
		fs /m/strict '"strictatime","nosymfollow"'
		fs /m/nodir '"nodiratime","relatime","mode=700","uid=3"'
		fs /m/shared '"shared"'
		fs /m/slave '"rslave"'
		fs /m/unbindable '"unbindable"'
		fs /m/rec '"rro","rnosuid"'
		fs /copied '"tmpcopyup"'
	)
	cat >script <<-'EOF'
		at() { grep " $1 " /proc/self/mountinfo | cut -d" " -f6- | sed 's/:[0-9]*//'; }
		for m in flags strict nodir shared slave unbindable rec; do echo "$m: $(at /m/$m)"; done
		stat -c "%a %u" /m/nodir
		cat /copied/file; echo new >/copied/more; at /copied
		for m in /dev/mqueue /dev/pts /sys /proc /dev/shm /; do echo "$m: $(at $m)"; done
		ls /sys/fs/cgroup/cgroup.procs; cat /proc/self/cgroup
	EOF
	bundle "${mounts[@]}" --set linux.rootfsPropagation='"shared"' \
		--set linux.namespaces='[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}]' \
		"$rootfs" sh -c "$(cat script)"
	run nb_run a
	echo "$output"
	grep -qE '^flags: rw,nosuid,nodev,noexec,noatime - tmpfs tmpfs rw,sync,dirsync' <<<"$output"
	grep -qE '^strict: rw,nosymfollow - tmpfs' <<<"$output"
	grep -qE '^nodir: rw,nodiratime,relatime - tmpfs .*mode=700,uid=3' <<<"$output"
	grep -qE '^shared: rw,relatime shared - tmpfs' <<<"$output"
	grep -qE '^slave: rw,relatime - tmpfs' <<<"$output"
	grep -qE '^unbindable: rw,relatime unbindable - tmpfs' <<<"$output"
	grep -qE '^rec: ro,nosuid,relatime - tmpfs' <<<"$output"
	grep -qx '700 3' <<<"$output"
	grep -qx kept <<<"$output"
	[ ! -e "$rootfs/copied/more" ]
	grep -qE '^/dev/mqueue: rw,nosuid,nodev,noexec.* - mqueue' <<<"$output"
	grep -qE '^/dev/pts: rw,nosuid,noexec.* - devpts' <<<"$output"
	grep -qE '^/sys: ro,nosuid,nodev,noexec.* - sysfs' <<<"$output"
	grep -qE '^/proc: .* - proc' <<<"$output"
	grep -qE '^/: rw,.*shared - virtiofs' <<<"$output"
	grep -qx /sys/fs/cgroup/cgroup.procs <<<"$output"
	grep -qx 0::/nestbox <<<"$output"
}

@test "sysctls of the whole kernel are the guest's own; a kernel, an initrd and kernel parameters of the bundle" {
	before=$(sysctl -n vm.max_map_count kernel.pid_max fs.file-max)
	cp "$here/build/lib/vmlinux" "$here/build/lib/initrd.cpio" .
	bundle --set linux.sysctl='{"vm.max_map_count":"70001","kernel.pid_max":"40001","fs.file-max":"50001","kernel.domainname":"of.sysctl"}' \
		--set vm="{\"kernel\":{\"path\":\"$WORK/vmlinux\",\"initrd\":\"$WORK/initrd.cpio\",\"parameters\":[\"loglevel=4\",\"nestbox.words=a,b\"]}}" \
		"$(busybox_rootfs)" sh -c 'cd /proc/sys; cat vm/max_map_count kernel/pid_max fs/file-max kernel/domainname; grep -o "loglevel=4 nestbox.words=a,b" /proc/cmdline'
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'70001\n40001\n50001\nof.sysctl\nloglevel=4 nestbox.words=a,b' ]
	[ "$(sysctl -n vm.max_map_count kernel.pid_max fs.file-max)" = "$before" ]
}

@test "seccomp: TRAP, TRACE, LOG, KILL_THREAD; every operator on arguments; architectures of other machines" {
	rootfs=$(own_rootfs)
	cat >call.c <<-'C'
		#include <errno.h>
		#include <pthread.h>
		#include <signal.h>
		#include <stdio.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		static volatile sig_atomic_t trapped;
		static void on_sys(int sig, siginfo_t *info, void *context) { trapped = info->si_syscall; }
		static void *in_thread(void *arg) { syscall(SYS_setpgid, 0, 0); return (void *)1; }
		static void call(const char *name, long number, long a) {
			errno = 0;
			long r = syscall(number, a, 0, 0);
			printf("%s(%lx) %s\n", name, a, r == -1 && errno == EXDEV ? "refused" : "passed");
		}
		int main(void) {
			struct sigaction act = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
			sigaction(SIGSYS, &act, NULL);
			syscall(SYS_getpgrp);
			printf("trap %d\n", trapped == SYS_getpgrp);
			errno = 0;
			long traced = syscall(SYS_getsid, 0);
			printf("trace %ld %d\n", traced, errno == ENOSYS);
			printf("log %d\n", syscall(SYS_getppid) >= 0);
			call("eq", SYS_personality, 5), call("eq", SYS_personality, 0xffffffff);
			call("ne", SYS_umask, 022), call("ne", SYS_umask, 021);
			call("lt", SYS_dup, 9), call("lt", SYS_dup, 10);
			call("le", SYS_fdatasync, 100), call("le", SYS_fdatasync, 101);
			call("gt", SYS_fsync, 101), call("gt", SYS_fsync, 100);
			call("ge", SYS_flock, 100), call("ge", SYS_flock, 99);
			call("masked", SYS_fchdir, 0x10f0), call("masked", SYS_fchdir, 0x10e0);
			pthread_t t;
			void *r = NULL;
			fflush(stdout);
			pthread_create(&t, NULL, in_thread, NULL);
			pthread_join(t, &r);
			printf("thread %d\n", r == NULL);
			return 0;
		}
	C
	gcc -w -static -pthread -o "$rootfs/bin/call" call.c
	rule() { printf '{"names":["%s"],"action":"SCMP_ACT_ERRNO","errnoRet":18,"args":[{"index":0,"op":"SCMP_CMP_%s","value":%s,"valueTwo":%s}]},' "$@"; }
	bundle --set linux.seccomp="{\"defaultAction\":\"SCMP_ACT_ALLOW\",
		\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_AARCH64\",\"SCMP_ARCH_S390X\"],
		\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\",\"SECCOMP_FILTER_FLAG_TSYNC\"],
		\"syscalls\":[$(rule personality EQ 5 0)$(rule umask NE 18 0)$(rule dup LT 10 0)$(rule fdatasync LE 100 0)$(rule fsync GT 100 0
		)$(rule flock GE 100 0)$(rule fchdir MASKED_EQ 240 240)
		{\"names\":[\"getpgrp\",\"call_of_tomorrow\"],\"action\":\"SCMP_ACT_TRAP\"},{\"names\":[\"getsid\"],\"action\":\"SCMP_ACT_TRACE\"},
		{\"names\":[\"getppid\"],\"action\":\"SCMP_ACT_LOG\"},{\"names\":[\"setpgid\"],\"action\":\"SCMP_ACT_KILL_THREAD\"}]}" "$rootfs" call
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "trap 1
trace -1 1
log 1
eq(5) refused
eq(ffffffff) passed
ne(12) passed
ne(11) refused
lt(9) refused
lt(a) passed
le(64) refused
le(65) passed
gt(65) refused
gt(64) passed
ge(64) refused
ge(63) passed
masked(10f0) refused
masked(10e0) passed
thread 1" ]
}

@test "limits: inotify sees the guest's own doings only; datagram sockets of the host; trusted xattrs; overlays inside; no modules" {
	mkdir share
	serve_dgram() { python3 -c 'import socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("d.sock"); print("up", flush=True); time.sleep(1000)'; }
	serve_dgram >dgram.out 3>&- &
	server=$!
	wait_for 10 grep -q up dgram.out
	cat >program.py <<-'PY'
		import ctypes, os, socket, struct, subprocess, time
		libc = ctypes.CDLL(None, use_errno=True)
		fd = libc.inotify_init1(os.O_NONBLOCK)
		libc.inotify_add_watch(fd, b"/share", 0x100)  # IN_CREATE
		def events():
		    try:
		        data = os.read(fd, 4096)
		    except BlockingIOError:
		        return []
		    names = []
		    while data:
		        size = struct.unpack("iIII", data[:16])[3]
		        names.append(data[16:16 + size].rstrip(b"\0").decode())
		        data = data[16 + size:]
		    return names
		open("/share/ready", "w").close()
		while not os.path.exists("/share/of-host"):
		    time.sleep(0.1)
		print("inotify", events())
		try:
		    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect("/d.sock")
		except OSError as e:
		    print("dgram", e.strerror)
		os.makedirs("/o/lower"), os.makedirs("/o/merged")
		open("/o/lower/file", "w").write("lower")
		for name in ("user.x", "trusted.x"):
		    try:
		        os.setxattr("/o/lower/file", name, b"1")
		        print(name, "set")
		    except OSError as e:
		        print(name, e.strerror)
		def overlay(where, more):
		    os.makedirs(where + "/upper", exist_ok=True), os.makedirs(where + "/work", exist_ok=True)
		    r = subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
		                        f"lowerdir=/o/lower,upperdir={where}/upper,workdir={where}/work{more}", "/o/merged"], capture_output=True)
		    if r.returncode == 0:
		        open("/o/merged/file", "w").write("upper")
		        open("/o/merged/new", "w").close()
		        print("overlay", where, open("/o/lower/file").read(), sorted(os.listdir(where + "/upper")))
		        subprocess.run(["umount", "/o/merged"], check=True)
		    else:
		        print("overlay", where, "no")
		overlay("/o", "")
		overlay("/o", ",userxattr")
		overlay("/memory", "")
		r = libc.syscall(175, b"", 0, b"")  # init_module
		print("module", os.strerror(ctypes.get_errno()) if r < 0 else "loaded")
		print("fds", sorted(os.listdir("/proc/self/fd"))[:3], "LISTEN_FDS" in os.environ)
	PY
	caps='["CAP_SYS_ADMIN","CAP_SYS_MODULE","CAP_DAC_OVERRIDE","CAP_CHOWN","CAP_FOWNER","CAP_MKNOD"]'
	# An ext4 file system of the host: it has extended attributes.
	rm -rf "$(debian_rootfs)/o"
	volume() { printf -- '--add\nmounts={"destination":"%s","type":"bind","source":"%s","options":["bind"]}\n' "$1" "$2"; }
	mapfile -t mounts < <(volume /share "$WORK/share"; volume /d.sock "$WORK/d.sock"; volume /program.py "$WORK/program.py")
	bundle "${mounts[@]}" --add mounts='{"destination":"/memory","type":"tmpfs","source":"tmpfs"}' \
		--set process.capabilities="{\"bounding\":$caps,\"permitted\":$caps,\"effective\":$caps}" \
		"$(debian_rootfs)" python3 -u /program.py
	LISTEN_FDS=1 LISTEN_PID=1 nb create --bundle "$BUNDLE" a </dev/null >out 2>&1
	nb start a
	wait_for 60 test -e share/ready
	touch share/of-host
	wait_for 30 has_status a stopped
	kill "$server"
	rm -rf "$(debian_rootfs)/o"
	cat out
	grep -qxF "inotify ['ready']" out
	grep -qx 'dgram Protocol wrong type for socket' out
	grep -qx 'user.x set' out
	grep -qx 'trusted.x Operation not supported' out
	[ "$(grep '^overlay /o ' out)" = $'overlay /o no\noverlay /o lower [\'file\', \'new\']' ]
	grep -qxF "overlay /memory lower ['file', 'new']" out
	grep -qx 'module Function not implemented' out
	grep -qxF "fds ['0', '1', '2'] False" out
}

@test "limits: fifty execs at once; a user's name; mounts that the host adds later; a host that watches; no checkpoints" {
	mkdir -p share/below
	bundle --add mounts="{\"destination\":\"/share\",\"type\":\"bind\",\"source\":\"$WORK/share\",\"options\":[\"rbind\"]}" \
		"$(busybox_rootfs)" sleep 1000
	nb_up a
	mount -t tmpfs none share/below
	touch share/below/later
	[ -z "$(nb exec a ls /share/below)" ]
	umount share/below
	cat >watch.py <<-'PY'
		import ctypes, os, select
		libc = ctypes.CDLL(None)
		fd = libc.inotify_init1(0)
		libc.inotify_add_watch(fd, b"share", 0x100)  # IN_CREATE
		print("watching", flush=True)
		print("seen" if select.select([fd], [], [], 60)[0] and b"of-guest" in os.read(fd, 4096) else "nothing")
	PY
	python3 watch.py >watch 2>&1 3>&- &
	watcher=$!
	wait_for 20 grep -q watching watch
	nb exec a touch /share/of-guest
	wait "$watcher"
	grep -qx seen watch
	# Each waits for the end of its input: all are there at the same time.
	mkfifo input
	exec 7<>input
	for i in $(seq 50); do
		nb_bg exec a sh -c "cat; echo $i; exit $i" <input >"out.$i" 2>&1 3>&- 7>&- &
		pids[i]=$!
	done
	all_inside() { [ "$(nb exec a ps | grep -c '[c]at; echo')" -eq 50 ]; }
	wait_for 60 all_inside
	exec 7>&-
	for i in $(seq 50); do
		wait "${pids[i]}" && ended=0 || ended=$?
		[ "$ended" -eq "$i" ]
		[ "$(cat "out.$i")" = "$i" ]
	done
	run -255 nb exec --user nobody a true
	[[ "$output" == *nobody* ]]
	for verb in "checkpoint a" "restore b" "checkpoint --help" "restore --help"; do
		# shellcheck disable=SC2086
		run --separate-stderr nb $verb
		echo "$verb: $status: $stderr"
		[ "$status" -eq 1 ]
		[[ "$stderr" == *"${verb%% *}"* ]]
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
	[ "$(status_of a)" = running ]
}
