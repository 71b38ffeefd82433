"""Uploads that wait for a job, and pictures of a video's moments."""

import io
import json
import socket
import subprocess
import threading
import time

import numpy
import pytest
from PIL import Image


def keep(server, data, name):
    answer = server.request("POST", "/v1/uploads", files={"file": (name, data)})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/uploads/{answer.json()['id']}"
    return answer.json()


def picture(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def pixels(answer):
    return numpy.asarray(picture(answer).convert("RGB")).astype(int)


def test_from_upload_to_job(server, tiny_mp4):
    upload = keep(server, tiny_mp4, "tiny.mp4")
    assert upload["name"] == "tiny.mp4" and upload["bytes"] == len(tiny_mp4)
    assert server.get(f"/v1/uploads/{upload['id']}").json() == upload
    answer = server.request("POST", f"/v1/video/upscale?upload={upload['id']}&crf=30")
    assert answer.status_code == 202, answer.text
    job = server.wait(answer.json()["id"])
    assert job["state"] == "done" and job["input"] == {"name": "tiny.mp4", "bytes": len(tiny_mp4)}
    assert job["options"]["crf"] == 30 and job["result"]["name"] == "tiny_2x.mp4"
    # It was used up, and is the job's now.
    assert server.get(f"/v1/uploads/{upload['id']}").status_code == 404
    assert server.get(f"/v1/jobs/{job['id']}/input").content == tiny_mp4


def test_upload_as_a_field_and_a_name(server, tiny_png):
    answer = server.request("POST", "/v1/uploads?name=raw.png", data=tiny_png)
    assert answer.status_code == 201 and answer.json()["name"] == "raw.png"
    form = {"upload": (None, answer.json()["id"]), "format": (None, "webp"), "name": (None, "other.png")}
    job = server.wait(server.request("POST", "/v1/image/upscale", files=form).json()["id"])
    assert job["result"]["name"] == "other_2x.webp"


def test_upload_stays_when_there_is_no_job(server, tiny_png):
    upload = keep(server, tiny_png, "a.png")
    path = f"/v1/image/upscale?upload={upload['id']}"
    assert server.request("POST", path + "&scale=3").status_code == 422
    assert server.request("POST", path, files={"file": ("b.png", tiny_png)}).status_code == 422
    assert server.get(f"/v1/uploads/{upload['id']}").status_code == 200
    assert server.request("DELETE", f"/v1/uploads/{upload['id']}").status_code == 204
    assert server.request("DELETE", f"/v1/uploads/{upload['id']}").status_code == 404
    assert server.request("POST", path).status_code == 404


def test_job_of_an_earlier_jobs_input(server, tiny_png):
    first = server.wait(server.upscale(tiny_png, name="a.png")["id"])
    answer = server.request("POST", f"/v1/image/upscale?job={first['id']}&format=webp")
    assert answer.status_code == 202, answer.text
    again = server.wait(answer.json()["id"])
    assert again["id"] != first["id"] and again["result"]["name"] == "a_2x.webp"
    assert server.request("DELETE", f"/v1/jobs/{first['id']}").status_code == 204
    assert server.get(f"/v1/jobs/{again['id']}/input").content == tiny_png
    assert server.request("POST", f"/v1/image/upscale?job={first['id']}").status_code == 404
    assert server.request("POST", f"/v1/image/upscale?job={again['id']}&upload={'0' * 32}").status_code == 422


def test_refused_uploads(make_server, tiny_png):
    server = make_server("--max-upload", "1K", "--max-disk", "2K").start()
    assert server.request("POST", "/v1/uploads", files={"file": ("a.png", b"")}).status_code == 422
    assert server.request("POST", "/v1/uploads", files={"other": (None, "a.png")}).status_code == 422
    assert server.request("POST", "/v1/uploads", data=bytes(2000)).status_code == 413
    for _ in range(2):
        assert server.request("POST", "/v1/uploads", data=bytes(800)).status_code == 201
    answer = server.request("POST", "/v1/uploads", data=bytes(800))
    assert answer.status_code == 507 and "limit disk" in answer.json()["detail"]


def test_an_upload_counts_once(make_server, tiny_png):
    """Also while the request that brought it waits for its job."""
    server = make_server("--max-disk", "1K").start()
    upload = server.request("POST", "/v1/uploads", data=bytes(700))
    assert upload.status_code == 201, upload.text
    assert server.get("/v1/status").json()["disk_bytes"] == 700
    assert server.request("DELETE", upload.headers["Location"]).status_code == 204
    assert server.get("/v1/status").json()["disk_bytes"] == 0
    counted = []
    for event, _, data in server.events("/v1/image/upscale?name=a.png", "POST", data=tiny_png):
        if event == "progress" and not counted:
            counted.append(server.get("/v1/status").json()["disk_bytes"])
    assert counted == [len(tiny_png)]


def test_forms_in_pieces(server, tiny_png):
    """Wherever a form is cut on its way, it is the same form; a chosen file may follow an empty field."""
    form = (
        b'--XY\r\nContent-Disposition: form-data; name="file"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n'
        b'--XY\r\nContent-Disposition: form-data; name="strip"\r\n\r\ntrue\r\n'
        b'--XY\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + tiny_png + b"\r\n--XY--\r\n"
    )
    head = (f"POST /v1/image/upscale HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {server.key}\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary=XY\r\nContent-Length: {len(form)}\r\n\r\n").encode()  # fmt: skip
    start = form.index(tiny_png)
    host, port = server.url.removeprefix("http://").split(":")
    for cut in (*range(start - 8, start + 8), *range(0, len(form), 37)):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(head + form[:cut])
            time.sleep(0.01)
            connection.sendall(form[cut:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 202 "), (cut, answer)
        job = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert job["input"] == {"name": "a.png", "bytes": len(tiny_png)} and job["options"]["strip"] is True


def test_uploads_survive_a_kill(make_server, tiny_png):
    server = make_server().start()
    kept, removed = keep(server, tiny_png, "kept.png"), keep(server, tiny_png, "removed.png")
    server.request("DELETE", f"/v1/uploads/{removed['id']}")
    (server.state / "uploads" / ("0" * 32)).write_bytes(b"left by a kill between file and row")
    server.kill()
    again = make_server().start()
    assert again.get(f"/v1/uploads/{kept['id']}").json() == kept
    assert [path.name for path in (again.state / "uploads").iterdir()] == [kept["id"]]
    assert again.get("/v1/status").json()["disk_bytes"] == len(tiny_png)
    job = again.wait(again.request("POST", f"/v1/image/upscale?upload={kept['id']}").json()["id"])
    assert job["state"] == "done"
    assert list((again.state / "uploads").iterdir()) == []


def test_moments_of_an_upload(server, tiny_mp4):
    path = f"/v1/uploads/{keep(server, tiny_mp4, 'tiny.mp4')['id']}/preview"
    first, later, last, beyond = (pixels(server.get(f"{path}?side=before&t={t}")) for t in (0, 0.55, 0.95, 1e6))
    assert first.shape == (48, 64, 3)
    assert (first != later).any() and (later != last).any() and (last == beyond).all()
    # The third frame is shown from 0.2 s until 0.3 s.
    frames = [pixels(server.get(f"{path}?side=before&t={t}")) for t in (0.19, 0.2, 0.29, 0.3)]
    assert [(a == b).all() for a, b in zip(frames, frames[1:])] == [False, True, False]

    after = pixels(server.get(f"{path}?side=after&t=0.55&model=pipersr-x2-fast"))
    assert after.shape == (96, 128, 3)
    # Enlarged, it is still the same moment: the mean of four pixels is nearest to the one they come from.
    shrunk = after.reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
    distances = [abs(shrunk - frame).mean() for frame in (first, frames[1], later, last)]
    assert min(distances) == distances[2] < 4
    assert picture(server.get(f"{path}?side=after&t=0&scale=4&model=pipersr-x2-fast")).size == (256, 192)


def test_moment_is_what_the_job_makes(server, tiny_mp4):
    """With an encoder that loses nothing: the same bytes before the job and after it."""
    upload = keep(server, tiny_mp4, "tiny.mp4")
    promised = server.get(f"/v1/uploads/{upload['id']}/preview?side=after&t=0.4&model=pipersr-x2-fast")
    original = server.get(f"/v1/uploads/{upload['id']}/preview?side=before&t=0.4")
    answer = server.request("POST", f"/v1/video/upscale?upload={upload['id']}&codec=ffv1&format=mkv&model=pipersr-x2-fast")
    job = server.wait(answer.json()["id"])
    assert job["state"] == "done", job
    path = f"/v1/jobs/{job['id']}/preview?t=0.4&side="
    assert (pixels(server.get(path + "after")) == pixels(promised)).all()
    assert (pixels(server.get(path + "before")) == pixels(original)).all()


@pytest.mark.parametrize("query", ["t=1", "side=left", "side=before&t=-1", "side=before&t=soon", "side=before&t=1e999"])
def test_bad_moments(server, tiny_mp4, query):
    upload = keep(server, tiny_mp4, "tiny.mp4")
    answer = server.get(f"/v1/uploads/{upload['id']}/preview?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_moments_of_what_is_no_video(server, tiny_png):
    upload = keep(server, b"#EXTM3U\n/etc/passwd\n", "list.mp4")
    answer = server.get(f"/v1/uploads/{upload['id']}/preview?side=before&t=0")
    assert answer.status_code in (415, 422) and "root:" not in answer.text
    assert str(server.state) not in answer.text
    assert server.get(f"/v1/uploads/{'0' * 32}/preview?side=before").status_code == 404
    job = server.wait(server.upscale(tiny_png, name="a.png")["id"])
    assert server.get(f"/v1/jobs/{job['id']}/preview?side=before&t=0").status_code == 415
    # What previews leave behind is nothing.
    assert list((server.state / "incoming").iterdir()) == []


def test_turned_video_is_upright(server, tiny_mp4, tmp_path):
    (tmp_path / "plain.mp4").write_bytes(tiny_mp4)
    turned = ["ffmpeg", "-v", "error", "-i", tmp_path / "plain.mp4", "-c", "copy", "-metadata:s:v", "rotate=90"]
    subprocess.run([*turned, tmp_path / "turned.mp4"], check=True)
    upload = keep(server, (tmp_path / "turned.mp4").read_bytes(), "turned.mp4")
    path = f"/v1/uploads/{upload['id']}/preview?t=0&side="
    assert picture(server.get(path + "before")).size == (48, 64)
    assert picture(server.get(path + "after")).size == (96, 128)


def test_the_servers_end_ends_a_moment(make_server, tmp_path):
    """One that takes a while is not waited for."""
    clip = tmp_path / "large.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:duration=0.1", "-pix_fmt", "yuv420p",
                    str(clip)], check=True)  # fmt: skip
    server = make_server().start()
    upload = keep(server, clip.read_bytes(), "large.mp4")
    answers = []
    path = f"/v1/uploads/{upload['id']}/preview?side=after&scale=4"
    client = threading.Thread(target=lambda: answers.append(server.get(path)))
    client.start()
    while not list((server.state / "incoming").iterdir()):
        time.sleep(0.01)
    assert server.stop() == 0
    client.join()
    assert answers[0].status_code == 503 and answers[0].json()["type"].endswith(":stopping")
    assert list((server.state / "incoming").iterdir()) == []
