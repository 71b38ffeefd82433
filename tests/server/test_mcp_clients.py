"""`pipersr mcp` and POST /mcp with the Python package mcp, a client that others wrote: both eras of the protocol."""

import contextlib
import json
import pathlib
import subprocess
import time
import urllib.parse

import anyio
import httpx2
import jsonschema
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from server_process import PROGRAM, Server

TOOLS = ["video_upscale", "image_upscale", "upscale_status", "upscale_cancel", "models_list"]
MODES = ["legacy", "2026-07-28", "auto"]
VERSIONS = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28", "auto": "2026-07-28"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, samples):
    """The allowed folder, with a part of a photo, half a second of a clip, a picture of 8 x 8 pixels and one that takes long."""
    folder = tmp_path_factory.mktemp("allowed")
    with Image.open(samples / "butterfly.png") as image:
        image.crop((0, 150, 360, 420)).save(folder / "butterfly.png")
    clip = ["-i", str(samples / "crystal.mp4"), "-t", "0.5", "-c", "copy", str(folder / "crystal.mp4")]
    subprocess.run(["ffmpeg", "-v", "error", *clip], check=True)
    Image.radial_gradient("L").resize((8, 8)).convert("RGB").save(folder / "tiny.png")
    Image.linear_gradient("L").resize((1600, 1600)).convert("RGB").save(folder / "large.png", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def http_server(tmp_path_factory, folder):
    server = Server(tmp_path_factory.mktemp("mcp") / "state", "--allow-dir", folder).start()
    yield server
    assert server.stop() == 0


class Ends:
    """connect(mode) -> an open Client, over standard input and output or over HTTP."""

    def __init__(self, kind, folder, server=None):
        self.kind, self.folder, self.server = kind, folder, server

    @contextlib.asynccontextmanager
    async def connect(self, mode):
        if self.kind == "stdio":
            command = StdioServerParameters(command=str(PROGRAM), args=["mcp", "--allow-dir", str(self.folder)])
            async with Client(command, mode=mode) as client:
                yield client
        else:
            async with httpx2.AsyncClient(headers={"X-Session-Key": self.server.key}, timeout=60) as http:
                transport = streamable_http_client(self.server.url + "/mcp", http_client=http)
                async with Client(transport, mode=mode) as client:
                    yield client


@pytest.fixture(params=["stdio", "http"])
def ends(request, folder):
    return Ends(request.param, folder, request.getfixturevalue("http_server") if request.param == "http" else None)


def text_of(result):
    return result.content[0].text


def path_of(link):
    return pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(str(link.uri)).path))


@pytest.mark.parametrize("mode", MODES)
def test_lists(ends, mode):
    async def run():
        async with ends.connect(mode) as client:
            assert client.protocol_version == VERSIONS[mode]
            if mode != "2026-07-28":  # there the client asks the server nothing about itself
                assert client.server_info.name == "pipersr" and "--" not in client.instructions
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == TOOLS
            for tool in tools:
                jsonschema.Draft202012Validator.check_schema(tool.input_schema)
                jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            models = await client.call_tool("models_list")
            names = [model["name"] for model in models.structured_content["models"]]
            assert names[0] == "pipersr-x2" and json.loads(text_of(models)) == models.structured_content

    anyio.run(run)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_photo(ends, mode):
    """A real photo, with progress that rises; the result is where the link says, twice as large."""

    async def run():
        told = []

        async def progress(done, total, message):
            told.append((done, total, message))

        async with ends.connect(mode) as client:
            await client.list_tools()
            result = await client.call_tool(
                "image_upscale",
                {"input": "butterfly.png", "output": f"{ends.kind}-{mode}.jpg", "model": "pipersr-x2-fast", "quality": 80},
                progress_callback=progress,
            )
        assert not result.is_error, text_of(result)
        assert json.loads(text_of(result)) == result.structured_content
        assert result.structured_content["state"] == "done"
        link = result.content[1]
        assert link.type == "resource_link" and link.mime_type == "image/jpeg"
        assert path_of(link) == ends.folder / f"{ends.kind}-{mode}.jpg"
        with Image.open(path_of(link)) as image, Image.open(ends.folder / "butterfly.png") as before:
            assert image.format == "JPEG" and image.size == (2 * before.width, 2 * before.height)
        assert link.size == path_of(link).stat().st_size
        numbers = [done for done, _, _ in told]
        assert len(numbers) >= 2 and numbers == sorted(set(numbers)), told
        assert told[-1][0] == told[-1][1], told

    anyio.run(run)


