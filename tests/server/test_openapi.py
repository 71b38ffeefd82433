"""openapi.json against the running server."""

import os
import re

import requests
import schemathesis
import schemathesis.checks
from hypothesis import HealthCheck, settings
from server_process import ROOT

SCHEMA = ROOT / "server" / "openapi.json"
schema = schemathesis.openapi.from_path(str(SCHEMA))

# More for a longer look: SCHEMATHESIS_EXAMPLES=200.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "4"))


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_answers_are_as_documented(server, case):
    """Requests that the document allows, and some that it does not: every answer is one that it has."""
    if case.path in ("/v1/events", "/v1/jobs/{id}/events"):
        return  # streams: tests/server/test_answers.py follows them
    headers = {"X-Session-Key": server.key, "Accept": "application/json"}
    answer = case.call(base_url=server.url, headers=headers, timeout=60)
    assert answer.status_code < 500 or answer.status_code in (503, 507), answer.text
    case.validate_response(
        answer,
        checks=(
            schemathesis.checks.status_code_conformance,
            schemathesis.checks.content_type_conformance,
            schemathesis.checks.response_headers_conformance,
            schemathesis.checks.response_schema_conformance,
        ),
    )


def test_document_is_served_without_a_key(server):
    answer = requests.get(server.url + "/v1/openapi.json", timeout=30)
    assert answer.status_code == 200 and answer.content == SCHEMA.read_bytes()
    assert answer.json()["openapi"].startswith("3.1")


def test_every_route_is_in_the_document(server):
    routes = (ROOT / "server" / "routes.c").read_text()
    named = {path for _, path in re.findall(r'\{"(GET|POST|DELETE)", "(/v1[^"]*|/metrics)"', routes)}
    assert named == set(server.get("/v1/openapi.json").json()["paths"])
