# SPDX-License-Identifier: MIT
"""A peer's process as compare.py sees it: it answers, is stopped while others run, and is held to a memory limit."""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

WORKER = pathlib.Path(__file__).with_name("worker.py")
_POLL_S = 0.05


class PeerFailure(Exception):
    """The peer cannot do this job. The text is what the table says."""


class PeerProcess:
    """Use as a context; leaving it ends the process. Not running unless it is asked something."""

    def __init__(self, job, memory_limit_kib, time_limit_s, log):
        self.memory_limit_kib, self.time_limit_s = memory_limit_kib, time_limit_s
        environment = dict(os.environ, OMP_NUM_THREADS=str(job["threads"]))
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        self.peak_kib = 0
        try:
            self.opened = self.ask(job)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, order):
        """Sends one line, returns the answer. The process is stopped again before this returns."""
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its end says why, below
        answer = self._wait_for_answer()
        self.process.send_signal(signal.SIGSTOP)
        if "error" in answer:
            raise PeerFailure(answer["error"])
        return answer

    def _wait_for_answer(self):
        deadline_s = time.monotonic() + self.time_limit_s
        while not select.select([self.process.stdout], [], [], _POLL_S)[0]:
            self._look_at_memory()
            if time.monotonic() > deadline_s:
                raise PeerFailure(f"no answer within {self.time_limit_s} s")
        self._look_at_memory()
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            raise PeerFailure("killed: out of memory" if status == -signal.SIGKILL else f"ended with status {status}")
        return json.loads(line)

    def _look_at_memory(self):
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
                sizes = dict(line.split(":", 1) for line in file)
        except OSError:
            return
        self.peak_kib = max(self.peak_kib, int(sizes.get("VmHWM", "0").split()[0]))
        if int(sizes.get("VmRSS", "0").split()[0]) > self.memory_limit_kib:
            raise PeerFailure(f"out of memory: over {self.memory_limit_kib / 2**20:.1f} GiB")
