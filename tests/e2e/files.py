#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""files.py posix|confined|tree - runs inside a container, as root, on the folder /share: asserts what
root expects of a POSIX file system, one "ok" line a group."""
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import sys

SHARE = "/share"


def refused(code, function, *args, **kwargs):
    """The call fails with that errno."""
    try:
        function(*args, **kwargs)
    except OSError as e:
        assert e.errno == code, f"{function.__name__}{args}: {e}, not {errno.errorcode[code]}"
        return
    raise AssertionError(f"{function.__name__}{args} succeeded")


def write(name, data=b""):
    with open(name, "wb") as f:
        f.write(data)


def as_user(uid, function, groups=()):
    """Runs the function in a child with that uid; its assertion errors are ours."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups(list(groups))
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            function()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0, f"{function.__name__} as {uid}"


def owners_and_modes():
    write("owned")
    os.chown("owned", 1234, 5678)
    os.chmod("owned", 0o4751)
    st = os.stat("owned")
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (1234, 5678, 0o4751)
    write("setid")
    os.chmod("setid", 0o6755)
    os.chown("setid", 5, 5)  # chown takes set-id bits away
    assert stat.S_IMODE(os.stat("setid").st_mode) == 0o755
    os.mkdir("group")
    os.chown("group", 0, 77)
    os.chmod("group", 0o2775)
    write("group/inherits")
    os.mkdir("group/sub")
    assert os.stat("group/inherits").st_gid == 77
    assert os.stat("group/sub").st_gid == 77 and os.stat("group/sub").st_mode & stat.S_ISGID


def permissions():
    write("private", b"data")
    os.chmod("private", 0o600)
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    write("sticky/mine")

    def user():
        refused(errno.EACCES, open, "private")
        refused(errno.EPERM, os.unlink, "sticky/mine")
        write("sticky/own")
        assert os.stat("sticky/own").st_uid == 1000
        refused(errno.EPERM, os.chown, "sticky/own", 0, 0)
        refused(errno.EACCES, write, "at-root")

    os.chmod(".", 0o755)
    as_user(1000, user)


def umask_and_create():
    old = os.umask(0o027)
    os.close(os.open("masked", os.O_CREAT | os.O_WRONLY, 0o666))
    os.mkdir("masked-dir", 0o777)
    os.umask(old)
    assert stat.S_IMODE(os.stat("masked").st_mode) == 0o640
    assert stat.S_IMODE(os.stat("masked-dir").st_mode) == 0o750
    refused(errno.EEXIST, os.open, "masked", os.O_CREAT | os.O_EXCL)
    fd = os.open("readonly-create", os.O_CREAT | os.O_RDWR, 0o444)
    assert os.write(fd, b"x") == 1  # the mode is for later opens
    os.close(fd)


def hard_links():
    write("one", b"1")
    os.link("one", "two")
    assert os.stat("one").st_nlink == 2 and os.stat("one").st_ino == os.stat("two").st_ino
    os.unlink("one")
    assert open("two", "rb").read() == b"1" and os.stat("two").st_nlink == 1
    refused(errno.EPERM, os.link, "group", "group2")


def symlinks():
    os.symlink("some/where", "link")
    assert os.readlink("link") == "some/where"
    refused(errno.ENOENT, open, "link")
    os.symlink("two", "good")
    assert open("good", "rb").read() == b"1"
    refused(errno.ELOOP, os.open, "good", os.O_NOFOLLOW)
    os.symlink("loop", "loop")
    refused(errno.ELOOP, open, "loop")
    os.lchown("link", 9, 9)
    assert os.lstat("link").st_uid == 9
    os.symlink("x" * 4000, "long-link")
    assert os.readlink("long-link") == "x" * 4000


