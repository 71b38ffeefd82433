#!/usr/bin/env python3
"""Stops a server with SIGTERM at random moments, in the midst of clients that come and go as they like.

usage: stop_server.py [--stops N] [--seed N] [--clients N]

Clients follow events, post pictures and clips, wait for results, send half a body, ask for previews, cancel and remove
jobs, call MCP tools, and break off at any point. Each stop must end with exit status 0 and without a word on standard
error, and the next server must start on the same folder. Meant for builds with sanitizers as well: their reports are
words on standard error. Exit status 1, with what was said, if anything went wrong.
"""

import argparse
import json
import pathlib
import random
import signal
import socket
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "long"))
sys.path.insert(0, str(ROOT / "tests" / "server"))

from kill_server import small_inputs  # noqa: E402
from server_process import Server  # noqa: E402


class Client(threading.Thread):
    """Does one thing after another on connections of its own, and leaves before the answer is out as often as not."""

    def __init__(self, server, inputs, seed):
        super().__init__()
        self.server, self.inputs, self.choice = server, inputs, random.Random(seed)
        self.running, self.ids, self.uploads, self.answers = True, [], [], 0

    def run(self):
        deeds = [self.status, self.follow, self.post, self.post_and_wait, self.post_and_follow, self.cut_body, self.result,
                 self.remove, self.upload, self.preview, self.call_tool]  # fmt: skip
        while self.running:
            try:
                self.choice.choice(deeds)()
            except (OSError, ValueError, IndexError, AttributeError):
                time.sleep(0.01)  # the server is down, or has no job yet

    def exchange(self, method, path, body=b"", headers="", cut=None):
        """Sends a request, its last bytes excepted with `cut`, and reads as much of the answer as it likes."""
        host, port = self.server.url.removeprefix("http://").split(":")
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Session-Key: {self.server.key}\r\n{headers}"
        if body:
            head += f"Content-Length: {len(body)}\r\n"
        data = head.encode() + b"\r\n" + body
        patience_s = self.choice.choice([0, 0.02, 0.2, 1])
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(data[: len(data) - (cut or 0)])
            answer, until = b"", time.monotonic() + patience_s
            while time.monotonic() < until:
                connection.settimeout(max(0.01, until - time.monotonic()))
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        if answer.startswith(b"HTTP/1.1 "):
            self.answers += 1
        return json.loads(answer.partition(b"\r\n\r\n")[2]) if b"/json\r\n" in answer else {}

    def send_file(self, query="", headers="", cut=None):
        kind, name, data = self.choice.choice(self.inputs)
        answer = self.exchange("POST", f"/v1/{kind}/upscale?name={name}&model=pipersr-x2-fast{query}", data, headers, cut)
        if "id" in answer:
            self.ids = [*self.ids[-20:], answer["id"]]

    def status(self):
        self.exchange("GET", self.choice.choice(["/v1/status", "/metrics", "/v1/jobs", "/v1/models", "/"]))

    def follow(self):
        one = f"/v1/jobs/{self.choice.choice(self.ids)}/events" if self.ids else "/v1/events"
        self.exchange("GET", self.choice.choice(["/v1/events", one]))

    def post(self):
        self.send_file()

    def post_and_wait(self):
        self.send_file("&wait=1")

    def post_and_follow(self):
        self.send_file("", "Accept: text/event-stream\r\n")

    def cut_body(self):
        self.send_file(cut=self.choice.randrange(1, 200))

    def result(self):
        self.exchange("GET", f"/v1/jobs/{self.choice.choice(self.ids)}/result")

    def remove(self):
        id = self.choice.choice(self.ids)
        method, path = self.choice.choice([("DELETE", f"/v1/jobs/{id}"), ("POST", f"/v1/jobs/{id}/cancel")])
        self.exchange(method, path)

    def upload(self):
        answer = self.exchange("POST", "/v1/uploads?name=b.mp4", self.inputs[-1][2])
        if "id" in answer:
            self.uploads = [*self.uploads[-5:], answer["id"]]

    def preview(self):
        side = self.choice.choice(["before", "after"])
        path = f"/v1/uploads/{self.choice.choice(self.uploads)}" if self.uploads else f"/v1/jobs/{self.choice.choice(self.ids)}"
        self.exchange("GET", f"{path}/preview?t=0.3&side={side}")

    def call_tool(self):
        name, arguments = self.choice.choice(
            [("models_list", {}), ("image_upscale", {"upload": self.choice.choice(self.uploads or [""])}),
             ("upscale_status", {"id": self.choice.choice(self.ids or [""])}),
             ("video_upscale", {"upload": self.choice.choice(self.uploads or [""]), "model": "pipersr-x2-fast"})]
        )  # fmt: skip
        version = "2026-07-28"
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": name, "arguments": arguments,
                           "_meta": {"progressToken": "p", "io.modelcontextprotocol/protocolVersion": version,
                                     "io.modelcontextprotocol/clientInfo": {"name": "stop_server", "version": "1"},
                                     "io.modelcontextprotocol/clientCapabilities": {}}}}  # fmt: skip
        self.exchange("POST", "/mcp", json.dumps(call).encode(),
                      "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
                      f"MCP-Protocol-Version: {version}\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n")  # fmt: skip


def run(folder, stops, seed, n_clients, longest_s=2.0):
    """Returns (answers that clients got, what went wrong as lines)."""
    folder, choice, wrong = pathlib.Path(folder), random.Random(seed), []
    server = Server(folder / "state", "--max-rate", 1000000, "--max-queued", 40, "--max-running", 2, "--drain", 1).start()
    inputs = small_inputs(folder)
    clients = [Client(server, inputs, seed + number) for number in range(n_clients)]
    try:
        for client in clients:
            client.start()
        for number in range(stops):
            time.sleep(choice.uniform(0.02, longest_s))
            server.process.send_signal(signal.SIGTERM)
            if choice.random() < 0.7:  # a second one ends the waiting for running jobs
                time.sleep(choice.uniform(0, 0.2))
            status = server.stop()
            said = server.said()
            if status != 0 or said:
                wrong.append(f"stop {number + 1} ended with exit status {status}: {said}")
                server.state.with_suffix(".stderr").write_text("")
            server.start()
            print(f"\rstop {number + 1}: {sum(each.answers for each in clients)} answers", end="", file=sys.stderr)
    finally:
        for client in clients:
            client.running = False
        for client in clients:
            client.join()
        if server.process:
            server.kill()
    print(file=sys.stderr)
    return sum(each.answers for each in clients), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipersr-stop-") as folder:
        answers, wrong = run(folder, options.stops, options.seed, options.clients)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{options.stops} stops, {answers} answers, {len(wrong)} went wrong")
    return 1 if wrong or not answers else 0


if __name__ == "__main__":
    sys.exit(main())
