#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""ttrpc.py SOCKET - talks to a shim as nobody should, and as containerd does; every answer is awaited for 30 seconds
at most. Prints "ok" when all answers were right. A module as well, for those who talk as containerd does."""
import socket
import struct
import sys

TASK = "containerd.task.v2.Task"


def varint(n):
    data = b""
    while n > 0x7F:
        data += bytes([n & 0x7F | 0x80])
        n >>= 7
    return data + bytes([n])


def field(number, data):
    if isinstance(data, int):
        return bytes([number << 3]) + varint(data)
    data = data.encode() if isinstance(data, str) else data
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def request(method, payload=b"", service=TASK, seconds=0):
    return field(1, service) + field(2, method) + field(3, payload) + field(4, seconds * 10**9)


def frame(stream, payload, kind=1, length=None):
    return struct.pack(">IIBB", len(payload) if length is None else length, stream, kind, 0) + payload


def connect(path=None):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path or sys.argv[1])
    return s


def receive(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        assert more, "the connection ended"
        data += more
    return data


def answer(s, stream):
    """The next answer, which is that stream's."""
    length, got, kind, _ = struct.unpack(">IIBB", receive(s, 10))
    data = receive(s, length)
    assert (got, kind) == (stream, 2), (got, kind)
    return data


def code(s, stream):
    """The status code of the next answer; 0 without a status."""
    data = answer(s, stream)
    # Response{status=1{code=1}}: the first byte of the status is the code's tag.
    return data[3] if data[:1] == b"\x0a" and data[2:3] == b"\x08" else 0


def expect(s, stream, data, want):
    s.sendall(data)
    got = code(s, stream)
    assert got == want, f"stream {stream}: code {got}, not {want}"


INVALID, NOT_FOUND, EXHAUSTED, UNIMPLEMENTED = 3, 5, 8, 12


def main():
    s = connect()
    expect(s, 1, frame(1, b"\xff\xff\xff"), INVALID)
    expect(s, 2, frame(2, request("Connect")), INVALID)
    expect(s, 3, frame(3, request("NoSuchMethod")), UNIMPLEMENTED)
    expect(s, 5, frame(5, request("State", service="no.such.Service")), UNIMPLEMENTED)
    expect(s, 7, frame(7, request("State", b"\xff")), INVALID)
    expect(s, 9, frame(9, request("State", field(1, "nobody"))), NOT_FOUND)
    expect(s, 11, frame(11, request("Create", field(1, "../x") + field(2, "/tmp"))), INVALID)
    expect(s, 13, frame(13, request("Checkpoint", field(1, "x"))), UNIMPLEMENTED)
    # Data and answers are nobody's; the next request is served all the same.
    s.sendall(frame(15, b"x", kind=3) + frame(15, b"x", kind=2) + frame(15, b"", kind=99))
    expect(s, 15, frame(15, request("Connect", service="containerd.task.v3.Task")), 0)
    # One past the limit is skipped to its end; in two pieces, as it comes.
    s.sendall(frame(17, b"", length=(4 << 20) + 1))
    expect(s, 17, bytes((4 << 20) + 1), EXHAUSTED)
    expect(s, 19, frame(19, request("PingSandbox", service="containerd.runtime.sandbox.v1.Sandbox")), 0)
    # Many at once, and one that goes in the middle of its frame.
    s.sendall(b"".join(frame(n, request("Connect")) for n in range(21, 421, 2)))
    for n in range(21, 421, 2):
        assert code(s, n) == 0
    gone = connect()
    gone.sendall(frame(1, request("Connect"), length=1000))
    gone.close()
    idle = [connect() for _ in range(40)]  # more than are served
    for c in idle:
        c.close()
    expect(s, 421, frame(421, request("Connect")), 0)
    print("ok")


if __name__ == "__main__":
    main()
