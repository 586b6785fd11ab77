#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sockets.py COMMAND [--- COMMAND…] - both ends of a unix socket, for the tests of volumes.

serve PATH [MODE]    answers each connection when it has been sent everything: a line with the peer's uid, the
                     count and a checksum of what came, then as many bytes again. Does not end
mute PATH            a server that accepts and never reads
ask PATH [BYTES]     one connection: sends, half-closes, checks the answer, prints "uid=N bytes=N"
tell PATH            ask, and says when it is connected
as UID PATH          ask as that user
many PATH N          N connections at once, held open until all have been answered
slow MUTE PATH       fills a connection to a mute server, then asks another one
lost PATH            connects; prints what became of it
wait PATH            until the file is there
hold PATH N          N connections that are kept and say nothing; does not end
break-in SHARE       as root of a container, over vsock: asks for that share of every container of the VM without
                     knowing its key; then connections that say nothing, until the VMM has ended them
"""
import errno
import hashlib
import os
import socket
import struct
import sys
import threading
import time

TIMEOUT = 60


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(TIMEOUT)
    s.connect(path)
    return s


def read_all(s):
    parts = []
    while True:
        part = s.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def handle(s):
    cred = s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", cred)[1]
    data = read_all(s)
    s.sendall(b"%d %d %s\n" % (uid, len(data), hashlib.sha256(data).hexdigest().encode()) + data)
    s.close()


def listen(path, mode=None):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(path):
        os.unlink(path)
    s.bind(path)
    if mode:
        os.chmod(path, int(mode, 8))
    s.listen(64)
    print("listening", flush=True)
    return s


def serve(path, mode=None):
    s = listen(path, mode)
    while True:
        threading.Thread(target=handle, args=(s.accept()[0],), daemon=True).start()


def check(answer, data):
    head, _, body = answer.partition(b"\n")
    uid, count, digest = head.split()
    assert int(count) == len(data), (count, len(data))
    assert digest.decode() == hashlib.sha256(data).hexdigest()
    assert body == data
    return int(uid)


def ask(path, size="10", told=False):
    data = os.urandom(int(size))
    s = connect(path)
    if told:
        print("connected", flush=True)
    sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
    sender.start()
    uid = check(read_all(s), data)
    sender.join()
    print(f"uid={uid} bytes={len(data)}", flush=True)


def tell(path):
    ask(path, told=True)


def many(path, n):
    data = os.urandom(3000)
    failed = []

    def one():
        try:
            s = connect(path)
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            check(read_all(s), data)
        except Exception as e:  # pylint: disable=broad-except
            failed.append(e)

    threads = [threading.Thread(target=one) for _ in range(int(n))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(f"{n} asked, {len(failed)} failed {failed[:3]}", flush=True)


def mute(path):
    s = listen(path)
    kept = []
    while True:
        kept.append(s.accept()[0])


def slow(mute_path, path):
    s = connect(mute_path)
    s.settimeout(1)
    sent = 0
    try:
        while True:
            sent += s.send(bytes(65536))
    except TimeoutError:
        pass
    print("filled" if sent > 65536 else "not filled", flush=True)
    ask(path)


def lost(path):
    try:
        s = connect(path)
        s.sendall(b"x")
        print("end" if s.recv(1) == b"" else "data", flush=True)
    except OSError as e:
        print(e.strerror, flush=True)


def as_user(uid, path):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    os.setgroups([])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    try:
        ask(path)
    except OSError as e:
        print(e.strerror, flush=True)
    os._exit(0)  # pylint: disable=protected-access


def wait(path):
    while not os.path.exists(path):
        time.sleep(0.1)


def hold(path, n):
    kept = [connect(path) for _ in range(int(n))]
    print(f"holding {len(kept)}", flush=True)
    time.sleep(1000)


def to_vmm(port):
    s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    s.settimeout(TIMEOUT)
    try:
        s.bind((socket.VMADDR_CID_ANY, port))
        s.connect((socket.VMADDR_CID_HOST, 1025))
    except OSError as e:
        s.close()
        return None if e.errno == errno.ECONNRESET else to_vmm(port + 1)
    return s


def heads(slot, share):
    old = struct.pack("<QIIII", share, 0, 0, 0, slot)
    yield old
    for key in (bytes(16), b"\xff" * 16, os.urandom(16), struct.pack("<4I", slot, slot, slot, slot)):
        yield key + old
        yield old + key
        yield key + struct.pack("<QIIII", share, 0, 1000, 1000, slot)
    yield b""


def gets(s, words=b""):
    """Whether there is an answer, or nothing: a server that only listens was reached too. An end is what shall come."""
    try:
        if words:
            s.sendall(words)
            s.shutdown(socket.SHUT_WR)
        return s.recv(1) != b""
    except TimeoutError:
        return True
    except OSError as e:
        if e.errno not in (errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE):
            raise
        return False
    finally:
        s.close()


def break_in(share):
    print("unprivileged port:", "connected" if to_vmm(5000) else "refused", flush=True)
    forms = [head for slot in (0, 1, 2, 3, 9) for head in heads(slot, int(share))]
    # A port each: what is late of a connection would end the next one there.
    answers = sum(gets(to_vmm(500 + i), head + bytes(64)) for i, head in enumerate(forms))
    print(f"{len(forms)} tried, {answers} answered", flush=True)
    silent = [to_vmm(700 + i) for i in range(100)]
    print("silent", flush=True)
    print(f"{len(silent)} ended, {sum(gets(s) for s in silent)} answered", flush=True)


COMMANDS = {"serve": serve, "ask": ask, "tell": tell, "as": as_user, "many": many, "mute": mute, "slow": slow, "lost": lost,
            "wait": wait, "hold": hold, "break-in": break_in}


def main(args):
    while args:
        end = args.index("---") if "---" in args else len(args)
        COMMANDS[args[0]](*args[1:end])
        args = args[end + 1:]


main(sys.argv[1:])
