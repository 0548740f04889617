"""`X-Request-Id`, and the log line of each request."""

import json
import re
from uuid import uuid4

import httpx
import pytest
from support.gateway import GatewayProcess
from support.invitations_upstream import InvitationsUpstream, always, json_answer, replying
from support.raw_http import RawConnection, request

TYPENAME = b'{"query":"{ __typename }"}'
SECRET = "Jane-Doe-4711"
TOKEN = f"Bearer token-{SECRET}"
SANE = ["a", "A.b_c-1", "0af7651916cd43dd8448eb211c80319c", "x" * 128, "3f2c1a9e-0b1d-4f6e-8a52-6f1f6f1f6f1f", "-"]
NOT_SANE = [
    b"",
    b"x" * 129,
    b"two words",
    b"a\tb",
    b"a=b",
    b'a"b',
    b"a,b",
    b"a\\nb",
    b"a%0ab",
    b"\xe4",
    b"<script>",
    b"status=500 x",
]
UPDATE = """mutation Both($first: UpdateInvitationInput!, $second: UpdateInvitationInput!) {
  first: updateInvitation(input: $first) { id }
  second: updateInvitation(input: $second) { id }
}"""
CHANGES = {
    "first": {"id": "1", "message": {"invitationMessage": {"body": SECRET}}},
    "second": {"id": "2", "inviter": f"urn:li:person:{SECRET}"},
}


def run(client: httpx.Client, gateway: GatewayProcess, body: object, **headers: str) -> tuple[httpx.Response, str]:
    """Send a request, and return its response and its only log line."""
    request_id = str(uuid4())
    given = {"X-Request-Id": request_id, "Authorization": TOKEN, **headers}
    response = client.post(f"{gateway.url}/graphql", json=body, headers=given)
    (line,) = [line for line in gateway.log_of(request_id) if " gateway.rest " not in line]
    return response, line


def fields(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in line.split(" ") if "=" in part)}


def graph_error(status: int, request_id: str) -> bytes:
    error = {"code": "someCode", "message": f"no {SECRET} here", "innerError": {"request-id": request_id}}
    return json_answer(status, {"error": error})


@pytest.mark.parametrize("request_id", SANE)
def test_a_valid_request_id_of_the_caller_is_used(request_id: str, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(TYPENAME, b"X-Request-ID: " + request_id.encode()))
        assert answer.header("x-request-id") == request_id
    gateway.log_of(request_id)


@pytest.mark.parametrize("request_id", NOT_SANE)
def test_an_invalid_request_id_is_replaced(request_id: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(TYPENAME, b"X-Request-Id: " + request_id))
    given = answer.header("x-request-id")
    assert given
    assert re.fullmatch(r"[A-Za-z0-9_.\-]{16,128}", given)
    assert given.encode() != request_id
    gateway.log_of(given)


def test_every_request_without_an_id_gets_its_own(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        given = [connection.ask(request(TYPENAME)).header("x-request-id") for _ in range(50)]
    assert len(set(given)) == 50
    assert None not in given


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(TYPENAME), 200),
        (request(b"1"), 400),
        (request(TYPENAME, target=b"/nothing"), 404),
        (request(method=b"PUT"), 405),
        (request(TYPENAME, b"Accept: text/plain"), 406),
        (request(b" " * 1_000_001), 413),
        (request(TYPENAME, content_type=b"text/plain"), 415),
        (request(TYPENAME, b"Accept: " + b"a" * 2000), 431),
        (request(method=b"GET", target=b"/healthz"), 200),
        (request(method=b"GET", target=b"/graphiql/0/nothing.js"), 404),
    ],
)
def test_every_response_has_the_request_id_and_every_request_is_logged(
    data: bytes, status: int, gateway: GatewayProcess
) -> None:
    request_id = str(uuid4())
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(data.replace(b"\r\n", b"\r\nX-Request-Id: %s\r\n" % request_id.encode(), 1))
    assert (answer.status, answer.header("x-request-id")) == (status, request_id)
    (line,) = [line for line in gateway.log_of(request_id) if " gateway.rest " not in line]
    assert f" status={status} " in line
    assert " INFO " in line


