"""What a connection counts and keeps from one response to the next."""

import asyncio
import gc
import gzip
import threading
import weakref

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport import Response, ResponseTooLarge, Transport
from gateway.transport.answer import Received
from gateway.transport.connection import Connection
from gateway.transport.dial import Dialer
from gateway.transport.serialize import serialize

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


def of_size(url: str, size: int) -> httpx.Request:
    """Return a request of this size in bytes on the wire."""
    body = b"x" * (size - len(serialize(request_to(url, body=b"x" * 10_000))) + 10_000)
    request = request_to(url, body=body)
    assert len(serialize(request)) == size
    return request


@every_loop
@pytest.mark.parametrize(("size", "accepted"), [(16_384, 1), (16_385, 2)])
def test_after_an_error_response_a_connection_is_reused_only_if_its_request_had_at_most_16_kib(
    run: Run, size: int, accepted: int
) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000) as transport:
            for _ in range(2):
                await transport.handle_async_request(of_size(upstream.url, size))

    with ScriptedUpstream(answering(answer(403))) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (2, accepted)


@every_loop
@pytest.mark.parametrize(("status", "accepted"), [(404, 1), (408, 2), (409, 1)])
def test_after_a_408_a_connection_is_not_used_again(run: Run, status: int, accepted: int) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000) as transport:
            for _ in range(2):
                await transport.handle_async_request(request_to(upstream.url))

    with ScriptedUpstream(answering(answer(status))) as upstream:
        run(main())
    assert upstream.accepted == accepted


@every_loop
def test_the_size_limit_applies_to_each_response_and_includes_the_limit_itself(run: Run) -> None:
    data = answer(200, b"x" * 500)

    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=len(data)) as transport:
            for _ in range(5):
                response = await transport.handle_async_request(request_to(upstream.url))
                assert response.content == b"x" * 500
        async with Transport(upstream.url, max_response_bytes=len(data) - 1) as transport:
            with pytest.raises(ResponseTooLarge):
                await transport.handle_async_request(request_to(upstream.url))

    with ScriptedUpstream(answering(data)) as upstream:
        run(main())
    assert upstream.accepted == 2


@every_loop
@pytest.mark.parametrize("end", ["answered", "cancelled", "timed out", "lost"])
def test_the_responses_being_received_are_limited_together(  # noqa: C901  (each end differs a little)
    run: Run, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    data = answer(200, b"x" * 1000)
    monkeypatch.setattr(Received, "MAX_TOTAL", 2 * len(data))
    halves: list[UpstreamConnection] = []
    go_on = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        while (sent := connection.read_request()) is not None:
            connection.send(data[:-1])
            if b"/slow" in sent:
                halves.append(connection)
                assert go_on.wait(GENEROUS)
                if end == "lost":
                    return
            connection.send(data[-1:])

    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=len(data)) as transport:

            async def send(target: str, read: float = GENEROUS) -> bytes:
                request = request_to(upstream.url, target=target, read=read)
                return (await transport.handle_async_request(request)).content

            async def send_until_refused() -> None:
                while True:
                    await send("/quick")

            slow = [asyncio.create_task(send("/slow", 3.0 if end == "timed out" else GENEROUS)) for _ in range(2)]
            await until(lambda: len(halves) == 2)
            with pytest.raises(ResponseTooLarge, match="All responses being received are larger than"):
                await send_until_refused()  # when both have been read
            if end == "cancelled":
                slow[0].cancel()
                slow[1].cancel()
            if end != "timed out":
                go_on.set()
            ended = await asyncio.gather(*slow, return_exceptions=True)
            assert isinstance(ended[0], bytes) is isinstance(ended[1], bytes) is (end == "answered")
            # None of their bytes counts any longer.
            assert {*await asyncio.gather(send("/quick"), send("/quick"))} == {b"x" * 1000}

    with ScriptedUpstream(script) as upstream:
        try:
            run(main())
        finally:
            go_on.set()


@every_loop
def test_a_response_is_not_decoded_because_the_previous_one_was_encoded(run: Run) -> None:
    packed = answer(200, gzip.compress(b"{}"), b"Content-Encoding: gzip")

    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000) as transport:
            kinds = [type(await transport.handle_async_request(request_to(upstream.url))) for _ in range(3)]
        assert kinds == [httpx.Response, Response, Response]

    with ScriptedUpstream(answering(packed, answer())) as upstream:
        run(main())
    assert upstream.accepted == 1


@every_loop
@pytest.mark.parametrize("unasked", [answer(), b"\r\n", b"x"], ids=["an answer", "a line break", "a byte"])
def test_an_idle_connection_that_receives_bytes_is_closed_at_once(run: Run, unasked: bytes) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000, idle_seconds=600.0) as transport:
            await transport.handle_async_request(request_to(upstream.url))
            connections[0].send(unasked)
            await until(lambda: transport.connections == CLEAN)

    def script(connection: UpstreamConnection) -> None:
        connections.append(connection)
        connection.read_request()
        connection.send(answer())
        connection.wait_until_client_closes()

    connections: list[UpstreamConnection] = []
    with ScriptedUpstream(script) as upstream:
        run(main())


@every_loop
@pytest.mark.parametrize("cancelled", [False, True], ids=["answered", "cancelled"])
def test_a_closed_connection_leaves_no_object_and_no_timer(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    made: list[weakref.ref[Connection]] = []
    begin = Connection.connection_made

    def connection_made(self: Connection, transport: asyncio.BaseTransport) -> None:
        made.append(weakref.ref(self))
        begin(self, transport)

    async def main() -> None:
        transport = Transport(upstream.url, max_response_bytes=1000)
        call = asyncio.create_task(transport.handle_async_request(request_to(upstream.url, timeout=600.0)))
        await until(lambda: upstream.requests)
        if cancelled:
            call.cancel()
        await asyncio.wait([call])
        del call
        await transport.aclose()
        await until(lambda: made[0]() is None)

    monkeypatch.setattr(Connection, "connection_made", connection_made)
    gc.collect()
    gc.disable()
    try:
        with ScriptedUpstream(HANGING["reads and hangs"] if cancelled else answering(answer())) as upstream:
            run(main())
    finally:
        gc.enable()
    assert len(made) == 1


@every_loop
@pytest.mark.parametrize(
    "parts",
    [b"HTTP/1.1 403 Forbidden\r\nX: " + b"x" * 100_000, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000],
    ids=["half a head", "interim answers"],
)
def test_a_response_without_a_complete_head_has_no_status(run: Run, parts: bytes) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1_000_000) as transport:
            with pytest.raises(ResponseTooLarge) as raised:
                await transport.handle_async_request(request_to(upstream.url))
            assert raised.value.response is None

    with ScriptedUpstream(answering(parts)) as upstream:
        run(main())


@every_loop
def test_a_session_ticket_that_arrives_after_a_connection_was_found_silent_does_not_matter(run: Run) -> None:
    async def main() -> None:
        origin = ("http", "127.0.0.1", upstream.port)
        dialer = Dialer(origin, max_response_bytes=1000, idle_seconds=60.0, ssl_context=None, proxy=None)
        connection = await dialer.connect(lambda _: None, None)
        readable = [True, True, False]
        connection.is_readable = lambda: readable.pop(0) if readable else True
        assert await connection.is_silent()
        assert not await connection.is_silent()
        connection.abort()
        await dialer.aclose()

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
