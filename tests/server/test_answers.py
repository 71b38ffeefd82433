"""Answers in parts, streams that resume, keys of idempotency, limits, draining."""

import json
import resource
import socket
import subprocess
import threading
import time

import pytest


@pytest.fixture(scope="module")
def done_job(server, samples):
    return server.wait(server.upscale(samples / "badge.png")["id"])


def test_ranges(server, done_job):
    url = done_job["result"]["url"]
    whole = server.get(url)
    body, etag = whole.content, whole.headers["ETag"]
    size = len(body)
    for text, first, last in (("0-0", 0, 0), ("5-9", 5, 9), (f"{size - 3}-", size - 3, size - 1), ("-4", size - 4, size - 1),
                              (f"0-{size + 10}", 0, size - 1)):  # fmt: skip
        part = server.get(url, headers={"Range": f"bytes={text}"})
        assert part.status_code == 206 and part.content == body[first : last + 1]
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    outside = server.get(url, headers={"Range": f"bytes={size}-"})
    assert outside.status_code == 416 and outside.headers["Content-Range"] == f"bytes */{size}"
    for nonsense in ("bytes=9-5", "bytes=x-", "lines=0-1", "bytes=0-1,3-4", "bytes=99999999999999999999-"):
        assert server.get(url, headers={"Range": nonsense}).content == body
    assert server.get(url, headers={"If-None-Match": etag}).status_code == 304
    assert server.get(url, headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    assert server.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
    head = server.request("HEAD", url)
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == size and not head.content


def test_input_comes_back(server, done_job, samples):
    answer = server.get(f"/v1/jobs/{done_job['id']}/input")
    assert answer.content == (samples / "badge.png").read_bytes()


def test_events_of_a_finished_job(server, done_job):
    path = f"/v1/jobs/{done_job['id']}/events"
    events = [event for event in server.events(path) if event[0]]
    assert [name for name, _, _ in events] == ["done"]
    again = server.get(path, headers={"Last-Event-ID": str(events[0][1])})
    assert again.status_code == 204
    assert server.get("/v1/jobs/" + "0" * 32 + "/events").status_code == 404


def test_events_resume(server, samples):
    """What a client has seen is not told again."""
    job = server.upscale(samples / "crystal.mp4", model="pipersr-x2-fast")
    path = f"/v1/jobs/{job['id']}/events"
    stream = server.events(path)
    seen = [next(stream)[1] for _ in range(3)]
    stream.close()
    rest = [event for event in server.events(path, headers={"Last-Event-ID": str(seen[-1])}) if event[0]]
    assert min(number for _, number, _ in rest) > seen[-1] and rest[-1][0] == "done"
    server.request("DELETE", f"/v1/jobs/{job['id']}")


def test_events_of_all_jobs(server, tiny_png, done_job):
    seen, ready = [], threading.Event()

    def follow():
        for name, _, data in server.events("/v1/events"):
            seen.append((name, json.loads(data)["id"]))
            if name == "done":
                return

    follower = threading.Thread(target=follow)
    follower.start()
    time.sleep(0.5)
    ready.set()
    job = server.upscale(tiny_png, name="a.png")
    follower.join(timeout=60)
    assert seen[-1] == ("done", job["id"]) and done_job["id"] not in {id for _, id in seen}


def test_idempotency(server, tiny_png):
    headers = {"Idempotency-Key": "one-key"}
    first = server.post(tiny_png, "image", "a.png", headers=headers)
    second = server.post(tiny_png, "image", "a.png", headers=headers)
    assert first.status_code == second.status_code == 202 and first.json()["id"] == second.json()["id"]
    for change in ({"scale": "4"}, {"format": "webp"}):
        assert server.post(tiny_png, "image", "a.png", headers=headers, **change).status_code == 422
    assert server.post(tiny_png + b"x", "image", "a.png", headers=headers).status_code == 422
    assert server.post(tiny_png, "video", "a.png", headers=headers).status_code == 422
    assert server.post(tiny_png, "image", "a.png", headers={"Idempotency-Key": "x" * 300}).status_code == 400


@pytest.mark.parametrize("as_form", [False, True])
def test_idempotency_of_an_upload(make_server, tiny_png, as_form):
    """The first job takes the upload; the second request finds the job all the same, after a restart too."""
    server = make_server().start()

    def send(upload, key, **options):
        fields = {"upload": upload, **options}
        forms = {"files": {name: (None, value) for name, value in fields.items()}} if as_form else {"params": fields}
        return server.request("POST", "/v1/image/upscale", headers={"Idempotency-Key": key}, **forms)

    upload, other = (
        server.request("POST", "/v1/uploads", files={"file": (name, tiny_png)}).json()["id"] for name in ("a.png", "b.png")
    )
    first = send(upload, "key")
    assert first.status_code == 202, first.text
    assert server.get(f"/v1/uploads/{upload}").status_code == 404
    again = send(upload, "key")
    assert again.status_code == 202 and again.headers["Location"] == first.headers["Location"], again.text
    assert send(upload, "another key").status_code == 404
    assert send(other, "key").status_code == send(upload, "key", scale="4").status_code == 422
    assert server.get(f"/v1/uploads/{other}").status_code == 200
    job = server.wait(first.json()["id"])
    assert send(upload, "key").json() == job
    server.kill()
    server.start()
    assert send(upload, "key").json()["id"] == job["id"]
    assert server.get("/v1/jobs").json()["total"] == 1


def test_idempotency_in_flight(server, tiny_png):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            f"POST /v1/image/upscale?name=a.png HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {server.key}\r\n"
            f"Idempotency-Key: slow\r\nContent-Length: {len(tiny_png)}\r\n\r\n".encode()
        )
        time.sleep(0.3)
        answer = server.post(tiny_png, "image", "a.png", headers={"Idempotency-Key": "slow"})
        assert answer.status_code == 409 and answer.headers["Retry-After"]
        slow.sendall(tiny_png)
        assert slow.recv(12) == b"HTTP/1.1 202"


