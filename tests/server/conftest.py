"""Fixtures of the server's tests: servers with temporary state folders on free ports."""

import pytest
from server_process import PROGRAM, ROOT, Server


@pytest.fixture(scope="session", autouse=True)
def program():
    """Path of the program under test: $PIPERSR, or build/pipersr."""
    assert PROGRAM.is_file(), f"{PROGRAM} is not built"
    return PROGRAM


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server with the defaults, one for each file of tests."""
    server = Server(tmp_path_factory.mktemp("server") / "state", "--max-rate", 100000).start()
    yield server
    assert server.stop() == 0


@pytest.fixture
def make_server(tmp_path):
    """make_server(*options) -> Server, not started yet; all of one test share a state folder, so the next one
    goes on where the last one ended. Whatever still runs at the end of the test is stopped."""
    made = []

    def make(*options, state=None, **arguments):
        made.append(Server(state or tmp_path / "state", *options, **arguments))
        return made[-1]

    yield make
    for server in made:
        if server.process is not None:
            server.stop()


@pytest.fixture(scope="session")
def samples():
    """The folder of small pictures and a clip."""
    return ROOT / "samples"


@pytest.fixture(scope="session")
def tiny_png():
    """The bytes of a PNG of 8 x 8 pixels, of which a job takes a moment."""
    import io

    from PIL import Image

    data = io.BytesIO()
    Image.radial_gradient("L").resize((8, 8)).convert("RGB").save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="session")
def tiny_mp4(tmp_path_factory):
    """The bytes of an MP4 of 10 frames of 64 x 48 pixels with sound."""
    import subprocess

    path = tmp_path_factory.mktemp("clip") / "tiny.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-f", "lavfi", "-i",
         "sine=duration=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-y", str(path)],
        check=True,
    )  # fmt: skip
    return path.read_bytes()
