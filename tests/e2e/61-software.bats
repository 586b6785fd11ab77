#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real software at work: databases and servers with many processes and threads, limits that are hit and reported.

load helpers

setup() {
	new_work
	debian_rootfs >/dev/null
	before=$(host_before)
}

# big [mk-bundle options] COMMAND… - bundle with the Debian image and 512 MiB.
big() {
	local options=()
	while [[ $1 == --* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	bundle --set linux.resources.memory.limit=536870912 "${options[@]}" "$(debian_rootfs)" "$@"
}

@test "postgres: initdb and pgbench as its own user, on a volume that outlives the container" {
	user=$(awk -F: '$1 == "postgres" {printf "{\"uid\":%d,\"gid\":%d}", $3, $4}' "$(debian_rootfs)/etc/passwd")
	install -d -m 700 -o "$(jq .uid <<<"$user")" -g "$(jq .gid <<<"$user")" data
	postgres=(--set process.user="$user" --set process.cwd='"/tmp"'
		--add mounts="{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"$WORK/data\",\"options\":[\"rbind\"]}"
		--add mounts='{"destination":"/run/postgresql","type":"tmpfs","source":"tmpfs","options":["mode=1777"]}'
		--add process.env='"PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin"')
	big "${postgres[@]}" sh -c '
		initdb -D /data --locale=C --auth=trust >/tmp/initdb.log || { cat /tmp/initdb.log; exit 1; }
		pg_ctl -D /data -w -t 300 -l /data/log -o "-c listen_addresses=127.0.0.1" start >/dev/null || { cat /data/log; exit 1; }
		createdb bench && pgbench -i -q -s 1 bench 2>/dev/null
		pgbench -n -h 127.0.0.1 -c 4 -j 2 -t 50 bench
		psql -Atc "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts) from pgbench_history" bench
		pg_ctl -D /data -m fast stop >/dev/null'
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"number of transactions actually processed: 200/200"* ]]
	[ "$(tail -n 1 <<<"$output")" = "200|t" ]
	[ "$(stat -c %u data/PG_VERSION)" = "$(jq .uid <<<"$user")" ]
	# Another container, whose server is killed and not stopped: 200 again.
	big "${postgres[@]}" sh -c '
		pg_ctl -D /data -w -t 300 -l /data/log start >/dev/null || { cat /data/log; exit 1; }
		psql -Atc "select count(*) from pgbench_history" bench'
	run nb_run b
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = 200 ]
	nothing_left "$before"
}

@test "nginx: 1,000 requests over loopback, each answered, with the right bytes" {
	mkdir www
	head -c 20000 /dev/urandom >www/file
	cat >nginx.conf <<-'CONF'
		user www-data;
		worker_processes 2;
		pid /tmp/nginx.pid;
		error_log /tmp/error.log;
		events { worker_connections 256; }
		http {
			access_log /tmp/access.log;
			server { listen 127.0.0.1:80; root /www; }
		}
	CONF
	big --add mounts="{\"destination\":\"/www\",\"type\":\"bind\",\"source\":\"$WORK/www\",\"options\":[\"rbind\",\"ro\"]}" \
		--add mounts="{\"destination\":\"/nginx.conf\",\"type\":\"bind\",\"source\":\"$WORK/nginx.conf\",\"options\":[\"bind\",\"ro\"]}" \
		--add mounts='{"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["mode=1777"]}' \
		--add mounts='{"destination":"/var/lib/nginx","type":"tmpfs","source":"tmpfs"}' sh -c '
		nginx -c /nginx.conf || exit 1
		ab -q -n 1000 -c 20 http://127.0.0.1/file
		python3 -c "import urllib.request, hashlib; print(hashlib.sha256(urllib.request.urlopen(\"http://127.0.0.1/file\").read()).hexdigest())"
		kill -QUIT "$(cat /tmp/nginx.pid)"
		while [ -e /tmp/nginx.pid ]; do sleep 0.1; done
		echo "$(grep -c " 200 20000 " /tmp/access.log) of $(wc -l </tmp/access.log), $(wc -c </tmp/error.log) errors"'
	chmod 755 "$WORK"
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" =~ Complete\ requests:\ +1000 ]]
	[[ "$output" =~ Failed\ requests:\ +0 ]]
	[[ "$output" == *"$(sha256sum <www/file | cut -d' ' -f1)"* ]]
	[ "$(tail -n 1 <<<"$output")" = "1001 of 1001, 0 errors" ]
}

