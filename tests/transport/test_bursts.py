"""Bursts of requests to a slow server and to an overloaded one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, answer
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport import Transport
from gateway.transport.concurrency import ALWAYS

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


class Server:
    """A server in the test's event loop, where thousands of connections are cheap."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.most = 0
        """Maximum number of requests that were in flight at once."""
        self.received: list[str] = []
        """The requests' targets, in order."""

    def take(self, reply: Callable[[], None]) -> None:
        """Call `reply` to answer a request, now or later."""
        raise NotImplementedError

    def received_on(self, transport: asyncio.Transport, request: bytes) -> None:
        self.received.append(request.split()[1].decode())
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)

        def reply() -> None:
            self.in_flight -= 1
            transport.write(answer())

        self.take(reply)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve on a free port, and yield the URL."""
        listener = await asyncio.get_running_loop().create_server(
            lambda: ServerConnection(self), "127.0.0.1", 0, backlog=4096
        )
        async with listener:
            yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


class ServerConnection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b'{"message":{}}')  # the whole request arrived at once
        self.server.received_on(self.transport, data)


class Slow(Server):
    """Answers every request after the same delay, however many there are."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def take(self, reply: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self.seconds, reply)


class Together(Slow):
    """Like that, until `held` is a list: then it answers once that many requests are in flight."""

    def __init__(self, seconds: float, count: int) -> None:
        super().__init__(seconds)
        self.count = count
        self.held: list[Callable[[], None]] | None = None

    def take(self, reply: Callable[[], None]) -> None:
        if self.held is None:
            super().take(reply)
            return
        self.held.append(reply)
        if len(self.held) == self.count:
            for each in self.held:
                each()


class Busy(Server):
    """Answers one request after the other, at most `rate` a second."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.every = 1 / rate
        self.line: deque[Callable[[], None]] = deque()

    def take(self, reply: Callable[[], None]) -> None:
        self.line.append(reply)
        if len(self.line) == 1:
            asyncio.get_running_loop().call_later(self.every, self.answer)

    def answer(self) -> None:
        self.line.popleft()()
        if self.line:
            asyncio.get_running_loop().call_later(self.every, self.answer)


async def send_all(
    transport: Transport, url: str, count: int, *, patience: float = GENEROUS
) -> list[httpx.Response | BaseException]:
    requests = [request_to(url, target=f"/{number}", timeout=patience) for number in range(count)]
    for request in requests:
        request.extensions["timeout"]["connect"] = GENEROUS
        request.extensions["timeout"]["read"] = GENEROUS
    return await asyncio.gather(*map(transport.handle_async_request, requests), return_exceptions=True)


def statuses(results: list[httpx.Response | BaseException]) -> set[int | str]:
    return {result.status_code if isinstance(result, httpx.Response) else type(result).__name__ for result in results}


@every_loop
def test_a_burst_of_a_thousand_requests_is_answered_and_the_next_one_is_in_flight_at_once(
    run: Run,
) -> None:
    async def main() -> None:
        server = Together(0.5, 1000)
        async with (
            server.running() as url,
            Transport(url, max_response_bytes=1000, max_connections=4000, max_latency=600.0) as transport,
        ):
            assert statuses(await send_all(transport, url, 1000)) == {200}
            server.held = []
            assert statuses(await send_all(transport, url, 1000)) == {200}
            assert sorted(server.received) == sorted([f"/{number}" for number in range(1000)] * 2)
            assert transport.connections["open"] == transport.connections["idle"]

    run(main())


@every_loop
def test_an_overloaded_server_gets_only_the_requests_that_it_can_answer_in_time(run: Run) -> None:
    async def main() -> None:
        server = Busy(500)
        async with (
            server.running() as url,
            Transport(url, max_response_bytes=1000, max_connections=4000, max_latency=1.0) as transport,
        ):
            for _ in range(2):
                before = len(server.received)
                results = await send_all(transport, url, 2000, patience=1.0)
                assert statuses(results) == {200, "PoolTimeout"}
                answered = [f"/{n}" for n, result in enumerate(results) if isinstance(result, httpx.Response)]
                assert sorted(server.received[before:]) == sorted(answered)
                assert transport.connections["waiting"] == 0
            assert ALWAYS <= server.most <= 500 * 1.0 + 10

    run(main())


@every_loop
def test_a_server_that_never_responds_gets_at_most_a_hundred_requests(run: Run) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000, max_connections=4000) as transport:
            requests = [request_to(upstream.url) for _ in range(ALWAYS + 50)]
            for request in requests:
                request.extensions["timeout"]["pool"] = 1.0
            calls = [asyncio.create_task(transport.handle_async_request(request)) for request in requests]
            await until(lambda: len(upstream.requests) == ALWAYS)
            await until(lambda: sum(call.done() for call in calls) == 50)
            assert {type(call.exception()) for call in calls if call.done()} == {httpx.PoolTimeout}
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            await until(lambda: not any(transport.connections.values()))

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert len(upstream.requests) == ALWAYS


@every_loop
def test_closing_the_transport_fails_the_requests_that_were_not_sent_with_connect_error(run: Run) -> None:
    async def main() -> None:
        transport = Transport(upstream.url, max_response_bytes=1000, max_connections=4000)
        calls = [
            asyncio.create_task(transport.handle_async_request(request_to(upstream.url))) for _ in range(ALWAYS + 50)
        ]
        await until(lambda: len(upstream.requests) == ALWAYS and transport.connections["waiting"] == 50)
        await transport.aclose()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [httpx.ReadError] * ALWAYS + [httpx.ConnectError] * 50
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request_to(upstream.url))

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert len(upstream.requests) == ALWAYS
