"""The pool's limits: number of connections, idle time, and timeouts."""

import asyncio
import threading

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport import Transport

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


def new(url: str, *, max_connections: int = 10, idle_seconds: float = 60.0) -> Transport:
    return Transport(url, max_response_bytes=1000, max_connections=max_connections, idle_seconds=idle_seconds)


@every_loop
def test_the_default_limit_is_a_hundred_connections_and_further_requests_wait(run: Run) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000) as transport:
            calls = [asyncio.create_task(transport.handle_async_request(request_to(upstream.url))) for _ in range(103)]
            await until(lambda: len(upstream.requests) == 100)
            assert transport.connections == {"open": 100, "idle": 0, "opening": 0, "waiting": 3}
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            await until(lambda: transport.connections == CLEAN)

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert upstream.accepted == 100


def test_by_default_a_connection_is_reused_within_four_seconds() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = loop.time
        passed = 0.0
        loop.time = lambda: clock() + passed  # type: ignore[method-assign]  # without waiting
        async with Transport(upstream.url, max_response_bytes=1000) as transport:
            for seconds, accepted in ((0.0, 1), (3.0, 1), (4.0, 2), (4.0, 3)):
                passed += seconds
                await transport.handle_async_request(request_to(upstream.url))
                assert upstream.accepted == accepted

    with ScriptedUpstream(answering(answer())) as upstream:
        asyncio.run(main())


@every_loop
def test_each_idle_connection_is_closed_after_its_own_idle_time(run: Run) -> None:
    later = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        request = connection.read_request()
        if request is not None and b"/later" in request:
            later.wait(GENEROUS)
        connection.send(answer())
        connection.wait_until_client_closes()

    async def main() -> None:
        async with new(upstream.url, idle_seconds=0.3) as transport:
            call = asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target="/later")))
            await until(lambda: upstream.requests)
            await transport.handle_async_request(request_to(upstream.url))
            await asyncio.sleep(0.1)
            later.set()
            await call
            await until(lambda: transport.connections == CLEAN)

    with ScriptedUpstream(script) as upstream:
        run(main())


@every_loop
def test_a_request_for_a_new_connection_leaves_idle_ones_to_others(run: Run) -> None:
    async def main() -> None:
        async with new(upstream.url) as transport:
            await transport.handle_async_request(request_to(upstream.url))
            await transport.handle_async_request(request_to(upstream.url, new_connection=True))
            assert transport.connections == {"open": 2, "idle": 2, "opening": 0, "waiting": 0}

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
    assert upstream.accepted == 2


@every_loop
@pytest.mark.parametrize(
    ("limits", "error", "accepted"),
    [
        ({"pool": 0.0}, None, 1),  # no request waits
        ({"connect": 0.0}, httpx.ConnectTimeout, 0),
        ({"read": 0.0}, httpx.PoolTimeout, 1),
        ({"write": 0.0}, None, 1),  # part of `read`
    ],
)
def test_each_phase_has_its_own_timeout(
    run: Run, limits: dict[str, float], error: type[Exception] | None, accepted: int
) -> None:
    async def main() -> None:
        async with new(upstream.url) as transport:
            request = request_to(upstream.url)
            request.extensions["timeout"].update(limits)
            if error is None:
                assert (await transport.handle_async_request(request)).status_code == 200
                return
            with pytest.raises(error):
                await transport.handle_async_request(request)

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
        assert upstream.accepted <= accepted
    assert len(upstream.requests) == (1 if error is None else 0)
