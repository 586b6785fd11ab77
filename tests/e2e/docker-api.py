#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docker-api.py SOCKET exits IMAGE COUNT - by Docker's API: so many containers of nestbox in a row, and as many processes of
exec, each with a status and an output of its own that have to come back whole.

docker-api.py SOCKET together IMAGE COUNT - so many containers of nestbox that are started at the same time, all run before the
first one ends, and end at a signal with a status and an output of their own.

docker-api.py SOCKET times IMAGE COUNT RUNTIME… - milliseconds of create, start and wait of a container that runs `true`,
by runtime, in alternation: lines for tests/bench/report."""
import http.client
import json
import socket
import sys
import threading
import time


class Docker(http.client.HTTPConnection):
    def __init__(self, path, at_once=1):
        """A call may take two minutes, and as many times half a minute as calls are made at once."""
        super().__init__("localhost", timeout=120 + 30 * at_once)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        self.request(method, "/v1.41" + path, json.dumps(body) if body is not None else None,
                     {"Content-Type": "application/json"})
        answer = self.getresponse()
        data = answer.read()
        assert answer.status < 400, (method, path, answer.status, data)
        return data

    def run(self, image, command, runtime):
        """Status and output, and the milliseconds until the status was there."""
        begin = time.monotonic()
        made = json.loads(self.call("POST", "/containers/create", {
            "Image": image, "Cmd": command, "HostConfig": {"Runtime": runtime, "NetworkMode": "none"}}))
        name = "/containers/" + made["Id"]
        self.call("POST", name + "/start")
        status = json.loads(self.call("POST", name + "/wait"))["StatusCode"]
        spent = (time.monotonic() - begin) * 1000
        text = unframe(self.call("GET", name + "/logs?stdout=1&stderr=1"))
        self.call("DELETE", name)
        return status, text, spent

    def exec(self, container, command):
        made = json.loads(self.call("POST", f"/containers/{container}/exec", {
            "Cmd": command, "AttachStdout": True, "AttachStderr": True}))
        # The stream ends the connection.
        text = unframe(Docker(self.path).call("POST", f"/exec/{made['Id']}/start", {"Detach": False}))
        return json.loads(self.call("GET", f"/exec/{made['Id']}/json"))["ExitCode"], text


def unframe(frames):
    text = b""
    while frames:
        length = int.from_bytes(frames[4:8], "big")
        text += frames[8:8 + length]
        frames = frames[8 + length:]
    return text


def each(count, work):
    """work(i) for all of them at the same time; what it returned, by number."""
    done = {}

    def one(i):
        done[i] = work(i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == count, f"{count - len(done)} of {count} failed"
    return done


def together(path, image, count):
    def make(i):
        docker = Docker(path, count)
        made = json.loads(docker.call("POST", "/containers/create", {
            "Image": image, "HostConfig": {"Runtime": "nestbox", "NetworkMode": "none", "Memory": 64 << 20},
            "Cmd": ["sh", "-c", f"trap 'seq {i} 3000; exit {i + 1}' USR1; echo up; sleep 10000 & wait"]}))
        docker.call("POST", f"/containers/{made['Id']}/start")
        return "/containers/" + made["Id"]

    def logs(docker, name):
        return unframe(docker.call("GET", name + "/logs?stdout=1&stderr=1"))

    def end(i):
        docker = Docker(path, count)
        docker.call("POST", names[i] + "/kill?signal=USR1")
        status = json.loads(docker.call("POST", names[i] + "/wait"))["StatusCode"]
        text = logs(docker, names[i])
        docker.call("DELETE", names[i])
        return status, text

    begin = time.monotonic()
    names = each(count, make)
    docker = Docker(path)
    until = time.monotonic() + 120 + 30 * count
    for name in names.values():
        while logs(docker, name) != b"up\n":
            assert time.monotonic() < until, "no output"
            time.sleep(0.2)
    assert json.loads(docker.call("GET", "/info"))["ContainersRunning"] == count
    up = time.monotonic()
    for i, (status, text) in each(count, end).items():
        wanted = "up\n" + "".join(f"{n}\n" for n in range(i, 3001))
        assert (status, text) == (i + 1, wanted.encode()), (i, status, len(text), len(wanted))
    print(f"{count} containers: up after {up - begin:.1f} s, ended after {time.monotonic() - up:.1f} s")


def main():
    docker = Docker(sys.argv[1])
    what, image, count = sys.argv[2], sys.argv[3], int(sys.argv[4])
    if what == "exits":
        made = json.loads(docker.call("POST", "/containers/create", {
            "Image": image, "Cmd": ["sleep", "1000"], "HostConfig": {"Runtime": "nestbox", "NetworkMode": "none"}}))
        docker.call("POST", f"/containers/{made['Id']}/start")
        for i in range(count):
            command = ["sh", "-c", f"seq {i} 3000; exit {i + 1}"]
            wanted = (i + 1, "".join(f"{n}\n" for n in range(i, 3001)).encode())
            found = docker.run(image, command, "nestbox")[:2]
            assert found == wanted, (i, found[0], len(found[1]), len(wanted[1]))
            found = docker.exec(made["Id"], command)
            assert found == wanted, ("exec", i, found[0], len(found[1]), len(wanted[1]))
        docker.call("DELETE", f"/containers/{made['Id']}?force=1")
        return
    if what == "together":
        together(sys.argv[1], image, count)
        return
    for i in range(count + 1):
        for runtime in sys.argv[5:]:
            spent = docker.run(image, ["true"], runtime)[2]
            if i:  # the first one warms caches
                print("docker", runtime, "ms", f"{spent:.0f}", sep="\t")


main()
