"""What would cost the gateway dearly is refused by a limit that the refusal names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from reliability.hostile import (
    AUTHORIZATION,
    DEEP,
    DEPTHS,
    HOSTILE,
    HOT,
    Client,
    Hostile,
    client,
    deep,
    flood,
    refused_flood,
    resident,
)
from support.gateway_process import GatewayProcess, gateway_before_sandbox, gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.raw_http import RawConnection, request
from support.requirements import need

DOCUMENTS = 1_000
LARGE_DOCUMENTS = 4_000
GROWTH = 80
"""Megabytes; without a bound, a quarter of these documents alone would take twice as much."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with gateway_before_sandbox() as gateway:
        yield gateway


@pytest.fixture
def asking(gateway: GatewayProcess) -> Iterator[Client]:
    with client(gateway) as asking:
        yield asking
        assert asking.run(HOT).json()["data"]["invitations"]["nodes"], "the connection does not go on"
        assert "bug=" not in gateway.log()


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_is_refused_by_a_limit_that_is_named(hostile: Hostile, asking: Client) -> None:
    for _ in range(3):
        answer = asking.ask(hostile.request())
        assert answer.status == hostile.status
        messages = [error["message"] for error in answer.json()["errors"]]
        assert any(re.search(hostile.names, message, re.DOTALL) for message in messages), messages
        assert "data" not in answer.json()
        assert len(answer.body) < 20_000


@pytest.mark.parametrize("form", DEEP.values(), ids=DEEP)
def test_values_and_types_in_each_other_are_refused_at_any_depth(form: str, asking: Client) -> None:
    for levels in DEPTHS:
        for _ in range(2):
            answer = asking.run(deep(form, levels))
            (*_, error) = answer.json()["errors"]
            assert answer.status == 400
            assert error["extensions"]["code"] in {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}


def test_a_flood_of_different_documents_is_not_kept(gateway: GatewayProcess, asking: Client) -> None:
    need(Path("/proc/self/status").exists(), "a process's memory is read from /proc")
    flood(asking, DOCUMENTS)
    before = resident(gateway)
    flood(asking, LARGE_DOCUMENTS, fields=200, start=DOCUMENTS)
    assert resident(gateway) - before < GROWTH


def test_requests_that_are_refused_leave_nothing_behind(gateway: GatewayProcess, asking: Client) -> None:
    need(Path("/proc/self/status").exists(), "a process's memory is read from /proc")
    for request_ in refused_flood(20):
        asking.ask(request_)
    before = resident(gateway)
    for request_ in refused_flood(200):
        assert asking.ask(request_).status == 400
    assert resident(gateway) - before < GROWTH


def aliases(field: str, number: int) -> str:
    return " ".join(f"a{n}: {field}" for n in range(number))


PAGE = "invitations(first: 100, after: $after)"
BODIES = "nodes { message { invitationMessage { body } } }"
MULTIPLYING = [
    f"{PAGE} {{ {BODIES.replace('body', aliases('body', 50))} }}",
    f"{PAGE} {{ edges {{ {aliases('cursor', 50)} }} }}",
    f"{aliases(PAGE + ' { nodes { ...F } }', 4)} }} fragment F on InvitationV2 {{ {'x' * 45_000}: id",
]


def large_pages(url: str, call: Request) -> bytes:
    """Answer with a hundred invitations of 70,000 characters; the first page links on, with a long token."""
    value = [{"id": str(n), "message": {"invitationMessage": {"body": "x" * 70_000}}} for n in range(100)]
    if "skiptoken" in call.target:
        return json_answer(200, {"value": value})
    return json_answer(200, {"value": value, "@odata.nextLink": f"{url}/linkedIn/invitations?$skiptoken={'y' * 4_000}"})