def test_a_preflight_has_a_request_id(dev: GatewayProcess, client: httpx.Client) -> None:
    headers = {"Origin": "http://localhost:1", "Access-Control-Request-Method": "POST"}
    response = client.options(f"{dev.url}/graphql", headers=headers)
    assert response.status_code == 200
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("document", "kind", "operation"),
    [
        ("{ __typename }", "query", "-"),
        ("query Who { __typename }", "query", "Who"),
        ("mutation Nothing { __typename }", "mutation", "Nothing"),
        (f"query {'N' * 40_000} {{ __typename }}", "query", "N" * 100),
    ],
    ids=["anonymous", "query", "mutation", "a long name"],
)
def test_the_line_of_a_success_has_only_the_type_and_the_name_of_the_operation(
    document: str, kind: str, operation: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response, line = run(client, gateway, {"query": document})
    assert "errors" not in response.json()
    found = fields(line)
    assert (found["kind"], found["operation"]) == (kind, operation)
    assert set(found) == {"method", "path", "status", "ms", "kind", "operation", "request_id"}


def test_the_line_of_failed_mutations_has_codes_outcomes_and_the_ids_of_the_rest_api(
    upstream: InvitationsUpstream, scripted: GatewayProcess, client: httpx.Client
) -> None:
    upstream.expect(replying(graph_error(403, "graph-1"), graph_error(500, "graph-2")))
    response, line = run(client, scripted, {"query": UPDATE, "variables": CHANGES})
    assert len(response.json()["errors"]) == 2
    found = fields(line)
    assert (found["status"], found["kind"], found["operation"]) == ("200", "mutation", "Both")
    assert found["codes"] == "FORBIDDEN,UPSTREAM_ERROR"
    assert found["outcomes"] == "NOT_APPLIED,UNKNOWN"
    assert found["upstream_request_ids"] == "graph-1,graph-2"
    assert found["client_request_ids"].split(",") == [call.headers["client-request-id"] for call in upstream.calls]
    assert SECRET not in line


def test_equal_values_in_several_errors_are_logged_once(
    upstream: InvitationsUpstream, scripted: GatewayProcess, client: httpx.Client
) -> None:
    upstream.expect(always(graph_error(409, "graph-1")))
    _, line = run(client, scripted, {"query": UPDATE, "variables": CHANGES})
    found = fields(line)
    assert (found["codes"], found["outcomes"]) == ("CONFLICT", "NOT_APPLIED")
    assert found["upstream_request_ids"] == "graph-1"


def test_the_line_of_a_failed_read_has_no_outcome(
    upstream: InvitationsUpstream, scripted: GatewayProcess, client: httpx.Client
) -> None:
    upstream.expect(always(graph_error(403, "graph-3")))
    _, line = run(client, scripted, {"query": "query Page { invitations { nodes { id } } }"})
    found = fields(line)
    assert (found["kind"], found["operation"], found["codes"]) == ("query", "Page", "FORBIDDEN")
    assert found["upstream_request_ids"] == "graph-3"
    assert "outcomes" not in found


def test_an_upstream_request_id_that_is_not_a_plain_token_is_not_logged(
    upstream: InvitationsUpstream, scripted: GatewayProcess, client: httpx.Client
) -> None:
    upstream.expect(always(graph_error(403, f"{SECRET}\n2026 ERROR forged")))
    _, line = run(client, scripted, {"query": "{ invitations { nodes { id } } }"})
    assert "upstream_request_ids" not in fields(line)
    assert "forged" not in scripted.log()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": f'{{ invitation(id: "{SECRET}") '}, "GRAPHQL_PARSE_FAILED"),
        ({"query": f'{{ invitation(id: "{SECRET}'}, "GRAPHQL_PARSE_FAILED"),
        ({"query": f'{{ invitation(no: "{SECRET}") {{ id }} }}'}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": f'{{ invitations(first: "{SECRET}") {{ nodes {{ id }} }} }}'}, "GRAPHQL_VALIDATION_FAILED"),
        (
            {"query": "query ($n: Int) { invitations(first: $n) { nodes { id } } }", "variables": {"n": SECRET}},
            "BAD_USER_INPUT",
        ),
        ({"query": "{ __typename }", "variables": [SECRET]}, "BAD_REQUEST"),
        ({"query": "{ __typename }", "operationName": SECRET}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": SECRET}}}, "PERSISTED_QUERY_NOT_SUPPORTED"),
    ],
)
def test_a_refused_request_is_logged_with_only_its_code_and_not_as_an_error(
    body: object, code: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    _, line = run(client, gateway, body)
    assert " INFO gateway.access " in line
    assert fields(line)["codes"] == code
    assert SECRET not in line


def test_the_log_never_has_a_token_a_text_or_a_literal(
    upstream: InvitationsUpstream, scripted: GatewayProcess, client: httpx.Client
) -> None:
    upstream.expect(always(graph_error(401, "graph-4")))
    run(client, scripted, {"query": UPDATE, "variables": CHANGES})
    run(client, scripted, {"query": f'{{ invitation(id: "{SECRET}") {{ id }} }}'})
    upstream.expect(always(json_answer(200, {"id": SECRET, "inviter": 1})))
    run(client, scripted, {"query": UPDATE, "variables": CHANGES})
    client.get(f"{scripted.url}/graphql", params={"query": f'{{ invitation(id: "{SECRET}") {{ id }} }}'})
    run(client, scripted, {"query": "{ __typename }"})
    assert SECRET not in scripted.log()
    assert " ERROR " not in scripted.log()
    assert "Traceback" not in scripted.log()


def test_a_path_cannot_forge_a_line(gateway: GatewayProcess) -> None:
    target = b"/x%0a2026-01-01T00:00:00.000Z%20ERROR%20forged%20status=500%0d%22%e2%80%a8%1b[31m"
    with RawConnection(gateway.port) as connection:
        connection.ask(request(None, b"X-Request-Id: a-forger", method=b"GET", target=target))
    (line,) = gateway.log_of("a-forger")
    assert not any("forged" in other for other in gateway.log().splitlines() if other != line)
    assert line.isascii()
    assert line.isprintable()
    quoted = re.search(r'path=("(?:[^"\\]|\\.)*")', line)
    assert quoted
    assert json.loads(quoted[1]).startswith("/x\n2026")
