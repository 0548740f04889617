"""HTTP/1.1 connections: keep-alive, pipelining, chunks, expectations and upgrades."""

import json

import pytest
from support.gateway import GatewayProcess
from support.raw_http import RawConnection, chunked, request

pytestmark = pytest.mark.quick

TYPENAME = b'{"query":"{ __typename }"}'
ANSWER = {"data": {"__typename": "Query"}}
CHUNKED = b"Transfer-Encoding: chunked"
IS_JSON = b"Content-Type: application/json"


def aliased(name: str) -> bytes:
    return json.dumps({"query": f"{{ {name}: __typename }}"}).encode()


def test_one_connection_carries_many_requests(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        for number in range(20):
            answer = connection.ask(request(aliased(f"a{number}")))
            assert answer.json() == {"data": {f"a{number}": "Query"}}
            assert answer.header("connection") is None


def test_pipelined_requests_are_answered_in_order_even_refused_ones(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        connection.send(
            request(aliased("a"))
            + request(b"1")
            + request(aliased("b"))
            + request(b"x", content_type=b"text/plain")
            + request(method=b"PUT")
            + request(method=b"GET", target=b"/graphql?query={c:__typename}")
        )
        answers = [connection.receive() for _ in range(6)]
    assert [answer.status for answer in answers] == [200, 400, 200, 415, 405, 200]
    assert [list(answer.json().get("data", {})) for answer in answers] == [["a"], [], ["b"], [], [], ["c"]]


def test_a_body_in_many_chunks_is_assembled(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        connection.send(request(None, IS_JSON, CHUNKED))
        for byte in TYPENAME:
            connection.send(b"1\r\n%c\r\n" % byte)
        connection.send(b"0\r\n\r\n")
        assert connection.receive().json() == ANSWER


def test_a_client_that_expects_100_is_told_to_continue(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        connection.send(request(None, IS_JSON, b"Expect: 100-continue", b"Content-Length: %d" % len(TYPENAME)))
        assert connection.receive().status == 100
        connection.send(TYPENAME)
        assert connection.receive().json() == ANSWER


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (request(None, b"Content-Type: text/plain", b"Content-Length: 9", b"Expect: 100-continue"), 415),
        (request(None, IS_JSON, b"Content-Length: 9", b"Expect: 100-continue", method=b"PUT"), 405),
        (request(None, IS_JSON, b"Content-Length: 9", b"Expect: 100-continue", b"Accept: text/plain"), 406),
    ],
)
def test_a_client_that_expects_100_is_refused_before_it_sends_its_body(
    head: bytes, status: int, gateway: GatewayProcess
) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(head).status == status


def test_a_client_of_http_1_0_is_answered_and_the_connection_closed(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(TYPENAME, version=b"1.0"))
        assert answer.json() == ANSWER
        assert answer.header("connection") == "close"
        assert connection.is_closed()


@pytest.mark.parametrize("body", [TYPENAME, b"1"])
def test_the_connection_is_closed_if_the_client_asks_for_it(body: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(body, b"Connection: close"))
        assert answer.header("connection") == "close"
        assert connection.is_closed()


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("sizing", [b"Content-Length", b"Transfer-Encoding"])
def test_the_body_of_an_upgrade_request_is_never_parsed_as_another_request(
    protocol: bytes, sizing: bytes, gateway: GatewayProcess
) -> None:
    hidden = request(aliased("hidden"))
    size = CHUNKED if sizing == b"Transfer-Encoding" else b"Content-Length: %d" % len(hidden)
    body = chunked(hidden) if sizing == b"Transfer-Encoding" else hidden
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(None, IS_JSON, size, b"Connection: Upgrade", b"Upgrade: " + protocol))
        assert answer.status == 400
        assert answer.header("connection") == "close"
        assert b"Upgrade" in answer.body
        assert connection.is_closed()
        with pytest.raises(ConnectionError):
            connection.ask(body)


def test_a_get_that_offers_an_upgrade_is_answered_in_http_1_1(gateway: GatewayProcess) -> None:
    offer = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"]
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(None, *offer, method=b"GET", target=b"/graphql?query={__typename}"))
        assert answer.json() == ANSWER


@pytest.mark.parametrize(
    "data",
    [
        b"NONSENSE\r\n\r\n",
        request(TYPENAME, b"Content-Length: 1"),
        request(TYPENAME, CHUNKED),
        request(None, IS_JSON, CHUNKED) + b"xyz\r\n",
        request(TYPENAME, b"Bad Header: x"),
    ],
    ids=["no HTTP", "two lengths", "a length and chunks", "a bad chunk", "a space in a header's name"],
)
def test_malformed_http_is_answered_with_a_400_and_the_connection_closed(data: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(data).status == 400
        assert connection.is_closed()
