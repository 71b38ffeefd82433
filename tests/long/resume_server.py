#!/usr/bin/env python3
"""Kills a server three times in the middle of a long video job and shows where the job goes on.

usage: resume_server.py

The job is cut into segments of 2000 frames (docs/video.md). After a kill behind a segment's end the next server must
begin behind it, and the whole result must have all frames. Exit status 1 if not.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "server"))

from server_process import FINISHED, Server  # noqa: E402

FRAMES, SEGMENT = 4500, 2000
KILLED_AT = (2100, 3000, 4100)


def main():
    with tempfile.TemporaryDirectory(prefix="pipersr-resume-") as folder:
        clip = pathlib.Path(folder) / "long.mp4"
        source = f"testsrc2=size=48x32:rate=30:duration={FRAMES / 30}"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(clip)], check=True)
        server = Server(pathlib.Path(folder) / "state").start()
        job = server.upscale(clip, model="pipersr-x2-fast")
        kills, begun = list(KILLED_AT), []
        while job["state"] not in FINISHED:
            job = server.job(job["id"])
            frame = job["progress"]["frame"]
            if frame and len(begun) < len(KILLED_AT) + 1 - len(kills):
                begun.append(frame)
            if kills and frame >= kills[0]:
                kills.pop(0)
                server.kill()
                server.start()
            time.sleep(0.05)
        server.stop()
    expected = [0, *(killed // SEGMENT * SEGMENT for killed in KILLED_AT)]
    print(f"{len(KILLED_AT)} kills; the job went on at frames {begun}; {job['state']}, {job['result'] and job['result']['frames']} frames")
    went_on = len(begun) == len(expected) and all(0 <= at - least < SEGMENT for at, least in zip(begun, expected))
    return 0 if went_on and job["state"] == "done" and job["result"]["frames"] == FRAMES else 1


if __name__ == "__main__":
    sys.exit(main())
