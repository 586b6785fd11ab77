# SPDX-License-Identifier: Apache-2.0
"""libmount - what crun's tests ask of the Python binding, which Debian 12 does not package: a table read from a
mountinfo file, the topmost mount on a target, its options of the mount and of the file system."""
import re


def _unescaped(field):
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), field)


class Fs:
    """One line of mountinfo, as proc(5) describes it: optional fields end in a lone '-'."""

    def __init__(self, line):
        fields = line.split(" ")
        dash = fields.index("-", 6)
        self.id = int(fields[0])
        self.parent = int(fields[1])
        self.root = _unescaped(fields[3])
        self.target = _unescaped(fields[4])
        self.vfs_options = fields[5]
        self.fstype = fields[dash + 1]
        self.source = _unescaped(fields[dash + 2])
        self.fs_options = fields[dash + 3] if len(fields) > dash + 3 else ""


class Table:
    def __init__(self, path):
        # A terminal between the container and the file has put carriage returns in.
        with open(path, encoding="utf-8") as mountinfo:
            lines = [line.rstrip("\r\n") for line in mountinfo]
        self._mounts = [Fs(line) for line in lines if " - " in line]

    def find_target(self, target):
        for mount in reversed(self._mounts):
            if mount.target == target:
                return mount
        return None
