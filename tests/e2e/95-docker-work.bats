#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real software and real load under Debian's Docker with nestbox. The figures go to the TAP as comments, nestbox beside runc.
# More than CI has time for: BULK (megabytes), REQUESTS, TOGETHER (containers), ROUNDS (of the figures).
load helpers
load engines
load docker

setup_file() {
	mkdir -p $DIR
	configure
	start_docker
	docker import -c 'CMD ["sh"]' "$(image_tar)" debian >/dev/null
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

# The docker0 bridge's own address: what comes there goes by the published port's rules, not through docker-proxy.
gateway() {
	ip -j -4 addr show docker0 | jq -r '.[0].addr_info[0].local'
}

# rate MEGABYTES NANOSECONDS - megabytes a second.
rate() {
	echo $(($1 * 10000000000 / $2)) | sed 's/\(.\)$/.\1/; s/^\./0./'
}

# Takes one connection at port 9000, to its end; answers with the checksum of what came.
receiver='
import socket, zlib
listener = socket.create_server(("", 9000))
peer = listener.accept()[0]
total = 0
while data := peer.recv(1 << 20):
    total = zlib.crc32(data, total)
peer.sendall(b"%d" % total)
'

# send HOST PORT FILE - to the receiver; the checksum that it answers.
send() {
	python3 - "$@" <<-'P'
		import socket, sys
		with socket.create_connection((sys.argv[1], int(sys.argv[2])), 60) as peer, open(sys.argv[3], "rb") as file:
		    peer.settimeout(200)
		    peer.sendfile(file)
		    peer.shutdown(socket.SHUT_WR)
		    print(peer.recv(100).decode())
	P
}

# serve RUNTIME PORT - nginx at PORT; at the next one whatever listens in the container at 9000.
serve() {
	docker run -d --runtime "$1" --name "web-$1" -p "$2:80" -p "$(($2 + 1)):9000" -v $debian_usr -v "$PWD/www:/www:ro" \
		-v "$PWD/nginx.conf:/nginx.conf:ro" --memory 256m debian nginx -c /nginx.conf >/dev/null
	wait_for 30 curl -sf "http://$host:$2/page"
}

# measure RUNTIME PORT - requests, then the file in both directions, each checked; adds a line to figures.
measure() {
	local begin
	chroot "$(debian_rootfs)" ab -q -n "$requests" -c 10 "http://$host:$2/page" >ab
	cat ab
	grep -Eqx "Complete requests: +$requests" ab
	grep -Eqx 'Failed requests: +0' ab
	run ! grep Non-2xx ab
	figures="$figures$1: $(sed -n 's/^Requests per second: *\([0-9.]*\).*/\1/p' ab) requests/s"

	begin=$(date +%s%N)
	curl -sf -o got "http://$host:$2/file"
	figures="$figures, $(rate "$bulk" $(($(date +%s%N) - begin))) MB/s out"
	cmp got file
	rm got

	docker exec -d "web-$1" python3 -c "$receiver"
	wait_for 30 docker exec "web-$1" grep -q :2328 /proc/net/tcp
	begin=$(date +%s%N)
	[ "$(send "$host" $(($2 + 1)) file)" = "$sum" ]
	figures="$figures, $(rate "$bulk" $(($(date +%s%N) - begin))) MB/s in"$'\n'
}

@test "docker: nginx answers 1,000 requests of ab, and 100 MB pass both ways with the right checksum, beside runc" {
	bulk=${BULK:-100} requests=${REQUESTS:-1000}
	host=$(gateway)
	mkdir www
	head -c 20000 /dev/urandom >www/page
	head -c $((bulk * 1000000)) /dev/urandom >file
	ln file www/file
	sum=$(python3 -c 'import zlib; print(zlib.crc32(open("file", "rb").read()))')
	cat >nginx.conf <<-'CONF'
		daemon off;
		user root;
		worker_processes 1;
		pid /tmp/nginx.pid;
		error_log /tmp/error.log;
		events { worker_connections 256; }
		http {
			sendfile on;
			access_log /tmp/access.log;
			server { listen 80; root /www; }
		}
	CONF
	figures=
	serve runc 8100
	serve nestbox 8200
	for ((round = 0; round < ${ROUNDS:-1}; round++)); do
		measure runc 8100
		measure nestbox 8200
	done
	sed 's/^/# /' <<<"${figures%$'\n'}" >&3
	# Each request was seen once by the server, with the whole page.
	[ "$(docker exec web-nestbox grep -c '"GET /page .* 200 20000 ' /tmp/access.log)" -gt "$requests" ]
	[ "$(docker exec web-nestbox grep -vc ' 200 ' /tmp/access.log)" = 0 ]
	docker rm -f web-runc web-nestbox >/dev/null
	nothing_of_it
}

@test "docker: postgres with a named volume: what was committed outlives the container that is killed, and the volume changes runtimes" {
	database=(--user postgres -e TZ=UTC -e PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin -v $debian_usr -v pgdata:/data --memory 256m)
	docker run --rm --runtime runc --network none "${database[@]}" debian initdb -D /data --no-sync --locale=C --auth=trust >/dev/null
	server=(postgres -D /data -c unix_socket_directories=/tmp -c listen_addresses='*')
	boxed -d --name db --network none "${database[@]}" debian "${server[@]}" >/dev/null
	sql() {
		docker exec db psql -h /tmp -Atc "$1" postgres
	}
	wait_for 100 sql 'select 1'
	sql "create table words as select n, md5(n::text) from generate_series(1, 5000) n" >/dev/null
	sql "insert into words values (0, 'last')"
	docker rm -f db >/dev/null
	nothing_of_it
	boxed -d --name db --network none "${database[@]}" debian "${server[@]}" >/dev/null
	wait_for 100 sql 'select 1'
	[ "$(sql "select count(*), sum(n), count(distinct md5) from words")" = "5001|12502500|5001" ]
	[ "$(docker run --rm -v pgdata:/data:ro debian stat -c %U /data/PG_VERSION)" = postgres ]
	docker rm -f db >/dev/null
	docker volume rm pgdata
	nothing_of_it
}

@test "docker: containers that are started at once all run, and end with their own status and output" {
	"$here/tests/e2e/docker-api.py" $DIR/sock together debian "${TOGETHER:-8}" >out
	sed 's/^/# /' out >&3
	nothing_of_it
}

@test "docker-compose: three services: a proxy before a program that counts in redis; logs, a service that restarts, down" {
	mkdir counter && cd counter
	cat >counter.py <<-'P'
		import http.server, socket
		class Counter(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        with socket.create_connection(("store", 6379)) as redis:
		            redis.sendall(b"INCR hits\r\n")
		            count = redis.recv(100).decode().strip(":\r\n")
		        self.send_response(200)
		        self.end_headers()
		        self.wfile.write(f"{count} on {socket.gethostname()}\n".encode())
		print("counting", flush=True)
		http.server.HTTPServer(("", 8000), Counter).serve_forever()
	P
	cat >nginx.conf <<-'CONF'
		daemon off;
		user root;
		worker_processes 1;
		pid /tmp/nginx.pid;
		events { worker_connections 64; }
		http { server { listen 80; location / { proxy_pass http://app:8000; } } }
	CONF
	cat >docker-compose.yml <<-Y
		version: "2.4"
		x-box: &box { image: debian, runtime: nestbox, mem_limit: 128m, init: true }
		services:
		  web:
		    <<: *box
		    command: nginx -c /nginx.conf
		    ports: ["8300:80"]
		    volumes: ["$debian_usr", "./nginx.conf:/nginx.conf:ro"]
		    depends_on: [app]
		  app:
		    <<: *box
		    command: python3 /counter.py
		    hostname: counter
		    volumes: ["$debian_usr", "./counter.py:/counter.py:ro"]
		    depends_on: [store]
		  store:
		    <<: *box
		    command: redis-server --dir /kept --save 1000 1 --protected-mode no
		    volumes: ["$debian_usr", "kept:/kept"]
		volumes: { kept: {} }
	Y
	export COMPOSE_HTTP_TIMEOUT=600 # its own minute is for a start on a fast machine
	/usr/bin/docker-compose up -d
	wait_for 60 curl -sf http://127.0.0.1:8300/
	run curl -s http://127.0.0.1:8300/
	[[ $output =~ ^[0-9]+\ on\ counter$ ]]
	hits=${output%% *}
	[ "$(docker ps -q --filter label=com.docker.compose.project=counter | wc -l)" = 3 ]
	wait_for 20 sh -c '/usr/bin/docker-compose logs app | grep counting'
	[ "$(docker inspect -f '{{.HostConfig.Runtime}}' counter_store_1)" = nestbox ]
	# A service that goes and comes again: its name, its volume.
	# It saves what it has before it ends.
	docker restart -t 100 counter_store_1
	wait_for 30 curl -sf http://127.0.0.1:8300/
	[ "$(curl -s http://127.0.0.1:8300/ | cut -d' ' -f1)" -gt "$hits" ]
	/usr/bin/docker-compose down -v
	[ -z "$(docker ps -aq)$(docker volume ls -q)" ]
	nothing_of_it
}
