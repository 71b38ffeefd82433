"""What strangers' files and names can do here: nothing but fail with a clear error."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib

import pytest


def workers(server):
    """Process numbers of the jobs' processes of a server."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == server.process.pid:
            found.append(int(entry.parent.name))
    return found


def wait_for_worker(server, job, timeout_s=60, started=True):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (server.job(job["id"])["progress"]["frame"] > 0 or not started) and workers(server):
            return workers(server)[0]
        time.sleep(0.02)
    raise AssertionError("the job does not start")


class Bait:
    """Listens on a port of this machine and counts who comes."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self.listen, daemon=True).start()
        return self

    def listen(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.visits += 1

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize(
    "name",
    ["../../../etc/cron.d/x.png", "..\\..\\x.png", "/etc/passwd", ".", "..", "a\nb.png", "a\"b;c.png", "x" * 3000 + ".png",
     "\u202egnp.exe", "CON", "-rf.png", "%2e%2e%2fx.png"],
)  # fmt: skip
def test_names(server, tiny_png, name):
    answer = server.request("POST", "/v1/image/upscale", params={"name": name, "wait": "1"}, data=tiny_png)
    assert answer.status_code == 200, answer.text
    job = server.get("/v1/jobs?limit=1").json()["jobs"][0]
    for text in (job["input"]["name"], job["result"]["name"]):
        assert text and "/" not in text and "\\" not in text and "\n" not in text and not text.startswith(".")
        assert len(text.encode()) <= 255
    assert sorted(path.name for path in (server.state / "jobs" / job["id"]).iterdir()) == ["input", "work"]
    assert "\n" not in answer.headers["Content-Disposition"] and "/" not in answer.headers["Content-Disposition"].split("filename*")[0]


def test_names_in_a_form(server, tiny_png):
    job = server.upscale(tiny_png, "image", "../../up.png")
    assert server.wait(job["id"])["result"]["name"] == "up_2x.png"


@pytest.mark.parametrize("path", ["/v1/jobs/../../etc/passwd", "/v1/jobs/%2e%2e/result", "/..%2f..%2fetc/passwd", "/v1/jobs/" + "A" * 32,
                                  "/v1/jobs/" + "0" * 31 + "/", "//etc/passwd", "/v1/jobs/" + "0" * 32 + "/../x"])  # fmt: skip
def test_paths(server, path):
    host = server.url.removeprefix("http://")
    done = subprocess.run(["curl", "-sS", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", f"http://{host}{path}", "-H",
                           f"X-Session-Key: {server.key}"], stdout=subprocess.PIPE, check=True, timeout=30)  # fmt: skip
    assert done.stdout == b"404"


def test_a_link_in_the_place_of_a_result(server, tiny_png):
    job = server.wait(server.upscale(tiny_png, name="a.png")["id"])
    [result] = (server.state / "jobs" / job["id"] / "work").iterdir()
    result.unlink()
    result.symlink_to("/etc/passwd")
    answer = server.get(job["result"]["url"])
    assert answer.status_code == 410 and b"root:" not in answer.content


def playlists(port):
    web = f"http://127.0.0.1:{port}/bait"
    for url in ("/etc/passwd", "file:///etc/passwd", web, f"concat:/etc/passwd|{web}", "subfile,,start,0,end,0,,:/etc/passwd"):
        yield f"m3u8 {url}", f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\n{url}\n#EXT-X-ENDLIST\n".encode()
        yield f"concat {url}", f"ffconcat version 1.0\nfile '{url}'\n".encode()
        yield f"mpd {url}", (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>'
            f'<AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>{url}</BaseURL></Representation>'
            "</AdaptationSet></Period></MPD>"
        ).encode()  # fmt: skip
    yield "sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video %d RTP/AVP 96\na=rtpmap:96 H264/90000\n" % port
    yield "svg", f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="{web}"/><image xlink:href="file:///etc/passwd"/></svg>'.encode()
    yield "mvg", b"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 9,9 '/etc/passwd'\npop graphic-context\n"
    yield "text", pathlib.Path("/etc/passwd").read_bytes()
    yield "vapoursynth", b"import vapoursynth as vs\nimport os\nos.system('touch /tmp/pwned')\n"
    yield "avisynth", f'AviSource("{web}")\n'.encode()


def test_playlists_and_scripts(server):
    """Nothing that a file names is opened, neither on the disk nor over the network."""
    with Bait() as bait:
        jobs = []
        for what, data in playlists(bait.port):
            for kind in ("video", "image"):
                jobs.append((what, kind, server.upscale(data, kind, what.split()[0].split("/")[0] + ".bin")["id"]))
        for what, kind, id in jobs:
            job = server.wait(id)
            assert job["state"] == "failed", f"{what} as {kind}: {job}"
            detail = job["error"]["detail"]
            assert detail and "root:" not in detail and "\n" not in detail and str(server.state) not in detail, detail
        assert bait.visits == 0


def test_pictures_are_no_videos(server, tiny_png):
    """A picture would be a video to FFmpeg, and its numbered neighbours too."""
    job = server.wait(server.upscale(tiny_png, "video", "a001.png")["id"])
    assert job["state"] == "failed" and job["error"]["status"] == 415


def png_bomb(side):
    """A PNG of side x side pixels, one bit each, in some KiB."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side // 8)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_bombs(server):
    bomb = png_bomb(20000)
    assert len(bomb) < 200000
    job = server.wait(server.upscale(bomb, name="bomb.png")["id"])
    assert job["state"] == "failed" and "more than the limit of 100000000" in job["error"]["detail"]
    claims = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    job = server.wait(server.upscale(claims + bytes(100), name="claims.png")["id"])
    assert job["state"] == "failed"


