#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""fast-exits.py COUNT NESTBOX ROOT (exec ID | run BUNDLE) - runs /fast COUNT times, each time with other numbers, and
compares every byte of stdout and stderr and the exit status; prints how long one took in the middle.

/fast SIZE SEED END writes SIZE bytes to stdout and SIZE / 2 to stderr and ends at once: with status END, or by signal
END - 128. Sizes go from nothing to more than a pipe and a stream's window hold."""
import json
import os
import statistics
import subprocess
import sys
import time

SIZES = (0, 1, 100, 3, 4096, 4097, 20, 65536, 7, 65537, 1, 300000)
ENDS = (0, 1, 3, 255, 128 + 9, 42, 128 + 15, 254, 128 + 11, 126)


def pattern(size, seed):
    """What /fast writes: the same 251 bytes over and over, from the seed on."""
    ring = bytes((seed + i) % 251 for i in range(251))
    return (ring * (size // 251 + 1))[:size]


def command(base, words):
    """The command line of one run; for `run` the words go into the bundle's config.json."""
    if base[3] == "exec":
        return base + words
    path = os.path.join(base[5], "config.json")
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    config["process"]["args"] = words
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    return base + ["fast"]


def main(count, nestbox, root, kind, where):
    base = [nestbox, "--root", root, kind] + ([where] if kind == "exec" else ["--bundle", where])
    times, wrong = [], 0
    for i in range(count):
        size, seed, end = SIZES[i % len(SIZES)], i % 251, ENDS[i % len(ENDS)]
        argv = command(base, ["/fast", str(size), str(seed), str(end)])
        begin = time.monotonic()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        times.append(time.monotonic() - begin)
        if (done.returncode, done.stdout, done.stderr) != (end, pattern(size, seed), pattern(size // 2, seed)):
            wrong += 1
            print(f"{kind} {i}: status {done.returncode} for {end}; {len(done.stdout)} bytes for {size},"
                  f" {len(done.stderr)} for {size // 2}: {done.stderr[-200:]!r}")
    print(f"{kind}: {count} exits, {wrong} wrong, {statistics.median(times) * 1000:.0f} ms each, {sum(times):.0f} s")
    return 1 if wrong else 0


sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
