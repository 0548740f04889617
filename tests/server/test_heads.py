"""Heads that RFC 9112 forbids servers to accept are refused on every path, and the connection is closed."""

import contextlib

import pytest
from support.gateway import GatewayProcess
from support.raw_http import RawConnection, chunked, request

pytestmark = pytest.mark.quick

BODY = b'{"query":"{ __typename }"}'
CHUNKED = b"Transfer-Encoding: chunked"
PATHS = [b"/graphql", b"/healthz", b"/nothing"]


def head(*lines: bytes, target: bytes, version: bytes = b"1.1") -> bytes:
    first = b"POST %s HTTP/%s" % (target, version)
    return b"\r\n".join([first, b"Content-Type: application/json", *lines]) + b"\r\n\r\n"


HOST = b"Host: gateway.test"
LENGTH = b"Content-Length: %d" % len(BODY)
Bad = tuple[int, tuple[bytes, ...], bytes, bytes]
BAD: dict[str, Bad] = {
    "no Host": (400, (LENGTH,), BODY, b"1.1"),
    "two Hosts": (400, (HOST, HOST, LENGTH), BODY, b"1.1"),
    "two Hosts in HTTP/1.0": (400, (HOST, HOST, LENGTH), BODY, b"1.0"),
    "a Host with a path": (400, (b"Host: gateway.test/x", LENGTH), BODY, b"1.1"),
    "a Host with a user": (400, (b"Host: user@gateway.test", LENGTH), BODY, b"1.1"),
    "a Host with a space": (400, (b"Host: gateway test", LENGTH), BODY, b"1.1"),
    "a Host with a letter in its port": (400, (b"Host: gateway.test:80a", LENGTH), BODY, b"1.1"),
    "a Host that is not ASCII": (400, ("Host: gäteway.test".encode(), LENGTH), BODY, b"1.1"),
    "chunks in HTTP/1.0": (400, (HOST, CHUNKED), chunked(BODY), b"1.0"),
    "gzip in chunks": (501, (HOST, b"Transfer-Encoding: gzip, chunked"), chunked(BODY), b"1.1"),
    "gzip in chunks in two headers": (501, (HOST, b"Transfer-Encoding: gzip", CHUNKED), chunked(BODY), b"1.1"),
    "gzip only": (400, (HOST, b"Transfer-Encoding: gzip"), BODY, b"1.1"),
    "chunks before gzip": (400, (HOST, b"Transfer-Encoding: chunked, gzip"), chunked(BODY), b"1.1"),
    "chunks in chunks": (400, (HOST, b"Transfer-Encoding: chunked, chunked"), chunked(BODY), b"1.1"),
    "a length and chunks": (400, (HOST, LENGTH, CHUNKED), chunked(BODY), b"1.1"),
    "a length of 5,000 digits": (400, (HOST, b"Content-Length: " + b"1".zfill(5000)), BODY, b"1.1"),
    "a length of 25 digits": (400, (HOST, b"Content-Length: " + b"9" * 25), BODY, b"1.1"),
    "HTTP/2.0": (400, (HOST, LENGTH), BODY, b"2.0"),
    "HTTP/0.9": (400, (HOST, LENGTH), BODY, b"0.9"),
    "HTTP/1.2": (400, (HOST, LENGTH), BODY, b"1.2"),
}
GOOD_HOSTS = [b"", b"x", b"gateway.test:8000", b"127.0.0.1:1", b"[::1]:8000", b"a_b.test", b"x:", b"%41.test"]


@pytest.mark.parametrize("target", PATHS)
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_forbidden_head_is_refused_and_the_connection_closed(
    bad: Bad, target: bytes, gateway: GatewayProcess
) -> None:
    status, lines, body, version = bad
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(head(*lines, target=target, version=version) + body)
        assert answer.status == status, answer
        assert answer.header("connection") == "close"
        assert connection.is_closed()


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_every_valid_host_is_accepted(host: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(head(b"Host: " + host, LENGTH, target=b"/graphql") + BODY).status == 200


def test_http_1_0_needs_no_host(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(head(LENGTH, target=b"/graphql", version=b"1.0") + BODY).status == 200


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b" CHUNKED "])
def test_chunked_is_accepted_in_any_spelling(coding: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        data = head(HOST, b"Transfer-Encoding: " + coding, target=b"/graphql") + chunked(BODY)
        assert connection.ask(data).status == 200
        assert connection.ask(request(BODY)).status == 200


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
def test_an_endless_head_is_refused(beginning: bytes, gateway: GatewayProcess) -> None:
    filler = b"x" * 990 + (b"" if beginning.endswith((b"=", b" ")) else b": x\r\n")
    with RawConnection(gateway.port) as connection:
        connection.send(beginning)
        with pytest.raises(ConnectionError):
            connection.send(filler * 100_000)


def test_a_large_head_and_many_pipelined_requests_are_accepted(gateway: GatewayProcess) -> None:
    small = request(b'{"query":"{ __typename }"}')
    large = request(b'{"query":"{ __typename }"}', *[b"X-%d: " % n + b"x" * 2_000 for n in range(20)])
    with RawConnection(gateway.port) as connection:
        for _ in range(3):
            assert connection.ask(large).status == 200
        connection.send(small * 2_000)
        assert {connection.receive().status for _ in range(2_000)} == {200}


def test_headers_of_fifty_kilobytes_are_read(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(BODY, *[b"X-Large: " + b"a" * 5_000] * 10)).json() == {
            "data": {"__typename": "Query"}
        }
        assert connection.ask(request(BODY)).json() == {"data": {"__typename": "Query"}}


def test_headers_of_half_a_megabyte_are_refused_without_harm(gateway: GatewayProcess) -> None:
    # The gateway closes the connection with unread data, so the refusal may not arrive.
    with RawConnection(gateway.port) as connection, contextlib.suppress(ConnectionError):
        assert connection.ask(request(BODY, *[b"X-Large: " + b"a" * 5_000] * 100)).status == 400
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(BODY)).json() == {"data": {"__typename": "Query"}}


def test_a_head_that_is_too_large_is_refused_even_if_it_is_complete(gateway: GatewayProcess) -> None:
    # It arrives in one read or in several, depending on the machine.
    for _ in range(10):
        with RawConnection(gateway.port) as connection, contextlib.suppress(ConnectionError):
            assert connection.ask(request(BODY, b"X-Large: " + b"a" * 70_000)).status == 400


def test_too_many_headers_are_refused(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(BODY, *[b"a: b"] * 190)).status == 200
        assert connection.ask(request(BODY, *[b"a: b"] * 300)).status == 431
        assert connection.is_closed()