@pytest.mark.parametrize("cut", [1, 40, 30000])
def test_cut_files(server, samples, cut):
    for name in ("butterfly.png", "crystal.mp4", "spinner.gif"):
        job = server.upscale((samples / name).read_bytes()[:cut], name=name, model="pipersr-x2-fast")
        job = server.wait(job["id"])
        assert job["state"] in ("failed", "done") and (job["error"] is None) == (job["state"] == "done")


def test_the_worker_is_shut_in(server, samples):
    job = server.upscale(samples / "crystal.mp4")
    pid = wait_for_worker(server, job)
    facts = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    server.request("DELETE", f"/v1/jobs/{job['id']}")
    sandbox = server.get("/v1/status").json()["sandbox"]
    if sandbox["seccomp"]:
        assert facts["Seccomp"] == "2"
    assert facts["NoNewPrivs"] == "1"
    assert "Max core file size        0                    0" in limits
    assert server.key.encode() not in environment


@pytest.mark.parametrize("number, word", [(signal.SIGSEGV, "crashed"), (signal.SIGKILL, "killed"), (signal.SIGABRT, "crashed")])
def test_a_crash_ends_one_job(server, samples, tiny_png, number, word):
    job = server.upscale(samples / "crystal.mp4")
    os.kill(wait_for_worker(server, job), number)
    job = server.wait(job["id"])
    assert job["state"] == "failed" and word in job["error"]["detail"], job
    assert server.wait(server.upscale(tiny_png, name="a.png")["id"])["state"] == "done"


def test_a_hang_ends_one_job(make_server, samples, tiny_png):
    server = make_server("--stall-time", 8).start()
    job = server.upscale(samples / "crystal.mp4")
    os.kill(wait_for_worker(server, job, started=False), signal.SIGSTOP)
    job = server.wait(job["id"])
    assert job["state"] == "failed" and "no progress" in job["error"]["detail"]
    assert server.wait(server.upscale(tiny_png, name="a.png")["id"])["state"] == "done"


def test_time_and_memory_of_a_job(make_server, samples):
    server = make_server("--job-time", 1, "--threads", 1).start()
    job = server.wait(server.upscale(samples / "crystal.mp4", scale="4")["id"])
    assert job["state"] == "failed" and "longer than is allowed" in job["error"]["detail"]
    server.stop()
    server = make_server("--job-memory", "64M").start()
    job = server.wait(server.upscale(samples / "crystal.mp4", scale="4")["id"])
    assert job["state"] == "failed" and job["error"]["detail"], job


def test_workers_end_with_the_server(make_server, samples):
    server = make_server().start()
    job = server.upscale(samples / "crystal.mp4")
    pid = wait_for_worker(server, job)
    server.kill()
    deadline = time.monotonic() + 10
    while pathlib.Path(f"/proc/{pid}").exists() and "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_worker_is_for_the_server_alone(program):
    done = subprocess.run([program, "job-worker"], input=b'{"kind":"image","input":"/etc/passwd","work":"/tmp","name":"x","parent":1}',
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)  # fmt: skip
    assert done.returncode == 2 and done.stdout == b"" and b"for the server alone" in done.stderr


def test_malformed_forms(server):
    bodies = [b"", b"--x", b"--x\r\n\r\n", b"--x--\r\n", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc',
              b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--\r\n", b"\x00" * 1000,
              b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 100000 + b'"\r\n\r\nabc\r\n--x--\r\n',
              b'--x\r\nContent-Disposition: form-data; name="crf"\r\n\r\n' + b"1" * 100000 + b"\r\n--x--\r\n",
              b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--x\r\n'
              b'Content-Disposition: form-data; name="file"; filename="b"\r\n\r\nb\r\n--x--\r\n']  # fmt: skip
    for body in bodies:
        answer = server.request("POST", "/v1/video/upscale", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status_code in (400, 413, 422), (body[:80], answer.text)
    answer = server.request("POST", "/v1/video/upscale", data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400
    assert not list((server.state / "incoming").iterdir())
