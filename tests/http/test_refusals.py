"""What the endpoint refuses: each refusal is a complete JSON response, and the connection stays usable."""

import json
from urllib.parse import quote

import pytest
from support.gateway import GatewayProcess
from support.invitations_upstream import InvitationsUpstream
from support.raw_http import Answer, RawConnection, chunked, request

pytestmark = pytest.mark.quick

TYPENAME = b'{"query":"{ __typename }"}'
INVITATION = "query ($id: ID!) { invitation(id: $id) { id } }"
CREATE = 'mutation { createInvitation(input: {inviter: "a", invitee: "b", message: {}, %s}) { id } }'
MAX_BODY = 1_000_000
DEEP = 100_000
LONG = b"9" * 5_000

BAD_BODIES = {
    "empty": b"",
    "1": b"1",
    "null": b"null",
    "a string": b'"x"',
    "an empty array": b"[]",
    "an array of numbers": b"[1]",
    "a batch": b"[" + TYPENAME + b"]",
    "an empty object": b"{}",
    "two objects": TYPENAME + TYPENAME,
    "half an object": TYPENAME[:-1],
    "a byte order mark": b"\xef\xbb\xbf" + TYPENAME,
    "UTF-16": TYPENAME.decode().encode("utf-16"),
    "a wrong byte in the query": b'{"query":"{ __typename } # \xff"}',
    "a wrong byte in a variable": b'{"query":"{ __typename }","variables":{"a":"\xff"}}',
    "a wrong byte in a member's name": b'{"query":"{ __typename }","\xff":1}',
    "a wrong byte in a member that is not known": b'{"query":"{ __typename }","a":"\xff"}',
    "a surrogate in UTF-8": b'{"query":"{ __typename } # \xed\xa0\x80"}',
    "a lone surrogate in the query": rb'{"query":"{ __typename } # \ud800"}',
    "a lone low surrogate in the query": rb'{"query":"{ __typename } # \udc00"}',
    "a lone surrogate in a variable": rb'{"query":"{ __typename }","variables":{"a":"\ud800x"}}',
    "a lone surrogate in a variable's name": rb'{"query":"{ __typename }","variables":{"\ud800":1}}',
    "a lone surrogate in the operation's name": rb'{"query":"{ __typename }","operationName":"\udfff"}',
    "open arrays": b"[" * DEEP,
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a deep variable": b'{"query":"{ __typename }","variables":{"a":%s%s}}' % (b"[" * DEEP, b"]" * DEEP),
    "a deep extension": b'{"query":"{ __typename }","extensions":{"a":%s%s}}' % (b"[" * DEEP, b"]" * DEEP),
    "a deep member that is not known": b'{"query":"{ __typename }","a":%s%s}' % (b"[" * DEEP, b"]" * DEEP),
    "a number of 5,000 digits": LONG,
    "a variable of 5,000 digits": b'{"query":"{ __typename }","variables":{"a":%s}}' % LONG,
    "a negative variable of 5,000 digits": b'{"query":"{ __typename }","variables":{"a":-%s}}' % LONG,
    "a number out of range": b'{"query":"{ __typename }","variables":{"a":1e999}}',
    "NaN": b"NaN",
    "NaN in a variable": b'{"query":"{ __typename }","variables":{"a":NaN}}',
    "Infinity in a variable": b'{"query":"{ __typename }","variables":{"a":-Infinity}}',
    "no query": b'{"operationName":"A"}',
    "a null query": b'{"query":null}',
    "a number for a query": b'{"query":1}',
    "a number for an operation's name": b'{"query":"{ __typename }","operationName":1}',
    "an array for an operation's name": b'{"query":"{ __typename }","operationName":["A"]}',
    "an object for an operation's name": b'{"query":"{ __typename }","operationName":{}}',
    "a string for variables": b'{"query":"{ __typename }","variables":"{}"}',
    "an array for variables": b'{"query":"{ __typename }","variables":[]}',
    "a number for extensions": b'{"query":"{ __typename }","extensions":1}',
}

BAD_DOCUMENTS = {
    "several operations and no name": "query A { __typename } query B { __typename }",
    "fragments only": "fragment F on Query { __typename }",
    "an empty document": "",
    "a comment only": "# nothing",
    "a subscription": "subscription { invitations { nodes { id } } }",
    "a document nested 10,000 deep": "{a" * 10_000 + "}" * 10_000,
    "a list nested 5,000 deep": f"{{ invitation(id: {'[' * 5_000}{']' * 5_000}) {{ id }} }}",
    "a variable's type nested 5,000 deep": f"query ($a: {'[' * 5_000}Int{']' * 5_000}) {{ __typename }}",
    "an Int of 5,000 digits": f"{{ invitations(first: {LONG.decode()}) {{ nodes {{ id }} }} }}",
    "an Int64 of 5,000 digits": CREATE % f"created: {LONG.decode()}",
    "an Int64 string of 5,000 digits": CREATE % f'created: "{LONG.decode()}"',
    "a float out of range": "{ invitations(first: 1e999) { nodes { id } } }",
    "a lone surrogate, escaped": r'{ invitation(id: "\ud800") { id } }',
    "a lone surrogate in braces": r'{ invitation(id: "\u{dc00}") { id } }',
    "a code point that is none": r'{ invitation(id: "\u{110000}") { id } }',
    "an open string": '{ invitation(id: "',
    "a control character": "{ __typename \x00 }",
}

