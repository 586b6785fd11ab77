#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""view.py PID read|write|run PATH... - what a caller does that enters a container's mount namespace by its pid.

Each PATH's outcome is a line: "PATH: " and its text (read), "written" (write), "it ran" (run), or the error."""
import errno
import os
import subprocess
import sys

CLONE_NEWNS = 0x20000


def act(verb, path):
    if verb == "run":
        subprocess.run([path, "true"], check=True)
        return "it ran"
    if verb == "write":
        with open(path, "w", encoding="utf-8") as f:
            f.write("from outside\n")
        return "written"
    if os.path.isdir(path):
        return " ".join(sorted(os.listdir(path)))
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def main():
    pid, verb, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/mnt", "rb") as ns:
        if libc.setns(ns.fileno(), CLONE_NEWNS):
            sys.exit(os.strerror(ctypes.get_errno()))
    for path in paths:
        try:
            print(f"{path}: {act(verb, path)}")
        except OSError as e:
            print(f"{path}: {errno.errorcode[e.errno]}")


main()
