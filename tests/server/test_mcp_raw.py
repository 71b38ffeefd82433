"""The Model Context Protocol, message by message: `pipersr mcp` over pipes, and POST /mcp."""

import contextlib
import io
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import pytest
from PIL import Image
from server_process import PROGRAM

MODERN = "2026-07-28"
LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def meta(capabilities=None, version=MODERN, **more):
    return {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": capabilities or {},
        **more,
    }


def request(method, id=1, **params):
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def call(name, arguments, id=1, **params):
    return request("tools/call", id, name=name, arguments=arguments, **params)


class Process:
    """`pipersr mcp` in a folder."""

    def __init__(self, folder, *options, environment=None):
        self.process = subprocess.Popen(
            [str(PROGRAM), "mcp", *options],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=dict(os.environ, **(environment or {})),
        )
        self.rest = b""

    def send(self, message):
        data = ((message if isinstance(message, str) else json.dumps(message)) + "\n").encode()
        while data:
            data = data[self.process.stdin.write(data) :]

    def read(self, timeout_s=60):
        """The next message; one that does not come fails the test."""
        while b"\n" not in self.rest:
            assert select.select([self.process.stdout], [], [], timeout_s)[0], "no answer"
            data = self.process.stdout.read(1 << 16)
            assert data, f"the program ended: {self.process.stderr.read()}"
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, message):
        """The answer, after the notifications that come before it: (answer, notifications)."""
        self.send(message)
        notifications = []
        while isinstance(answer := self.read(), dict) and "id" not in answer:
            notifications.append(answer)
        return answer, notifications

    def initialize(self, version):
        answer, _ = self.ask(
            request("initialize", protocolVersion=version, capabilities={}, clientInfo={"name": "test", "version": "1"})
        )
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=30)
        rest = self.rest + self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, rest


@pytest.fixture
def folder(tmp_path, tiny_png):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "tiny.png").write_bytes(tiny_png)
    return tmp_path / "allowed"


@pytest.fixture
def photo(folder, samples):
    """A part of a photo in the allowed folder: it takes a second or so, time for progress."""
    with Image.open(samples / "butterfly.png") as image:
        image.crop((0, 100, 400, 340)).save(folder / "photo.png")
    return folder / "photo.png"


@pytest.fixture
def process(folder):
    process = Process(folder)
    yield process
    if process.process.poll() is None:
        assert process.end()[0] == 0


# ------------------------------------------------------------------------------------------- standard input and output


@pytest.mark.parametrize("version", LEGACY)
def test_initialized_era(process, folder, version):
    """What a revision does not know, its clients do not get."""
    result = process.initialize(version)
    assert result["protocolVersion"] == version and "tools" in result["capabilities"]
    tools = process.ask(request("tools/list"))[0]["result"]["tools"]
    done = process.ask(call("image_upscale", {"input": "tiny.png"}))[0]["result"]
    assert not done["isError"] and (folder / "tiny_2x.png").is_file()
    new = version >= "2025-06-18"
    assert all(("outputSchema" in tool) == new for tool in tools)
    assert ("structuredContent" in done) == new
    assert [block["type"] for block in done["content"]] == (["text", "resource_link"] if new else ["text"])
    assert "resultType" not in done and "_meta" not in done
    batch, _ = process.ask([request("ping", 7), request("ping", "b")])
    if new:
        assert batch["error"]["code"] == -32600
    else:
        assert sorted(str(answer["id"]) for answer in batch) == ["7", "b"]


def test_stateless_era(process):
    discovered = process.ask(request("server/discover", _meta=meta()))[0]["result"]
    assert discovered["supportedVersions"] == [MODERN, *reversed(LEGACY)]
    assert discovered["capabilities"] == {"tools": {}, "resources": {}, **TASKS}
    tools = process.ask(request("tools/list", _meta=meta()))[0]["result"]
    for result in (discovered, tools):
        assert result["resultType"] == "complete" and result["ttlMs"] > 0 and result["cacheScope"] in ("public", "private")
    error = process.ask(request("tools/list", _meta=meta(version="1900-01-01")))[0]["error"]
    assert error["code"] == -32022 and error["data"]["requested"] == "1900-01-01" and MODERN in error["data"]["supported"]
    assert process.ask(request("ping", _meta=meta()))[0]["error"]["code"] == -32601
    # Both eras in one process.
    assert process.ask(request("ping"))[0]["result"] == {}


