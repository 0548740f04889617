"""A refusal of a mutation, or of what may be one, says that nothing was applied, so that a client may resend it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from support.gateway import Gateway, GatewayProcess, running_gateway
from support.invitations_upstream import InvitationsUpstream
from support.raw_http import RawConnection, request

pytestmark = pytest.mark.quick

CREATE = "mutation M ($v: CreateInvitationInput!) { createInvitation(input: $v) { id } }"
CHAIN = " ".join(f"a{n}: createInvitation(input: $v) {{ id }}" for n in range(21))


SECRET = "5ecret-of-the-variables"


@pytest.fixture(scope="module")
def in_process(upstream: InvitationsUpstream) -> Iterator[Gateway]:
    """Run a gateway in this process in front of `upstream`."""
    with running_gateway(upstream.url) as gateway:
        yield gateway


def post(query: object, *headers: bytes, **members: object) -> bytes:
    return request(json.dumps({"query": query, **members}).encode(), *headers)


def get(query: str) -> bytes:
    return request(method=b"GET", target=b"/graphql?query=" + quote(query).encode("ascii"))


REFUSED_MUTATIONS = {
    "a syntax error": post("mutation { createInvitation("),
    "an empty selection": post("mutation { createInvitation(input: {}) { } }"),
    "an empty document": post(""),
    "too long a document": post(CREATE + " #" + "x" * 50_000),
    "too many tokens": post(CREATE + " fragment F on Query {" + "a " * 2_000 + "}"),
    "a field that does not exist": post("mutation { nothing }"),
    "several fields that do not exist": post("mutation { nothing none }"),
    "too many root fields": post(f"mutation ($v: CreateInvitationInput!) {{ {CHAIN} }}"),
    "no operation": post("fragment F on Mutation { __typename }"),
    "a name that is not there": post(CREATE, operationName="N"),
    "too long a name": post(CREATE, operationName="N" * 5_000),
    "no name": post(CREATE + " query Q { __typename }"),
    "no variables": post(CREATE),
    "wrong variables": post(CREATE, variables={"v": {"inviter": 1, "invitee": 2}}),
    "too many variables": post(CREATE, variables={str(n): n for n in range(1_001)}),
    "variables that are none": post(CREATE, variables=1),
    "no document": post(None),
    "a persisted query": post(None, extensions={"persistedQuery": {"version": 1, "sha256Hash": "ecf4"}}),
    "not JSON": request(b"{"),
    "a batch": request(b"[]"),
    "a large body": post("#" * 1_000_001),
    "another media type": request(CREATE.encode(), content_type=b"application/graphql"),
    "a compressed body": post(CREATE, b"Content-Encoding: gzip"),
    "nothing acceptable": post(CREATE, b"Accept: text/plain"),
    "two tokens": post(CREATE, b"Authorization: Bearer a", b"Authorization: Bearer b"),
    "a long header": post(CREATE, b"Accept: " + b"a" * 2_000),
    "another method": request(b"{}", method=b"PUT"),
    "a mutation by GET": get("mutation { __typename }"),
    "a wrong mutation by GET": get("mutation { nothing }"),
}
REFUSED_QUERIES = {
    "a field that does not exist": post("{ nothing }"),
    "a missing variable": post("query ($id: ID!) { invitation(id: $id) { id } }"),
    "several queries and no name": post("query A { __typename } query B { __typename }"),
    "a syntax error by GET": get("{"),
    "nothing by GET": request(method=b"GET"),
    "nothing acceptable by GET": request(None, b"Accept: text/plain", method=b"GET", target=b"/graphql?query={a}"),
    "a subscription": post("subscription { nothing }"),
}


def extensions_of_refusal(gateway: GatewayProcess, data: bytes) -> list[dict[str, Any]]:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(data)
    assert "data" not in answer.json()
    found = [error["extensions"] for error in answer.json()["errors"]]
    assert found
    return found


@pytest.mark.parametrize("data", REFUSED_MUTATIONS.values(), ids=REFUSED_MUTATIONS)
def test_a_refusal_of_a_possible_mutation_says_not_applied(
    data: bytes, scripted: GatewayProcess, upstream: InvitationsUpstream
) -> None:
    for _ in range(2):
        assert {it["outcome"] for it in extensions_of_refusal(scripted, data)} == {"NOT_APPLIED"}
    assert upstream.accepted == 0


@pytest.mark.parametrize("data", REFUSED_QUERIES.values(), ids=REFUSED_QUERIES)
def test_a_refusal_of_a_query_has_no_outcome(data: bytes, scripted: GatewayProcess) -> None:
    for _ in range(2):
        assert all("outcome" not in it for it in extensions_of_refusal(scripted, data))


Refused = tuple[str, object, str]


NOT_EXECUTED: dict[str, Refused] = {
    "no document": ("", None, "GRAPHQL_PARSE_FAILED"),
    "a syntax error": ("{ invitation(", None, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ("{ invitation(id: 1) { nothing } }", None, "GRAPHQL_VALIDATION_FAILED"),
    "a missing argument": ("{ invitation { id } }", None, "GRAPHQL_VALIDATION_FAILED"),
    "a literal of a wrong type": ("{ invitations(first: true) { nodes { id } } }", None, "GRAPHQL_VALIDATION_FAILED"),
    "a missing input property": (
        'mutation { createInvitation(input: {inviter: "a"}) { id } }',
        None,
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "an empty selection": (
        'mutation { createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { } }',
        None,
        "GRAPHQL_PARSE_FAILED",
    ),
    "a missing variable": ("query ($id: ID!) { invitation(id: $id) { id } }", None, "BAD_USER_INPUT"),
    "a variable of a wrong type": (
        "query ($id: ID!) { invitation(id: $id) { id } }",
        {"id": {"a": SECRET}},
        "BAD_USER_INPUT",
    ),
    "an unknown input property": (
        "mutation ($input: UpdateInvitationInput!) { updateInvitation(input: $input) { id } }",
        {"input": {"id": "1", "inviter": "a", "unknown": 1}},
        "BAD_USER_INPUT",
    ),
}


@pytest.mark.parametrize(("query", "variables", "code"), NOT_EXECUTED.values(), ids=NOT_EXECUTED.keys())
def test_an_invalid_operation_is_refused_with_a_code_and_without_a_rest_request(
    in_process: Gateway, upstream: InvitationsUpstream, query: str, variables: object, code: str
) -> None:
    error = in_process.refusal(query, variables)
    not_a_query = "mutation" in query or code == "GRAPHQL_PARSE_FAILED"
    assert error["extensions"] == {"code": code, **({"outcome": "NOT_APPLIED"} if not_a_query else {})}
    assert SECRET not in json.dumps(error)
    assert upstream.calls == []


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (
            'mutation ($x: String = "a") { createInvitation(input: {inviter: $x, invitee: "b", message: {}}) { id } }',
            {"x": None},
        ),
        ('mutation { updateInvitation(input: {id: "1"}) { id } }', None),
    ],
    ids=["null where a default is allowed", "nothing to change"],
)
def test_a_mutation_whose_input_is_refused_while_it_runs_was_not_applied(
    in_process: Gateway, upstream: InvitationsUpstream, query: str, variables: object
) -> None:
    error = in_process.error(query, variables)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}
    assert upstream.calls == []


@pytest.mark.parametrize(
    ("body", "code", "hint"),
    [
        (b'[{"query": "{ __typename }"}]', "BAD_REQUEST", "batch"),
        (b"not JSON", "BAD_REQUEST", "JSON"),
        (b'{"extensions": {}}', "BAD_REQUEST", "query"),
        (
            b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ecf4"}}}',
            "PERSISTED_QUERY_NOT_SUPPORTED",
            "PersistedQueryNotSupported",
        ),
    ],
)
def test_a_body_that_is_not_a_graphql_request_is_refused_with_a_code_and_a_reason(
    in_process: Gateway, upstream: InvitationsUpstream, body: bytes, code: str, hint: str
) -> None:
    content = in_process.raw(body).json()
    (error,) = content["errors"]
    assert error["extensions"] == {"code": code, "outcome": "NOT_APPLIED"}
    assert hint in error["message"]
    assert upstream.calls == []
