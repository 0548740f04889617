"""The bearer token is forwarded unchanged, and nothing is sent without one."""

import json

import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, always, json_answer
from support.operations import OPERATIONS, Operation
from support.raw_http import RawConnection, request

from gateway.invitations import Caller, InvitationsError
from gateway.invitations.rest import Call

pytestmark = pytest.mark.quick

GOOD = json_answer(200, {"id": "1", "value": []})


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNzd29yZA==",
        "Negotiate abc",
        "Digest username=x",
        "abc",
        "Bearer two words",
        "Bearer one, Basic dXNlcjpwYXNzd29yZA==",
        "Bearerabc",
        "NotBearer abc",
    ],
)
def test_without_a_bearer_token_nothing_is_sent_to_the_api(
    gateway: Gateway, upstream: InvitationsUpstream, authorization: str | None, operation: Operation
) -> None:
    error = gateway.error(operation.query, authorization=authorization)
    assert error["extensions"] == {
        "code": "UNAUTHENTICATED",
        **({"outcome": "NOT_APPLIED"} if operation.is_mutation else {}),
    }
    assert "Authorization" in error["message"]
    assert upstream.calls == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize(
    "authorization",
    ["Bearer a", "bearer lower-case", "BEARER UPPER", "Bearer a.b-c_d~e+f/g==", "Bearer " + "x" * 4000],
    ids=["short", "lower case", "upper case", "all characters", "long"],
)
def test_the_token_is_forwarded_unchanged(
    gateway: Gateway, upstream: InvitationsUpstream, authorization: str, operation: Operation
) -> None:
    upstream.expect(always(GOOD))
    gateway.data(operation.query, authorization=authorization)
    assert [call.headers["authorization"] for call in upstream.calls] == [authorization]


@pytest.mark.parametrize("before", [b"", b" ", b"\t", b" \t "])
@pytest.mark.parametrize("behind", [b" ", b"\t", b" \t  "])
def test_whitespace_around_the_token_is_allowed_and_not_forwarded(
    gateway: Gateway, upstream: InvitationsUpstream, before: bytes, behind: bytes
) -> None:
    upstream.expect(always(GOOD))
    for operation in OPERATIONS.values():
        body = json.dumps({"query": operation.query}).encode()
        with RawConnection(gateway.port) as connection:
            answer = connection.ask(request(body, b"Authorization:" + before + b"Bearer t" + behind))
        assert "errors" not in answer.json()
    assert [raw.count(b"\r\nAuthorization: Bearer t\r\n") for raw in upstream.requests] == [1, 1, 1, 1]


@pytest.mark.parametrize("value", ["Bearer \u00a0t", "Bearer t\u00a0", "Bearer\tt", "Bearer t\x0b", "\t"])
def test_a_token_cannot_contain_other_whitespace(value: str) -> None:
    with pytest.raises(InvitationsError):
        Caller(value.encode("latin-1")).headers()


def test_neither_a_caller_nor_its_call_shows_the_token_or_the_body() -> None:
    caller = Caller(b"Bearer s3cret")
    call = Call("POST", "/linkedIn/invitations", caller, 1.0, b'{"body": "s3cret"}')
    assert "s3cret" not in f"{caller!r} {caller} {call!r} {call}"


def test_each_request_uses_its_own_token(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(GOOD))
    for n in range(5):
        gateway.data('{ invitation(id: "1") { id } }', authorization=f"Bearer {n}")
    gateway.error('{ invitation(id: "1") { id } }', authorization=None)
    assert [call.headers["authorization"] for call in upstream.calls] == [f"Bearer {n}" for n in range(5)]


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        "mutation { __typename }",
        "{ __schema { types { name } } }",
        '{ __type(name: "Query") { name } }',
    ],
)
def test_fields_that_need_no_rest_request_need_no_token(
    gateway: Gateway, upstream: InvitationsUpstream, query: str
) -> None:
    assert gateway.data(query, authorization=None)
    assert upstream.calls == []