def test_task(process):
    """A client that knows tasks gets one, and polls it to its end."""
    created = process.ask(call("image_upscale", {"input": "tiny.png"}, _meta=meta(TASKS)))[0]["result"]
    assert created["resultType"] == "task" and created["status"] in ("working", "completed")
    task = process.ask(request("tasks/get", taskId=created["taskId"], _meta=meta(TASKS)))[0]["result"]
    deadline = time.monotonic() + 60
    while task["status"] == "working" and time.monotonic() < deadline:
        assert task["resultType"] == "complete" and task["statusMessage"]
        time.sleep(0.1)
        task = process.ask(request("tasks/get", taskId=created["taskId"], _meta=meta(TASKS)))[0]["result"]
    assert task["status"] == "completed" and task["result"]["structuredContent"]["state"] == "done"
    assert task["ttlMs"] is None or task["ttlMs"] > 0
    error = process.ask(request("tasks/get", taskId=created["taskId"], _meta=meta()))[0]["error"]
    assert error["code"] == -32021 and error["data"]["requiredCapabilities"] == TASKS
    assert process.ask(request("tasks/get", taskId="0" * 32, _meta=meta(TASKS)))[0]["error"]["code"] == -32602


def test_task_cancelled(process, folder, samples):
    shutil.copy(samples / "butterfly.png", folder)
    created = process.ask(call("image_upscale", {"input": "butterfly.png"}, _meta=meta(TASKS)))[0]["result"]
    acknowledged = process.ask(request("tasks/cancel", taskId=created["taskId"], _meta=meta(TASKS)))[0]["result"]
    assert acknowledged.pop("_meta") and acknowledged == {"resultType": "complete"}
    task = process.ask(request("tasks/get", taskId=created["taskId"], _meta=meta(TASKS)))[0]["result"]
    assert task["status"] == "cancelled" and "result" not in task
    assert not (folder / "butterfly_2x.png").exists()


def test_progress_only_when_wanted(process, photo):
    fast = {"input": photo.name, "model": "pipersr-x2-fast", "force": True}
    assert process.ask(call("image_upscale", fast))[1] == []
    answer, told = process.ask(call("image_upscale", fast, _meta={"progressToken": "p"}))
    assert not answer["result"]["isError"]
    assert {note["method"] for note in told} == {"notifications/progress"}
    assert all(note["params"]["progressToken"] == "p" for note in told)
    numbers = [note["params"]["progress"] for note in told]
    assert numbers == sorted(set(numbers))
    process.send(request("ping", 99))
    assert process.read()["id"] == 99  # nothing came after the answer


def test_bad_lines(process):
    """Whatever comes, one line answers it, and the next message is served."""
    long = json.dumps(request("ping", pad="x" * (2 << 20)))
    for line, code in [("{", -32700), ("[]", -32600), ("7", -32600), ('{"jsonrpc":"1.0","id":1}', -32600), (long, -32600),
                       ('"' + "\\ud800" + '"', -32700), ("[" * 100000, -32700)]:  # fmt: skip
        assert process.ask(line)[0]["error"]["code"] == code, line[:40]
        assert process.ask(request("ping"))[0]["result"] == {}
    process.send("\r")
    assert process.ask(request("ping"))[0]["result"] == {}


