"""The table of errors: the REST API's responses, and what a frontend gets for each."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, always, json_answer
from support.operations import CREATE, GET, LIST, OBJECTS, OPERATIONS, UPDATE, Operation
from support.scripted_upstream import answer

from gateway.errors import ErrorCode
from gateway.invitations.failures import answered
from gateway.invitations.graph_error import read_graph_error

SECRET = "5ecret-of-the-upstream"
REQUEST_ID = "7b1a9d3e-0000-4c4c-8888-0123456789ab"


def graph_error(inner: str, **members: object) -> bytes:
    content = {
        "error": {
            "code": "someCode",
            "message": f"{SECRET} the user x@example.com",
            "details": [{"code": "other", "message": SECRET}],
            inner: {
                "code": "inner",
                "date": "2026-01-05T08:30:00",
                "request-id": REQUEST_ID,
                "client-request-id": "not ours",
                "innerError": {"code": f"{SECRET} <b>", "request-id": SECRET, "message": SECRET},
            },
            **members,
        }
    }
    return json.dumps(content).encode()


HTML = f"<!DOCTYPE html><html><body><h1>{SECRET}</h1></body></html>".encode()
KNOWN = {"upstreamCode": "inner", "requestId": REQUEST_ID}
BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "Graph's with innerError": (graph_error("innerError"), KNOWN),
    "Graph's with innererror": (graph_error("innererror"), KNOWN),
    "Graph's with a code that is no token": (
        graph_error("innerError", code=f"{SECRET} <b>", innerError={"code": SECRET * 9, "request-id": REQUEST_ID}),
        {"requestId": REQUEST_ID},
    ),
    "Graph's without more": (b'{"error": {"code": "someCode", "message": ""}}', {"upstreamCode": "someCode"}),
    "HTML": (HTML, {}),
    "empty": (b"", {}),
    "truncated": (graph_error("innerError")[:-9], {}),
    "a string": (json.dumps(SECRET).encode(), {}),
    "an array": (json.dumps([SECRET]).encode(), {}),
    "null": (b"null", {}),
    "an error that is a string": (json.dumps({"error": SECRET}).encode(), {}),
    "a code of a wrong type": (json.dumps({"error": {"code": {"x": SECRET}}}).encode(), {}),
    "nested deeply": (b'{"error":' * 5000, {}),
    "no UTF-8": (b"\xff\xfe\x00", {}),
}

STATUSES = {
    300: "UPSTREAM_ERROR",
    301: "UPSTREAM_ERROR",
    302: "UPSTREAM_ERROR",
    303: "UPSTREAM_ERROR",
    304: "UPSTREAM_ERROR",
    307: "UPSTREAM_ERROR",
    308: "UPSTREAM_ERROR",
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    402: "UPSTREAM_ERROR",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "UPSTREAM_ERROR",
    406: "UPSTREAM_ERROR",
    409: "CONFLICT",
    410: "NOT_FOUND",
    412: "CONFLICT",
    413: "UPSTREAM_ERROR",
    415: "UPSTREAM_ERROR",
    418: "UPSTREAM_ERROR",
    422: "BAD_USER_INPUT",
    423: "UPSTREAM_ERROR",
    429: "RATE_LIMITED",
    500: "UPSTREAM_ERROR",
    501: "UPSTREAM_ERROR",
    502: "UPSTREAM_UNAVAILABLE",
    503: "UPSTREAM_UNAVAILABLE",
    504: "UPSTREAM_TIMEOUT",
    505: "UPSTREAM_ERROR",
    507: "UPSTREAM_ERROR",
    509: "RATE_LIMITED",
    599: "UPSTREAM_ERROR",
    999: "UPSTREAM_ERROR",
}
MAY_PASS = {429, 502, 503, 504, 509}
NO_BODY = {304}


@pytest.mark.parametrize(
    ("status", "operation"),
    [
        pytest.param(status, operation, id=f"{status}-{name}")
        for status, code in STATUSES.items()
        for name, operation in OPERATIONS.items()
        if not (operation is GET and code == "NOT_FOUND")  # that is null, not an error
    ],
)
def test_a_status_other_than_success_becomes_its_code_whatever_its_body(
    gateway: Gateway, upstream: InvitationsUpstream, status: int, operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    # Longer than the timeout, so that nothing is retried and no test has to wait.
    wait = [b"Retry-After: 3600"] if status in MAY_PASS else []
    for body, known in BODIES.values():
        extra = [b"X-Debug: " + SECRET.encode(), b"Location: " + upstream.url.encode() + b"/elsewhere", *wait]
        upstream.expect(always(answer(status, b"" if status in NO_BODY else body, *extra, content_type=b"text/html")))
        gateway.as_another_user()

        error = gateway.error(operation.query)

        (call,) = upstream.calls
        assert error["extensions"] == {
            "code": STATUSES[status],
            "status": status,
            "clientRequestId": call.headers["client-request-id"],
            **({} if status in NO_BODY else known),
            **({"retryAfter": 3600} if wait else {}),
            **({"outcome": "NOT_APPLIED" if 400 <= status < 500 else "UNKNOWN"} if operation.is_mutation else {}),
            **({"trackingId": call.json["trackingId"]} if operation is CREATE else {}),
        }
        assert SECRET not in json.dumps(error)
    assert SECRET not in caplog.text
    assert gateway.authorization.removeprefix("Bearer ") not in caplog.text


def test_the_request_id_in_the_header_is_preferred_to_the_one_in_the_body(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(always(answer(500, graph_error("innerError"), b"request-id: of-the-header")))
    assert gateway.error(GET.query)["extensions"]["requestId"] == "of-the-header"


@pytest.mark.parametrize("value", [b"a b", b"<script>", b"x" * 5000, b'"'])
def test_a_request_id_that_is_not_a_plain_token_is_not_shown(
    gateway: Gateway, upstream: InvitationsUpstream, value: bytes
) -> None:
    upstream.expect(always(answer(500, b"", b"request-id: " + value)))
    assert "requestId" not in gateway.error(GET.query)["extensions"]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_claims_challenge_is_passed_on_without_the_rest_of_its_header(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ=="
    challenge = (
        f'WWW-Authenticate: Bearer realm="", authorization_uri="https://{SECRET}/authorize", client_id="{SECRET}", '
        f'error="insufficient_claims", claims="{claims}"'
    )
    upstream.expect(always(answer(401, graph_error("innerError"), challenge.encode())))

    response = gateway.post(operation.query)

    assert response.json()["errors"][0]["extensions"]["claims"] == claims
    assert SECRET not in response.text
    assert SECRET not in str(response.headers)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("error", ['error="insufficient_claims"', "error=insufficient_claims"])
def test_a_claims_challenge_with_a_403_is_also_passed_on(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation, error: str
) -> None:
    upstream.expect(always(answer(403, b"", f'WWW-Authenticate: Bearer realm="", {error}, claims="e30="'.encode())))
    extensions = gateway.error(operation.query)["extensions"]
    assert (extensions["code"], extensions["claims"]) == ("FORBIDDEN", "e30=")


@pytest.mark.parametrize("status", [400, 403, 500])
def test_claims_are_passed_on_only_with_a_401_or_if_claims_are_missing(
    gateway: Gateway, upstream: InvitationsUpstream, status: int
) -> None:
    upstream.expect(always(answer(status, b"", b'WWW-Authenticate: Bearer claims="abc"')))
    assert "claims" not in gateway.error(GET.query)["extensions"]


NESTED: dict[str, tuple[object, str | None]] = {
    "the precise code within another": (
        {"code": "accessDenied", "innerError": {"code": "throttledRequest"}},
        "throttledRequest",
    ),
    "both spellings in turn": (
        {"code": "a", "innererror": {"code": "b", "innerError": {"code": "c", "innererror": {"code": "d"}}}},
        "d",
    ),
    "both spellings side by side": ({"code": "a", "innererror": {"code": "b"}, "innerError": {}}, "b"),
    "an inner error without a code": ({"code": "a", "innerError": {"innerError": {"date": "x"}}}, "a"),
    "an inner code that is no token": ({"code": "a", "innerError": {"code": f"{SECRET} x"}}, "a"),
    "an inner code of a wrong type": ({"code": "a", "innerError": {"code": {"x": SECRET}}}, "a"),
    "an inner error of a wrong type": ({"code": "a", "innerError": [{"code": SECRET}]}, "a"),
    "a code only within": ({"message": SECRET, "innererror": {"code": "b"}}, "b"),
}


@pytest.mark.parametrize(("error", "code"), NESTED.values(), ids=NESTED.keys())
def test_the_upstream_code_is_the_most_detailed_one(
    gateway: Gateway, upstream: InvitationsUpstream, error: object, code: str | None
) -> None:
    upstream.expect(always(json_answer(403, {"error": error})))
    told = gateway.error(GET.query)
    assert told["extensions"]["upstreamCode"] == code
    assert SECRET not in json.dumps(told)


@pytest.mark.parametrize("depth", [10, 100, 5000])
def test_an_error_nested_to_any_depth_keeps_the_code_of_its_status(
    gateway: Gateway, upstream: InvitationsUpstream, depth: int
) -> None:
    body = b'{"error":' + b'{"code":"x","innerError":' * depth + b"1" + b"}" * depth + b"}"
    upstream.expect(always(answer(403, body)))
    extensions = gateway.error(GET.query)["extensions"]
    assert extensions["code"] == "FORBIDDEN"
    assert extensions.get("upstreamCode", "x") == "x"


def test_every_status_has_a_code_and_a_message() -> None:
    for status in range(300, 1000):
        error = answered(httpx.Response(status), read_graph_error(b""), "id")
        assert error.code in ErrorCode
        assert str(error).endswith(".")


GOOD: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.InvitationV2",
    "id": "1",
    "created": 1,
    "lastModified": 2,
    "inviter": "a",
    "invitee": "b",
    "message": {"invitationTemplateID": "t", "invitationMessage": {"body": "text"}},
    "trackingId": "x",
}


def without_id() -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != "id"}


WRONG_MEMBERS: dict[str, list[Any]] = {
    "id": [None, 1, {}, [], True],
    "created": [SECRET, "", "01", "+1", " 1", "1.0", 1.5, 1e3, True, {}, 2**63, -(2**63) - 1, str(2**63)],
    "lastModified": ["1e3", "-0", False, [], 2**64],
    "inviter": [1, {}, True],
    "invitee": [1, []],
    "trackingId": [1, {}],
    "message": [
        SECRET,
        1,
        [],
        True,
        {"invitationTemplateID": 1},
        {"invitationMessage": SECRET},
        {"invitationMessage": {"body": 1}},
        {"invitationMessage": {"body": {"content": SECRET}}},
    ],
}
WRONG_OBJECTS: dict[str, Any] = {
    "no id": without_id(),
    "no object": [GOOD],
    "a string": SECRET,
    "a list in the wrapper": {"value": [GOOD]},
    "an error with a status of success": {"error": {"code": SECRET, "message": SECRET}},
    **{
        f"{name} is {json.dumps(value)[:30]}": {**GOOD, name: value}
        for name, values in WRONG_MEMBERS.items()
        for value in values
    },
}
WRONG_PAGES: list[Any] = [
    *({"value": [GOOD, wrong]} for wrong in WRONG_OBJECTS.values()),
    *({"value": [GOOD], "@odata.nextLink": link} for link in [1, True, [], "", SECRET]),
    {},
    GOOD,
    {"value": None},
    {"value": {}},
    {"value": GOOD},
    [GOOD],
]
WRONG_BODIES: dict[str, bytes] = {
    **{name: json.dumps(content).encode() for name, content in WRONG_OBJECTS.items()},
    "HTML": HTML,
    "empty": b"",
    "truncated": json.dumps(GOOD).encode()[:-2],
    "two objects": json.dumps(GOOD).encode() * 2,
    "nested deeply": b'{"id":"1","x":' + b"[" * 100_000,
    "nested deeply behind a wrong type": b'{"id":1,"x":' + b"[" * 100_000,
    "nested deeply, and whole": b'{"id":"1","message":' + b'{"message":' * 50_000 + b"1" + b"}" * 50_001,
    "no UTF-8": b'{"id": "\xff"}',
    "half a surrogate": b'{"id": "\\ud83d"}',
    "not a number": b'{"id": "1", "created": NaN}',
}


def assert_unusable(gateway: Gateway, upstream: InvitationsUpstream, operation: Operation, status: int) -> None:
    error = gateway.error(operation.query)
    (call,) = upstream.calls
    assert error["extensions"] == {
        "code": "UPSTREAM_INVALID_RESPONSE",
        "status": status,
        "requestId": "some-id",
        "clientRequestId": call.headers["client-request-id"],
        **({"outcome": "APPLIED"} if operation.is_mutation else {}),
        **({"trackingId": call.json["trackingId"]} if operation is CREATE else {}),
    }
    assert SECRET not in json.dumps(error)


@pytest.mark.parametrize("operation", OBJECTS.values(), ids=OBJECTS.keys())
@pytest.mark.parametrize("body", WRONG_BODIES.values(), ids=WRONG_BODIES.keys())
def test_a_success_without_a_valid_invitation_is_an_invalid_response_and_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream, body: bytes, operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for status in (operation.success, 202):
        upstream.expect(always(answer(status, body, b"request-id: some-id")))
        assert_unusable(gateway, upstream, operation, status)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        *(json.dumps(content).encode() for content in WRONG_PAGES),
        HTML,
        b"",
        b'{"value": [',
        b'{"value": ' + b"[" * 100_000,
    ],
)
def test_a_success_without_a_valid_page_is_an_invalid_response(
    gateway: Gateway, upstream: InvitationsUpstream, body: bytes
) -> None:
    upstream.expect(always(answer(200, body, b"request-id: some-id")))
    assert_unusable(gateway, upstream, LIST, 200)


@pytest.mark.parametrize("operation", OBJECTS.values(), ids=OBJECTS.keys())
def test_a_success_without_content_is_invalid_except_for_an_update(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(always(answer(204, b"", b"request-id: some-id")))
    if operation is UPDATE:
        error = gateway.error(operation.query)
        assert [call.method for call in upstream.calls] == ["PATCH", "GET"]
        assert error["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
        assert error["extensions"]["outcome"] == "APPLIED"
    else:
        assert_unusable(gateway, upstream, operation, 204)


@pytest.mark.parametrize("status", STATUSES)
def test_an_update_whose_re_read_fails_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream, status: int
) -> None:
    read_again = answer(status, b"", *([b"Retry-After: 3600"] if status in MAY_PASS else []))
    upstream.expect(lambda call: answer(204, b"") if call.method == "PATCH" else read_again)

    error = gateway.error(UPDATE.query)

    assert [call.method for call in upstream.calls] == ["PATCH", "GET"]
    assert error["extensions"]["code"] == STATUSES[status]
    assert error["extensions"]["status"] == status
    assert error["extensions"]["outcome"] == "APPLIED"


def test_missing_and_null_properties_are_null(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    everything = """{ invitation(id: "1") { id created createdAt lastModified lastModifiedAt inviter invitee trackingId
                      message { invitationTemplateID invitationMessage { body } } } }"""
    for content in ({"id": "1"}, {**dict.fromkeys(GOOD), "id": "1"}):
        upstream.expect(always(json_answer(200, content)))
        invitation = gateway.data(everything)["invitation"]
        assert invitation.pop("id") == "1"
        assert set(invitation.values()) == {None}
    upstream.expect(always(json_answer(200, {"id": "1", "message": {}})))
    message = gateway.data(everything)["invitation"]["message"]
    assert message == {"invitationTemplateID": None, "invitationMessage": None}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_redirect_is_not_followed(gateway: Gateway, upstream: InvitationsUpstream, operation: Operation) -> None:
    with InvitationsUpstream(always(json_answer(200, GOOD))) as other:
        for target in (other.url, upstream.url):
            for status in (301, 302, 303, 307, 308):
                upstream.expect(always(answer(status, b"", f"Location: {target}/v1.0/linkedIn/invitations".encode())))
                assert gateway.error(operation.query)["extensions"]["code"] == "UPSTREAM_ERROR"
                assert len(upstream.calls) == 1
        assert other.accepted == 0


def test_an_error_has_the_request_ids_of_the_last_try(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(answer(502, b"")))
    error = gateway.error(GET.query)
    ids = [call.headers["client-request-id"] for call in upstream.calls]
    assert len(set(ids)) == 3
    assert all(UUID(each) for each in ids)
    assert error["extensions"]["clientRequestId"] == ids[-1]


@pytest.mark.parametrize("operation", [CREATE, UPDATE], ids=["create", "update"])
def test_after_a_408_it_is_unknown_whether_a_mutation_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(always(answer(408)))
    assert gateway.error(operation.query)["extensions"]["outcome"] == "UNKNOWN"
    assert len(upstream.calls) == 1