@test "node: worker threads, child processes, a server and its clients" {
	cat >program.js <<-'JS'
		const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
		const { spawn, execFileSync } = require('child_process');
		const http = require('http'), crypto = require('crypto'), zlib = require('zlib'), fs = require('fs');
		if (!isMainThread) {
			let sum = 0;
			for (let i = 0; i < 100000; i++) sum += (i * workerData) % 7;
			parentPort.postMessage(sum);
		} else {
			const worker = (n) => new Promise((done, fail) => {
				const w = new Worker(__filename, { workerData: n });
				w.on('message', done).on('error', fail);
			});
			const child = (n) => new Promise((done) => {
				const c = spawn('sh', ['-c', `cat; exit ${n}`]);
				let out = 0;
				c.stdout.on('data', (d) => { out += d.length; });
				c.on('close', (code) => done([code, out]));
				c.stdin.end(Buffer.alloc(100000 * n));
			});
			const get = (port) => new Promise((done, fail) => {
				http.get({ host: '127.0.0.1', port, path: '/' }, (r) => {
					const h = crypto.createHash('sha256');
					r.pipe(zlib.createGunzip()).on('data', (d) => h.update(d)).on('end', () => done(h.digest('hex')));
				}).on('error', fail);
			});
			(async () => {
				console.log((await Promise.all([1, 2, 3, 4].map(worker))).join(' '));
				console.log((await Promise.all([1, 2, 3].map(child))).join(' '));
				const body = crypto.randomBytes(300000);
				const server = http.createServer((q, r) => r.end(zlib.gzipSync(body)));
				await new Promise((done) => server.listen(0, '127.0.0.1', done));
				const sums = await Promise.all(Array.from({ length: 20 }, () => get(server.address().port)));
				const want = crypto.createHash('sha256').update(body).digest('hex');
				console.log(sums.filter((s) => s === want).length, 'of', sums.length);
				server.close();
				fs.writeFileSync('/tmp/out', 'x'.repeat(1000));
				console.log(execFileSync('wc', ['-c', '/tmp/out']).toString().trim());
			})();
		}
	JS
	big --add mounts="{\"destination\":\"/program.js\",\"type\":\"bind\",\"source\":\"$WORK/program.js\",\"options\":[\"bind\",\"ro\"]}" \
		--add mounts='{"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["mode=1777"]}' node /program.js
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "299995 299998 300001 299997" ]
	[ "${lines[1]}" = "1,100000 2,200000 3,300000" ]
	[ "${lines[2]}" = "20 of 20" ]
	[ "${lines[3]}" = "1000 /tmp/out" ]
}

@test "python: two hundred threads, fifty subprocesses, pipes, signals, a pool" {
	cat >program.py <<-'PY'
		import concurrent.futures, multiprocessing, os, queue, signal, subprocess, sys, threading

		box, gate = queue.Queue(), threading.Barrier(200)
		def member(n):
		    gate.wait()
		    box.put(n)
		threads = [threading.Thread(target=member, args=(n,)) for n in range(200)]
		for t in threads:
		    t.start()
		for t in threads:
		    t.join()
		print("threads", sum(box.get() for _ in range(200)))

		def ask(n):
		    p = subprocess.run(["sh", "-c", f"cat; echo {n} >&2; exit {n}"], input=b"x" * (n * 1000), capture_output=True)
		    return p.returncode == n and len(p.stdout) == n * 1000 and p.stderr == b"%d\n" % n
		with concurrent.futures.ThreadPoolExecutor(10) as pool:
		    print("subprocesses", sum(pool.map(ask, range(50))))

		child = subprocess.Popen([sys.executable, "-Sc", "import signal; print('up', flush=True); signal.pause()"], stdout=subprocess.PIPE)
		child.stdout.readline()
		child.send_signal(signal.SIGTERM)
		print("signal", child.wait())

		with multiprocessing.Pool(3) as pool:
		    print("pool", sum(pool.map(abs, range(-100, 0), chunksize=5)))
	PY
	big --add mounts="{\"destination\":\"/program.py\",\"type\":\"bind\",\"source\":\"$WORK/program.py\",\"options\":[\"bind\",\"ro\"]}" \
		python3 /program.py
	run nb_run a
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'threads 19900\nsubprocesses 50\nsignal -15\npool 5050' ]
}

# A full cgroup has no room for the exec that looks, either.
pids_are_refused() {
	[ "$(nb exec a awk '$1 == "max" {print $2}' /sys/fs/cgroup/pids.events)" -ge 1 ]
}

@test "stress-ng: memory and pids limits are hit, hold, and are told by the cgroup, by statistics and by events" {
	bundle --set linux.resources='{"memory":{"limit":134217728,"swap":134217728},"pids":{"limit":24}}' "$(debian_rootfs)" sleep 1000
	nb_up a
	nb_bg events --interval 500ms a >events 3>&- &
	watcher=$!
	wait_for 20 grep -q stats events
	# Either of them fits into the VM, both are more than the limit.
	nb_bg exec a stress-ng --vm 2 --vm-bytes 200M --vm-populate --vm-keep --timeout 300s --oomable >vm 2>&1 3>&- &
	wait_for 60 grep -qxF '{"type":"oom","id":"a"}' events
	kill $!
	wait $! || true
	cat vm
	[ "$(nb exec a cat /sys/fs/cgroup/memory.peak)" -le 134217728 ]
	[ "$(nb exec a awk '$1 == "oom_kill" {print $2}' /sys/fs/cgroup/memory.events)" -ge 1 ]
	nb_bg exec a stress-ng --fork 4 --fork-max 16 --timeout 300s >fork 2>&1 3>&- &
	wait_for 60 pids_are_refused
	kill $!
	wait $! || true
	cat fork
	[ "$(nb exec a cat /sys/fs/cgroup/pids.peak)" -le 24 ]
	nb events --stats a >stats
	[ "$(jq '.data.pids.limit' stats)" = 24 ]
	[ "$(jq '.data.memory.usage.max <= 134217728 and .data.memory.usage.max > 100000000' stats)" = true ]
	# All of that was in the guest: the container and its first process are well.
	[ "$(status_of a)" = running ]
	[ "$(nb exec a echo well)" = well ]
	kill "$watcher"
	nb delete --force a
	nothing_left "$before"
}

@test "an OOM kill of the first process: its event, status 137, and the state says stopped" {
	bundle --set linux.resources.memory.limit=67108864 "$(debian_rootfs)" \
		python3 -c 'hold = [bytearray(1 << 20) for _ in range(300)]'
	nb create --bundle "$BUNDLE" --pid-file pid a </dev/null >/dev/null
	nb_bg events --interval 300ms a >events 3>&- &
	watcher=$!
	wait_for 20 grep -q stats events
	nb start a
	wait_for 60 has_status a stopped
	wait "$watcher"
	grep -qxF '{"type":"oom","id":"a"}' events
	nb delete a
	run nb_run b
	[ "$status" -eq 137 ]
	nothing_left "$before"
}