def renames():
    os.makedirs("from/deep")
    write("from/deep/file", b"f")
    os.rename("from", "to")
    assert open("to/deep/file", "rb").read() == b"f"
    write("target", b"old")
    write("source", b"new")
    held = open("target", "rb")
    os.rename("source", "target")
    assert open("target", "rb").read() == b"new" and held.read() == b"old"
    refused(errno.EINVAL, os.rename, "to", "to/deep/below")
    refused(errno.ENOTEMPTY, os.rename, "group", "to")
    refused(errno.EISDIR, os.rename, "target", "to")
    libc = ctypes.CDLL(None, use_errno=True)
    write("left", b"l")
    write("right", b"r")
    at = -100
    assert libc.renameat2(at, b"left", at, b"right", 2) == 0  # RENAME_EXCHANGE
    assert open("left", "rb").read() == b"r" and open("right", "rb").read() == b"l"
    assert libc.renameat2(at, b"left", at, b"right", 1) == -1 and ctypes.get_errno() == errno.EEXIST


def unlinked_but_open():
    fd = os.open("gone", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"still here")
    os.unlink("gone")
    assert os.pread(fd, 100, 0) == b"still here" and os.fstat(fd).st_nlink == 0
    os.ftruncate(fd, 5)
    os.fchmod(fd, 0o600)
    assert os.fstat(fd).st_size == 5
    os.close(fd)
    os.mkdir("dir-gone")
    d = os.open("dir-gone", os.O_RDONLY)
    os.rmdir("dir-gone")
    refused(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=d)
    os.close(d)


def xattrs():
    write("tagged")
    os.setxattr("tagged", "user.colour", b"blue")
    assert os.getxattr("tagged", "user.colour") == b"blue"
    assert "user.colour" in os.listxattr("tagged")
    refused(errno.EEXIST, os.setxattr, "tagged", "user.colour", b"red", os.XATTR_CREATE)
    refused(errno.ENODATA, os.getxattr, "tagged", "user.shape")
    refused(errno.ENODATA, os.removexattr, "tagged", "user.shape")
    os.setxattr("tagged", "user.gone", b"x")
    os.removexattr("tagged", "user.gone")
    assert "user.gone" not in os.listxattr("tagged")


def tmpfile():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(fd, b"unnamed")
    libc = ctypes.CDLL(None, use_errno=True)
    assert os.fstat(fd).st_nlink == 0
    assert libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"named", 0x400) == 0, ctypes.get_errno()
    os.close(fd)
    assert open("named", "rb").read() == b"unnamed"


