"""The log lines of REST requests: what Microsoft's support asks for, and no private data."""

import re
from collections.abc import Iterator

import httpx
import pytest
from support.gateway import TOKEN, GatewayProcess, gateway_process
from support.invitations_upstream import InvitationsUpstream, Reply, always, json_answer, replying
from support.operations import CREATE, GET, LIST, UPDATE, Operation
from support.scripted_upstream import UpstreamConnection, answer
from support.waiting import LIMIT

from gateway.invitations.rest_log import data_center

REQUEST_ID = b"request-id: 7b1a9d3e-0000-4c4c-8888-0123456789ab"
DIAGNOSTIC = (
    b'x-ms-ags-diagnostic: {"ServerInfo":{"DataCenter":"West US","Slice":"E","Ring":"1","RoleInstance":"5ecret"}}'
)
GOOD = json_answer(200, {"id": "1", "inviter": "Jane-Doe", "value": []}, REQUEST_ID, DIAGNOSTIC)


def lose(connection: UpstreamConnection) -> None:
    connection.close()


@pytest.fixture(scope="module")
def upstream() -> Iterator[InvitationsUpstream]:
    with InvitationsUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module", params=["info", "debug"])
def gateway(upstream: InvitationsUpstream, request: pytest.FixtureRequest) -> Iterator[tuple[str, GatewayProcess]]:
    with gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", LOG_LEVEL=request.param) as process:
        yield request.param, process


def lines_of(gateway: GatewayProcess, operation: Operation) -> list[str]:
    headers = {"Authorization": TOKEN}
    response = httpx.post(f"{gateway.url}/graphql", json={"query": operation.query}, headers=headers, timeout=LIMIT)
    return [line for line in gateway.log_of(response.headers["X-Request-Id"]) if " gateway.rest " in line]


@pytest.mark.parametrize("operation", [CREATE, UPDATE, GET, LIST], ids=["create", "update", "get", "list"])
def test_a_success_is_logged_if_that_is_switched_on(
    upstream: InvitationsUpstream, gateway: tuple[str, GatewayProcess], operation: Operation
) -> None:
    level, process = gateway
    upstream.expect(always(GOOD))
    lines = lines_of(process, operation)
    if level == "info":
        assert lines == []
        return
    (line,) = lines
    (call,) = upstream.calls
    assert re.search(
        rf" DEBUG gateway\.rest method={operation.method} try=1 status=200 ms=[0-9]+\.[0-9]"
        rf" client_request_id={call.headers['client-request-id']}"
        r' upstream_request_id=7b1a9d3e-0000-4c4c-8888-0123456789ab data_center="West US" request_id=',
        line,
    )


FAILURES: dict[str, tuple[Reply, str]] = {
    "refused": (
        answer(403, b"", REQUEST_ID, DIAGNOSTIC),
        "INFO .* status=403 .* code=FORBIDDEN cause=status .* data_center=",
    ),
    "failed": (answer(500, b"", REQUEST_ID, DIAGNOSTIC), "WARNING .* status=500 .* code=UPSTREAM_ERROR cause=status "),
    "not usable": (
        json_answer(200, {}, REQUEST_ID),
        "WARNING .* status=200 .* code=UPSTREAM_INVALID_RESPONSE cause=unusable ",
    ),
    "of another request": (
        answer(201, b"", b"client-request-id: 0b5a1c5e-0000-4000-8000-000000000000"),
        "WARNING .* status=201 .* code=UPSTREAM_INVALID_RESPONSE cause=foreign ",
    ),
    "lost": (lose, "WARNING .* status=- .* code=UPSTREAM_UNAVAILABLE cause=ReadError "),
}


@pytest.mark.parametrize(("failure", "expected"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_is_always_logged(
    upstream: InvitationsUpstream, gateway: tuple[str, GatewayProcess], failure: Reply, expected: str
) -> None:
    upstream.expect(replying(failure))
    (line,) = lines_of(gateway[1], CREATE)
    (call,) = upstream.calls
    assert re.search(expected, line)
    assert f" client_request_id={call.headers['client-request-id']} " in line
    for private in ("linkedIn", "token-of-the-test", str(call.json["trackingId"]), "127.0.0.1"):
        assert private not in line


def test_each_try_is_logged(upstream: InvitationsUpstream, gateway: tuple[str, GatewayProcess]) -> None:
    upstream.expect(replying(lose, answer(503, b"", b"Retry-After: 0"), answer(404, b"")))
    lines = lines_of(gateway[1], GET)
    assert [re.findall(r"try=(\d) status=(\S+)", line)[0] for line in lines] == [("1", "-"), ("2", "503"), ("3", "404")]
    ids = [call.headers["client-request-id"] for call in upstream.calls]
    assert [re.findall(r" client_request_id=(\S+)", line)[0] for line in lines] == ids


@pytest.mark.parametrize(
    ("diagnostic", "place"),
    [
        ('{"ServerInfo":{"DataCenter":"West Europe","Ring":"5"}}', "West Europe"),
        ('{"ServerInfo":{"DataCenter":""}}', None),
        ('{"ServerInfo":{"DataCenter":"a\\nb"}}', None),
        ('{"ServerInfo":{"DataCenter":"a\\"b"}}', None),
        ('{"ServerInfo":{"DataCenter":7}}', None),
        ('{"ServerInfo":{"DataCenter":"' + "x" * 65 + '"}}', None),
        ('{"ServerInfo":{"DataCenter":"x","More":"' + "x" * 5000 + '"}}', None),
        ('{"ServerInfo":{}}', None),
        ('{"ServerInfo":[]}', None),
        ("{}", None),
        ("[" * 1900, None),
        ("\xff", None),
        ("not JSON", None),
        ("", None),
    ],
)
def test_a_data_center_is_logged_only_if_it_is_a_short_plain_name(diagnostic: str, place: str | None) -> None:
    assert data_center(diagnostic) == place
