"""The cost of a waiting request does not depend on how many there are."""

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable

import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport.transport import Transport

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


async def growth(cpu_time: Callable[[int], Awaitable[float]], size: int, times: int) -> float:
    """Return the ratio of the CPU time of each with `size * times` of them to that with `size`."""
    gc.collect()
    gc.disable()  # garbage collection takes longer the more objects there are
    try:
        few = min([await cpu_time(size) for _ in range(3)])
        many = min([await cpu_time(size * times) for _ in range(3)])
    finally:
        gc.enable()
    return many / few / times


@every_loop
@pytest.mark.parametrize("order", ["newest first", "oldest first"])
def test_cancelling_a_waiting_request_costs_the_same_among_twenty_thousand(run: Run, order: str) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000, max_connections=1) as transport:
            holder = asyncio.create_task(transport.handle_async_request(request_to(upstream.url)))
            await until(lambda: upstream.requests)

            async def leaving(count: int) -> float:
                request = request_to(upstream.url)
                waiters = [asyncio.create_task(transport.handle_async_request(request)) for _ in range(count)]
                await until(lambda: transport.connections["waiting"] == count)
                started = time.process_time()
                for waiter in reversed(waiters) if order == "newest first" else waiters:
                    waiter.cancel()
                await asyncio.wait(waiters)
                assert transport.connections["waiting"] == 0
                return time.process_time() - started

            # It is 10 if the queue is searched for each.
            assert await growth(leaving, 2_000, 10) < 4
            holder.cancel()
            await asyncio.wait([holder])

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert len(upstream.requests) == 1


@every_loop
def test_waiting_requests_are_served_in_order_after_others_were_cancelled(run: Run) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000, max_connections=1) as transport:
            calls = [
                asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target=f"/{i}")))
                for i in range(30)
            ]
            await until(lambda: transport.connections["waiting"] == 29)
            for call in calls[1::2]:
                call.cancel()
            go.set()
            await asyncio.wait(calls)

    def script(connection: UpstreamConnection) -> None:
        go.wait(GENEROUS)
        answering(answer())(connection)

    go = threading.Event()
    with ScriptedUpstream(script) as upstream:
        run(main())
    assert [request.split()[1] for request in upstream.requests] == [b"/%d" % i for i in range(0, 30, 2)]
