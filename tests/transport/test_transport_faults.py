"""Which exception means that a request was not sent, for our transport and for httpx's.

The caller repeats a mutation only after one of `NOT_SENT`.
"""

import asyncio
import contextlib
import gc
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from support.certificates import Certificates
from support.processes import open_sockets
from support.requirements import need
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.servers import refusing_url
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import FAULTS, HANGING, LOST, NOT_HTTP, sending_then
from support.waiting import until

from gateway.transport.connection import Connection
from gateway.transport.transport import ResponseTooLarge, Transport

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
MAYBE_SENT = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)

SHORT = 0.3
"""Timeout in seconds for what never arrives."""


def ours(url: str, *, pool: int = 10) -> httpx.AsyncBaseTransport:
    return Transport(url, max_response_bytes=1_000_000, max_connections=pool)


def stock(_: str, *, pool: int = 10) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=pool), trust_env=False)


both = pytest.mark.parametrize("make", [ours, stock])
every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


async def send(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> httpx.Response:
    response = await transport.handle_async_request(request)
    await response.aread()
    return response


def error_of(
    make: Callable[[str], httpx.AsyncBaseTransport], request: httpx.Request, run: Run = asyncio.run
) -> Exception | None:
    """Send a request through a new transport, assert that nothing leaks, and return its error."""
    error: Exception | None = None

    async def main() -> None:
        nonlocal error
        async with make(str(request.url)) as transport:
            try:
                await send(transport, request)
            except httpx.TransportError as caught:
                error = caught
            if isinstance(transport, Transport) and error is not None:
                await until(lambda: transport.connections == {"open": 0, "idle": 0, "opening": 0, "waiting": 0})

    run(main())
    return error


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_no_not_sent_exception_is_raised_once_the_upstream_has_read_the_request(
    make: Callable[[str], httpx.AsyncBaseTransport], fault: str
) -> None:
    with ScriptedUpstream(FAULTS[fault]) as upstream:
        endless = fault in HANGING or fault in NOT_HTTP  # httpcore can mistake other bytes for the start of a response
        error = error_of(make, request_to(upstream.url, read=SHORT if endless else GENEROUS))
    assert len(upstream.requests) <= 1
    if isinstance(error, NOT_SENT):
        assert upstream.bytes_received == 0
    elif error is not None:
        assert isinstance(error, MAYBE_SENT)
    if fault in LOST or fault in NOT_HTTP:
        assert len(upstream.requests) == 1
        assert error is not None


@both
def test_a_refused_connection_is_a_not_sent_error(make: Callable[[str], httpx.AsyncBaseTransport]) -> None:
    with refusing_url() as url:
        assert type(error_of(make, request_to(url))) is httpx.ConnectError


@both
def test_a_name_that_does_not_exist_is_a_not_sent_error(make: Callable[[str], httpx.AsyncBaseTransport]) -> None:
    assert type(error_of(make, request_to("http://api.invalid"))) is httpx.ConnectError


@both
def test_a_protocol_that_is_not_http_is_a_not_sent_error(make: Callable[[str], httpx.AsyncBaseTransport]) -> None:
    async def main() -> None:
        async with make("http://api.invalid") as transport:
            with pytest.raises(httpx.UnsupportedProtocol):
                await send(transport, request_to("ftp://api.invalid"))

    asyncio.run(main())


@both
def test_an_untrusted_certificate_is_a_not_sent_error(
    make: Callable[[str], httpx.AsyncBaseTransport], certificates: Certificates
) -> None:
    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        assert type(error_of(make, request_to(upstream.url))) is httpx.ConnectError
    assert upstream.requests == []


@both
def test_plain_text_instead_of_tls_is_a_not_sent_error(make: Callable[[str], httpx.AsyncBaseTransport]) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.wait_until_client_closes()

    with ScriptedUpstream(script) as upstream:
        assert type(error_of(make, request_to(upstream.url.replace("http", "https")))) is httpx.ConnectError


@both
def test_a_tls_handshake_that_hangs_is_a_not_sent_error(make: Callable[[str], httpx.AsyncBaseTransport]) -> None:
    with ScriptedUpstream(UpstreamConnection.wait_until_client_closes) as upstream:
        error = error_of(make, request_to(upstream.url.replace("http", "https"), timeout=SHORT))
    assert type(error) is httpx.ConnectTimeout


@both
def test_a_tls_handshake_that_is_cut_off_is_a_not_sent_error(make: Callable[[str], httpx.AsyncBaseTransport]) -> None:
    with ScriptedUpstream(UpstreamConnection.reset) as upstream:
        assert type(error_of(make, request_to(upstream.url.replace("http", "https")))) is httpx.ConnectError


@both
def test_a_tcp_connection_that_is_not_accepted_in_time_is_a_not_sent_error(
    make: Callable[[str], httpx.AsyncBaseTransport],
) -> None:
    need(sys.platform == "linux", "only Linux lets a full backlog hang")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())
        error = error_of(make, request_to(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=SHORT))
    assert type(error) is httpx.ConnectTimeout


