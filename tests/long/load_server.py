#!/usr/bin/env python3
"""Many clients at once: event streams, questions after the status, uploads, and clients that dawdle.

usage: load_server.py [--streams N] [--pollers N] [--seconds S] [--uploads N] [--slow N] [--p99-ms MS] [--growth SHARE]

While two videos are upscaled, streams follow all events and pollers ask for /v1/status twice a second each; dawdlers
send a header a second. Then so many uploads come at once. Prints errors, the distribution of the status' times, and
the server's memory before, during and after. Exit status 1 for any error: an answer or a stream that failed, a video
that ended before the clients did, a server that died or said a word on standard error, 99 of 100 status answers that
took longer than --p99-ms (50; 0: as long as they like), memory that stays larger by more than --growth (0.25) of what
it was.
"""

import argparse
import asyncio
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))

from server_process import Server  # noqa: E402


def resident_kib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


class Load:
    def __init__(self, server):
        self.host, port = server.url.removeprefix("http://").split(":")
        self.port = int(port)
        self.key = server.key
        self.errors, self.times, self.events, self.slow_ended = [], [], 0, 0

    def head(self, method, path, more=""):
        return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {self.key}\r\n{more}\r\n".encode()

    async def answer(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        return int(head.split()[1]), await reader.readexactly(length)

    async def poll(self, until, number):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        await asyncio.sleep(number * 0.5 / 100 % 0.5)
        while time.monotonic() < until:
            started = time.perf_counter()
            writer.write(self.head("GET", "/v1/status"))
            status, _ = await self.answer(reader)
            self.times.append(time.perf_counter() - started)
            if status != 200:
                self.errors.append(f"status answered {status}")
            await asyncio.sleep(0.5)
        writer.close()

    async def follow(self, until):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(self.head("GET", "/v1/events"))
        if b" 200 " not in await reader.readline():
            self.errors.append("a stream was refused")
        while time.monotonic() < until:
            try:
                line = await asyncio.wait_for(reader.readline(), until - time.monotonic() + 0.1)
            except asyncio.TimeoutError:
                break
            if not line:
                self.errors.append("a stream ended")
                break
            self.events += line.startswith(b"event: ")
        writer.close()

    async def dawdle(self, until):
        """Ended by the server sooner or later, which is no error."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(b"GET /v1/status HTTP/1.1\r\n")
        try:
            while time.monotonic() < until:
                writer.write(b"X-Slow: 1\r\n")
                await writer.drain()
                await asyncio.sleep(1)
        except (ConnectionError, OSError):
            self.slow_ended += 1
        writer.close()

    async def upload(self, data):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(self.head("POST", "/v1/image/upscale?name=a.png&model=pipersr-x2-fast", f"Content-Length: {len(data)}\r\n") + data)
        status, body = await self.answer(reader)
        if status != 202:
            self.errors.append(f"an upload got {status}: {body[:200]}")
        writer.close()

    async def guarded(self, work):
        try:
            await work
        except (OSError, asyncio.IncompleteReadError, StopIteration) as error:
            self.errors.append(repr(error))

    async def run(self, options):
        until = time.monotonic() + options.seconds
        await asyncio.gather(
            *(self.guarded(self.follow(until)) for _ in range(options.streams)),
            *(self.guarded(self.poll(until, number)) for number in range(options.pollers)),
            *(self.guarded(self.dawdle(until)) for _ in range(options.slow)),
        )

    async def run_uploads(self, data, count):
        await asyncio.gather(*(self.guarded(self.upload(data)) for _ in range(count)))


def make_long_clip(path):
    """The sample a hundred times over: it outlasts the clients on any machine."""
    subprocess.run(["ffmpeg", "-v", "error", "-stream_loop", "99", "-i", str(ROOT / "samples" / "crystal.mp4"), "-c", "copy", str(path)],
                   check=True)  # fmt: skip


def load(server, clip, options):
    """(the load, upload seconds, resident memory before, during and after in KiB)"""
    # What the first job of each kind leaves in the server's memory is there before and after.
    server.wait(server.upscale(ROOT / "samples" / "crystal.mp4", model="pipersr-x2-fast")["id"])
    jobs = [server.upscale(clip, model="pipersr-x2-fast")["id"] for _ in range(2)]
    while any(server.job(id)["progress"]["frame"] == 0 for id in jobs):
        time.sleep(0.1)
    load = Load(server)
    before = resident_kib(server)
    asyncio.run(load.run(options))
    during = resident_kib(server)
    load.errors += [f"job {id} is {state}" for id in jobs if (state := server.job(id)["state"]) != "running"]
    started = time.perf_counter()
    asyncio.run(load.run_uploads((ROOT / "samples" / "butterfly.png").read_bytes(), options.uploads))
    upload_s = time.perf_counter() - started
    for job in server.get("/v1/jobs?limit=1000").json()["jobs"]:
        server.request("DELETE", f"/v1/jobs/{job['id']}")
    time.sleep(2)
    return load, upload_s, (before, during, resident_kib(server))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--pollers", type=int, default=100)
    parser.add_argument("--slow", type=int, default=50)
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--p99-ms", type=float, default=50)
    parser.add_argument("--growth", type=float, default=0.25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipersr-load-") as folder:
        clip = pathlib.Path(folder) / "long.mp4"
        make_long_clip(clip)
        server = Server(pathlib.Path(folder) / "state", "--max-rate", 1000000, "--max-running", 2, "--max-queued", 200).start()
        try:
            done, upload_s, (before, during, after) = load(server, clip, options)
        finally:
            status = server.stop()
        if status != 0 or server.said():
            done.errors.append(f"the server ended with exit status {status}: {server.said()}")
    times = sorted(done.times) or [float("inf")]
    at = {share: 1000 * times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.9, 0.99, 1.0)}
    if options.p99_ms and at[0.99] > options.p99_ms:
        done.errors.append(f"/v1/status: p99 is {at[0.99]:.1f} ms, more than {options.p99_ms:g} ms")
    if after > before * (1 + options.growth):
        done.errors.append(f"the server's memory grew from {before} to {after} KiB")
    print(*done.errors[:20], sep="\n", end="\n" if done.errors else "")
    print(f"{options.streams} streams ({done.events} events), {options.pollers} pollers, {options.slow} dawdlers "
          f"({done.slow_ended} ended), {options.seconds:.0f} s, two videos running")  # fmt: skip
    print(f"/v1/status {len(done.times)} times: " + ", ".join(f"p{share * 100:g} {ms:.1f} ms" for share, ms in at.items()))
    print(f"{options.uploads} uploads at once: {upload_s:.2f} s")
    print(f"resident memory: {before} KiB before, {during} under load, {after} after")
    print(f"{len(done.errors)} errors")
    return 1 if done.errors else 0


if __name__ == "__main__":
    sys.exit(main())