def allocation():
    fd = os.open("space", os.O_CREAT | os.O_RDWR)
    os.posix_fallocate(fd, 0, 1 << 20)
    st = os.fstat(fd)
    assert st.st_size == 1 << 20 and st.st_blocks * 512 >= 1 << 20
    os.pwrite(fd, b"x" * 8192, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    assert libc.fallocate(fd, 3, 0, 4096) == 0, ctypes.get_errno()  # PUNCH_HOLE | KEEP_SIZE
    assert os.pread(fd, 1, 0) == b"\0" and os.pread(fd, 1, 4096) == b"x"
    os.ftruncate(fd, 10)
    assert os.fstat(fd).st_size == 10
    os.close(fd)


def sparse():
    fd = os.open("sparse", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"end", 10_000_000_000 - 2)
    assert os.fstat(fd).st_size == 10_000_000_001 and os.fstat(fd).st_blocks < 1000
    assert os.lseek(fd, 0, os.SEEK_DATA) > 1_000_000_000
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    assert os.pread(fd, 3, 10_000_000_000 - 2) == b"end"
    os.close(fd)


def locks():
    a = os.open("locked", os.O_CREAT | os.O_RDWR)
    b = os.open("locked", os.O_RDWR)
    fcntl.flock(a, fcntl.LOCK_EX)
    refused(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(a, fcntl.LOCK_UN)
    fcntl.lockf(a, fcntl.LOCK_EX, 10, 0)
    pid = os.fork()
    if pid == 0:
        c = os.open("locked", os.O_RDWR)
        try:
            fcntl.lockf(c, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
            os._exit(1)
        except OSError:
            fcntl.lockf(c, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50)
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def mappings():
    write("mapped", b"a" * 10000)
    with open("mapped", "r+b") as f:
        shared = mmap.mmap(f.fileno(), 0)
        shared[5000:5003] = b"xyz"
        shared.flush()
        private = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE)
        private[0:1] = b"p"
        assert f.read(1) == b"a"
    assert open("mapped", "rb").read()[4999:5004] == b"axyza"
    with open("program", "wb") as f:
        f.write(b"#!/bin/sh\nexit 3\n")
    os.chmod("program", 0o755)
    assert os.waitstatus_to_exitcode(os.system("./program")) == 3


def long_names():
    name = "n" * 255
    write(name, b"long")
    assert name in os.listdir(".") and open(name, "rb").read() == b"long"
    refused(errno.ENAMETOOLONG, write, "n" * 256)
    write("ünïcødé 文", b"u")
    os.unlink(name)
    write(b"\xff\xfe not utf-8")
    assert b"\xff\xfe not utf-8" in os.listdir(b".")


def special_files():
    os.mkfifo("fifo")
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert stat.S_ISCHR(os.stat("null").st_mode) and os.stat("null").st_rdev == os.makedev(1, 3)
    pid = os.fork()
    if pid == 0:
        with open("fifo", "w") as f:
            f.write("through")
        os._exit(0)
    with open("fifo") as f:
        assert f.read() == "through"
    os.waitpid(pid, 0)
    import socket
    s = socket.socket(socket.AF_UNIX)
    s.bind("socket")
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect("socket")


def times():
    write("timed")
    os.utime("timed", ns=(1_500_000_000_123_456_789, 1_400_000_000_987_654_321))
    st = os.stat("timed")
    assert (st.st_atime_ns, st.st_mtime_ns) == (1_500_000_000_123_456_789, 1_400_000_000_987_654_321)
    write("timed", b"again")
    assert os.stat("timed").st_mtime_ns > 1_500_000_000_000_000_000


def append_and_truncate():
    write("log", b"1")
    a = os.open("log", os.O_WRONLY | os.O_APPEND)
    b = os.open("log", os.O_WRONLY | os.O_APPEND)
    os.write(a, b"2")
    os.write(b, b"3")
    os.write(a, b"4")
    assert open("log", "rb").read() == b"1234"
    os.close(os.open("log", os.O_WRONLY | os.O_TRUNC))
    assert os.stat("log").st_size == 0


def big_folders():
    os.mkdir("big")
    for i in range(3000):
        write(f"big/entry-with-a-rather-long-name-{i:06d}")
    names = os.listdir("big")
    assert len(names) == 3000 == len(set(names))
    # Removing while reading finds every entry.
    with os.scandir("big") as entries:
        for e in entries:
            os.unlink(e.path)
    assert os.listdir("big") == []
    os.rmdir("big")


def copies():
    data = os.urandom(3_000_000)
    write("original", data)
    a, b = os.open("original", os.O_RDONLY), os.open("copied", os.O_CREAT | os.O_RDWR)
    done = 0
    while done < len(data):
        n = os.copy_file_range(a, b, len(data) - done)
        assert n > 0
        done += n
    assert os.pread(b, len(data), 0) == data
    os.fsync(b)
    assert os.statvfs(".").f_bsize > 0


def posix():
    os.chdir(SHARE)
    for group in (owners_and_modes, permissions, umask_and_create, hard_links, symlinks, renames, unlinked_but_open,
                  xattrs, tmpfile, allocation, sparse, locks, mappings, long_names, special_files, times,
                  append_and_truncate, big_folders, copies):
        group()
        print("ok", group.__name__, flush=True)


def confined():
    os.chdir(SHARE)
    for name in ("away/secret", "file", "up"):
        refused(errno.ENOENT, open, name)
        refused(errno.ENOENT, os.stat, name)
    refused(errno.ENOENT, write, "away/new")
    refused(errno.EEXIST, os.mkdir, "away")
    assert not os.path.exists("../outside")
    assert os.path.samefile("..", "/")
    print("ok confined")


def tree():
    count = 0
    for folder, _, files in os.walk(SHARE):
        for name in files:
            os.stat(os.path.join(folder, name))
            count += 1
    print(count, "files")


{"posix": posix, "confined": confined, "tree": tree}[sys.argv[1]]()
