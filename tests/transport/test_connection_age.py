"""A connection is reused until it is too old, or was idle for longer than the server allows."""

import asyncio
import threading

import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.waiting import until

from gateway.transport import pool

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


class Clock:
    """Advances the event loop's clock without waiting."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        real = loop.time
        self.passed = 0.0
        loop.time = lambda: real() + self.passed  # type: ignore[method-assign]


def test_a_busy_connection_is_reused_for_about_a_minute() -> None:
    async def main() -> None:
        clock = Clock()
        async with new_transport(upstream.url, idle_seconds=40.0) as transport:
            for seconds, accepted in ((0, 1), (30, 1), (20, 1), (17, 2), (30, 2), (37, 3)):
                clock.passed += seconds
                await transport.handle_async_request(request_to(upstream.url))
                assert upstream.accepted == accepted

    with ScriptedUpstream(answering(answer())) as upstream:
        asyncio.run(main())


def test_connections_opened_together_are_not_closed_together() -> None:
    async def main() -> None:
        clock = Clock()
        async with new_transport(upstream.url, idle_seconds=600.0, max_connections=60) as transport:
            await asyncio.gather(
                *(transport.handle_async_request(request_to(upstream.url, new_connection=True)) for _ in range(60))
            )
            assert transport.connections["idle"] == 60
            clock.passed += pool.MAX_AGE
            await until(lambda: transport.connections["idle"] < 60)
            assert transport.connections["idle"] > 0
            clock.passed += pool.MAX_AGE * 0.11
            await until(lambda: transport.connections["open"] == 0)

    with ScriptedUpstream(answering(answer())) as upstream:
        asyncio.run(main())


@every_loop
@pytest.mark.parametrize("waiting", [False, True], ids=["no request waits", "a request waits"])
def test_a_connection_that_expires_during_an_exchange_is_not_reused(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, waiting: bool
) -> None:
    monkeypatch.setattr(pool, "MAX_AGE", 0.0)
    on: list[tuple[int, bytes]] = []
    go = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        while (request := connection.read_request()) is not None:
            on.append((connection.number, request.split()[1]))
            go.wait(GENEROUS)
            connection.send(answer())

    async def main() -> None:
        async with new_transport(upstream.url, max_connections=1) as transport:
            calls = [asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target="/0")))]
            await until(lambda: on)
            if waiting:
                calls.append(asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target="/1"))))
                await until(lambda: transport.connections["waiting"] == 1)
            go.set()
            assert {(await call).status_code for call in calls} == {200}
            if not waiting:
                await transport.handle_async_request(request_to(upstream.url, target="/1"))
            await until(lambda: not any(transport.connections.values()))

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert on == [(0, b"/0"), (1, b"/1")]


KEPT: list[tuple[bytes, float, int]] = [
    # Header value, seconds of idleness, number of connections for two requests. Our own limit is 10 seconds.
    (b"timeout=5", 3.9, 1),
    (b"timeout=5", 4.1, 2),
    (b"timeout=5, max=1000", 4.1, 2),
    (b"max=1000, timeout=5", 4.1, 2),
    (b"max=1000,Timeout=5", 4.1, 2),
    (b"timeout=30", 28.0, 1),
    (b"timeout=30", 29.1, 2),
    (b"timeout=2", 0.5, 1),
    (b"timeout=2", 1.1, 2),
    (b"timeout=1", 0.0, 2),
    (b"timeout=0", 0.0, 2),
    (b"timeout=9999999999999999999999", 50.0, 1),
    (b"timeout=9999999999999999999999", 67.0, 2),  # older than the maximum age
    *((garbage, 9.0, 1) for garbage in (b"", b"timeout", b"timeout=", b"timeout=x", b"timeout=-5", b"x-timeout=1")),
    *((garbage, 11.0, 2) for garbage in (b"", b"timeout", b"timeout=", b"timeout=x", b"timeout=-5", b"xtimeout=90")),
    (b"max=100", 9.0, 1),
    (b"max=100", 11.0, 2),
]


@pytest.mark.parametrize(("said", "seconds", "accepted"), KEPT)
def test_an_idle_connection_is_not_reused_when_the_server_may_be_closing_it(
    said: bytes, seconds: float, accepted: int
) -> None:
    async def main() -> None:
        clock = Clock()
        async with new_transport(upstream.url, idle_seconds=10.0) as transport:
            for _ in range(2):
                await transport.handle_async_request(request_to(upstream.url))
                clock.passed += seconds
            if seconds > 10.0:
                await until(lambda: transport.connections["open"] == (1 if seconds < 29.0 and accepted == 1 else 0))

    with ScriptedUpstream(answering(answer(200, b"{}", b"Keep-Alive: " + said))) as upstream:
        asyncio.run(main())
    assert upstream.accepted == accepted


@every_loop
@pytest.mark.parametrize(("said", "accepted"), [(b"timeout=0", 10), (b"timeout=2", 1), (b"timeout=5", 1)])
def test_a_connection_with_a_keep_alive_timeout_of_zero_is_not_given_to_a_waiting_request(
    run: Run, said: bytes, accepted: int
) -> None:
    async def main() -> None:
        async with new_transport(upstream.url, max_connections=1) as transport:
            await asyncio.gather(*(transport.handle_async_request(request_to(upstream.url)) for _ in range(10)))

    with ScriptedUpstream(answering(answer(200, b"{}", b"Keep-Alive: " + said))) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (10, accepted)


def test_the_latest_keep_alive_header_counts() -> None:
    answers = [
        answer(200, b"{}", *headers) for headers in ([b"Keep-Alive: timeout=100"], [], [b"keep-alive: timeout=3"])
    ]

    async def main() -> None:
        clock = Clock()
        async with new_transport(upstream.url, idle_seconds=1.0) as transport:
            for seconds, accepted in ((0, 1), (20, 1), (20, 1), (1.9, 1), (2.1, 2)):
                clock.passed += seconds
                await transport.handle_async_request(request_to(upstream.url))
                assert upstream.accepted == accepted

    with ScriptedUpstream(answering(*answers)) as upstream:
        asyncio.run(main())
