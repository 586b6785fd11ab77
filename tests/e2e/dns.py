#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""dns.py ADDRESS ANSWER [FURTHER] - a name server at ADDRESS:53, UDP and TCP: every name is ANSWER,
but what begins with "far" is asked of FURTHER."""
import select
import socket
import sys


def answer(query):
    if further and query[12:16] == b"\3far":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(query, (further, 53))
            return s.recv(4096)
    end = query.index(b"\0", 12) + 5
    return (query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] +
            b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(result))


address, result = sys.argv[1:3]
further = sys.argv[3] if len(sys.argv) > 3 else None
family = socket.AF_INET6 if ":" in address else socket.AF_INET
udp = socket.socket(family, socket.SOCK_DGRAM)
tcp = socket.socket(family, socket.SOCK_STREAM)
udp.bind((address, 53))
tcp.bind((address, 53))
tcp.listen()
while True:
    for s in select.select([udp, tcp], [], [])[0]:
        if s is udp:
            query, client = udp.recvfrom(4096)
            try:
                udp.sendto(answer(query), client)
            except OSError:
                pass
        else:
            connection, _ = tcp.accept()
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                reply = answer(connection.recv(length))
                connection.sendall(len(reply).to_bytes(2, "big") + reply)
