"""Jobs over HTTP: from an upload to its result."""

import io
import json
import subprocess

import pytest
from PIL import Image


def open_picture(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_published_curl_line(server, samples, tmp_path):
    """The line that is published, with the port of this server."""
    done = subprocess.run(
        ["curl", "-sS", "-X", "POST", f"{server.url}/v1/video/upscale", "-H", f"X-Session-Key: {server.key}", "-F",
         f"file=@{samples / 'crystal.mp4'}", "-F", "model=pipersr-x2-fast", "-D", str(tmp_path / "headers")],
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    job = json.loads(done.stdout)
    headers = (tmp_path / "headers").read_text()
    assert headers.startswith("HTTP/1.1 202") and f"Location: /v1/jobs/{job['id']}" in headers
    assert job["kind"] == "video" and job["input"]["name"] == "crystal.mp4"
    assert server.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 204


def test_picture(server, samples):
    job = server.upscale(samples / "badge.png")
    job = server.wait(job["id"])
    assert job["state"] == "done" and job["error"] is None, job
    result = job["result"]
    assert (result["name"], result["content_type"]) == ("badge_2x.png", "image/png")
    answer = server.get(result["url"])
    assert len(answer.content) == result["bytes"]
    assert open_picture(answer).size == (result["width_px"], result["height_px"]) == (128, 128)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="badge_2x.png"')


def test_video_with_sound(server, tiny_mp4, tmp_path):
    job = server.upscale(tiny_mp4, name="tiny.mp4", crf="30")
    job = server.wait(job["id"])
    assert job["state"] == "done", job
    assert (job["result"]["width_px"], job["result"]["height_px"], job["result"]["frames"]) == (128, 96, 10)
    assert job["progress"]["frame"] == job["progress"]["frames"] == 10
    assert job["options"]["crf"] == 30 and job["options"]["model"] == "pipersr-x2-video"
    path = tmp_path / "out.mp4"
    path.write_bytes(server.get(job["result"]["url"]).content)
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width", "-of", "json", str(path)]
    streams = json.loads(subprocess.run(probe, stdout=subprocess.PIPE, check=True).stdout)["streams"]
    assert [stream["codec_name"] for stream in streams] == ["h264", "aac"] and streams[0]["width"] == 128


def test_video_options_of_the_command_line(server, tiny_mp4, tmp_path):
    given = {"start": "0.2", "to": "0:00.7", "max-height": "64", "codec": "prores", "format": "mov",
             "deinterlace": "no", "allow-lossy": "depth", "strict": "1", "no-reuse": "1", "encoder-threads": "1"}  # fmt: skip
    job = server.wait(server.upscale(tiny_mp4, name="tiny.mp4", **given)["id"])
    assert job["state"] == "done", job
    assert (job["result"]["height_px"], job["result"]["frames"]) == (64, 5)
    path = tmp_path / "out.mov"
    path.write_bytes(server.get(job["result"]["url"]).content)
    probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=codec_name", "-of", "csv=p=0", path]
    assert subprocess.run(probe, stdout=subprocess.PIPE, check=True).stdout.strip() == b"prores"


def test_video_pixel_format(server, tiny_mp4):
    job = server.wait(server.upscale(tiny_mp4, name="tiny.mp4", duration="0.3", **{"pix-fmt": "yuv444p"})["id"])
    assert job["state"] == "done" and job["result"]["frames"] == 3


@pytest.mark.parametrize("options", [{"start": "soon"}, {"duration": "0"}, {"to": "1", "start": "2"}, {"to": "1", "duration": "1"},
                                     {"deinterlace": "maybe"}, {"max-height": "1"}, {"allow-lossy": "hdr,all"},
                                     {"encoder-threads": "129"}, {"pix-fmt": "a/b"}])  # fmt: skip
def test_wrong_video_options(server, tiny_mp4, options):
    answer = server.post(tiny_mp4, name="tiny.mp4", **options)
    assert answer.status_code == 422, answer.text


def test_raw_body(server, tiny_png):
    answer = server.request("POST", "/v1/image/upscale?name=raw.png&format=webp&wait=1", data=tiny_png)
    assert answer.headers["Content-Type"] == "image/webp"
    assert 'filename="raw_2x.webp"' in answer.headers["Content-Disposition"]
    assert open_picture(answer).size == (16, 16)


def test_wait_answers_with_the_file(server, tiny_png):
    answer = server.request("POST", "/v1/image/upscale?wait=1&scale=4", files={"file": ("a.png", tiny_png)})
    assert open_picture(answer).size == (32, 32)


def test_wait_answers_with_the_failure(server):
    answer = server.request("POST", "/v1/image/upscale?wait=1", files={"file": ("a.png", b"no picture at all")})
    problem = answer.json()
    assert answer.status_code == problem["status"] == 415
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "not a picture" in problem["detail"] and problem["type"].startswith("urn:pipersr:problem:")


def test_post_streams_events(server, tiny_mp4):
    events = list(server.events("/v1/video/upscale", "POST", files={"file": ("tiny.mp4", tiny_mp4)}))
    names = [name for name, _, _ in events if name]
    numbers = [number for name, number, _ in events if name]
    assert names[0] == "progress" and names[-1] == "done" and set(names[:-1]) == {"progress"}
    assert numbers == sorted(set(numbers))
    first, last = json.loads(events[0][2]), json.loads(events[-1][2])
    assert set(first) == {"id", "frame", "frames", "fps", "eta_s", "percent", "state"}
    assert last["state"] == "done" and last["job"]["result"]["url"] == f"/v1/jobs/{last['id']}/result"
    assert server.get(last["job"]["result"]["url"]).status_code == 200


def test_list(server, tiny_png):
    ids = [server.upscale(tiny_png, name=f"{i}.png")["id"] for i in range(3)]
    for id in ids:
        server.wait(id)
    page = server.get("/v1/jobs?limit=2&state=done").json()
    assert [job["id"] for job in page["jobs"]] == ids[:0:-1] and page["total"] >= 3
    rest = server.get("/v1/jobs?limit=1&offset=2&state=done").json()
    assert [job["id"] for job in rest["jobs"]] == ids[:1]
    assert server.get("/v1/jobs?state=nonsense").status_code == 400
    assert server.get("/v1/jobs?limit=-1").status_code == 400


def test_delete_cancels_and_removes(server, samples):
    job = server.upscale(samples / "crystal.mp4")
    folder = server.state / "jobs" / job["id"]
    assert folder.is_dir()
    assert server.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    assert server.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert server.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 404
    assert not folder.exists()


def test_cancel_keeps_the_row(server, samples):
    job = server.upscale(samples / "crystal.mp4")
    cancelled = server.request("POST", f"/v1/jobs/{job['id']}/cancel").json()
    assert cancelled["state"] == "cancelled" and cancelled["finished"]
    assert server.get(f"/v1/jobs/{job['id']}/result").status_code == 410
    assert [name for name, _, _ in server.events(f"/v1/jobs/{job['id']}/events") if name] == ["cancelled"]


@pytest.mark.parametrize(
    "kind, fields",
    [
        ("image", {"scale": "3"}),
        ("image", {"quality": "101"}),
        ("image", {"codec": "h264"}),
        ("video", {"crf": "x"}),
        ("video", {"model": "/etc/passwd"}),
        ("video", {"precision": "fp64"}),
        ("video", {"codec": "../h264"}),
        ("video", {"speed": "9"}),
    ],
)
def test_bad_options(server, tiny_png, kind, fields):
    answer = server.post(tiny_png, kind, "a.png", **fields)
    assert answer.status_code == 422 and next(iter(fields)) in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind, fields, model, scale",
    [
        ("image", {}, "pipersr-x2", 2),
        ("image", {"scale": "4"}, "pipersr-x4", 4),
        ("video", {"scale": "4"}, "pipersr-x2-video", 4),
        ("image", {"model": "pipersr-x4"}, "pipersr-x4", 4),
        ("image", {"model": "pipersr-x2-fast", "scale": "4"}, "pipersr-x2-fast", 4),
    ],
)
def test_model_and_scale_follow_each_other(server, samples, tiny_png, kind, fields, model, scale):
    if kind == "video":
        job = server.post(samples / "crystal.mp4", **fields).json()
        assert server.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    else:
        job = server.post(tiny_png, kind, "a.png", **fields).json()
        assert server.wait(job["id"])["state"] == "done"
        with Image.open(io.BytesIO(server.get(f"/v1/jobs/{job['id']}/result").content)) as made:
            assert made.size == (8 * scale, 8 * scale)
    assert (job["options"]["model"], job["options"]["scale"]) == (model, scale)


def test_a_scale_that_the_model_has_not(server, tiny_png):
    answer = server.post(tiny_png, "image", "a.png", model="pipersr-x4", scale="2")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "scale must be 4 with the model pipersr-x4, not '2'"


def test_no_file(server):
    assert server.request("POST", "/v1/image/upscale", data=b"").status_code == 422
    answer = server.request("POST", "/v1/image/upscale", files={"quality": (None, "90")})
    assert answer.status_code == 422 and "file" in answer.json()["detail"]


def test_status_and_models(server):
    status = server.get("/v1/status").json()
    assert set(status["jobs"]) == {"queued", "running", "done", "failed", "cancelled"}
    assert status["cpu"]["threads"] > 0 and status["sandbox"]["rlimits"] is True
    models = {model["name"]: model for model in server.get("/v1/models").json()["models"]}
    assert models["pipersr-x2"]["default_for"] == ["image"]
    assert models["pipersr-x2-video"]["default_for"] == ["video"]
    metrics = server.get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'pipersr_jobs{state="done"}' in metrics.text