@both
def test_no_free_connection_in_time_is_a_not_sent_error(make: Callable[..., httpx.AsyncBaseTransport]) -> None:
    async def main(url: str) -> None:
        async with make(url, pool=1) as transport:
            first = asyncio.create_task(send(transport, request_to(url)))
            await until(lambda: upstream.requests)
            with pytest.raises(httpx.PoolTimeout):
                await send(transport, request_to(url, timeout=SHORT))
            first.cancel()
            await asyncio.wait([first])

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        asyncio.run(main(upstream.url))
    assert len(upstream.requests) == 1


@both
def test_a_connection_lost_as_it_is_reused_is_a_maybe_sent_error_and_not_retried(
    make: Callable[[str], httpx.AsyncBaseTransport],
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer())
        connection.read_request()

    async def main(url: str) -> None:
        async with make(url) as transport:
            await send(transport, request_to(url))
            with pytest.raises(MAYBE_SENT):
                await send(transport, request_to(url))

    with ScriptedUpstream(script) as upstream:
        asyncio.run(main(upstream.url))
    assert len(upstream.requests) == 2


ENDS: dict[str, Callable[[UpstreamConnection], object]] = {
    "closed": UpstreamConnection.close,
    "reset": UpstreamConnection.reset,
    "half closed": UpstreamConnection.end,
    "unasked answer": lambda connection: connection.send(answer(408)),
}


@both
@pytest.mark.parametrize("loop", ["sees it", "is blocked"])
@pytest.mark.parametrize("end", ENDS)
def test_a_connection_that_died_while_idle_is_replaced_before_anything_is_written(
    make: Callable[[str], httpx.AsyncBaseTransport], end: str, loop: str
) -> None:
    ended = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer())
        answered.wait(GENEROUS)
        ENDS[end](connection)
        ended.set()
        if end in {"half closed", "unasked answer"}:
            connection.wait_until_client_closes()

    async def main(url: str) -> None:
        async with make(url) as transport:
            assert (await send(transport, request_to(url))).status_code == 200
            answered.set()
            if loop == "is blocked":
                ended.wait(GENEROUS)
            else:
                await until(ended.is_set)
            assert (await send(transport, request_to(url))).status_code == 200

    answered = threading.Event()
    with ScriptedUpstream(script) as upstream:
        asyncio.run(main(upstream.url))
    assert len(upstream.requests) == 2
    assert upstream.accepted == 2


@every_loop
@pytest.mark.parametrize("fault", LOST)
def test_a_response_that_is_cut_off_is_a_read_error(run: Run, fault: str) -> None:
    with ScriptedUpstream(LOST[fault]) as upstream:
        assert type(error_of(ours, request_to(upstream.url), run)) is httpx.ReadError


@every_loop
@pytest.mark.parametrize("fault", HANGING)
def test_a_response_that_does_not_arrive_is_a_read_timeout(run: Run, fault: str) -> None:
    with ScriptedUpstream(HANGING[fault]) as upstream:
        assert type(error_of(ours, request_to(upstream.url, read=SHORT), run)) is httpx.ReadTimeout