def test_an_answer_that_has_a_value_many_times_is_not_written() -> None:
    need(Path("/proc/self/status").exists(), "a process's memory is read from /proc")
    with InvitationsUpstream() as upstream:
        url = f"{upstream.url}/v1.0"
        upstream.expect(lambda call: large_pages(url, call))
        with gateway_process("serve", UPSTREAM_URL=url) as gateway, client(gateway) as asking:
            first = asking.run(f"{{ invitations(first: 100) {{ {BODIES} pageInfo {{ endCursor }} }} }}")
            assert len(first.body) > 7_000_000
            variables = {"after": first.json()["data"]["invitations"]["pageInfo"]["endCursor"]}
            before = resident(gateway, "VmHWM")
            for selected in MULTIPLYING:
                for _ in range(3):
                    answer = asking.run(f"query ($after: String) {{ {selected} }}", variables)
                    assert answer.status == 200
                    content = answer.json()
                    assert content["data"] is None
                    assert [error["extensions"] for error in content["errors"]] == [{"code": "ANSWER_TOO_LARGE"}]
            assert resident(gateway, "VmHWM") - before < GROWTH


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /graphql HTTP/1.1\r\n",
        b"GET /graphql HTTP/1.1\r\nX-Filler: ",
        b"GET /graphql?query=",
        request(None, b"Content-Type: application/json", b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n",
    ],
    ids=["headers", "one header", "a URL", "trailers"],
)
def test_a_head_without_end_is_refused(beginning: bytes, gateway: GatewayProcess) -> None:
    filler = b"x" * 990 + (b"" if beginning.endswith((b"=", b" ")) else b": x\r\n")
    with RawConnection(gateway.port) as connection:
        connection.send(beginning)
        with pytest.raises(ConnectionError):
            connection.send(filler * 100_000)


def test_a_large_head_and_many_requests_at_once_are_let_in(gateway: GatewayProcess) -> None:
    small = request(b'{"query":"{ __typename }"}')
    large = request(b'{"query":"{ __typename }"}', *[b"X-%d: " % n + b"x" * 2_000 for n in range(20)])
    with RawConnection(gateway.port) as connection:
        for _ in range(3):
            assert connection.ask(large).status == 200
        connection.send(small * 2_000)
        assert {connection.receive().status for _ in range(2_000)} == {200}


SUGGESTING = [
    "{ invitatio }",
    "{ invitation(idd: 1) { id } }",
    "{ invitation { id } }",
    "{ invitation(id: 1) }",
    "{ invitation(id: 1) { inviteee } }",
    "{ invitations { edge { cursor } } }",
    "query ($v: CreateInvitation) { __typename }",
    "mutation { createInvitatio }",
    "mutation { createInvitation }",
    "mutation { createInvitation(input: {}) { id } }",
    "mutation { createInvitation(input: {inviter: 1, invite: 2}) { id } }",
    'mutation { updateInvitation(input: {id: "1"}) { id } }',
    "{ ... on InvitationV { id } }",
    '{ invitations(after: "x") { nodes { id } } }',
    "{ invitations(first: 0) { nodes { id } } }",
    "{ __schema { types { name } } }",
    '{ __type(name: "Query") { fields { name } } }',
]


def test_without_introspection_no_answer_names_what_the_client_does_not_know() -> None:
    schema = Path(__file__).parents[2].joinpath("schema.graphql").read_text(encoding="utf-8")
    without_descriptions = re.sub(r'"""[\s\S]*?"""|"[^"\n]*"', "", schema)
    names = {name for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", without_descriptions) if re.search("[A-Z]", name)}
    assert {"createInvitation", "InvitationV2", "endCursor", "invitationTemplateID"} <= names
    names -= {"String", "Int", "Boolean", "ID"}
    with gateway_before_sandbox(INTROSPECTION="false") as gateway, client(gateway) as asking:
        for query in SUGGESTING:
            for _ in range(3):
                answer = asking.run(query)
                assert answer.json()["errors"]
                for error in answer.json()["errors"]:
                    told = set(re.findall(r"\w+", error["message"])) & names
                    assert told <= set(re.findall(r"\w+", query)), error
                    assert "Did you mean" not in error["message"]


def test_no_answer_names_the_server(gateway: GatewayProcess) -> None:
    targets = (b"/graphql", b"/healthz", b"/graphiql/x/page.js", b"/nothing", b"/graphql?query={x}", b"bad")
    for target in targets:
        with RawConnection(gateway.port) as connection:
            answer = connection.ask(request(None, AUTHORIZATION, b"Connection: close", method=b"GET", target=target))
            assert answer.header("server") is None
