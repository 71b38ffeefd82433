"""Nobody in who doesn't belong: keys, the page's link and cookie, Host, Origin, the key's file."""

import http.client
import os
import pathlib
import re
import resource
import socket
import stat
import subprocess

import pytest
import requests


def get(server, path="/v1/jobs", method="GET", **headers):
    """Without the key, unless it is among the headers."""
    return requests.request(method, server.url + path, headers={k.replace("_", "-"): v for k, v in headers.items()},
                            allow_redirects=False, timeout=30)  # fmt: skip


def raw(server, text):
    """Sends the bytes as they are; the status of the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.connect()
    connection.sock.sendall(text)
    answer = http.client.HTTPResponse(connection.sock)
    answer.begin()
    connection.close()
    return answer.status


def test_without_the_key(server):
    for path in ("/v1/jobs", "/v1/status", "/v1/models", "/metrics", "/v1/events", "/nothing/here"):
        answer = get(server, path)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "urn:pipersr:problem:no-key"


@pytest.mark.parametrize("key", ["", "x", "0" * 64, "\xe4" * 64, "a" * 5000])
def test_wrong_keys(server, key):
    assert get(server, X_Session_Key=key.encode("latin-1")).status_code == 401
    assert get(server, Authorization=b"Bearer " + key.encode("latin-1")).status_code == 401


def test_parts_and_lengthenings_of_the_key(server):
    for key in (server.key[:-1], server.key + "0", server.key.upper() + " "):
        if key.strip() != server.key:
            assert get(server, X_Session_Key=key).status_code in (400, 401)


def test_right_key(server):
    assert get(server, X_Session_Key=server.key).status_code == 200
    assert get(server, Authorization=f"Bearer {server.key}").status_code == 200
    assert get(server, Authorization=f"bearer {server.key}").status_code == 200


def test_key_in_the_address_is_for_event_streams_only(server):
    assert get(server, f"/v1/jobs?sk={server.key}").status_code == 401
    answer = requests.get(f"{server.url}/events?sk={server.key}", stream=True, timeout=30)
    assert answer.status_code == 200
    answer.close()
    assert get(server, "/events?sk=wrong").status_code == 401


def test_upload_without_the_key_is_not_kept(server):
    before = sum(1 for _ in server.state.rglob("*"))
    answer = requests.post(f"{server.url}/v1/image/upscale", files={"file": ("a.png", b"x" * 100000)}, timeout=30)
    assert answer.status_code == 401
    assert sum(1 for _ in server.state.rglob("*")) == before


def test_link_is_good_once(make_server):
    server = make_server().start()
    answer = requests.get(server.link, allow_redirects=False, timeout=30)
    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and server.key not in cookie
    assert requests.get(server.link, allow_redirects=False, timeout=30).status_code == 403

    pair = cookie.split(";")[0]
    assert get(server, Cookie=f"a=b; {pair}").status_code == 200
    assert get(server, Cookie=pair + "0").status_code == 401
    # What changes something has to say that it comes from our own page.
    missing = "/v1/jobs/" + "0" * 32
    assert get(server, missing, "DELETE", Cookie=pair).status_code == 401
    assert get(server, missing, "DELETE", Cookie=pair, Origin=server.url).status_code == 404
    assert get(server, missing, "DELETE", Cookie=pair, Sec_Fetch_Site="same-origin").status_code == 404
    assert get(server, missing, "DELETE", Cookie=pair, Sec_Fetch_Site="same-site").status_code == 401
    assert get(server, Cookie=pair, Sec_Fetch_Site="cross-site").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9998", "127.0.0.1.evil.example", "[::1", "", "localhost.evil"])
def test_foreign_host(server, host):
    assert get(server, Host=host, X_Session_Key=server.key).status_code in (400, 403)


def test_own_hosts(server):
    port = server.url.rsplit(":", 1)[1]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "LOCALHOST"):
        assert get(server, Host=host, X_Session_Key=server.key).status_code == 200
    assert raw(server, b"GET /v1/jobs HTTP/1.0\r\nX-Session-Key: " + server.key.encode() + b"\r\n\r\n") in (400, 403)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"])
def test_foreign_origin(server, origin):
    for method in ("GET", "POST", "OPTIONS"):
        answer = get(server, "/v1/jobs", method, Origin=origin, X_Session_Key=server.key)
        assert answer.status_code == 403 and "Access-Control-Allow-Origin" not in answer.headers


def test_allowed_origin(make_server):
    origin = "https://friend.example"
    server = make_server("--allow-origin", origin).start()
    preflight = get(server, "/v1/image/upscale", "OPTIONS", Origin=origin, Access_Control_Request_Method="POST")
    assert preflight.status_code == 204 and "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    of_mcp = get(server, "/mcp", "OPTIONS", Origin=origin, Access_Control_Request_Method="POST")
    assert of_mcp.status_code == 204
    for name in ("Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-ID"):
        assert name in of_mcp.headers["Access-Control-Allow-Headers"]
    assert "Mcp-Session-Id" in of_mcp.headers["Access-Control-Expose-Headers"]
    answer = get(server, Origin=origin, X_Session_Key=server.key)
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == origin
    assert get(server, Origin=origin).status_code == 401


def test_mcp_from_an_allowed_origin(make_server):
    """A page may send the protocol's headers, and read the session's."""
    origin = "https://friend.example"
    server = make_server("--allow-origin", origin).start()
    preflight = get(server, "/mcp", "OPTIONS", Origin=origin, Access_Control_Request_Method="POST")
    allowed = {name.strip().lower() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")}
    assert preflight.status_code == 204 and "DELETE" in preflight.headers["Access-Control-Allow-Methods"]
    assert allowed >= {
        "x-session-key", "content-type", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"
    }  # fmt: skip
    message = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}}
    answer = server.request(
        "POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": message}, headers={"Origin": origin}
    )
    assert answer.status_code == 200 and answer.headers["Mcp-Session-Id"]
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    exposed = {name.strip().lower() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert "mcp-session-id" in exposed


def test_methods(server):
    answer = get(server, "/v1/jobs", "PUT", X_Session_Key=server.key)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]
    assert get(server, "/v1/video/upscale", "GET", X_Session_Key=server.key).status_code == 405


@pytest.mark.parametrize(
    "headers", ["Content-Length: 5\r\nContent-Length: 10", "Transfer-Encoding: chunked\r\nContent-Length: 10", "Host: localhost",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"]
)  # fmt: skip
def test_requests_of_two_minds(server, headers):
    """What this server takes for one request may be two to a proxy before it."""
    head = f"POST /v1/image/upscale HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {server.key}\r\n{headers}\r\n\r\n"
    assert raw(server, head.encode() + b"5\r\n01234\r\n0\r\n\r\n") == 400
    assert server.get("/v1/jobs").json()["total"] == 0


def test_head_of_a_stream(server):
    """Nothing follows its headers: the next answer on the connection is the next request's."""
    host, port = server.url.removeprefix("http://").split(":")
    headers = f"HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {server.key}\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"HEAD /v1/events {headers}\r\nGET /v1/status {headers}Connection: close\r\n\r\n".encode())
        first, _, rest = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200") and b"text/event-stream" in first
    assert rest.startswith(b"HTTP/1.1 200") and b'"version"' in rest