BAD_URLS = {
    "no query": "",
    "an empty query": "?query=",
    "a wrong byte": "?query=%ff",
    "a surrogate in UTF-8": "?query=%ED%A0%80",
    "a surrogate in the variables, in UTF-8": "?query={__typename}&variables={%22a%22:%22%ED%A0%80%22}",
    "a lone surrogate in the variables": r"?query={__typename}&variables={%22a%22:%22\ud800%22}".replace("\\", "%5C"),
    "a wrong byte in an operation's name": "?query={__typename}&operationName=%80",
    "a number for variables": "?query={__typename}&variables=1",
    "an array for variables": "?query={__typename}&variables=[]",
    "variables that are not JSON": "?query={__typename}&variables={",
    "NaN in variables": "?query={__typename}&variables={%22a%22:NaN}",
    "deep variables": "?query={__typename}&variables={%22a%22:" + "[" * 20_000,
    "a variable of 5,000 digits": "?query={__typename}&variables={%22a%22:" + LONG.decode() + "}",
    "a string for extensions": "?query={__typename}&extensions=%22x%22",
    "two queries": "?query={__typename}&query={__typename}",
    "two names": "?query={__typename}&operationName=A&operationName=B",
    "many parameters": "?query={__typename}" + "".join(f"&a{number}=1" for number in range(1_000)),
}

WRONG_TYPES = [
    None,
    b"",
    b"text/plain",
    b"application/graphql",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"application/jsonx",
    b"application/json-patch+json",
    b"application/graphql+json",
    b"text/plain, application/json",
    b"application/json, text/plain",
    b"application/json; charset=iso-8859-1",
    b"application/json; charset=utf-16",
    b"application/json; charset=",
]


def assert_refused(answer: Answer, status: int) -> None:
    assert answer.status == status, answer
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-request-id")
    content = answer.json()
    assert set(content) == {"errors"}
    for error in content["errors"]:
        assert set(error) <= {"message", "locations", "extensions"}
        assert 0 < len(error["message"]) <= 500
        assert error["extensions"]["code"] in {
            "BAD_REQUEST",
            "BAD_USER_INPUT",
            "GRAPHQL_PARSE_FAILED",
            "GRAPHQL_VALIDATION_FAILED",
        }


def assert_goes_on(connection: RawConnection) -> None:
    """Assert that the connection accepts another request: nothing is left over from the previous one."""
    answer = connection.ask(request(TYPENAME))
    assert answer.status == 200
    assert answer.json() == {"data": {"__typename": "Query"}}


def refused(gateway: GatewayProcess, data: bytes, status: int) -> Answer:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(data)
        assert_refused(answer, status)
        assert_goes_on(connection)
    return answer


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_not_a_graphql_request_is_a_400(body: bytes, gateway: GatewayProcess) -> None:
    answer = refused(gateway, request(body), 400)
    assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST", "outcome": "NOT_APPLIED"}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_in_chunks_is_a_400(body: bytes, gateway: GatewayProcess) -> None:
    head = request(None, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    half = len(body) // 2
    refused(gateway, head + chunked(*(part for part in (body[:half], body[half:]) if part)), 400)


@pytest.mark.parametrize("document", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_an_invalid_document_is_refused_by_post_and_get(document: str, gateway: GatewayProcess) -> None:
    accept = b"Accept: application/graphql-response+json"
    with RawConnection(gateway.port) as connection:
        for data in (_post(document, accept), request(None, accept, method=b"GET", target=_target(document))):
            answer = connection.ask(data)
            assert answer.status == 400, answer
            assert "data" not in answer.json()
            code = answer.json()["errors"][0]["extensions"]["code"]
            assert code in {"BAD_REQUEST", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
        assert_goes_on(connection)


@pytest.mark.parametrize("query", BAD_URLS.values(), ids=BAD_URLS)
def test_a_url_that_is_not_a_graphql_request_is_a_400(query: str, gateway: GatewayProcess) -> None:
    refused(gateway, request(method=b"GET", target=b"/graphql" + query.encode("ascii")), 400)


@pytest.mark.parametrize("content_type", WRONG_TYPES)
def test_a_post_of_another_media_type_is_a_415(content_type: bytes | None, gateway: GatewayProcess) -> None:
    refused(gateway, request(TYPENAME, content_type=content_type), 415)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json;charset=UTF-8",
        b'application/json ; Charset="utf-8"',
        b"application/json; profile=x",
    ],
)
def test_a_post_of_json_is_accepted_in_any_spelling(content_type: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(TYPENAME, content_type=content_type)).json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"GZIP", b"gzip, identity", b"x"])
def test_a_compressed_body_is_a_415(coding: bytes, gateway: GatewayProcess) -> None:
    answer = refused(gateway, request(b"\x1f\x8b\x08\x00", b"Content-Encoding: " + coding), 415)
    assert "Content-Encoding" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("coding", [b"identity", b"Identity"])
