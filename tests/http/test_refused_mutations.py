"""A refusal of what is, or may be, a mutation says that nothing was applied: a client may send it again."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from support.gateway_process import GatewayProcess
from support.invitations_upstream import InvitationsUpstream
from support.raw_http import RawConnection, request
from support.servers import serve_app

from gateway.engine import Engine
from gateway.http import GraphQLEndpoint
from gateway.schema import create_schema

CREATE = "mutation M ($v: CreateInvitationInput!) { createInvitation(input: $v) { id } }"
CHAIN = " ".join(f"a{n}: createInvitation(input: $v) {{ id }}" for n in range(21))


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
def test_a_refusal_of_what_may_be_a_mutation_says_not_applied(
    data: bytes, scripted: GatewayProcess, upstream: InvitationsUpstream
) -> None:
    for _ in range(2):
        assert {it["outcome"] for it in extensions_of_refusal(scripted, data)} == {"NOT_APPLIED"}
    assert upstream.accepted == 0


@pytest.mark.parametrize("data", REFUSED_QUERIES.values(), ids=REFUSED_QUERIES)
def test_a_refusal_of_what_is_no_mutation_says_no_outcome(data: bytes, scripted: GatewayProcess) -> None:
    for _ in range(2):
        assert all("outcome" not in it for it in extensions_of_refusal(scripted, data))


def test_a_bug_before_a_mutation_begins_says_not_applied() -> None:
    def fail(headers: Mapping[bytes, bytes]) -> object:
        raise RuntimeError(headers)

    endpoint = GraphQLEndpoint(Engine(create_schema()), context=fail)
    with serve_app(Starlette(routes=[Route("/graphql", endpoint)])) as url:
        for query, told in (("mutation { __typename }", {"outcome": "NOT_APPLIED"}), ("{ __typename }", {})):
            answer = httpx.post(f"{url}/graphql", json={"query": query})
            assert answer.status_code == 500
            assert answer.json()["errors"][0]["extensions"] == {"code": "INTERNAL_SERVER_ERROR", **told}
