"""The options of jobs: those of the command line, under its names, in all the places that name them."""

import re
import subprocess

import pytest
from server_process import ROOT

# Options of `pipersr upscale` that jobs have not, and why.
ELSEWHERE = {
    "input": "the job's file",
    "output": "the job's result; of MCP an argument of the tool",
    "recursive": "a job has one file",
    "force": "there is nothing to overwrite; of MCP an argument of the tool",
    "skip-existing": "a job has one file",
    "threads": "the owner's: serve --threads",
    "isa": "the machine's",
    "memory-limit": "the owner's: serve --job-memory",
    "max-pixels": "the owner's: serve --max-pixels",
    "encoder-opts": "encoders take names of files in it",
    "framerate": "of numbered pictures, which are no job's input",
    "start-number": "of numbered pictures, which are no job's input",
    "resume": "jobs do it by themselves",
    "segment-frames": "jobs do it by themselves",
    "quiet": "how the command line speaks",
    "json": "how the command line speaks",
    "help": "how the command line speaks",
    "version": "how the command line speaks",
}
# Of a request and of a tool, beside the options.
OF_REQUEST = {"file", "upload", "job", "name", "wait", "Idempotency-Key"}
OF_TOOL = {"input", "upload", "output", "force", "wait"}
KINDS = ("video", "image")


@pytest.fixture(scope="module")
def command_line(program):
    help = subprocess.run([str(program), "upscale", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +(?:-\w+, )?--([a-z][a-z-]*)", help, re.MULTILINE))


@pytest.fixture(scope="module")
def options(server, command_line):
    """{kind: the command line's options that jobs of the kind take}, as the server answers."""

    def is_option(kind, name):
        answer = server.request("POST", f"/v1/{kind}/upscale", params={name: ""})
        assert answer.status_code == 422
        return not re.search(r"there is no option|is no option of", answer.json()["detail"])

    return {kind: {name for name in command_line if is_option(kind, name)} for kind in KINDS}


@pytest.fixture(scope="module")
def document(server):
    return server.get("/v1/openapi.json").json()


@pytest.fixture(scope="module")
def tools(server):
    listed = server.request("POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()["result"]["tools"]
    return {tool["name"]: tool["inputSchema"]["properties"] for tool in listed}


def fields(document, kind):
    content = document["paths"][f"/v1/{kind}/upscale"]["post"]["requestBody"]["content"]
    return content["multipart/form-data"]["schema"]["properties"]


def arguments(document, kind):
    parameters = document["paths"][f"/v1/{kind}/upscale"]["post"]["parameters"]
    return {each["name"]: each["schema"] for each in parameters}


def test_jobs_have_what_the_command_line_has(command_line, options):
    assert set(ELSEWHERE) <= command_line
    assert options["video"] | options["image"] == command_line - set(ELSEWHERE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_names_them_all(options, document, kind):
    assert set(arguments(document, kind)) - OF_REQUEST == options[kind]
    assert set(fields(document, kind)) - OF_REQUEST == options[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tools_have_them_all(options, tools, kind):
    assert set(tools[f"{kind}_upscale"]) == options[kind] | OF_TOOL


@pytest.mark.parametrize("kind", KINDS)
def test_all_say_the_same_of_their_values(options, document, tools, kind):
    def values(schema):
        return {key: schema.get(key) for key in ("type", "enum", "minimum", "maximum")}

    for name in options[kind]:
        own = values(tools[f"{kind}_upscale"][name])
        assert values(fields(document, kind)[name]) == values(arguments(document, kind)[name]) == own, name


@pytest.mark.parametrize("kind", KINDS)
def test_the_pages_of_docs_name_them_all(options, kind):
    rows = [line.split("|") for line in (ROOT / "docs" / "server.md").read_text().splitlines() if line.startswith("| `")]
    named = {name for row in rows if row[2].strip() in (kind, "both") for name in re.findall(r"`([a-z-]+)`", row[1])}
    assert named == options[kind]
    rows = [line for line in (ROOT / "docs" / "mcp.md").read_text().splitlines() if line.startswith(f"| `{kind}_upscale`")]
    assert len(rows) == 1
    assert set(re.findall(r"`([a-z-]+)`", rows[0].split("|")[2])) == options[kind] | OF_TOOL - {"upload"}
