"""Requests for GraphiQL's files that no browser sends: each gets a response, never a 500."""

import re
from itertools import product

import httpx
import pytest
from support.gateway import GatewayProcess
from support.raw_http import RawConnection, request
from support.requirements import need

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PURGE")
TARGETS = (
    b"/",
    b"*",
    b"//",
    b"/graphiql",
    b"/graphiql/",
    b"%s/",
    b"%s%%00",
    b"%s?x=\xff",
    b"%s/..",
    b"/graphiql/\xff/x",
    b"/graphiql/%%ff/%%",
    b"/graphiql/" + b"x" * 60_000 + b"/x",
    b"http://other.test%s",
    b"/graphql/",
    b"/graphql#fragment",
    b"/healthz/",
    b"/%%68ealthz",
    b"/readyz",
)
HEADERS: tuple[tuple[bytes, ...], ...] = (
    (),
    (b"Accept: text/html",),
    (b"Accept: \xff;q=\xff", b"Accept-Encoding: \xff;q=\xb2,*"),
    (b"Range: bytes=" + b"0-1," * 5000, b"If-Modified-Since: nonsense", b"If-Match: *"),
    (b"Origin: http://localhost:\xff", b"Access-Control-Request-Method: \xff"),
    (b"Connection: upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x"),
)


@pytest.fixture(scope="module")
def script(gateway: GatewayProcess, client: httpx.Client) -> bytes:
    """Return the path of GraphiQL's script."""
    page = client.get(f"{gateway.url}/graphql", headers={"Accept": "text/html"})
    need(page.is_success, "GraphiQL's assets are missing: the gateway is not installed")
    found = re.search(r'src="(graphiql/[0-9a-f]{16}/graphiql\.js)"', page.text)
    assert found
    return b"/" + found[1].encode()


@pytest.mark.parametrize("method", METHODS)
def test_every_request_gets_a_response_without_a_bug(method: bytes, gateway: GatewayProcess, script: bytes) -> None:
    for target, headers in product(TARGETS, HEADERS):
        path = target.replace(b"%s", script).replace(b"%%", b"%")
        with RawConnection(gateway.port) as connection:
            connection.send(request(None, *headers, b"Connection: close", method=method, target=path))
            answer = connection.receive(head=method == b"HEAD")
        assert 200 <= answer.status < 500, (path[:80], headers)
    assert " bug=" not in gateway.log()
    assert "Traceback" not in gateway.log()


@pytest.mark.parametrize("header", [{"Range": "bytes=0-9"}, {"If-None-Match": '"x", *'}, {"If-Match": '"x"'}])
def test_range_and_conditional_headers_are_ignored(
    header: dict[str, str], gateway: GatewayProcess, client: httpx.Client, script: bytes
) -> None:
    url = gateway.url + script.decode()

    plain, odd = client.get(url), client.get(url, headers=header)

    assert odd.status_code == plain.status_code == 200
    assert odd.content == plain.content
    assert "content-range" not in odd.headers
