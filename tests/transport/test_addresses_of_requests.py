"""Requests go to the host and port of their URL, and nowhere else."""

import asyncio
from typing import Any

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import request_to

from gateway.transport import Transport, addresses
from gateway.transport.tunnel import Proxy

ADDRESSES = {
    "https://api.test": b"api.test:443",
    "https://api.test:443": b"api.test:443",
    "https://api.test:80": b"api.test:80",
    "https://api.test:8443": b"api.test:8443",
    "https://127.0.0.1": b"127.0.0.1:443",
    "https://[::1]": b"[::1]:443",
}


@pytest.mark.parametrize(("url", "address"), ADDRESSES.items(), ids=ADDRESSES)
def test_the_proxy_is_asked_for_the_host_and_port_of_the_url_and_443_is_the_default(url: str, address: bytes) -> None:
    async def main() -> None:
        async with Transport(url, max_response_bytes=1000, proxy=proxy.url) as transport:
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(request_to(url))

    with ScriptedUpstream(answering(answer(403))) as proxy:
        asyncio.run(main())
    (head,) = proxy.requests
    assert head == b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (address, address)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://proxy.test", ("proxy.test", 80)),
        ("http://proxy.test:3128", ("proxy.test", 3128)),
        ("http://u:p@[::1]:3128", ("::1", 3128)),
    ],
)
def test_the_default_port_of_a_proxy_is_80(url: str, address: tuple[str, int]) -> None:
    assert Proxy(url).address == address


@pytest.mark.parametrize("url", ["http:///x", "https:", "ftp://127.0.0.1/x", "/x"])
def test_a_url_without_an_http_server_is_refused(url: str) -> None:
    async def main() -> None:
        with pytest.raises(httpx.UnsupportedProtocol):
            Transport(url, max_response_bytes=1000)
        async with Transport("http://127.0.0.1", max_response_bytes=1000) as transport:
            with pytest.raises(httpx.UnsupportedProtocol):
                await transport.handle_async_request(request_to(url))

    asyncio.run(main())


@pytest.mark.parametrize("base", ["https://a.test", "https://a.test:443/v1.0", "https://A.test?x=y"])
@pytest.mark.parametrize(
    "url",
    [
        "http://a.test",
        "http://a.test:443",
        "https://a.test:80",
        "https://a.test:8443",
        "https://b.test",
        "https://a.test.",
        "https://b.a.test",
        "https://a.test@b.test",
        "https://[::1]",
    ],
)
def test_a_request_to_another_origin_is_refused_before_any_lookup(
    monkeypatch: pytest.MonkeyPatch, base: str, url: str
) -> None:
    async def look_up(host: str, port: int) -> list[Any]:
        raise AssertionError(f"{host}:{port} was looked up")

    monkeypatch.setattr(addresses, "look_up", look_up)

    async def main() -> None:
        async with Transport(base, max_response_bytes=1000) as transport:
            with pytest.raises(httpx.UnsupportedProtocol):
                await transport.handle_async_request(request_to(url))
            assert not any(transport.connections.values())

    asyncio.run(main())


@pytest.mark.parametrize(("base", "url"), [("http://{}", "http://{}/x?y"), ("http://{}/v1.0", "http://u:p@{}")])
def test_path_query_and_user_are_not_part_of_the_origin(base: str, url: str) -> None:
    async def main() -> None:
        async with Transport(base.format(host), max_response_bytes=1000) as transport:
            await transport.handle_async_request(request_to(url.format(host)))

    with ScriptedUpstream(answering(answer())) as upstream:
        host = f"127.0.0.1:{upstream.port}"
        asyncio.run(main())
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("user", "credentials"),
    [("u%3Aser:p%40ss@", b"dTpzZXI6cEBzcw=="), ("user@", b"dXNlcjo="), (":word@", b"OndvcmQ=")],
)
def test_the_user_and_password_of_a_proxy_are_decoded_and_can_be_empty(user: str, credentials: bytes) -> None:
    async def main() -> None:
        async with Transport(
            "https://api.test", max_response_bytes=1000, proxy=proxy.url.replace("//", f"//{user}")
        ) as transport:
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(request_to("https://api.test"))

    with ScriptedUpstream(answering(answer(407))) as proxy:
        asyncio.run(main())
    assert b"\r\nProxy-Authorization: Basic %b\r\n" % credentials in proxy.requests[0]


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 80_000, "too large"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://b.test\r\n\r\n", "status 302"),
        (b"HTTP/1.1 102 Processing\r\n\r\n", "status 102"),
        (b"HTTP/1.1 200 OK\r\n\r\nx", "bytes"),
    ],
)
def test_the_error_says_why_there_is_no_tunnel(head: bytes, reason: str) -> None:
    async def main() -> None:
        async with Transport("https://api.test", max_response_bytes=1000, proxy=proxy.url) as transport:
            with pytest.raises(httpx.ConnectError, match=reason):
                await transport.handle_async_request(request_to("https://api.test"))

    with ScriptedUpstream(answering(head)) as proxy:
        asyncio.run(main())
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("status", [b"200 OK", b"201 Created", b"299 X"])
def test_tls_starts_after_any_2xx_response_of_the_proxy(status: bytes) -> None:
    began: list[bytes] = []

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 " + status + b"\r\n\r\n")
        began.append(connection.socket.recv(1))

    async def main() -> None:
        async with Transport("https://api.test", max_response_bytes=1000, proxy=proxy.url) as transport:
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(request_to("https://api.test"))

    with ScriptedUpstream(script) as proxy:
        asyncio.run(main())
    assert began == [b"\x16"]
