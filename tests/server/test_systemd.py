"""The units of systemd, and sockets that a parent opened: tests play systemd, and systemd's own tool does too."""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
from server_process import PROGRAM

BUILD = pathlib.Path(os.environ.get("PIPERSR_BUILD", PROGRAM.parent))
UNITS = BUILD / "packaging"


def listen(family=socket.AF_INET, address=("127.0.0.1", 0)):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind(address)
    sock.listen(64)
    return sock


class Activated:
    """`pipersr serve` with descriptors from 3 on, as systemd starts it."""

    def __init__(self, state, descriptors, *options, prepare=None, command=None):
        self.state = state
        moves = "".join(f"exec {10 + i}<&{fd}; " for i, fd in enumerate(descriptors))
        moves += "".join(f"exec {3 + i}<&{10 + i} {10 + i}<&-; " for i in range(len(descriptors)))
        script = f'{moves}LISTEN_PID=$$ LISTEN_FDS={len(descriptors)} LISTEN_FDNAMES=pipersr.socket exec "$@"'
        command = command or [str(PROGRAM), "serve", "--state", str(state), *options]
        self.errors = open(state.with_suffix(".stderr"), "ab")
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command], pass_fds=descriptors, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=prepare,
        )  # fmt: skip

    def lines(self):
        """What it says until it is ready."""
        said = []
        for line in self.process.stdout:
            said.append(line.rstrip("\n"))
            if line.startswith("open in a browser"):
                break
        return said

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.errors.close()
        return status

    def said(self):
        return self.state.with_suffix(".stderr").read_text()


def key_of(state):
    return {"X-Session-Key": (state / "key").read_text().strip()}


def test_sockets_of_both_kinds_are_taken_over(tmp_path, tiny_png):
    path = tmp_path / "socket"
    tcp, local = listen(), listen(socket.AF_UNIX, str(path))
    port = tcp.getsockname()[1]
    server = Activated(tmp_path / "state", [tcp.fileno(), local.fileno()])
    said = server.lines()
    assert f"listening on http://127.0.0.1:{port}" in said and f"listening on {path}" in said
    link = said[-1].partition(": ")[2]
    page = requests.get(link, timeout=30)
    assert page.status_code == 200 and "<html" in page.text
    answer = requests.post(
        f"http://127.0.0.1:{port}/v1/image/upscale?wait=1", headers=key_of(server.state), timeout=60,
        files={"file": ("a.png", tiny_png)},
    )  # fmt: skip
    assert answer.status_code == 200 and answer.content.startswith(b"\x89PNG")
    curl = ["curl", "-sS", "--unix-socket", path, "http://localhost/v1/status", "-H",
            f"X-Session-Key: {key_of(server.state)['X-Session-Key']}"]  # fmt: skip
    assert b'"version"' in subprocess.run(curl, stdout=subprocess.PIPE, check=True).stdout
    assert server.end() == 0
    assert path.exists(), "systemd's socket was removed"


def links_of_child(parent):
    """What the open descriptors of a job's process are, once it is a program of its own."""
    own = pathlib.Path(f"/proc/{parent}/cmdline").read_bytes()
    for _ in range(1000):
        tasks = pathlib.Path(f"/proc/{parent}/task").iterdir()
        for pid in [pid for task in tasks for pid in (task / "children").read_text().split()]:
            try:
                if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() not in (own, b""):
                    return [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            except FileNotFoundError:
                pass
        time.sleep(0.005)
    raise AssertionError("no job's process was seen")


def test_what_waits_in_the_socket_outlasts_the_server(tmp_path, tiny_mp4):
    """systemd keeps the socket: between a kill and the next start clients wait, and are not refused."""
    tcp = listen()
    url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
    key_file = tmp_path / "fixed"
    server = Activated(tmp_path / "state", [tcp.fileno()], "--key-file", str(key_file))
    server.lines()
    headers = key_of(server.state)
    job = requests.post(
        f"{url}/v1/video/upscale", headers=headers, files={"file": ("a.mp4", tiny_mp4)}, timeout=60
    ).json()
    links = links_of_child(server.process.pid)
    assert not any(link.startswith("socket:") for link in links), links
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(requests.get(f"{url}/v1/jobs/{job['id']}", headers=headers, timeout=60))
    )
    waiting.start()
    time.sleep(0.3)
    assert not answers
    server = Activated(tmp_path / "state", [tcp.fileno()], "--key-file", str(key_file))
    server.lines()
    waiting.join(timeout=60)
    assert answers[0].status_code == 200 and answers[0].json()["id"] == job["id"]
    with requests.get(f"{url}/v1/jobs/{job['id']}/events", headers=headers, stream=True, timeout=60) as events:
        assert b"event: done" in events.content
    assert server.end() == 0


