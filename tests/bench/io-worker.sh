#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# io-worker.sh - carries out what tests/bench/io asks for, in whatever guest: a line of shell on stdin each, answered by a
# line "@STATUS" after what it printed. /run is a tmpfs; programs are copied there first, so that only the data is on what
# is measured.
/bin/busybox mkdir -p /run/io/bin
/bin/busybox cp -r /data/tools/. /run/io
/run/io/busybox --install -s /run/io/bin
export PATH=/run/io/bin HOME=/run/io

# bound PROGRAM ARG… - one of the machine's programs, with the libraries that came along.
bound() {
	program=$1
	shift
	/run/io/lib/ld-linux-x86-64.so.2 --library-path /run/io/lib "/run/io/bound/$program" "$@"
}

echo @ready
while read -r line; do
	eval "$line" </dev/null 2>/run/io/err
	status=$?
	[ $status = 0 ] || cat /run/io/err
	echo "@$status"
done