def test_limits_say_which(make_server, samples, tiny_png, tiny_mp4):
    server = make_server(
        "--max-upload", "200K", "--max-queued", 2, "--max-pixels", 3000, "--max-duration", 1, "--max-disk", "600K", "--threads", 1
    ).start()  # fmt: skip
    large = server.post(samples / "butterfly.png")
    assert large.status_code == 413 and "limit upload size" in large.json()["detail"]
    pixels = server.wait(server.upscale(samples / "badge.png")["id"])
    assert pixels["state"] == "failed" and "limit of 3000" in pixels["error"]["detail"]
    assert "badge.png" not in pixels["error"]["detail"] or str(server.state) not in pixels["error"]["detail"]
    frames = server.wait(server.upscale(tiny_mp4, name="tiny.mp4")["id"])
    assert frames["state"] == "failed" and "64x48 pixels" in frames["error"]["detail"]
    answers = [server.post(samples / "crystal.mp4") for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert {answer.status_code for answer in refused} <= {503, 507} and refused
    for answer in refused:
        assert "limit" in answer.json()["detail"] and int(answer.headers["Retry-After"]) > 0


def test_a_limit_of_the_size_of_files(make_server, samples):
    """ulimit -f: an error of that upload, not the end of the server."""
    server = make_server().start(prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
    answer = server.post(samples / "butterfly.png")
    assert answer.status_code == 507 and "File too large" in answer.json()["detail"]
    assert server.stop() == 0 and list((server.state / "incoming").iterdir()) == []


def test_a_result_that_does_not_fit(make_server, samples):
    server = make_server("--max-disk", "1M").start()
    for file, fields in [("crystal.mp4", {"codec": "ffv1", "format": "mkv"}), ("butterfly.png", {"format": "tiff"})]:
        job = server.wait(server.upscale(samples / file, model="pipersr-x2-fast", **fields)["id"])
        assert job["state"] == "failed" and job["error"]["status"] == 507
        assert "limit disk" in job["error"]["detail"]
        assert server.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 204


def test_running_jobs_share_the_disk(make_server, samples, tmp_path):
    """No file is larger than the limit; both together are, so that the larger one ends, and its room is free again."""
    clip = tmp_path / "long.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-stream_loop", "9", "-i", str(samples / "crystal.mp4"), "-c", "copy", str(clip)],
                   check=True)  # fmt: skip
    server = make_server("--max-disk", "12M", "--max-running", 2).start()
    fields = {"codec": "ffv1", "format": "mkv", "model": "pipersr-x2-fast"}
    ids = [server.upscale(clip, **fields)["id"] for _ in range(2)]
    while not (ended := [id for id in ids if server.job(id)["state"] == "failed"]):
        time.sleep(0.05)
    error = server.job(ended[0])["error"]
    assert error["type"].endswith(":disk-quota") and error["status"] == 507 and "limit disk" in error["detail"], error
    [other] = set(ids) - {ended[0]}
    assert server.request("POST", f"/v1/jobs/{other}/cancel").json()["state"] == "cancelled"
    assert server.get("/v1/status").json()["disk_bytes"] == 2 * clip.stat().st_size