def test_open_sockets_need_a_key(tmp_path):
    """A unit may say 0.0.0.0: the rule of --listen holds for it."""
    tcp = listen(address=("0.0.0.0", 0))
    server = Activated(tmp_path / "state", [tcp.fileno()])
    assert server.process.wait(timeout=30) == 2
    assert "lets other machines in" in server.said()
    server = Activated(tmp_path / "state", [tcp.fileno()], "--key", "k" * 32)
    assert server.lines()[-1].startswith("open in a browser")
    assert "other machines can reach this server" in server.said()
    assert server.end() == 0


@pytest.mark.parametrize("kind", ["file", "datagram", "not_listening"])
def test_what_is_no_listening_socket_is_refused(tmp_path, kind):
    thing = {
        "file": lambda: open(tmp_path / "a", "w+"),
        "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "not_listening": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    }[kind]()
    with thing:
        server = Activated(tmp_path / "state", [thing.fileno()])
        assert server.process.wait(timeout=30) not in (0, 2)
    assert "descriptor 3 is no listening socket" in server.said()


def test_sockets_for_another_process_are_left_alone(make_server):
    server = make_server(environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"}).start()
    assert server.get("/v1/status").status_code == 200


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is not here")
def test_systemd_socket_activate(tmp_path):
    with listen() as free:
        port = free.getsockname()[1]
    activator = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", str(PROGRAM), "serve", "--state", str(tmp_path / "state")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/v1/status", timeout=30)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        assert answer.status_code == 401
        answer = requests.get(f"http://127.0.0.1:{port}/v1/status", headers=key_of(tmp_path / "state"), timeout=30)
        assert answer.status_code == 200
    finally:
        activator.terminate()
        assert activator.wait(timeout=60) == 0


# ------------------------------------------------------------------------------------------- units


def unit(name):
    """The unit's settings, as {key: last value}; its ExecStart runs the program under test."""
    text = (UNITS / name).read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("service,manager", [("pipersr.service", "--system"), ("pipersr-user.service", "--user")])
def test_units_are_valid(tmp_path, service, manager):
    text = (UNITS / service).read_text()
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", text, flags=re.MULTILINE)
    (tmp_path / "pipersr.service").write_text(text)
    socket_unit = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "pipersr.socket"
    shutil.copy(socket_unit, tmp_path)
    (tmp_path / "runtime").mkdir(mode=0o700)
    done = subprocess.run(
        ["systemd-analyze", manager, "verify", "--man=no", tmp_path / "pipersr.service", tmp_path / "pipersr.socket"],
        capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "runtime")},
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "pipersr" in line]
    assert done.returncode == 0 and not said, done.stderr


def deny_write_execute():
    """What MemoryDenyWriteExecute= does, with what else a child of systemd finds."""
    PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0 and ctypes.get_errno() != 22:
        raise OSError(ctypes.get_errno(), "prctl")
    os.chdir("/")
    os.umask(0o077)


@pytest.mark.parametrize("name", ["pipersr.service", "pipersr-user.service"])
def test_the_units_command_does_jobs(tmp_path, name, samples, tiny_mp4, monkeypatch):
    """The command line of the unit, under its ban of memory that is written and executed, in the folder /."""
    settings = unit(name)
    assert settings["MemoryDenyWriteExecute"] == "yes" and settings["UMask"] == "0077"
    state = tmp_path / ".local" / "state" / "pipersr"
    state.parent.mkdir(parents=True)
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    words = settings["ExecStart"].replace("${STATE_DIRECTORY}", str(state)).replace("%h", str(tmp_path)).split()
    assert words[0].endswith("/bin/pipersr")
    tcp = listen()
    url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
    server = Activated(state, [tcp.fileno()], prepare=deny_write_execute, command=[str(PROGRAM), *words[1:]])
    assert server.lines()[-1].startswith(f"open in a browser, once: {url}/")
    headers = key_of(state)
    assert (state / "session-key").read_text().strip() == headers["X-Session-Key"]
    assert (state / "session-key").stat().st_mode & 0o777 == 0o600
    for kind, file in (("image", ("a.png", (samples / "badge.png").read_bytes())), ("video", ("a.mp4", tiny_mp4))):
        answer = requests.post(f"{url}/v1/{kind}/upscale?wait=1", headers=headers, timeout=120, files={"file": file})
        assert answer.status_code == 200, answer.text
    assert server.end() == 0
