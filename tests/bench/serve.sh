#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# serve.sh LOG - the servers of tests/bench/network, in whatever guest: nginx at port 80 with a page of 20 kB and a file of
# 100 MB, both in memory, and at port 9000 a receiver that answers with the count of the bytes that came. /run is a tmpfs.
# LOG is what nginx's access_log gets. With a second argument, a folder, page and file are there.
docs=${2:-/run/www}
mkdir -p "$docs"
[ -e "$docs/page" ] || head -c 20000 /dev/zero >"$docs/page"
[ -e "$docs/file" ] || head -c 100000000 /dev/zero >"$docs/file"
cat >/run/nginx.conf <<CONF
daemon off;
user root;
worker_processes 1;
pid /run/nginx.pid;
error_log /run/error.log;
events { worker_connections 256; }
http {
	sendfile on;
	tcp_nopush on;
	access_log $1;
	server {
		listen 80;
		root $docs;
	}
}
CONF
python3 -c '
import socket
listener = socket.create_server(("", 9000))
while True:
    peer = listener.accept()[0]
    total = 0
    while data := peer.recv(1 << 20):
        total += len(data)
    peer.sendall(b"%d" % total)
    peer.close()
' &
exec nginx -c /run/nginx.conf