def test_end_of_input(folder, tmp_path):
    """At the end of its input it answers what it was asked, cleans up, and ends."""
    state = tmp_path / "tmp"
    state.mkdir()
    process = Process(folder, environment={"TMPDIR": str(state)})
    process.initialize("2025-06-18")
    assert len(list(state.iterdir())) == 1
    process.send(call("models_list", {}, 5))
    status, rest = process.end()
    assert status == 0 and json.loads(rest)["id"] == 5
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_work(folder, tmp_path, samples, number):
    state = tmp_path / "tmp"
    state.mkdir()
    shutil.copy(samples / "butterfly.png", folder)
    process = Process(folder, environment={"TMPDIR": str(state)})
    process.send(call("image_upscale", {"input": "butterfly.png"}, _meta={"progressToken": 1}))
    while process.read()["params"]["progress"] == 0:
        pass
    process.process.send_signal(number)
    assert process.process.wait(timeout=20) == 0
    process.end()
    assert list(state.iterdir()) == [] and not (folder / "butterfly_2x.png").exists()


def test_killed(folder, tmp_path):
    """What a killed process leaves, the next one removes; not what belongs to one that runs."""
    state = tmp_path / "tmp"
    state.mkdir()
    killed, runs = [Process(folder, environment={"TMPDIR": str(state)}) for _ in range(2)]
    for process in (killed, runs):
        assert process.ask(request("ping"))[0]["result"] == {}
    killed.process.kill()
    killed.end()
    assert len(list(state.iterdir())) == 2
    for left in state.iterdir():  # younger ones may be on their way to a lock
        os.utime(left, (1e9, 1e9))
    next_one = Process(folder, environment={"TMPDIR": str(state)})
    assert next_one.ask(request("ping"))[0]["result"] == {}
    assert len(list(state.iterdir())) == 2
    for process in (runs, next_one):
        assert not process.ask(call("image_upscale", {"input": "tiny.png", "force": True}))[0]["result"]["isError"]
        assert process.end()[0] == 0
    assert list(state.iterdir()) == []


def test_command_line(tmp_path):
    def run(*options):
        return subprocess.run([str(PROGRAM), "mcp", *options], capture_output=True, text=True, stdin=subprocess.DEVNULL)

    assert "--allow-dir" in run("--help").stdout
    assert run().returncode == 0 and run().stdout == ""
    for options, status in [(("--no",), 2), (("x",), 2), (("--allow-dir",), 2), (("--allow-dir", "/no/such"), 3)]:
        ended = run(*options)
        assert ended.returncode == status and ended.stdout == "" and ended.stderr.count("\n") == 1, ended


@pytest.mark.parametrize("wait", [True, False])
def test_the_other_tool(process, folder, tiny_mp4, wait):
    """A file for the other tool is told at once, by the name that the client gave it."""
    (folder / "sub").mkdir()
    (folder / "sub" / "photo.png").write_bytes(tiny_mp4)
    shutil.copy(folder / "tiny.png", folder / "clip.mp4")
    process.initialize("2025-11-25")
    for tool, name, other in (("image_upscale", "sub/photo.png", "video"), ("video_upscale", "clip.mp4", "image")):
        result = process.ask(call(tool, {"input": name, "wait": wait}))[0]["result"]
        text = result["content"][0]["text"]
        assert result["isError"] and f"'{name}'" in text and f"{other}_upscale" in text, text


def test_animation_is_for_both_tools(process, folder):
    frames = [Image.new("P", (16, 16), color) for color in (1, 2)]
    frames[0].putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    frames[0].save(folder / "two.gif", save_all=True, append_images=frames[1:])
    process.initialize("2025-11-25")
    for tool, options in (("image_upscale", {}), ("video_upscale", {"format": "mp4"})):
        result = process.ask(call(tool, {"input": "two.gif", **options}))[0]["result"]
        assert not result["isError"], result


def test_errors_name_the_clients_file(process, folder, tiny_mp4):
    (folder / "cut.mp4").write_bytes(tiny_mp4[:2000])
    process.initialize("2025-11-25")
    result = process.ask(call("video_upscale", {"input": "cut.mp4"}))[0]["result"]
    assert result["isError"] and str(folder / "cut.mp4") in result["content"][0]["text"], result


