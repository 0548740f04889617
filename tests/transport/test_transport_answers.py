"""Responses that belong to another request: those the transport detects, and those its caller discards."""

import asyncio
import gzip
import sys
import threading

import httpx
import pytest
from support.certificates import Certificates
from support.requirements import need
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.waiting import until

from gateway.transport.transport import ResponseTooLarge

pytestmark = pytest.mark.quick

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


@every_loop
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "encoded"])
def test_the_connection_of_a_discarded_response_is_not_reused(run: Run, *, encoded: bool) -> None:
    body = gzip.compress(b"{}") if encoded else b"{}"
    data = answer(200, body, *([b"Content-Encoding: gzip"] if encoded else []))

    async def main() -> None:
        async with new_transport(upstream.url) as transport:
            for _ in range(2):
                response = await transport.handle_async_request(request_to(upstream.url))
                response.extensions["discard"]()
            await until(lambda: transport.connections == {"open": 0, "idle": 0, "opening": 0, "waiting": 0})

    with ScriptedUpstream(answering(data)) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (2, 2)


@every_loop
def test_a_request_that_was_given_a_discarded_connection_opens_another_and_is_sent_once(run: Run) -> None:
    on: list[tuple[int, bytes]] = []

    def script(connection: UpstreamConnection) -> None:
        while (request := connection.read_request()) is not None:
            on.append((connection.number, request.split()[1]))
            connection.send(answer())

    async def main() -> None:
        async with new_transport(upstream.url, max_connections=1) as transport:

            async def send(target: str, *, discard: bool = False) -> httpx.Response:
                response = await transport.handle_async_request(request_to(upstream.url, target=target))
                if discard:
                    response.extensions["discard"]()
                return response

            first = send("/1", discard=True)
            responses = await asyncio.gather(first, send("/2"), send("/3"))
            assert [response.status_code for response in responses] == [200] * 3
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert on == [(0, b"/1"), (1, b"/2"), (1, b"/3")]


@every_loop
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "bytewise"])
@pytest.mark.parametrize("status", [100, 102, 103, 104, 150, 199])
@pytest.mark.parametrize(
    "framed",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"\r\n"],
    ids=["counted", "chunked", "no body"],
)
def test_an_interim_response_leaves_nothing_in_the_final_one(
    run: Run, status: int, framed: bytes, *, bytewise: bool
) -> None:
    data = b"HTTP/1.1 %d Interim\r\nX-Early: x\r\n" % status + framed + answer(201, b'{"id":"1"}')

    def script(connection: UpstreamConnection) -> None:
        while connection.read_request() is not None:
            size = 1 if bytewise else len(data)
            for start in range(0, len(data), size):
                connection.send(data[start : start + size])

    async def main() -> None:
        async with new_transport(upstream.url) as transport:
            for _ in range(2):
                try:
                    response = await transport.handle_async_request(request_to(upstream.url))
                except httpx.RemoteProtocolError:
                    assert status in {100, 102, 103}  # the parser never reads a body for these
                    assert framed != b"\r\n"
                    continue
                assert (response.status_code, response.content) == (201, b'{"id":"1"}')
                assert "x-early" not in response.headers

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert len(upstream.requests) == 2
    assert upstream.accepted == (1 if framed == b"\r\n" else 2)


@every_loop
@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 104 X\r\nContent-Length: 9\r\n\r\n123456789", b"HTTP/1.1 103 X\r\n\r\n"]
)
def test_too_many_interim_responses_are_cut_off(run: Run, interim: bytes) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        while True:
            connection.send(interim)

    async def main() -> None:
        async with new_transport(upstream.url) as transport:
            with pytest.raises(ResponseTooLarge):
                await transport.handle_async_request(request_to(upstream.url))

    with ScriptedUpstream(script) as upstream:
        run(main())


@every_loop
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(("size", "status"), [(100, 403), (200_000, 403), (20_000_000, 201)])
def test_a_connection_whose_large_body_was_not_read_is_not_reused(
    run: Run, certificates: Certificates, size: int, status: int, *, secure: bool
) -> None:

    def script(connection: UpstreamConnection) -> None:
        if connection.number == 0 and size > 1000:
            connection.read_some()
            connection.send(answer(status))
            over.wait(GENEROUS)  # the body is not read
            return
        connection.read_request()
        connection.send(answer(403))
        while connection.read_request() is not None:
            connection.send(answer(200))

    async def main() -> None:
        async with new_transport(upstream.url, tls=certificates.client) as transport:
            first = await transport.handle_async_request(request_to(upstream.url, body=b"x" * size))
            assert first.status_code == status
            second = await transport.handle_async_request(request_to(upstream.url))
            assert second.status_code == (403 if size > 1000 else 200)
            over.set()

    over = threading.Event()
    with ScriptedUpstream(script, tls=certificates.server if secure else None) as upstream:
        run(main())
    assert upstream.accepted == (2 if size > 1000 else 1)


@every_loop
def test_a_second_response_that_arrives_later_makes_the_connection_unusable(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer(201, b'{"id":"its own"}'))
        if connection.number == 0:
            answered.wait(GENEROUS)
            connection.send(answer(201, b'{"id":"of somebody else"}'))
            sent.set()
            connection.wait_until_client_closes()

    async def main() -> None:
        async with new_transport(upstream.url) as transport:
            for _ in range(2):
                response = await transport.handle_async_request(request_to(upstream.url))
                assert response.content == b'{"id":"its own"}'
                answered.set()
                sent.wait(GENEROUS)

    answered, sent = threading.Event(), threading.Event()
    with ScriptedUpstream(script) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (2, 2)


@every_loop
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_a_connection_whose_large_body_was_read_is_reused(
    run: Run, certificates: Certificates, *, secure: bool
) -> None:
    need(sys.platform == "linux", "only Linux says what the other end has received")

    async def main() -> None:
        async with new_transport(upstream.url, tls=certificates.client) as transport:
            for _ in range(3):
                await transport.handle_async_request(request_to(upstream.url, body=b"x" * 1_000_000))

    with ScriptedUpstream(answering(answer(201)), tls=certificates.server if secure else None) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (3, 1)
