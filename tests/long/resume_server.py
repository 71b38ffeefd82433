#!/usr/bin/env python3
"""Kills a server in the middle of long video jobs and compares what comes out with what no kill interrupted.

usage: resume_server.py

A job is cut into segments of 2000 frames (docs/video.md). After a kill behind a segment's end the next server must
begin behind it, and the whole result must have the packets and times of that of a job that ran in one go: without
options, and with those that change which frames there are and what they look like. Exit status 1 if not.
"""

import hashlib
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))

from server_process import FINISHED, Server  # noqa: E402

SEGMENT = 2000
FPS = 30
# Options of jobs, and the frames that they leave of a clip of so many seconds.
PLAIN = ({}, lambda seconds: seconds * FPS)
CUT = (
    {"start": "1.5", "to": "0:02:28", "pix-fmt": "yuv420p10le", "max-height": "48", "deinterlace": "yes", "codec": "hevc",
     "preset": "ultrafast", "crf": "24", "strict": "true", "no-reuse": "true", "encoder-threads": "1", "strip": "true"},
    lambda seconds: int((min(seconds, 148) - 1.5) * FPS),
)  # fmt: skip
FOUR_TIMES = ({"start": "2", "duration": "0:02:15", "format": "mkv", "max-height": "40", "allow-lossy": "depth", "scale": "4"},
              lambda seconds: int(min(seconds - 2, 135) * FPS))  # fmt: skip


def make_clip(path, seconds):
    """Small pictures that move, in two fields, with sound."""
    source = f"testsrc2=size=48x32:rate={FPS}:duration={seconds}"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", f"sine=duration={seconds}", "-vf",
                    "setfield=tff", "-c:v", "libx264", "-flags", "+ildct+ilme", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
                    "-c:a", "aac", "-y", str(path)], check=True)  # fmt: skip


def packets(server, job):
    """Times, sizes and hashes of all packets: Matroska files have numbers of their own that are never the same."""
    file = server.get(job["result"]["url"]).content
    command = ["ffmpeg", "-v", "error", "-i", "-", "-map", "0", "-c", "copy", "-f", "framehash", "-"]
    if job["result"]["name"].endswith(".mp4"):
        return hashlib.sha256(file).hexdigest()
    return subprocess.run(command, input=file, stdout=subprocess.PIPE, check=True).stdout


def run(folder, clip, frames, options, killed_at):
    """The frames at which the job began, and what was wrong as lines."""
    folder = pathlib.Path(folder)
    started = time.monotonic()
    server = Server(folder / "state").start()
    options = {"model": "pipersr-x2-fast", **options}
    try:
        job = server.upscale(clip, **options)
        kills, begun, wrong = list(killed_at), [], []
        while job["state"] not in FINISHED:
            job = server.job(job["id"])
            frame = job["progress"]["frame"]
            if frame and len(begun) < len(killed_at) + 1 - len(kills):
                begun.append(frame)
                # Frames that an earlier process has made are not this one's speed.
                if frame > SEGMENT and job["progress"]["fps"] > 0.5 * frame / (time.monotonic() - started):
                    wrong.append(f"at frame {frame} the speed is said to be {job['progress']['fps']}")
            if kills and frame >= kills[0]:
                kills.pop(0)
                server.kill()
                started = time.monotonic()
                server.start()
            time.sleep(0.02)
        if job["state"] != "done":
            return begun, [f"the job is {job['state']}: {job['error']}"]
        expected = [0, *(killed // SEGMENT * SEGMENT for killed in killed_at)]
        if kills or len(begun) != len(expected) or any(not 0 <= at - least < SEGMENT for at, least in zip(begun, expected)):
            wrong.append(f"the job went on at frames {begun}, not behind {expected}")
        if job["result"]["frames"] != frames:
            wrong.append(f"{job['result']['frames']} frames, not {frames}")
        whole = server.wait(server.upscale(clip, **options)["id"], 600)
        if whole["state"] != "done" or packets(server, whole) != packets(server, job):
            wrong.append(f"a job without kills makes another file: {whole['result']}, not {job['result']}")
    finally:
        server.stop()
    return begun, wrong


def main():
    bad = 0
    with tempfile.TemporaryDirectory(prefix="pipersr-resume-") as folder:
        clip, seconds = pathlib.Path(folder) / "long.mp4", 150
        make_clip(clip, seconds)
        for number, ((options, frames), killed_at) in enumerate([(PLAIN, (2100, 3000, 4100)), (CUT, (500, 2300, 4200)),
                                                                  (FOUR_TIMES, (1000, 2050))]):  # fmt: skip
            (pathlib.Path(folder) / str(number)).mkdir()
            begun, wrong = run(pathlib.Path(folder) / str(number), clip, frames(seconds), options, killed_at)
            print(f"{len(killed_at)} kills; went on at frames {begun}; {frames(seconds)} frames; {options or 'no options'}: "
                  + ("; ".join(wrong) or "the same as without kills"))  # fmt: skip
            bad += bool(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
