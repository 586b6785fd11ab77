#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""console.py NESTBOX ROOT BUNDLE - plays the caller of --console-socket: receives the terminal's
master, reads, types, resizes it; fails with an assertion where something is not as runc does it."""
import array
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import termios
import time

nestbox, root, bundle = sys.argv[1:4]
path = os.path.join(bundle, "console.sock")
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(path)
listener.listen(1)


seen = b""


def until(master, wanted, seconds=60):
    """Reads until the text was seen; what came after it is left for the next call."""
    global seen
    end = time.time() + seconds
    while wanted not in seen:
        ready, _, _ = select.select([master], [], [], max(0, end - time.time()))
        assert ready, f"no {wanted!r} in {seen!r}"
        seen += os.read(master, 4096)
    seen = seen[seen.index(wanted) + len(wanted):]


null = open(os.devnull, "r+b")
subprocess.run([nestbox, "--root", root, "create", "--bundle", bundle, "--console-socket", path, "tty"],
               check=True, stdin=null, stdout=null)
peer, _ = listener.accept()
text, ancillary, _, _ = peer.recvmsg(4096, socket.CMSG_SPACE(4 * 8))
assert len(ancillary) == 1 and 0 < len(text) < 4096, (text, ancillary)
fds = array.array("i")
fds.frombytes(ancillary[0][2])
assert len(fds) == 1, fds
assert peer.recv(1) == b"", "one message, then the end"
master = fds[0]
assert os.isatty(master)
subprocess.run([nestbox, "--root", root, "start", "tty"], check=True)
until(master, b"/dev/pts/")
until(master, b"40 100")
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
os.write(master, b"words\n")
until(master, b"got words")
until(master, b"33 77")
end = time.time() + 60
while time.time() < end:
    try:
        os.write(master, b"\x03")  # Ctrl-C ends sh's sleep, then sh; a sleep that is not there yet has not heard it
    except OSError:
        pass  # nobody has the terminal any more
    state = subprocess.run([nestbox, "--root", root, "state", "tty"], check=True, capture_output=True)
    if b'"stopped"' in state.stdout:
        break
    time.sleep(0.1)
else:
    sys.exit("Ctrl-C did not end it")
subprocess.run([nestbox, "--root", root, "delete", "tty"], check=True)
