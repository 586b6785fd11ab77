#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docker-api.py SOCKET exits IMAGE COUNT - by Docker's API: so many containers of nestbox in a row, and as many processes of
exec, each with a status and an output of its own that have to come back whole.

docker-api.py SOCKET times IMAGE COUNT RUNTIME… - milliseconds of create, start, wait and removal of a container that
runs `true`, by runtime, in alternation."""
import http.client
import json
import socket
import statistics
import sys
import time


class Docker(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
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
    spent = {runtime: [] for runtime in sys.argv[5:]}
    for i in range(count + 1):
        for runtime, times in spent.items():
            times.append(docker.run(image, ["true"], runtime)[2])
    for runtime, times in spent.items():
        times = times[1:]  # the first one warms caches
        print(f"{runtime} {statistics.median(times):.0f} {min(times):.0f} {max(times):.0f}")


main()