def test_root_is_not_allowed_by_default(tiny_png):
    """Started in / without --allow-dir, as services are, no file of the machine is in reach."""
    process = Process("/")
    answer = process.ask(call("image_upscale", {"input": "/etc/passwd"}))[0]["result"]
    assert answer["isError"] and "--allow-dir" in answer["content"][0]["text"]
    assert process.end()[0] == 0


def fill(pipe, data):
    """Writes until whoever reads has stopped doing so."""
    os.set_blocking(pipe.fileno(), False)
    for patience_s in (0, 0.2, 0.5):
        time.sleep(patience_s)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(pipe.fileno(), data)


@pytest.mark.parametrize("way", ["pipe", "socket"])
@pytest.mark.parametrize("message", [request("tools/list"), call("models_list", {})])
def test_a_client_that_does_not_read(tmp_path, way, message):
    """Its answers fill the way back; the program ends all the same when it is told to."""
    own, other = socket.socketpair()
    process = subprocess.Popen([str(PROGRAM), "mcp"], cwd=tmp_path, stdin=subprocess.PIPE,
                               stdout=other if way == "socket" else subprocess.PIPE)  # fmt: skip
    fill(process.stdin, (json.dumps(message) + "\n").encode())
    process.terminate()
    assert process.wait(timeout=20) == 0
    for each in (own, other, process.stdin, *([process.stdout] if process.stdout else [])):
        each.close()


# ----------------------------------------------------------------------------------------------------------------- HTTP


@pytest.fixture(scope="module")
def post(server):
    """post(message, **headers) -> the response; a header with the value None is left out."""

    def post(message, **headers):
        all = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        all |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = message if isinstance(message, str) else json.dumps(message)
        return server.request("POST", "/mcp", data=data, headers=all)

    return post


def test_http_answers(post):
    answer = post(request("tools/list", _meta=meta()), MCP_Protocol_Version=MODERN, Mcp_Method="tools/list")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert "Mcp-Session-Id" not in answer.headers and len(answer.json()["result"]["tools"]) == 5
    upload = answer.json()["result"]["tools"][0]["inputSchema"]["properties"]
    assert "input" in upload


