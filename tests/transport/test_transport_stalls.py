"""After a stall of the event loop, what arrived in time still counts."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable

import httpx
import pytest
from support.certificates import Certificates
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.waiting import until

from gateway.transport.transport import Transport

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
plain_and_tls = pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])

LIMIT = 1.5
"""Timeout in seconds. The stalls are longer."""


def stand_still(until: float, *, after: Callable[[], object]) -> None:
    """Block the event loop, first until another thread has done something, then until a time.

    It blocks in a callback that reads a socket: uvloop then runs its timers before it reads others.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()

    def block() -> None:
        loop.remove_reader(ours)
        ours.close()
        theirs.close()
        after()
        assert loop.time() < until, "the machine is too slow for this test"
        time.sleep(until - loop.time())

    loop.add_reader(ours, block)
    theirs.send(b"x")


@every_loop
@plain_and_tls
def test_a_response_that_arrived_during_a_stall_is_not_late(
    run: Run, certificates: Certificates, *, secure: bool
) -> None:
    body = b"x" * 50_000

    def script(connection: UpstreamConnection) -> None:
        for _ in range(2):
            connection.read_request()
            go.wait(GENEROUS)
            connection.send(answer(201, body))
            sent.set()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with new_transport(upstream.url, tls=certificates.client) as transport:
            began = loop.time()
            call = asyncio.create_task(transport.handle_async_request(request_to(upstream.url, read=LIMIT)))
            await until(lambda: upstream.requests)
            go.set()
            stand_still(began + LIMIT + 0.5, after=lambda: sent.wait(GENEROUS))
            response = await call
            assert (response.status_code, response.content) == (201, body)
            assert (await transport.handle_async_request(request_to(upstream.url))).status_code == 201

    go, sent = threading.Event(), threading.Event()
    with ScriptedUpstream(script, tls=certificates.server if secure else None) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (2, 1)


@every_loop
def test_half_a_response_that_arrived_during_a_stall_is_late(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer(201)[:-1])
        sent.set()
        connection.wait_until_client_closes()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with new_transport(upstream.url) as transport:
            began = loop.time()
            call = asyncio.create_task(transport.handle_async_request(request_to(upstream.url, read=LIMIT)))
            await until(lambda: upstream.requests)
            stand_still(began + LIMIT + 0.5, after=lambda: sent.wait(GENEROUS))
            with pytest.raises(httpx.ReadTimeout):
                await call

    sent = threading.Event()
    with ScriptedUpstream(script) as upstream:
        run(main())


@every_loop
def test_a_response_that_drips_does_not_extend_its_timeout(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            connection.send(b"x" * 10)

    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=2_000_000_000) as transport:
            with pytest.raises(httpx.ReadTimeout):
                await transport.handle_async_request(request_to(upstream.url, read=0.3))

    with ScriptedUpstream(script) as upstream:
        run(main())


@every_loop
def test_a_waiting_request_gets_the_connection_that_became_free_during_a_stall(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        go.wait(GENEROUS)
        connection.send(answer(201))
        sent.set()
        while connection.read_request() is not None:
            connection.send(answer(202))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with new_transport(upstream.url, max_connections=1) as transport:
            first = asyncio.create_task(transport.handle_async_request(request_to(upstream.url)))
            await until(lambda: upstream.requests)
            began = loop.time()
            request = request_to(upstream.url, timeout=LIMIT, read=GENEROUS)
            second = asyncio.create_task(transport.handle_async_request(request))
            await until(lambda: transport.connections["waiting"] == 1)
            go.set()
            stand_still(began + LIMIT + 0.5, after=lambda: sent.wait(GENEROUS))
            assert [(await call).status_code for call in (first, second)] == [201, 202]
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    go, sent = threading.Event(), threading.Event()
    with ScriptedUpstream(script) as upstream:
        run(main())
    assert len(upstream.requests) == 2


@every_loop
def test_a_connection_that_opened_during_a_stall_is_used(run: Run, certificates: Certificates) -> None:
    def script(connection: UpstreamConnection) -> None:
        go.wait(GENEROUS)
        connection.socket = tls = certificates.server.wrap_socket(
            connection.socket, server_side=True, do_handshake_on_connect=False
        )
        tls.setblocking(False)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if tls.version() is not None:
                    greeted.set()  # the server's part of the handshake is written
            else:
                break
        tls.setblocking(True)
        connection.read_request()
        connection.send(answer(201))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        url = upstream.url.replace("http", "https")
        async with new_transport(url, tls=certificates.client) as transport:
            began = loop.time()
            request = request_to(url, timeout=LIMIT, read=GENEROUS)
            call = asyncio.create_task(transport.handle_async_request(request))
            await until(lambda: upstream.accepted)
            go.set()
            stand_still(began + LIMIT + 0.5, after=lambda: greeted.wait(1))
            assert (await call).status_code == 201

    go, greeted = threading.Event(), threading.Event()
    with ScriptedUpstream(script) as upstream:
        run(main())
    assert len(upstream.requests) == 1
