#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""hanging-files.py FOLDER - a FUSE file system whose server takes every question and answers none: who asks cannot be
killed while this runs. Prints "ready" when it is mounted."""
import ctypes
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0"
if libc.mount(b"hanging", sys.argv[1].encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
print("ready", flush=True)
while True:
    length, opcode, unique = struct.unpack_from("<IIQ", os.read(fd, 1 << 20))
    # FUSE_INIT alone is answered (linux/fuse.h): protocol 7.31, nothing of what can be had.
    if opcode == 26:
        body = struct.pack("<IIIIHHIIHH32x", 7, 31, 0, 0, 0, 0, 4096, 0, 0, 0)
        os.write(fd, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