def test_huge_headers(server):
    assert raw(server, b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300000 + b"\r\n\r\n") >= 400
    assert raw(server, b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") >= 400
    assert server.get("/v1/status").status_code == 200


def test_key_file(make_server, tmp_path):
    path = tmp_path / "key"
    server = make_server("--key-file", path).start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text().strip() == server.key
    key = server.key
    assert not any(key in line for line in server.lines)
    server.stop()
    assert server.start().key == key
    server.stop()
    os.chmod(path, 0o644)
    with pytest.raises(AssertionError, match="may be read by others"):
        server.start()


@pytest.mark.parametrize("length, is_key", [(15, False), (16, True), (255, True), (256, False), (5000, False)])
def test_length_of_a_key_in_a_file(make_server, tmp_path, length, is_key):
    """Of a longer one a part would be the key, which nobody who knows the whole would send."""
    path = tmp_path / "key"
    path.write_text("k" * length + "\n")
    path.chmod(0o600)
    server = make_server("--key-file", path)
    if is_key:
        assert get(server.start(), X_Session_Key="k" * length).status_code == 200
    else:
        with pytest.raises(AssertionError, match="holds no key: one line of 16 to 255 characters"):
            server.start()


def limit_descriptors(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_descriptors(make_server, tiny_png):
    """The usual limit is raised to what the connections may need; where that is not allowed, it is said, and the server
    outlives the lack of them."""
    enough = make_server("--max-connections", 500).start(prepare=limit_descriptors(256, 4096))
    limits = pathlib.Path(f"/proc/{enough.process.pid}/limits").read_text()
    assert int(re.search(r"Max open files +(\d+)", limits)[1]) >= 1000
    assert enough.stop() == 0 and not enough.said()
    few = make_server("--client-connections", 1000).start(prepare=limit_descriptors(80, 80))
    assert "only 80 files may be open at once" in few.said()
    host, port = few.url.removeprefix("http://").split(":")
    connections = [socket.create_connection((host, int(port)), timeout=30) for _ in range(150)]
    for connection in connections:
        connection.sendall(f"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Session-Key: {few.key}\r\n\r\n".encode())
    for connection in connections:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.close()
    assert few.wait(few.upscale(tiny_png, name="a.png")["id"])["state"] == "done"
    assert few.stop() == 0


def test_key_changes_at_each_start(make_server):
    server = make_server().start()
    first, path = server.key, server.state / "key"
    assert len(first) == 64 and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.state.stat().st_mode) == 0o700
    server.stop()
    server.start()
    assert server.key != first and get(server, X_Session_Key=first).status_code == 401


@pytest.mark.parametrize(
    "options, message",
    [
        (["--listen", "0.0.0.0"], "--key"),
        (["--port", "70000"], "--port"),
        (["--key", "short"], "--key"),
        (["--max-upload", "lots"], "--max-upload"),
        (["--tls-cert", "a"], "--tls-key"),
        (["--nonsense"], "--nonsense"),
        (["extra"], "extra"),
    ],
)
def test_wrong_usage(program, tmp_path, options, message):
    done = subprocess.run([program, "serve", "--state", tmp_path / "s", *options], stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_two_servers_of_one_state(make_server, program):
    server = make_server().start()
    key = (server.state / "key").read_text()
    done = subprocess.run([program, "serve", "--state", server.state, "--port", "0"], stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 5 and "used by another server" in done.stderr
    assert (server.state / "key").read_text() == key


def test_unix_socket(make_server, tmp_path):
    path = tmp_path / "socket"
    server = make_server("--unix", path)
    server.options += ["--state", str(server.state)]
    process = subprocess.Popen([str(p) for p in (os.environ.get("PIPERSR", "build/pipersr"), "serve", "--state", server.state, "--unix", path)],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout.readline() == f"listening on {path}\n"
    process.stdout.readline()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = (server.state / "key").read_text().strip()
    curl = ["curl", "-sS", "--unix-socket", str(path), "http://localhost/v1/status", "-H", f"X-Session-Key: {key}"]
    assert b'"version"' in subprocess.run(curl, stdout=subprocess.PIPE, check=True, timeout=30).stdout
    process.terminate()
    assert process.wait(timeout=30) == 0 and not path.exists()
    process.stdout.close()


def test_tls(make_server, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = make_server("--tls-cert", cert, "--tls-key", key).start()
    assert server.url.startswith("https://")
    answer = requests.get(server.url + "/v1/status", headers={"X-Session-Key": server.key}, verify=str(cert), timeout=30)
    assert answer.status_code == 200
    link = requests.get(server.link, verify=str(cert), allow_redirects=False, timeout=30)
    assert "Secure" in link.headers["Set-Cookie"]
    for version, is_spoken in [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)]:
        client = ["openssl", "s_client", "-connect", server.url.removeprefix("https://"), f"-{version}", "-cipher", "ALL:@SECLEVEL=0"]
        done = subprocess.run(client, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        assert (b"BEGIN CERTIFICATE" in done.stdout) == is_spoken, (version, done.stdout)
