#!/usr/bin/env python3
"""Runs the conformance suite of the Model Context Protocol (npm: @modelcontextprotocol/conformance) against
`pipersr serve`.

usage: mcp_conformance.py [PROGRAM]     (default: build/pipersr)

Much of the suite calls tools, prompts and resources of its own example server, or parts of the protocol that this
server does not declare (prompts, completion, logging, subscriptions). Such checks cannot succeed here and are counted
apart; any other check that fails makes the exit status 1. Needs npx, Node.js 22 and, the first time, the npm registry;
without them it says "skipped" and ends with 0. The suite cannot send the session key: a proxy between the two does.
"""

import asyncio
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

PACKAGE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "key-of-the-conformance-run"
OWN_TOOLS = "(?:video_upscale|image_upscale|upscale_status|upscale_cancel|models_list)"
NOT_OURS = re.compile(
    rf"Unknown tool: (?!{OWN_TOOLS})|does not list the diagnostic tool|^Not testable|'json_schema_2020_12_tool' not found"
    r"|Method not found: (?:prompts/|completion/|logging/|resources/(?:un)?subscribe)|Resource not found|failing_job"
    r"|fixture .* unavailable|Prerequisite failed|^Expected InputRequiredResult"
)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


async def relay(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def start_proxy(port):
    """Adds the session key to each request on its way to the server; returns the port to talk to."""
    ready, found = threading.Event(), []

    async def handle(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        first, *lines = head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(b"connection:")]
        there, back = await asyncio.open_connection("127.0.0.1", port)
        # One request a connection, so that none goes by without the key.
        back.write(b"\r\n".join([first, b"X-Session-Key: " + KEY.encode(), b"Connection: close", *kept]))
        await asyncio.gather(relay(reader, back), relay(there, writer))

    async def serve():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        found.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    ready.wait()
    return found[0]


def run_suite(program, folder):
    """The suite's results: a list of (scenario, check)."""
    server = subprocess.Popen(
        [program, "serve", "--port", "0", "--state", folder / "state", "--key", KEY],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        proxy = start_proxy(int(server.stdout.readline().rsplit(":", 1)[1]))
        ended = subprocess.run(
            ["npx", "--yes", PACKAGE, "server", "--url", f"http://127.0.0.1:{proxy}/mcp", "--suite", "all"]
            + ["--output-dir", folder / "results"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=900,
        )
    finally:
        server.terminate()
        server.wait()
    files = sorted((folder / "results").glob("*/checks.json"))
    if not files:
        skip(f"the suite did not run: {(ended.stderr or ended.stdout).strip().splitlines()[-1:]}")
    return [(path.parent.name, check) for path in files for check in json.loads(path.read_text())]


def main():
    program = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "pipersr").resolve()
    if not shutil.which("npx"):
        skip("there is no npx")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0] or 0) < 22:
        skip(f"the suite needs Node.js 22, and this is {version}")
    with tempfile.TemporaryDirectory() as folder:
        results = run_suite(program, pathlib.Path(folder))
    passed = foreign = failed = 0
    for scenario, check in results:
        message = check.get("errorMessage") or ""
        if check["status"] == "SUCCESS":
            passed += 1
        elif check["status"] == "FAILURE" and NOT_OURS.search(message):
            foreign += 1
        elif check["status"] == "FAILURE":
            failed += 1
            print(f"{scenario}: {check['id']}: {message}")
    print(f"{foreign} checks need what only the suite's own server has")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
