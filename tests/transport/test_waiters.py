"""Who gets what becomes free in the pool."""

import asyncio
import threading

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.waiting import until

from gateway.transport import Transport
from gateway.transport.patience import Within

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


def new() -> Transport:
    """Make one that has room for one connection."""
    return Transport(max_response_bytes=1000, max_connections=1)


def targets(upstream: ScriptedUpstream) -> list[str]:
    return [request.split()[1].decode() for request in upstream.requests]


@every_loop
def test_a_waiter_is_not_given_the_connection_to_another_origin(run: Run) -> None:
    go = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        while connection.read_request() is not None:
            go.wait(GENEROUS)
            connection.send(answer())

    async def main() -> None:
        async with new() as transport:
            urls = [first.url, second.url, first.url, second.url]
            calls = [
                asyncio.create_task(transport.handle_async_request(request_to(url, target=f"/{number}")))
                for number, url in enumerate(urls)
            ]
            await until(lambda: transport.connections["waiting"] == 3)
            go.set()
            await asyncio.gather(*calls)
            assert transport.connections == {"open": 1, "idle": 1, "slots": 1, "waiting": 0}

    with ScriptedUpstream(script) as first, ScriptedUpstream(script) as second:
        run(main())
    assert targets(first) == ["/0", "/2"]
    assert targets(second) == ["/1", "/3"]


@every_loop
def test_a_waiter_that_wants_a_new_connection_is_not_sent_over_the_one_that_became_free(run: Run) -> None:
    go = threading.Event()
    seen: list[tuple[int, bytes]] = []

    def script(connection: UpstreamConnection) -> None:
        while (request := connection.read_request()) is not None:
            seen.append((connection.number, request.split()[1]))
            go.wait(GENEROUS)
            connection.send(answer())

    async def main() -> None:
        async with new() as transport:

            def send(target: str, *, new_connection: bool) -> asyncio.Task[httpx.Response]:
                request = request_to(upstream.url, target=target, new_connection=new_connection)
                return asyncio.create_task(transport.handle_async_request(request))

            holder = send("/holder", new_connection=False)
            await until(lambda: upstream.requests)
            waiter = send("/waiter", new_connection=True)
            await until(lambda: transport.connections["waiting"] == 1)
            go.set()
            await asyncio.gather(holder, waiter)
            await until(lambda: transport.connections == {"open": 1, "idle": 1, "slots": 1, "waiting": 0})

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert seen == [(0, b"/holder"), (1, b"/waiter")]


@every_loop
def test_a_waiter_that_is_cancelled_together_with_the_one_before_it_is_passed_over(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        if connection.number:
            connection.send(answer())
        connection.wait_until_client_closes()

    async def main() -> None:
        async with new() as transport:
            calls = [
                asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target=f"/{number}")))
                for number in range(3)
            ]
            await until(lambda: upstream.requests and transport.connections["waiting"] == 2)
            for call in calls[:2]:  # the slot is passed on before the waiter has left
                call.cancel()
            assert (await calls[2]).status_code == 200
            assert transport.connections == {"open": 1, "idle": 1, "slots": 1, "waiting": 0}

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert targets(upstream) == ["/0", "/2"]


@every_loop
def test_a_waiter_whose_turn_comes_as_its_time_ends_is_served(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ending: list[asyncio.Task[httpx.Response]] = []
    look = Within._look  # noqa: SLF001  (only there can the turn come between the end of the time and its last look)

    def look_last(within: Within, turns: int) -> None:
        if not turns:
            ending.pop().cancel()  # so that the slot is passed on in the turn in which the time limit cancels
        look(within, turns)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        if connection.number:
            connection.send(answer())
        connection.wait_until_client_closes()

    async def main() -> None:
        async with new() as transport:
            holder = asyncio.create_task(transport.handle_async_request(request_to(upstream.url)))
            await until(lambda: upstream.requests)
            ending.append(holder)
            monkeypatch.setattr(Within, "_look", look_last)
            request = request_to(upstream.url)
            request.extensions["timeout"]["pool"] = 0.05
            assert (await transport.handle_async_request(request)).status_code == 200
            assert ending == []
            assert transport.connections == {"open": 1, "idle": 1, "slots": 1, "waiting": 0}

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert len(upstream.requests) == 2
