"""A server of the program under test, with a state folder of its own, and requests to it."""

import os
import pathlib
import signal
import subprocess
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("PIPERSR", ROOT / "build" / "pipersr"))
FINISHED = ("done", "failed", "cancelled")


class Server:
    """`pipersr serve` with options of its own; start() and kill() as often as a test likes.

    `url`, `key` and `link` (the page's, good once) are what it printed at the last start. `session` is a
    requests.Session that sends the key.
    """

    def __init__(self, state, *options, environment=None):
        self.state = pathlib.Path(state)
        self.options = [str(option) for option in options]
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.url = self.key = self.link = None
        self.lines = []
        self.session = None

    def start(self, timeout_s=30, prepare=None):
        """Starts it on a free port and waits until it answers; `prepare` is called in its process before."""
        command = [str(PROGRAM), "serve", "--state", str(self.state), *self.options]
        if not any(option.startswith(("--port", "--unix")) for option in self.options):
            command += ["--port", "0"]
        self.errors = open(self.state.with_suffix(".stderr"), "ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=self.environment,
            preexec_fn=prepare,
        )  # fmt: skip
        self.lines = []
        self.url = self.key = self.link = None
        deadline = time.monotonic() + timeout_s
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            name, _, value = self.lines[-1].partition(": ")
            if name.startswith("listening on http"):
                self.url = name.removeprefix("listening on ") + (": " + value if value else "")
            elif name == "session key":
                self.key = value if " " not in value else None
            elif name.startswith("open in a browser"):
                self.link = value
                break
            assert time.monotonic() < deadline, "the server does not say where it is"
        if self.link is None and not self.lines:
            self.process.wait()
            raise AssertionError(f"the server ended: {self.said()}")
        if self.key is None:
            self.key = (self.state / "key").read_text().strip()
        self.session = requests.Session()
        self.session.headers["X-Session-Key"] = self.key
        return self

    def said(self):
        """What it has written to standard error since the state folder was made."""
        return self.state.with_suffix(".stderr").read_text(errors="replace")

    def end(self, number):
        if self.process is None:
            return None
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.errors.close()
        self.process = None
        if self.session:
            self.session.close()
        return status

    def stop(self):
        """SIGTERM; the exit status."""
        return self.end(signal.SIGTERM)

    def kill(self):
        """SIGKILL."""
        return self.end(signal.SIGKILL)

    # ------------------------------------------------------------------------------- requests

    def request(self, method, path, timeout=120, **arguments):
        return self.session.request(method, self.url + path, timeout=timeout, **arguments)

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def upscale(self, file, kind=None, name=None, **fields):
        """POSTs the file (a path, or bytes with a name) as a form; the job's document."""
        answer = self.post(file, kind, name, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def post(self, file, kind=None, name=None, headers=None, **fields):
        data = file if isinstance(file, bytes) else pathlib.Path(file).read_bytes()
        name = name or pathlib.Path(file).name
        kind = kind or ("video" if name.endswith((".mp4", ".mkv", ".mov", ".webm")) else "image")
        return self.request("POST", f"/v1/{kind}/upscale", files={"file": (name, data)}, data=fields, headers=headers)

    def job(self, id):
        answer = self.get(f"/v1/jobs/{id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, id, timeout_s=120):
        """The job's document when it has ended."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            job = self.job(id)
            if job["state"] in FINISHED:
                return job
            time.sleep(0.05)
        raise AssertionError(f"job {id} did not end: {job}")

    def events(self, path, method="GET", headers=None, timeout=120, **arguments):
        """Yields (event, id, data as text) of a stream of server-sent events, and (None, None, comment)."""
        headers = dict(headers or {}, Accept="text/event-stream")
        with self.request(method, path, headers=headers, stream=True, timeout=timeout, **arguments) as answer:
            assert answer.status_code == 200, answer.text
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            event = number = data = None
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                field, _, value = line.partition(": ")
                if line.startswith(":"):
                    yield None, None, line[1:].strip()
                elif field == "event":
                    event = value
                elif field == "id":
                    number = int(value)
                elif field == "data":
                    data = value
                elif not line and data is not None:
                    yield event, number, data
                    event = number = data = None