def test_clip(folder):
    """A real clip, by polling: every frame is there, twice as large, and so is the sound."""

    def streams_of(name):
        command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_type,nb_read_packets"]
        shown = subprocess.run([*command, "-of", "json", str(folder / name)], capture_output=True, check=True)
        return {stream["codec_type"]: int(stream["nb_read_packets"]) for stream in json.loads(shown.stdout)["streams"]}

    def frames_of(name):
        return streams_of(name)["video"]

    async def run():
        async with Ends("stdio", folder).connect("legacy") as client:
            started = await client.call_tool(
                "video_upscale", {"input": "crystal.mp4", "wait": False, "preset": "ultrafast", "model": "pipersr-x2-fast"}
            )
            job = started.structured_content
            assert job["state"] in ("queued", "running") and len(started.content) == 1
            while job["state"] in ("queued", "running"):
                answer = await client.call_tool("upscale_status", {"id": job["id"], "wait_s": 20})
                job = answer.structured_content
            assert job["state"] == "done", job
            result = job["result"]
            assert (result["width_px"], result["height_px"], result["frames"]) == (640, 360, frames_of("crystal.mp4"))
            assert result["path"] == str(folder / "crystal_2x.mp4")
            assert streams_of("crystal_2x.mp4") == streams_of("crystal.mp4")
            resources = (await client.list_resources()).resources
            assert [str(resource.uri) for resource in resources] == [result["uri"]]

    anyio.run(run)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_cancel(ends, mode):
    """A call that its client gives up ends its job, and leaves nothing."""
    output = f"cancelled-{ends.kind}-{mode}.png"

    async def run():
        async with ends.connect(mode) as client:
            await client.list_tools()

            async def progress(done, total, message):
                if done > 0:
                    scope.cancel()

            with anyio.move_on_after(60) as scope:
                await client.call_tool(
                    "image_upscale", {"input": "large.png", "output": output}, progress_callback=progress
                )
            assert scope.cancelled_caught
            # The next job has the machine for itself: it need not wait for the rest of the large one.
            started = time.monotonic()
            result = await client.call_tool("image_upscale", {"input": "tiny.png", "output": "t-" + output})
            assert not result.is_error and time.monotonic() - started < 15
        assert not (ends.folder / output).exists()
        assert not [path for path in ends.folder.iterdir() if path.name.startswith("." + output.removesuffix(".png"))]

    anyio.run(run)


def test_cancel_by_id(ends):
    async def run():
        async with ends.connect("legacy") as client:
            job = await client.call_tool("image_upscale", {"input": "large.png", "output": "id.png", "wait": False})
            id = job.structured_content["id"]
            cancelled = await client.call_tool("upscale_cancel", {"id": id})
            assert cancelled.structured_content["state"] == "cancelled"
            again = await client.call_tool("upscale_status", {"id": id})
            assert again.structured_content["state"] == "cancelled" and not again.is_error
        assert not (ends.folder / "id.png").exists()

    anyio.run(run)


def test_errors(ends):
    """Errors are the tool's, in words; nothing is written."""
    cases = [
        ({"input": "no-such.png"}, "No such file"),
        ({"input": "../secret.png"}, "not in a folder"),
        ({"input": "/etc/passwd"}, "not in a folder"),
        ({"input": "link.png"}, "not in a folder"),
        ({"input": "tiny.png", "output": "/etc/x.png"}, "not in a folder"),
        ({"input": "tiny.png", "output": "butterfly.png"}, "force"),
        ({"input": "tiny.png", "scale": 3}, "2, 4"),
        ({"input": "tiny.png", "codec": "h264"}, "no argument"),
        ({"input": "text.png"}, "not a picture"),
        ({"input": "tiny.png", "output": "x.xyz"}, ""),
        ({"input": "crystal.mp4"}, "picture"),
    ]
    (ends.folder / "text.png").write_text("this is no picture\n")
    if not (ends.folder / "link.png").is_symlink():
        (ends.folder / "link.png").symlink_to("/etc/passwd")
    before = sorted(ends.folder.iterdir())

    async def run():
        async with ends.connect("2026-07-28") as client:
            await client.list_tools()
            for arguments, word in cases:
                result = await client.call_tool("image_upscale", arguments)
                text = text_of(result)
                assert result.is_error and word in text, (arguments, text)
                assert "\n" not in text and 10 < len(text) < 600

    anyio.run(run)
    assert sorted(ends.folder.iterdir()) == before


def test_force(ends):
    async def run():
        target = ends.folder / f"old-{ends.kind}.png"
        target.write_bytes(b"old")
        async with ends.connect("auto") as client:
            await client.list_tools()
            arguments = {"input": "tiny.png", "output": target.name}
            assert (await client.call_tool("image_upscale", arguments)).is_error
            assert target.read_bytes() == b"old"
            assert not (await client.call_tool("image_upscale", dict(arguments, force=True))).is_error
            with Image.open(target) as image:
                assert image.size == (16, 16)

    anyio.run(run)