@every_loop
@pytest.mark.parametrize("fault", NOT_HTTP)
def test_a_response_that_is_not_http_is_a_protocol_error(run: Run, fault: str) -> None:
    with ScriptedUpstream(NOT_HTTP[fault]) as upstream:
        assert type(error_of(ours, request_to(upstream.url), run)) is httpx.RemoteProtocolError


@every_loop
def test_a_response_that_drips_ends_at_the_timeout(run: Run) -> None:
    with ScriptedUpstream(FAULTS["drips"]) as upstream:
        assert type(error_of(ours, request_to(upstream.url, read=SHORT), run)) is httpx.ReadTimeout


@every_loop
def test_a_request_that_the_upstream_does_not_read_ends_at_the_timeout(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        over.wait(GENEROUS)
        connection.close()

    over = threading.Event()
    with ScriptedUpstream(script) as upstream:
        request = request_to(upstream.url, read=SHORT, body=b"x" * 50_000_000)
        assert type(error_of(ours, request, run)) is httpx.ReadTimeout
        over.set()


@every_loop
def test_a_response_that_is_too_large_is_cut_off(run: Run) -> None:
    with ScriptedUpstream(FAULTS["100 MB"]) as upstream:
        assert type(error_of(ours, request_to(upstream.url), run)) is ResponseTooLarge


@every_loop
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20_000 + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    ],
    ids=["endless", "one long header", "many headers", "interim answers"],
)
def test_a_response_head_that_is_too_large_is_cut_off(run: Run, head: bytes) -> None:
    with ScriptedUpstream(sending_then(UpstreamConnection.wait_until_client_closes, head)) as upstream:
        assert type(error_of(ours, request_to(upstream.url), run)) is ResponseTooLarge


def settled(transport: Transport) -> bool:
    now = transport.connections
    return now["opening"] == 0 and now["open"] == now["idle"]


@every_loop
def test_a_thousand_faults_in_a_row_leak_nothing(run: Run) -> None:
    scripts = [*LOST.values(), *NOT_HTTP.values(), *HANGING.values(), UpstreamConnection.reset, answering(answer())]
    scripts.append(FAULTS["100 MB"])

    def script(connection: UpstreamConnection) -> None:
        scripts[connection.number % len(scripts)](connection)

    async def one(transports: dict[str, Transport], number: int) -> str:
        url, timeout = {
            0: (refused, GENEROUS),
            1: ("http://api.invalid", GENEROUS),
            2: (secure, 0.05),
        }.get(number % 20, (upstream.url, GENEROUS))
        call = send(transports[url], request_to(url, timeout=timeout, read=0.1))
        try:
            async with asyncio.timeout(0.01 if number % 7 == 0 else GENEROUS):
                await call
        except (httpx.TransportError, TimeoutError) as error:
            return type(error).__name__
        return "answered"

    async def main() -> None:
        sockets = open_sockets()
        async with contextlib.AsyncExitStack() as stack:
            transports = {
                url: await stack.enter_async_context(Transport(url, max_response_bytes=100_000, max_connections=8))
                for url in (upstream.url, refused, secure, "http://api.invalid")
            }
            limit = asyncio.Semaphore(16)
            seen: set[str] = set()

            async def limited(number: int) -> None:
                async with limit:
                    seen.add(await one(transports, number))

            await asyncio.gather(*(limited(number) for number in range(1000)))
            assert {"ReadError", "ReadTimeout", "RemoteProtocolError", "ConnectError", "TimeoutError"} <= seen
            for transport in transports.values():
                assert transport.connections["waiting"] == 0
                # The connection of a cancelled request is still opened, for the next one.
                await until(partial(settled, transport))
            assert len(asyncio.all_tasks()) == 1
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: open_sockets() <= sockets)
        gc.collect()
        assert sum(isinstance(thing, Connection) for thing in gc.get_objects()) < 5  # uvloop keeps the last one

    with refusing_url() as refused, ScriptedUpstream(script) as upstream:
        secure = upstream.url.replace("http", "https")
        run(main())