def test_limit_of_duration(make_server, samples):
    server = make_server("--max-duration", 1).start()
    job = server.wait(server.upscale(samples / "crystal.mp4")["id"])
    assert job["state"] == "failed" and "more than the limit of 1 s" in job["error"]["detail"], job


def test_queue_full(make_server, samples):
    server = make_server("--max-queued", 1).start()
    answers = [server.post(samples / "crystal.mp4") for _ in range(4)]
    full = [answer for answer in answers if answer.status_code == 503]
    assert full and full[0].json()["type"].endswith(":queue-full") and full[0].headers["Retry-After"]


def test_rate(make_server, tiny_png):
    server = make_server("--max-rate", 3).start()
    statuses = [server.post(tiny_png, "image", "a.png").status_code for _ in range(5)]
    assert statuses == [202] * 3 + [429] * 2
    assert server.get("/v1/status").status_code == 200


def test_jobs_expire(make_server, tiny_png):
    server = make_server("--keep", 1).start()
    job = server.wait(server.upscale(tiny_png, name="a.png")["id"])
    assert job["expires"]
    deadline = time.monotonic() + 20
    while server.get(f"/v1/jobs/{job['id']}").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not (server.state / "jobs" / job["id"]).exists()


def test_sigterm_ends_streams_and_keeps_jobs(make_server, samples):
    server = make_server().start()
    job = server.upscale(samples / "crystal.mp4")
    ended = threading.Event()

    def follow():
        for _ in server.events(f"/v1/jobs/{job['id']}/events"):
            pass
        ended.set()

    follower = threading.Thread(target=follow)
    follower.start()
    time.sleep(0.5)
    assert server.stop() == 0
    follower.join(timeout=10)
    assert ended.is_set()
    server.start()
    assert server.job(job["id"])["state"] in ("queued", "running")
    assert server.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 204


def test_sigterm_cuts_no_stream(make_server):
    """Each ends as HTTP says that a stream ends, so that clients know that they have all of it."""
    server = make_server().start()
    host, port = server.url.removeprefix("http://").split(":")
    head = f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {server.key}\r\n\r\n".encode()
    connections = [socket.create_connection((host, int(port)), timeout=30) for _ in range(200)]
    for connection in connections:
        connection.sendall(head)
    for connection in connections:
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert server.stop() == 0
    for connection in connections:
        assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(b"\r\n0\r\n\r\n")
        connection.close()


def test_drain_finishes_what_runs(make_server, samples):
    server = make_server("--drain", 100).start()
    job = server.upscale(samples / "badge.png", model="pipersr-x2-fast")
    while server.job(job["id"])["state"] == "queued":
        time.sleep(0.01)
    assert server.stop() == 0
    server.start()
    assert server.job(job["id"])["state"] == "done"
