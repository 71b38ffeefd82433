#!/usr/bin/env python3
"""Kills a server under load with SIGKILL at random moments and looks for what was lost.

usage: kill_server.py [--kills N] [--seed N] [--clients N]

Clients post small pictures and clips all the time and remember what was accepted (202) and what was done, with the
bytes of the result. After each kill the server is started again on the same folder. At the end every accepted job
must be there and come to its end as done, and every result that was seen must still have the same bytes.
Exit status 1, with a line for each, if anything was lost, or a server ended before it was killed.
"""

import argparse
import hashlib
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))

import requests  # noqa: E402
from server_process import Server  # noqa: E402


def small_inputs(folder):
    """A picture and a clip of which a job takes a moment, as (kind, name, bytes)."""
    from PIL import Image

    picture, clip = folder / "a.png", folder / "b.mp4"
    Image.radial_gradient("L").resize((48, 32)).convert("RGB").save(picture)
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-pix_fmt", "yuv420p",
                    "-y", str(clip)], check=True)  # fmt: skip
    return [("image", "a.png", picture.read_bytes()), ("video", "b.mp4", clip.read_bytes())]


class Clients:
    """Threads that post jobs and remember what they were told."""

    def __init__(self, server, inputs, count):
        self.server, self.inputs = server, inputs
        self.accepted, self.results = set(), {}
        self.lock = threading.Lock()
        self.running = True
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        choice = random.Random(number)
        while self.running:
            try:
                self.turn(choice)
            except (requests.RequestException, TypeError, AttributeError):
                time.sleep(0.05)  # the server is down, or just going down

    def turn(self, choice):
        url, headers = self.server.url, {"X-Session-Key": self.server.key}
        kind, name, data = choice.choice(self.inputs)
        answer = requests.post(f"{url}/v1/{kind}/upscale", files={"file": (name, data)}, data={"model": "pipersr-x2-fast"},
                               headers=headers, timeout=10)  # fmt: skip
        if answer.status_code == 202:
            with self.lock:
                self.accepted.add(answer.json()["id"])
        elif answer.status_code == 503:
            time.sleep(0.2)
        for job in requests.get(f"{url}/v1/jobs?state=done&limit=20", headers=headers, timeout=10).json().get("jobs", []):
            if job["id"] in self.results:
                continue
            result = requests.get(url + job["result"]["url"], headers=headers, timeout=10)
            if result.status_code == 200 and len(result.content) == job["result"]["bytes"]:
                with self.lock:
                    self.results.setdefault(job["id"], hashlib.sha256(result.content).hexdigest())

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()


def check(server, clients, timeout_s):
    """What was lost, as lines."""
    for id in sorted(clients.accepted):
        answer = server.get(f"/v1/jobs/{id}")
        if answer.status_code != 200:
            yield f"job {id} was accepted and is not there: {answer.status_code}"
            continue
        job = server.wait(id, timeout_s)
        if job["state"] != "done":
            yield f"job {id} was accepted and is {job['state']}: {job['error']}"
    for id, digest in clients.results.items():
        answer = server.get(f"/v1/jobs/{id}/result")
        if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != digest:
            yield f"the result of job {id} was there and is not the same any more: {answer.status_code}"


def run(folder, kills, seed, n_clients, longest_s=1.5):
    """Returns (accepted jobs, results seen, losses)."""
    folder = pathlib.Path(folder)
    choice, early = random.Random(seed), []
    server = Server(folder / "state", "--max-rate", 1000000, "--max-queued", 40, "--max-running", 2).start()
    clients = Clients(server, small_inputs(folder), n_clients)
    try:
        for number in range(kills):
            time.sleep(choice.uniform(0.02, longest_s))
            status = server.kill()
            if status != -signal.SIGKILL:
                early.append(f"before kill {number + 1} the server ended by itself, with {status}: {server.said()}")
            server.start()
            print(f"\rkill {number + 1}: {len(clients.accepted)} accepted, {len(clients.results)} results", end="", file=sys.stderr)
        clients.stop()
        print(file=sys.stderr)
        losses = early + list(check(server, clients, 600))
        strays = {path.name for path in (server.state / "jobs").iterdir()} - {
            job["id"] for offset in range(0, 20000, 1000) for job in server.get(f"/v1/jobs?limit=1000&offset={offset}").json()["jobs"]
        }
        losses += [f"folder {name} belongs to no job" for name in strays]
    finally:
        clients.stop()
        server.stop()
    return len(clients.accepted), len(clients.results), losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipersr-kill-") as folder:
        accepted, results, losses = run(folder, options.kills, options.seed, options.clients)
    print(*losses, sep="\n", end="\n" if losses else "")
    print(f"{options.kills} kills, {accepted} jobs accepted, {results} results seen, {len(losses)} lost")
    return 1 if losses or not accepted else 0


if __name__ == "__main__":
    sys.exit(main())
