#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""shim-call.py ADDRESS METHOD [ID] - one call to a shim; prints the answer's texts, one a line.
shim-call.py ADDRESS Create ID BUNDLE SECONDS TYPE SOURCE OPTIONS - with one mount; the caller waits for so long.
A METHOD that ends with Sandbox is the Sandbox service's."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import ttrpc  # noqa: E402

address, method, args = sys.argv[1], sys.argv[2], sys.argv[3:]
payload = ttrpc.field(1, args[0]) if args else b""
seconds = 0
if method == "Create":
    kind, source, options = args[3:]
    mount = ttrpc.field(1, kind) + ttrpc.field(2, source) + b"".join(ttrpc.field(4, o) for o in options.split(","))
    payload += ttrpc.field(2, args[1]) + ttrpc.field(3, mount)
    seconds = int(args[2])
service = "containerd.runtime.sandbox.v1.Sandbox" if method.endswith("Sandbox") else ttrpc.TASK
s = ttrpc.connect(re.sub("^unix://", "", address))
s.sendall(ttrpc.frame(1, ttrpc.request(method, payload, service, seconds)))
for text in re.findall(rb"[ -~]{4,}", ttrpc.answer(s, 1)):
    print(text.decode())
print("answered")