@pytest.mark.parametrize(
    "message, headers, status, code",
    [
        (request("nope", _meta=meta()), {"MCP_Protocol_Version": MODERN, "Mcp_Method": "nope"}, 404, -32601),
        (request("tools/list", _meta=meta()), {"MCP_Protocol_Version": MODERN}, 400, -32020),
        (request("tools/list", _meta=meta()), {"Mcp_Method": "tools/list"}, 400, -32020),
        (request("tools/list"), {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/list"}, 400, -32602),
        (request("tools/list"), {"MCP_Protocol_Version": "1900-01-01"}, 400, -32022),
        (
            call("models_list", {}, _meta=meta()),
            {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/call", "Mcp_Name": "image_upscale"},
            400,
            -32020,
        ),
        ("{", {}, 400, -32700),
        ([request("ping")], {"MCP_Protocol_Version": "2025-06-18"}, 400, -32600),
    ],
)
def test_http_refusals(post, message, headers, status, code):
    answer = post(message, **headers)
    assert answer.status_code == status and answer.json()["error"]["code"] == code


def test_http_access(server, post):
    assert post(request("ping"), X_Session_Key="wrong").status_code == 401
    assert post(request("ping"), Origin="http://elsewhere.example").status_code == 403
    assert post(request("ping"), Host="elsewhere.example").status_code == 403
    assert post(request("ping"), X_Session_Key=None, Authorization=f"Bearer {server.key}").status_code == 200
    refused = server.get("/mcp")
    assert refused.status_code == 405 and "POST" in refused.headers["Allow"]


def test_http_session(post, server):
    """A session lasts from initialize to DELETE."""
    begun = post(request("initialize", protocolVersion="2025-11-25", capabilities={}))
    session = begun.headers["Mcp-Session-Id"]
    assert len(session) == 32 and begun.json()["result"]["protocolVersion"] == "2025-11-25"
    sent = post({"jsonrpc": "2.0", "method": "notifications/initialized"}, Mcp_Session_Id=session)
    assert sent.status_code == 202 and sent.content == b""
    assert post(request("ping"), Mcp_Session_Id=session).json()["result"] == {}
    headers = {"Mcp-Session-Id": session}
    assert server.request("DELETE", "/mcp", headers=headers).status_code == 204
    assert post(request("ping"), Mcp_Session_Id=session).status_code == 404
    assert server.request("DELETE", "/mcp", headers=headers).status_code == 404
    assert server.request("DELETE", "/mcp").status_code == 405
    # Without one, messages are served too, as those of 2025-03-26.
    assert len(post([request("ping"), request("ping", 2)]).json()) == 2


def test_http_stream_closed(make_server, folder, samples):
    """Closing the stream of a call ends its job in 2026-07-28, and leaves it alone in earlier revisions."""
    shutil.copy(samples / "butterfly.png", folder)
    server = make_server("--allow-dir", folder).start()
    for version, state in [(MODERN, "cancelled"), ("2025-11-25", "done")]:
        token = {"progressToken": 1}
        message = call(
            "image_upscale",
            {"input": "butterfly.png", "output": f"{state}.png", "model": "pipersr-x2-fast", "scale": 4},
            _meta=meta(**token) if version == MODERN else token,
        )
        headers = {"MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": "image_upscale",
                   "Accept": "application/json, text/event-stream"}  # fmt: skip
        with server.request("POST", "/mcp", json=message, headers=headers, stream=True) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("data: ") and json.loads(line[6:])["params"]["progress"] > 0:
                    break
        job = server.wait(server.get("/v1/jobs").json()["jobs"][0]["id"])
        assert job["state"] == state
        assert (folder / f"{state}.png").exists() == (state == "done")


def test_http_delivery_after_a_kill(make_server, folder, samples):
    """A server that was killed between a delivery and its row finds the file in its place: it is the job's, not somebody
    else's. No copy of a delivered file is kept, and nothing of one that was cut."""
    shutil.copy(samples / "badge.png", folder)
    server = make_server("--allow-dir", folder).start()
    message = call("image_upscale", {"input": "badge.png", "output": "big.png", "model": "pipersr-x2-fast"}, _meta=meta())
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "image_upscale",
               "Accept": "application/json"}  # fmt: skip
    job = server.request("POST", "/mcp", json=message, headers=headers).json()["result"]["structuredContent"]
    assert job["state"] == "done" and server.stop() == 0
    work = server.state / "jobs" / job["id"] / "work"
    assert list(work.iterdir()) == []
    outcome = {"event": "done", "file": "result.png", "name": "badge_2x.png", "content_type": "image/png",
               "width_px": job["result"]["width_px"], "height_px": job["result"]["height_px"], "frames": 1}  # fmt: skip
    whole = (folder / "big.png").read_bytes()
    for there, state in [(whole, "done"), (None, "done"), (b"somebody else's", "failed")]:
        (work / "result.png").write_bytes(whole)
        (work / "outcome.json").write_text(json.dumps(outcome))
        (folder / ".big.abcdef.png").write_bytes(whole[:100])
        (folder / "big.png").unlink()
        if there:
            (folder / "big.png").write_bytes(there)
        with sqlite3.connect(server.state / "jobs.sqlite") as database:
            database.execute("UPDATE jobs SET state = 'running', finished_ms = 0, expires_ms = 0, result = NULL")
        database.close()
        again = server.start().wait(job["id"])
        assert again["state"] == state and server.stop() == 0
        assert (folder / "big.png").read_bytes() == (there or whole)
        assert list(work.iterdir()) == []
        if state == "done" and not there:
            assert not (folder / ".big.abcdef.png").exists()
    assert "exists already" in again["error"]["detail"]
    # Of one that takes long nobody waits for the end: 4 GB, of which only the length is on the disk before.
    (folder / "big.png").unlink()
    (work / "outcome.json").write_text(json.dumps(outcome))
    with open(work / "result.png", "wb") as large:
        large.truncate(4 << 30)
    with sqlite3.connect(server.state / "jobs.sqlite") as database:
        database.execute("UPDATE jobs SET state = 'running', finished_ms = 0, expires_ms = 0, error = NULL")
    database.close()
    server.start()
    deadline = time.monotonic() + 30
    while not list(folder.glob(".big.*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.stop() == 0 and not list(folder.glob("*big*"))
    server.start()
    assert server.request("POST", f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert server.stop() == 0 and not list(folder.glob("*big*"))


def test_http_result_without_a_stream(post, server):
    """A client that takes no stream gets its answer all the same."""
    answer = post(call("models_list", {}, _meta={"progressToken": 3}), Accept="application/json")
    assert answer.headers["Content-Type"] == "application/json" and not answer.json()["result"]["isError"]


def test_http_large_body(post):
    assert post("x" * (3 << 20)).status_code == 413


def test_http_upload(post, server, tiny_png):
    """A file that was uploaded before, and its result by its address."""
    upload = server.request("POST", "/v1/uploads", files={"file": ("My photo.png", tiny_png)}).json()["id"]
    result = post(call("image_upscale", {"upload": upload})).json()["result"]
    assert not result["isError"], result
    assert result["content"][-1]["type"] == "text"  # without a revision in the header: 2025-03-26, which has no links
    done = json.loads(result["content"][0]["text"])
    assert done["input"] == "My photo.png" and done["result"]["name"] == "My photo_2x.png"
    assert "path" not in done["result"] and done["result"]["uri"] == f"{server.url}/v1/jobs/{done['id']}/result"
    fetched = server.get(done["result"]["uri"].removeprefix(server.url))
    with Image.open(io.BytesIO(fetched.content)) as image:
        assert image.size == (16, 16)
    upload = server.request("POST", "/v1/uploads", files={"file": ("My photo.png", tiny_png)}).json()["id"]
    wrong = post(call("video_upscale", {"upload": upload})).json()["result"]
    assert wrong["isError"] and "image_upscale" in wrong["content"][0]["text"]
    assert "'My photo.png'" in wrong["content"][0]["text"]
    assert not post(call("image_upscale", {"upload": upload})).json()["result"]["isError"]
    again = post(call("image_upscale", {"upload": upload})).json()["result"]
    assert again["isError"] and "upload" in again["content"][0]["text"]
    for both in ({}, {"upload": "a", "input": "b"}):
        assert post(call("image_upscale", both)).json()["result"]["isError"]


@pytest.mark.parametrize(
    "tool, options",
    [
        ("image_upscale", {"scale": 4, "format": "webp", "quality": 50, "lossless": False, "strip": True}),
        ("video_upscale", {"codec": "h264", "crf": 40, "preset": "ultrafast", "format": "mkv", "strip": True,
                           "pix-fmt": "yuv420p", "start": "0.2", "duration": "0:00.5", "deinterlace": "no", "max-height": 96,
                           "allow-lossy": "hdr,depth", "strict": True, "no-reuse": True, "encoder-threads": 1}),
    ],
)
def test_options(process, folder, tiny_mp4, tool, options):
    """All options of a tool reach the job."""
    options = dict(options, model="pipersr-x2-fast", precision="fp32")
    (folder / "tiny.mp4").write_bytes(tiny_mp4)
    process.initialize("2025-11-25")
    tools = process.ask(request("tools/list"))[0]["result"]["tools"]
    properties = next(each for each in tools if each["name"] == tool)["inputSchema"]["properties"]
    rest = {"input", "output", "force", "wait"}
    assert set(properties) - rest - {"to"} == set(options) | {"scale"}
    name = "tiny.mp4" if tool == "video_upscale" else "tiny.png"
    result = process.ask(call(tool, {"input": name, **options}))[0]["result"]
    assert not result["isError"], result
    job = result["structuredContent"]
    assert job["options"] == {"scale": 2, **options}
    assert job["result"]["path"].endswith("tiny_4x.webp" if name == "tiny.png" else "tiny_2x.mkv")
    assert job["result"]["width_px"] == (32 if name == "tiny.png" else 128)