def test_a_body_with_the_identity_encoding_is_accepted(coding: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(TYPENAME, b"Content-Encoding: " + coding)).status == 200


@pytest.mark.parametrize("name", [b"Content-Type", b"Content-Encoding", b"Authorization"])
def test_a_duplicate_of_a_single_header_is_refused(name: bytes, gateway: GatewayProcess) -> None:
    body = request(TYPENAME, name + b": identity", name + b": identity", content_type=b"application/json")
    answer = refused(gateway, body, 400)
    assert name.decode() in answer.json()["errors"][0]["message"]


def test_a_body_of_the_maximum_size_is_accepted(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(TYPENAME.ljust(MAX_BODY))).status == 200


def test_a_body_with_a_length_that_is_too_large_is_a_413_and_the_next_request_is_answered(
    gateway: GatewayProcess,
) -> None:
    answer = refused(gateway, request(TYPENAME.ljust(MAX_BODY + 1)), 413)
    assert str(MAX_BODY) in answer.json()["errors"][0]["message"]


def test_a_body_announced_as_too_large_is_a_413_before_it_is_sent(gateway: GatewayProcess) -> None:
    head = request(None, b"Content-Type: application/json", b"Content-Length: 1000000000000", b"Expect: 100-continue")
    with RawConnection(gateway.port) as connection:
        assert_refused(connection.ask(head), 413)


def test_a_chunked_body_that_is_too_large_is_a_413_and_the_next_request_is_answered(gateway: GatewayProcess) -> None:
    head = request(None, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    refused(gateway, head + chunked(*[TYPENAME.ljust(100_000)] * 11), 413)


def test_a_chunked_body_that_is_too_large_is_a_413_before_it_ends(gateway: GatewayProcess) -> None:
    head = request(None, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    unfinished = chunked(*[TYPENAME.ljust(100_000)] * 11).removesuffix(b"0\r\n\r\n")
    with RawConnection(gateway.port) as connection:
        assert_refused(connection.ask(head + unfinished), 413)


@pytest.mark.parametrize("method", [b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND"])
def test_any_other_method_is_a_405_that_names_get_and_post(method: bytes, gateway: GatewayProcess) -> None:
    answer = refused(gateway, request(TYPENAME, method=method), 405)
    assert answer.header("allow") == "GET, POST"


def test_head_is_a_405_without_a_body(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        connection.send(request(method=b"HEAD", target=_target("{ __typename }")))
        answer = connection.receive(head=True)
        assert (answer.status, answer.header("allow")) == (405, "GET, POST")
        assert_goes_on(connection)


@pytest.mark.parametrize(
    "document",
    [
        CREATE % "trackingId: null",
        "mutation { __typename }",
        "query A { __typename } " + CREATE.replace("mutation", "mutation B", 1) % "id: null",
    ],
)
def test_a_mutation_by_get_is_a_405_that_names_post_and_is_not_executed(
    document: str, scripted: GatewayProcess, upstream: InvitationsUpstream
) -> None:
    target = _target(document) + (b"&operationName=B" if " B " in document else b"")
    answer = refused(scripted, request(None, b"Authorization: Bearer x", method=b"GET", target=target), 405)
    assert answer.header("allow") == "POST"
    assert upstream.accepted == 0


def test_an_accept_header_of_2000_bytes_is_a_431(gateway: GatewayProcess) -> None:
    refused(gateway, request(TYPENAME, b"Accept: " + b"a" * 2000), 431)


@pytest.mark.parametrize(
    "variables", [b'{"id":%s%s}' % (b"[" * 500, b"]" * 500), b'{"id":1.5}', b'{"id":{"a":[null,true]}}']
)
def test_a_variable_that_does_not_coerce_is_reported_as_bad_user_input(
    variables: bytes, gateway: GatewayProcess
) -> None:
    body = b'{"query":"%s","variables":%s}' % (INVITATION.encode(), variables)
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(body, b"Accept: application/graphql-response+json"))
        assert answer.status == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert_goes_on(connection)


def test_no_refusal_is_logged_as_an_error(gateway: GatewayProcess) -> None:
    refused(gateway, request(b"1", b"X-Request-Id: the-last-refusal"), 400)
    gateway.log_of("the-last-refusal")
    assert " ERROR " not in gateway.log()
    assert "Traceback" not in gateway.log()


def _post(document: str, *headers: bytes) -> bytes:
    return request(json.dumps({"query": document}).encode(), *headers)


def _target(document: str) -> bytes:
    return b"/graphql?query=" + quote(document, safe="{}()").encode("ascii")
