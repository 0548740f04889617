"""Which waiting request gets a connection that becomes free."""

import asyncio
import threading

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport import Transport
from gateway.transport.dial import Dialer
from gateway.transport.patience import Within
from gateway.transport.pool import Pool

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


def new(url: str) -> Transport:
    """Return a transport with at most one connection."""
    return Transport(url, max_response_bytes=1000, max_connections=1)


def targets(upstream: ScriptedUpstream) -> list[str]:
    return [request.split()[1].decode() for request in upstream.requests]


@every_loop
def test_a_request_that_waits_for_a_new_connection_does_not_take_a_used_one(run: Run) -> None:
    go = threading.Event()
    seen: list[tuple[int, bytes]] = []

    def script(connection: UpstreamConnection) -> None:
        while (request := connection.read_request()) is not None:
            seen.append((connection.number, request.split()[1]))
            go.wait(GENEROUS)
            connection.send(answer())

    async def main() -> None:
        async with new(upstream.url) as transport:

            def send(target: str, *, new_connection: bool) -> asyncio.Task[httpx.Response]:
                request = request_to(upstream.url, target=target, new_connection=new_connection)
                return asyncio.create_task(transport.handle_async_request(request))

            holder = send("/holder", new_connection=False)
            await until(lambda: upstream.requests)
            waiter = send("/waiter", new_connection=True)
            await until(lambda: transport.connections["waiting"] == 1)
            go.set()
            await asyncio.gather(holder, waiter)
            await until(lambda: transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0})

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert seen == [(0, b"/holder"), (1, b"/waiter")]


@every_loop
def test_waiting_requests_that_are_cancelled_together_are_skipped(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        if connection.number:
            connection.send(answer())
        connection.wait_until_client_closes()

    async def main() -> None:
        async with new(upstream.url) as transport:
            calls = [
                asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target=f"/{number}")))
                for number in range(3)
            ]
            await until(lambda: upstream.requests and transport.connections["waiting"] == 2)
            for call in calls[:2]:  # the connection is given on before the cancelled request has ended
                call.cancel()
            assert (await calls[2]).status_code == 200
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert targets(upstream) == ["/0", "/2"]


@every_loop
@pytest.mark.parametrize("cancelled", [False, True], ids=["timed out", "cancelled"])
def test_a_connection_that_becomes_free_as_its_waiting_request_ends_is_not_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    look = Within._look  # noqa: SLF001  (only here can it become free between the timeout and its effect)

    async def main() -> None:
        origin = ("http", "127.0.0.1", upstream.port)
        dialer = Dialer(origin, max_response_bytes=1000, idle_seconds=60.0, ssl_context=None, proxy=None)
        pool = Pool(dialer.connect, max_connections=1)
        held = await pool.acquire(None)

        def look_last(within: Within, turns: int) -> None:
            look(within, turns)
            if not turns:
                pool.release(held, asyncio.get_running_loop().time())
                if cancelled:
                    waiter.cancel()

        monkeypatch.setattr(Within, "_look", look_last)
        waiter = asyncio.create_task(pool.acquire(asyncio.get_running_loop().time() + 0.05))
        if cancelled:
            with pytest.raises(asyncio.CancelledError):
                await waiter
        else:
            assert await waiter is held
            pool.release(held, asyncio.get_running_loop().time())
        assert pool.counts == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}
        assert await pool.acquire(None) is held
        await pool.aclose()

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert upstream.accepted == 1


@every_loop
def test_a_request_whose_connection_was_lost_before_use_takes_an_idle_one(run: Run) -> None:
    async def main() -> None:
        origin = ("http", "127.0.0.1", upstream.port)
        dialer = Dialer(origin, max_response_bytes=1000, idle_seconds=60.0, ssl_context=None, proxy=None)
        pool = Pool(dialer.connect, max_connections=2)
        lost, idle = await pool.acquire(None), await pool.acquire(None)
        waiter = asyncio.create_task(pool.acquire(None))
        await until(lambda: pool.counts["waiting"] == 1)
        pool.release(lost, asyncio.get_running_loop().time())
        lost.abort()  # before the waiting request runs
        pool.release(idle, asyncio.get_running_loop().time())
        assert await asyncio.wait_for(waiter, GENEROUS) is idle
        await until(lambda: pool.counts == {"open": 1, "idle": 0, "opening": 0, "waiting": 0})
        await pool.aclose()

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert upstream.accepted == 2
