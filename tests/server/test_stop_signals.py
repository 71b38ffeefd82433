"""A library may start threads before main(), as OpenBLAS does: signals that they get end nothing abruptly."""

import json
import os
import signal
import subprocess

import pytest

from server_process import PROGRAM, Server

LIBRARY = """
#include <pthread.h>
#include <unistd.h>

static void *sleep_on(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

__attribute__((constructor)) static void start(void)
{
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        pthread_create(&thread, 0, sleep_on, 0);
}
"""


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    (folder / "threads.c").write_text(LIBRARY)
    made = folder / "threads.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-pthread", folder / "threads.c", "-o", made], check=True)
    return {"LD_PRELOAD": str(made)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_mcp(preloaded, tmp_path, number):
    environment = {**os.environ, **preloaded, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [PROGRAM, "mcp"], cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    assert os.listdir(tmp_path)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve(preloaded, tmp_path, number):
    server = Server(tmp_path / "state", environment=preloaded).start()
    assert server.session.get(server.url + "/v1/status").status_code == 200
    assert server.end(number) == 0
