#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real software from Debian, unchanged, on the shared root filesystem.

load helpers

@test "python3 computes and imports the standard library" {
	cat >program.py <<-'PY'
		import sys, json, hashlib, sqlite3, decimal, subprocess, threading, multiprocessing, ctypes, ssl, email, asyncio
		decimal.getcontext().prec = 50
		pi = sum((decimal.Decimal(4) / (8 * k + 1) - decimal.Decimal(2) / (8 * k + 4) - decimal.Decimal(1) / (8 * k + 5)
		          - decimal.Decimal(1) / (8 * k + 6)) / decimal.Decimal(16) ** k for k in range(40))
		db = sqlite3.connect("/tmp/test.db")
		db.execute("create table t (x)")
		db.executemany("insert into t values (?)", [(i,) for i in range(1000)])
		db.commit()
		threads = [threading.Thread(target=lambda: hashlib.sha256(b"x" * 100000).hexdigest()) for _ in range(8)]
		[t.start() for t in threads]
		[t.join() for t in threads]
		with multiprocessing.Pool(2) as pool:
		    squares = pool.map(abs, range(-50, 0))
		print(str(pi)[:20], db.execute("select sum(x) from t").fetchone()[0], sum(squares),
		      subprocess.run(["echo", "sub"], capture_output=True, text=True).stdout.strip())
	PY
	bundle --set process.cwd='"/tmp"' --set linux.resources='{"memory":{"limit":536870912}}' "$(debian_rootfs)" \
		python3 -c "$(cat program.py)"
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "3.141592653589793238 499500 1275 sub" ]
	rm -f "$(debian_rootfs)/tmp/test.db"
}

@test "redis-server answers redis-benchmark over loopback" {
	bundle --set linux.resources='{"memory":{"limit":536870912}}' "$(debian_rootfs)" sh -c '
		redis-server --save "" --daemonize yes --logfile /tmp/redis.log >/dev/null
		for i in $(seq 100); do redis-cli ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
		redis-cli set key value; redis-cli get key
		redis-benchmark -n 2000 -c 10 -q -t set,get,incr | tr "\r" "\n" | grep "requests per second"
		redis-cli info stats | grep total_commands_processed | tr -dc 0-9
		redis-cli shutdown nosave'
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *OK*value* ]]
	[ "$(grep -c 'requests per second' <<<"$output")" -eq 3 ]
	[ "$(tail -n 1 <<<"$output")" -ge 6000 ]
}

@test "gcc compiles and runs a program" {
	bundle --set linux.resources='{"memory":{"limit":536870912}}' "$(debian_rootfs)" sh -c '
		cd /tmp && cat >hello.c <<C
		#include <stdio.h>
		#include <math.h>
		int main(void) { double s = 0; for (int i = 1; i < 100000; i++) s += 1.0 / ((double)i * i); printf("%.4f\n", sqrt(s * 6)); return 7; }
C
		gcc -O2 -Wall -o hello hello.c -lm && ./hello; code=$?; rm hello hello.c; exit $code'
	run nb_run a
	echo "$output"
	[ "$status" -eq 7 ]
	[ "$output" = 3.1416 ]
}

@test "git clones a repository, fsck finds it whole, the host sees the same files" {
	mkdir shared
	git -C "$here" rev-parse HEAD >head
	bundle --add mounts="{\"destination\":\"/src\",\"type\":\"bind\",\"source\":\"$here\",\"options\":[\"rbind\",\"ro\"]}" \
		--add mounts="{\"destination\":\"/out\",\"type\":\"bind\",\"source\":\"$WORK/shared\",\"options\":[\"rbind\"]}" \
		--set linux.resources='{"memory":{"limit":536870912}}' "$(debian_rootfs)" sh -c '
		git config --global --add safe.directory "*"
		git clone --quiet --no-hardlinks file:///src /out/clone && cd /out/clone && git fsck --full --strict --no-progress && git rev-parse HEAD && git status --short | wc -l'
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(tail -n 2 <<<"$output" | head -n 1)" = "$(cat head)" ]
	[ "$(tail -n 1 <<<"$output")" = 0 ]
	git -C shared/clone -c safe.directory='*' fsck --no-progress
	diff -r shared/clone/lib <(true) 2>/dev/null || cmp shared/clone/Makefile <(git -C "$here" show HEAD:Makefile)
}

@test "200 MB through stdin to stdout, equal checksums" {
	bundle "$(busybox_rootfs)" cat
	head -c 200000000 /dev/urandom >/run/scratch/data
	nb_run a </run/scratch/data | sha256sum >after
	sha256sum </run/scratch/data >before
	rm /run/scratch/data
	cmp before after
}

# MANY_FILES=10000 does the whole; a file takes some 35 ms of an emulated L1.
@test "thousands of files created, renamed and removed" {
	local many=${MANY_FILES:-3000}
	mkdir tree
	bundle --add mounts="{\"destination\":\"/tree\",\"type\":\"bind\",\"source\":\"$WORK/tree\",\"options\":[\"rbind\"]}" \
		"$(debian_rootfs)" python3 -c '
import os, sys
many = int(sys.argv[1])
os.chdir("/tree")
for i in range(many):
    with open(f"a{i}", "w") as f:
        f.write(str(i))
assert len(os.listdir(".")) == many
for i in range(many):
    os.rename(f"a{i}", f"b{i}")
names = os.listdir(".")
assert len(names) == many and all(n[0] == "b" for n in names)
assert all(open(f"b{i}").read() == str(i) for i in range(0, many, 97))
for i in range(many - 10):
    os.unlink(f"b{i}")
print(sorted(os.listdir(".")))' "$many"
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(ls tree | wc -l)" -eq 10 ]
	[ "$(cat "tree/b$((many - 5))")" = $((many - 5)) ]
}
